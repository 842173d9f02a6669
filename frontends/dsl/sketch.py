"""The module being built: its level, its ops, and the names that values will have.

The level rule: a file that says `level int` or `level snn` has that level. Otherwise the network is
`int` if no real number meets it: building starts at `int`, and the first real number (or construct
that only `snn` has) raises `NeedsReal`, whereupon it is built again at `snn`, remembering why.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import Location, SnncError, fail
from snnc.frontends.dsl.constants import Array
from snnc.ir.build import Builder, element_of
from snnc.ir.graph import Graph, Module, Op, Operand, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import F32, I8, I16, I32, Element
from snnc.ir.weights import Array as Numbers
from snnc.ir.weights import check_values

OP_LIMIT = 100_000
VALUE_LIMIT = 2**28
EXACT_IN_F32 = 2**24


@frozen
class Choice:
    """A level, whether the file names it, and the reason if it does not."""

    level: str
    stated: bool
    reason: str
    loc: Location


class NeedsReal(Exception):
    """Something that only level `snn` can hold was met while building at `int` on trial."""

    def __init__(self, reason: str, loc: Location) -> None:
        super().__init__(reason)
        self.reason, self.loc = reason, loc


class Sketch:
    """Collects ops at one level; `target` is the name of the value being made."""

    def __init__(self, name: str, choice: Choice, attrs: Mapping[str, Any], loc: Location) -> None:
        self.choice = choice
        self.builder = Builder(name, choice.level, attrs, loc)
        self.target = ""
        self.fixed: Location | None = None
        self.wanted: dict[Value, str] = {}
        self._symbols: dict[tuple[int, str], tuple[Numbers, Symbol]] = {}

    @property
    def level(self) -> str:
        """The level being built."""
        return self.choice.level

    def below(self, part: str) -> str:
        """Return the name of a part of what is being made: `hidden.w`."""
        lead = self.target.removesuffix(".")
        return f"{lead}.{part}" if lead else part

    def needs_real(self, reason: str, loc: Location, code: str = "not-an-integer") -> NoReturn:
        """Give up `int` for `snn`, or refuse where the file says `level int`."""
        if self.choice.stated:
            raise fail(
                code,
                f"{reason}, but the file says level int",
                loc,
                help="use integers, or write `level snn` and quantize on the way to a chip",
            )
        raise NeedsReal(reason, loc)

    def int_only(self, what: str, loc: Location) -> SnncError:
        """Return the error for a construct that level `snn` does not have, with the reason."""
        note = f"level snn because {self.choice.reason} ({self.choice.loc})"
        return fail(
            "wrong-level",
            f"{what} exists at level int only, and this network is at level snn",
            loc,
            notes=[] if self.choice.stated else [note],
            help="make every weight and parameter an integer"
            + ("; or write `level int`" if self.choice.stated else ""),
        )

    def number(self, value: int | float, loc: Location, what: str) -> int | float:
        """Return a parameter as this level holds it: an int at `int`, a float at `snn`."""
        if self.level == "snn":
            return float(value)
        if isinstance(value, float) and not (self.choice.stated and value.is_integer()):
            self.needs_real(f"{what} = {value!r} is a real number", loc)
        return int(value)

    def symbol(
        self, array: Array, hint: str, loc: Location, element: Element | None = None
    ) -> Symbol:
        """Return the symbol of a constant; equal arrays from one place share a weight.

        Raises:
            SnncError: `not-an-integer`, `weight-range`, `weight-not-finite`, `weight-dtype`.
        """
        name = "".join(c if c.isalnum() or c in "._" else "_" for c in array.name or hint)
        data = self._converted(array.data, name, loc) if element is None else array.data
        made = element or self._element(data, name, loc)
        key = (id(array.data), str(made))
        if key not in self._symbols:
            symbol = self.builder.weight(name, data, made, loc=self.fixed or loc)
            self._symbols[key] = (array.data, symbol)
        return self._symbols[key][1]

    def _converted(self, data: Numbers, name: str, loc: Location) -> Numbers:
        whole = data.dtype.kind in "biu"
        check_values(data, F32, loc, name)
        if self.level == "int":
            if whole:
                return data
            if self.choice.stated and bool((data == np.round(data)).all()):
                return data.astype(np.float64)
            self.needs_real(f"@{name} holds real numbers ({data.dtype})", loc)
        beyond = np.abs(data.astype(np.float64)).max(initial=0)
        if beyond > (EXACT_IN_F32 if whole else float(np.finfo(np.float32).max)):
            raise fail(
                "weight-range", f"@{name} reaches {beyond:g}, which f32 does not hold exactly", loc
            )
        return data.astype(np.float32)

    def _element(self, data: Numbers, name: str, loc: Location) -> Element:
        if data.dtype.kind == "f" and self.level == "snn":
            return F32
        if data.dtype.name not in ("int64", "uint64", "uint32", "float64"):
            return element_of(data, name, loc)
        low, high = data.min(initial=0), data.max(initial=0)
        fits = [e for e in (I8, I16) if e.low <= low and high <= e.high]
        return fits[0] if fits else I32

    def emit(
        self, kind: str, operands: Sequence[Operand], attrs: Mapping[str, Any], loc: Location
    ) -> tuple[Value, ...]:
        """Add an op and return its results, named after the target until it is assigned."""
        if len(self.builder.ops) >= OP_LIMIT:
            raise fail("too-large", f"the network has more than {OP_LIMIT} ops", loc)
        names = [self.below(kind), self.below("v")]
        place = self.fixed or loc
        results = self.builder.emit(kind, operands, attrs, loc=place, names=names).results
        if results[0].type.size > VALUE_LIMIT:
            raise fail(
                "too-large",
                f"a value of {results[0].type.size} elements is beyond the limit of {VALUE_LIMIT}",
                place,
            )
        return results

    def op(self, kind: str, *operands: Operand, loc: Location, **attrs: Any) -> Value:
        """Add an op with one result of interest."""
        return self.emit(kind, operands, attrs, loc)[0]

    def finish(self, outputs: Sequence[Value]) -> Module:
        """Return the module, its values renamed: inputs first, then outputs, then the rest."""
        module = self.builder.finish(*outputs)
        for value in module.graph.outputs:
            if value not in module.graph.inputs:
                self.wanted.setdefault(value, "out")
        return _renamed(module, self.wanted)


def _renamed(module: Module, wanted: Mapping[Value, str]) -> Module:
    graph = module.graph
    made = [r for op in graph.ops for r in op.results]
    order = [*graph.inputs, *dict.fromkeys(o for o in graph.outputs if o in set(made)), *made]
    taken: set[str] = set()
    new: dict[Value, Value] = {}
    for value in dict.fromkeys(order):
        hint = wanted.get(value, value.name)
        name, number = hint, 1
        while name in taken:
            name, number = f"{hint}_{number}", number + 1
        taken.add(name)
        new[value] = value if name == value.name else evolve(value, name=name)

    def moved(op: Op) -> Op:
        operands = tuple(new[o] if isinstance(o, Value) else o for o in op.operands)
        return evolve(op, operands=operands, results=tuple(new[r] for r in op.results))

    return module.with_graph(
        Graph(
            graph.name,
            tuple(new[v] for v in graph.inputs),
            tuple(moved(op) for op in graph.ops),
            tuple(new[v] for v in graph.outputs),
            graph.loc,
        )
    )
