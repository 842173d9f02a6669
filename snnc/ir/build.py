"""Builder: writes a graph op by op, with fresh names, inferred types and inherited locations.

    b = Builder("net", "snn")
    x = b.input("x", "u1[784]~")
    i = b.op("linear", x, b.weight("fc.w", array))
    s = b.op("neuron", i, threshold=1.0, reset="soft")
    module = b.finish(s)

Recurrence: `later = b.forward("s", type)` is used before `b.bind(later, value)` names its maker.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from attrs import evolve

from snnc.diagnostics import UNKNOWN, Location, fail, nearest
from snnc.ir.graph import Graph, Module, Op, Operand, Value, Weight
from snnc.ir.opset import REQUIRED, Attr, Call, OpSpec, Symbol, Word, level, lookup
from snnc.ir.types import Element, Type, parse_type
from snnc.ir.weights import Array, Tensor, tensor


class Builder:
    """Collects inputs, weights and ops of one module; `loc` is inherited by what is built."""

    def __init__(
        self,
        name: str,
        level: str,
        attrs: Mapping[str, Attr] | None = None,
        loc: Location = UNKNOWN,
    ) -> None:
        self.name, self.level, self.attrs, self.loc = name, level, dict(attrs or {}), loc
        self.weights: dict[str, Weight] = {}
        self.inputs: list[Value] = []
        self.ops: list[Op] = []
        self._names: set[str] = set()
        self._kept: frozenset[str] = frozenset()
        self._forward: dict[Value, Value | None] = {}

    @classmethod
    def like(cls, module: Module, level: str = "") -> "Builder":
        """Return a builder that starts with a module's name, attributes and weights."""
        builder = cls(module.name, level or module.level, module.attrs, module.loc)
        builder.weights.update(module.weights)
        return builder

    def fresh(self, hint: str, asked: bool = True) -> str:
        """Return an unused value name near `hint`, and take it; some wait for those who ask."""
        name, number = hint, 1
        while name in self._names or (name in self._kept and (name != hint or not asked)):
            name, number = f"{hint}_{number}", number + 1
        self._names.add(name)
        return name

    def input(self, name: str, type: Type | str, loc: Location = UNKNOWN) -> Value:
        """Add a graph input; its name is part of the interface, so a second use is refused."""
        if name in self._names:
            raise fail("duplicate-name", f"the name %{name} is used twice", loc)
        parsed = parse_type(type) if isinstance(type, str) else type
        value = Value(self.fresh(name), parsed, loc if loc.known else self.loc)
        self.inputs.append(value)
        return value

    def weight(
        self,
        name: str,
        data: Array | Tensor,
        element: Element | str | None = None,
        loc: Location = UNKNOWN,
    ) -> Symbol:
        """Add a weight and return its symbol; without `element`, the array's dtype decides.

        An element may be given by its name, such as `i4`.
        """
        if isinstance(element, str):
            element = parse_type(f"{element}[]", loc).element
        made = (
            data
            if isinstance(data, Tensor)
            else tensor(data, element or element_of(data, name, loc), loc, f"@{name}")
        )
        unique, number = name, 1
        while unique in self.weights:
            unique, number = f"{name}_{number}", number + 1
        self.weights[unique] = Weight(unique, made, loc if loc.known else self.loc)
        return Symbol(unique)

    def op(
        self, kind: str, *operands: Operand, name: str = "", loc: Location = UNKNOWN, **attrs: Any
    ) -> Value:
        """Add an op of this level and return its first result (see `ops[-1]` for all)."""
        return self.emit(kind, operands, attrs, loc=loc, names=(name,) if name else ()).result

    def emit(
        self,
        kind: str,
        operands: Iterable[Operand],
        attrs: Mapping[str, Any],
        *,
        loc: Location = UNKNOWN,
        names: Iterable[str] = (),
    ) -> Op:
        """Add an op: attributes checked and canonical, result types inferred, names made fresh."""
        full = kind if "." in kind else f"{self.level}.{kind}"
        place = loc if loc.known else self.loc
        given = tuple(operands)
        clean, _, types = check_call(full, given, attrs, place, self.weights)
        hints = [(n, True) for n in names] + [(full.partition(".")[2], False)] * len(types)
        named = zip(hints, types, strict=False)
        results = tuple(Value(self.fresh(*hint), t, place) for hint, t in named)
        op = Op(full, given, clean, results, place)
        _CHECKED[op] = _symbol_types(op, self.weights)
        self.ops.append(op)
        return op

    def again(self, op: Op, operands: Sequence[Operand]) -> Op | None:
        """Add an op over operands of the types that it was checked with; None for other types."""
        known = _CHECKED.get(op)
        types = [v.type for v in operands if isinstance(v, Value)]
        if known != _symbol_types(op, self.weights) or types != [v.type for v in op.values]:
            return None
        place = op.loc if op.loc.known else self.loc
        results = tuple(Value(self.fresh(r.name), r.type, place) for r in op.results)
        made = Op(op.name, tuple(operands), op.attrs, results, place)
        _CHECKED[made] = known
        self.ops.append(made)
        return made

    def append(self, op: Op) -> None:
        """Add an op that exists already, as it is."""
        self._names.update(r.name for r in op.results)
        self.ops.append(op)

    def forward(self, name: str, type: Type | str, loc: Location = UNKNOWN) -> Value:
        """Return a stand-in for a value that is made later; `bind` must follow."""
        parsed = parse_type(type) if isinstance(type, str) else type
        value = Value(name, parsed, loc if loc.known else self.loc)
        self._forward[value] = None
        return value

    def bind(self, later: Value, value: Value) -> None:
        """Say which value a stand-in stands for; the types must agree."""
        if later.type != value.type:
            raise fail(
                "type-mismatch", f"{later!r} was announced, but {value!r} was made", value.loc
            )
        self._forward[later] = value

    def finish(self, *outputs: Value, graph: str = "main") -> Module:
        """Return the module; raises for a stand-in never bound."""
        for later, value in self._forward.items():
            if value is None:
                raise fail("undefined-name", f"%{later.name} is used but never made", later.loc)
        swap = {k: v for k, v in self._forward.items() if v is not None}
        ops = tuple(_swapped(op, swap) for op in self.ops)
        built = Graph(
            graph, tuple(self.inputs), ops, tuple(_final(o, swap) for o in outputs), self.loc
        )
        used = {s.name for op in ops for s in op.symbols}
        weights = {n: w for n, w in self.weights.items() if n in used}
        level(self.level)
        return Module(self.name, self.level, self.attrs, weights, built, self.loc)


