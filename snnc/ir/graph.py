"""The program: values, symbols, ops, graph, module. Flat, immutable, rebuilt by passes.

A graph is a list of ops in text order; every op reads this tick's values, so order is only for
reading, and recurrence is legal where it passes through a `delay`. Values are compared by
identity; their names are for people (and unique within a module).
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from snnc.diagnostics import Location
from snnc.ir.html import table
from snnc.ir.opset import Attr, OpSpec, Symbol, lookup
from snnc.ir.types import Type
from snnc.ir.weights import Array, Tensor


@frozen(eq=False)
class Value:
    """A typed value: a graph input or the result of one op."""

    name: str
    type: Type
    loc: Location

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


Operand = Value | Symbol
T = TypeVar("T")


def _frozen_attrs(attrs: Mapping[str, Attr]) -> Mapping[str, Attr]:
    return attrs if isinstance(attrs, MappingProxyType) else MappingProxyType(dict(attrs))


@frozen(eq=False)
class Op:
    """One operation; `attrs` holds only what differs from the declared defaults.

    `kind` is the name without its level: `conv2d` of `int.conv2d`; `values` are the operands that
    are values; `symbols` all symbols of operands and attributes, in order.
    """

    name: str
    operands: tuple[Operand, ...]
    attrs: Mapping[str, Attr] = field(converter=_frozen_attrs)
    results: tuple[Value, ...]
    loc: Location
    kind: str = field(init=False)
    values: tuple[Value, ...] = field(init=False)
    symbols: tuple[Symbol, ...] = field(init=False)
    _filled: dict[str, Attr] = field(init=False, factory=dict, repr=False)

    @kind.default
    def _kind(self) -> str:
        return self.name.partition(".")[2]

    @values.default
    def _values(self) -> tuple[Value, ...]:
        return tuple([o for o in self.operands if isinstance(o, Value)])

    @symbols.default
    def _symbols(self) -> tuple[Symbol, ...]:
        found = [o for o in self.operands if isinstance(o, Symbol)]
        return tuple(found + [a for a in self.attrs.values() if isinstance(a, Symbol)])

    @property
    def spec(self) -> OpSpec:
        """The declaration of this op."""
        return lookup(self.name)

    @property
    def filled(self) -> Mapping[str, Attr]:
        """All attributes, with their defaults."""
        if not self._filled:
            self._filled.update(lookup(self.name).filled(self.attrs))
        return self._filled

    def __getitem__(self, attr: str) -> Any:
        """Return an attribute, or its declared default; KeyError for a name not declared."""
        return (self._filled or self.filled)[attr]

    @property
    def result(self) -> Value:
        """The first result."""
        return self.results[0]

    def __repr__(self) -> str:
        return f"<{self.name} -> {', '.join(repr(r) for r in self.results)}>"


@frozen(eq=False)
class Graph:
    """Inputs, ops in text order, and the values returned."""

    name: str
    inputs: tuple[Value, ...]
    ops: tuple[Op, ...]
    outputs: tuple[Value, ...]
    loc: Location


@frozen(eq=False)
class Weight:
    """A named tensor of a module."""

    name: str
    tensor: Tensor
    loc: Location

    @property
    def type(self) -> Type:
        """Element and shape."""
        return self.tensor.type


@frozen(eq=False)
class Module:
    """A program at one level with its weights; `attrs` are free (for example `ticks = 16`)."""

    name: str
    level: str
    attrs: Mapping[str, Attr] = field(converter=_frozen_attrs)
    weights: Mapping[str, Weight]
    graph: Graph
    loc: Location
    _answers: dict[object, Any] = field(init=False, factory=dict, repr=False)

    def once(self, key: object, make: "Callable[[Module], T]") -> T:
        """Return what `make` makes of the module, made when first asked for by this key."""
        if key not in self._answers:
            self._answers[key] = make(self)
        found: T = self._answers[key]
        return found

    def tensor(self, symbol: Symbol) -> Array:
        """Return the (read-only) array of a symbol, its cut applied."""
        array = self.weights[symbol.name].tensor.array()
        return array[symbol.slices(array.shape)] if symbol.cut else array

    def symbol_type(self, symbol: Symbol) -> Type:
        """Return the type of a symbol after its cut."""
        type = self.weights[symbol.name].type
        if not symbol.cut:
            return type
        return type.with_shape(symbol.shape(type.shape))

    def with_graph(self, graph: Graph) -> "Module":
        """Return this module with another graph."""
        return evolve(self, graph=graph)

    def ops(self, *kinds: str) -> Iterator[Op]:
        """Yield the ops, or those of some kinds."""
        for op in self.graph.ops:
            if not kinds or op.kind in kinds:
                yield op

    def __repr__(self) -> str:
        types = ", ".join(repr(v) for v in self.graph.inputs)
        return (
            f"<snnc module @{self.name}, level {self.level}, {len(self.graph.ops)} ops, ({types})>"
        )

    def _repr_html_(self) -> str:
        values = {f"%{v.name}": f"input, {v.type}" for v in self.graph.inputs}
        ops = {", ".join(f"%{r.name}" for r in op.results): op.name for op in self.graph.ops}
        returned = ", ".join(f"%{v.name}" for v in self.graph.outputs)
        return table(f"@{self.name}, level {self.level}", values | ops | {"return": returned})