def _final(value: Value, swap: Mapping[Value, Value]) -> Value:
    while value in swap:
        value = swap[value]
    return value


def _swapped(op: Op, swap: Mapping[Value, Value]) -> Op:
    if not any(o in swap for o in op.values):
        return op
    operands = tuple(_final(o, swap) if isinstance(o, Value) else o for o in op.operands)
    return evolve(op, operands=operands)


def element_of(data: Array, name: str, loc: Location) -> Element:
    """Return the element of an array's own dtype; int64 and float64 narrow to i32 and f32."""
    from snnc.ir.types import F16, F32, I8, I16, I32, U1, U8, U16

    table = {
        "bool": U1,
        "int8": I8,
        "int16": I16,
        "int32": I32,
        "int64": I32,
        "uint8": U8,
        "uint16": U16,
        "float16": F16,
        "float32": F32,
        "float64": F32,
    }
    found = table.get(data.dtype.name)
    if found is None:
        raise fail(
            "weight-dtype",
            f"@{name} has dtype {data.dtype}, which no element holds",
            loc,
            help="convert it to int8, int32 or float32 first",
        )
    return found


_CHECKED: "WeakKeyDictionary[Op, tuple[Type | None, ...]]" = WeakKeyDictionary()
"""Ops whose call was checked when they were built, with the types of their symbols then."""


def is_checked(op: Op, weights: Mapping[str, Weight]) -> bool:
    """Whether an op's call was checked as it stands: results as inferred, equal symbol types."""
    return op in _CHECKED and _CHECKED[op] == _symbol_types(op, weights)


def _symbol_types(op: Op, weights: Mapping[str, Weight]) -> tuple[Type | None, ...]:
    return tuple([weights[s.name].type if s.name in weights else None for s in op.symbols])


def symbol_type(weights: Mapping[str, Weight], symbol: Symbol, loc: Location) -> Type:
    """Return the type of a symbol after its cut, or raise `undefined-name` / `bad-cut`."""
    if symbol.name not in weights:
        raise fail(
            "undefined-name",
            f"there is no weight @{symbol.name}",
            loc,
            help=nearest(symbol.name, list(weights)),
        )
    full = weights[symbol.name].type
    if not symbol.cut:
        return full
    cuts = symbol.cut + (None,) * (len(full.shape) - len(symbol.cut))
    if len(cuts) != len(full.shape) or any(
        c is not None and not 0 <= c[0] < c[1] <= n for c, n in zip(cuts, full.shape, strict=True)
    ):
        raise fail("bad-cut", f"{symbol} does not lie inside {list(full.shape)}", loc)
    return full.with_shape(symbol.shape(full.shape))


def check_call(
    name: str,
    operands: Sequence[Operand],
    attrs: Mapping[str, Any],
    loc: Location,
    weights: Mapping[str, Weight],
) -> tuple[dict[str, Any], list[Type], tuple[Type, ...]]:
    """Return what a call of an op amounts to: canonical attributes, operand and result types.

    Raises:
        SnncError: `unknown-op`, `unknown-attribute`, `bad-attribute`, `undefined-name`, `bad-cut`,
            and what `infer` raises.
    """
    spec = lookup(name, loc)
    clean = spec.stripped(check_attrs(spec, attrs, loc))
    types = [o.type if isinstance(o, Value) else symbol_type(weights, o, loc) for o in operands]
    results = infer(spec, types, clean, loc, weights)
    _check_kinds(spec, operands, loc)
    return clean, types, results


def _check_kinds(spec: OpSpec, operands: Sequence[Operand], loc: Location) -> None:
    """Refuse a value where a constant belongs, and a constant where a value does."""
    last = spec.operands[-1] if spec.operands else None
    for index, operand in enumerate(operands):
        declared = spec.operands[index] if index < len(spec.operands) else last
        if declared is not None and declared.constant == isinstance(operand, Value):
            shown = f"%{operand.name}" if isinstance(operand, Value) else str(operand)
            wanted = "a weight (@name)" if declared.constant else "a value (%name)"
            raise fail(
                "operand-kind", f"{spec.name}: {declared.name} must be {wanted}, not {shown}", loc
            )


def infer(
    spec: OpSpec,
    types: list[Type],
    attrs: Mapping[str, Any],
    loc: Location,
    weights: Mapping[str, Weight],
) -> tuple[Type, ...]:
    """Return the result types of a call of `spec` with operand types in order.

    Raises:
        SnncError: `operand-count`, `type-mismatch`, `missing-attribute`.
    """
    named: dict[str, Any] = {}
    rest = list(types)
    for operand in spec.operands:
        if operand.many:
            named[operand.name], rest = tuple(rest), []
        elif rest:
            named[operand.name] = rest.pop(0)
        elif operand.optional:
            named[operand.name] = None
    missing = [o.name for o in spec.operands if not o.optional and not named.get(o.name)]
    if rest or missing:
        names = ", ".join(
            o.name + ("..." if o.many else "?" if o.optional else "") for o in spec.operands
        )
        raise fail(
            "operand-count", f"{spec.name} takes ({names}), but {len(types)} were given", loc
        )
    for attr in spec.attrs:
        if attr.default is REQUIRED and attr.name not in attrs:
            raise fail("missing-attribute", f"{spec.name} needs {attr.name}: {attr.doc}", loc)
    result = spec.infer(Call(spec.name, named, spec.filled(attrs), loc))
    for key, value in attrs.items():
        if isinstance(value, Symbol) and _is_param(spec, key):
            _check_param(spec, key, symbol_type(weights, value, loc), result[0].shape, loc)
    return result


def _is_param(spec: OpSpec, name: str) -> bool:
    declared = spec.attr(name)
    return declared is not None and declared.kind == "param"


def _check_param(
    spec: OpSpec, key: str, given: Type, shape: tuple[int, ...], loc: Location
) -> None:
    if given.shape not in ((), (1,), shape[:1], shape):
        raise fail(
            "type-mismatch",
            f"{spec.name}: {key} {list(given.shape)} must have one value, one "
            f"per channel ({list(shape[:1])}) or one per neuron ({list(shape)})",
            loc,
        )


KINDS = {
    "param": "a finite number, or a weight @NAME",
    "symbol": "a weight @NAME",
    "float": "a finite number",
    "int": "an integer",
    "bool": "true or false",
    "word": "a word",
    "str": "a text in quotes",
    "ints": "a list of integers",
    "list": "a list",
    "dict": "{NAME = VALUE, ...}",
}
"""What messages call the kinds of attributes."""


def check_attrs(spec: OpSpec, attrs: Mapping[str, Any], loc: Location) -> dict[str, Any]:
    """Return attributes in canonical form (numpy scalars, lists and words converted).

    Raises:
        SnncError: `unknown-attribute` with the nearest name, `bad-attribute`.
    """
    clean: dict[str, Any] = {}
    for name, value in attrs.items():
        declared = spec.by_name.get(name)
        if declared is None:
            raise fail(
                "unknown-attribute",
                f"{spec.name} has no attribute {name!r}",
                loc,
                help=nearest(name, [a.name for a in spec.attrs]),
            )
        if value is None:
            continue
        kept = type(value) is _CANONICAL.get(declared.kind)
        converted = value if kept else _convert(declared.kind, value)
        if converted is None or (declared.choices and converted not in declared.choices):
            wanted = " or ".join(declared.choices) if declared.choices else KINDS[declared.kind]
            raise fail(
                "bad-attribute",
                f"{spec.name}: {name} = {value!r} is not {wanted}",
                loc,
                help=f"{name}: {declared.doc}",
            )
        clean[name] = converted
    return clean


_CANONICAL = {"int": int, "param": int, "bool": bool, "word": Word, "str": str, "symbol": Symbol}
"""The type that a value of a kind, most often, has already."""


def _convert(kind: str, value: Any) -> Any:
    """Return the canonical form of an attribute, or None where it does not fit its kind."""
    if kind == "ints" and type(value) is tuple and {*map(type, value)} <= {int}:
        return value
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind in ("param", "symbol") and isinstance(value, Symbol):
        return value
    if kind in ("param", "number", "float") and (whole or isinstance(value, float)):
        finite = value == value and value not in (float("inf"), float("-inf"))
        return (float(value) if kind == "float" else value) if finite else None
    if kind == "int" and whole:
        return value
    if (
        kind == "bool"
        and isinstance(value, (bool, str))
        and value in (True, False, "true", "false")
    ):
        return value in (True, "true")
    if kind == "word" and isinstance(value, str):
        return Word(value)
    if kind == "str" and isinstance(value, str):
        return str(value)
    if kind == "ints" and hasattr(value, "__iter__") and not isinstance(value, str):
        whole_ones = [hasattr(v, "__index__") and not isinstance(v, bool) for v in value]
        return tuple(int(v) for v in value) if all(whole_ones) else None
    if kind == "list" and isinstance(value, (list, tuple)):
        return tuple(value)
    if kind == "dict" and isinstance(value, Mapping):
        return dict(value)
    return None
