"""A lynxi graph being drawn: a builder that knows numbers, parameters, states and common idioms.

Values are float32 behind a batch axis of size 1. Names of the program are kept where a value has
one; everything else is called by a digit, which `place` turns into its number.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import F32, Type
from snnc.ir.weights import Array
from snnc.targets.lynxi.ops import LEVEL

UNNAMED = "0"

PROGRAM = "program."
"""Stands before a name of the program that begins with a digit, as numbers of bindings do."""


class Sketch(Builder):
    """The graph so far; every op that is added returns its value."""

    def __init__(self, module: Module, attrs: dict[str, Any]) -> None:
        super().__init__(module.name, LEVEL.name, attrs, module.loc)
        self._scalars: dict[float, Value] = {}
        self._params: dict[str, Value] = {}
        self._open: dict[str, Value] = {}
        self._known = {r.name for op in module.graph.ops for r in op.results}
        self._flags = {f"{op.result.name}.v" for op in module.ops("neuron")} - self._known
        self._names |= self._known | self._flags
        returned = {v.name for v in module.graph.outputs}
        self._names |= returned
        self._known -= returned

    def call(self, kind: str, *operands: Value, name: str = "", **attrs: Any) -> Value:
        """Return the result of an op; a name of the program is given once, to its value."""
        label = UNNAMED
        if self._released(name):
            label = PROGRAM + name if name[:1].isdigit() else name
        return self.op(f"lynxi.{kind}", *operands, name=label, **attrs)

    def _released(self, name: str) -> bool:
        """Whether a name of the program is still free; then it may be used once."""
        known = next((names for names in (self._known, self._flags) if name in names), None)
        if known is not None:
            known.remove(name)
            self._names.remove(name)
        return known is not None

    def take(self, value: Value) -> Value:
        """Add an input of the graph for a value of the program that the host sends."""
        self._released(value.name)
        return self.input(value.name, value.type, value.loc)

    def scalar(self, value: float) -> Value:
        """Return a number, rounded to float32."""
        held = float(str(np.float32(value))) + 0.0
        if held not in self._scalars:
            self._scalars[held] = self.op("scalar", name="scalar", value=held, dtype="float32")
        return self._scalars[held]

    def param(self, name: str, array: Array) -> Value:
        """Return a parameter of the function; one of a name is made once.

        Raises:
            SnncError: `weight-inexact` for integers that float32 does not hold.
        """
        if name not in self._params:
            held = array.astype(np.float32)
            if array.dtype.kind in "iu" and (held.astype(np.float64) != array).any():
                raise fail(
                    "weight-inexact",
                    f"@{name} has whole numbers beyond 2^24, which float32 does not hold",
                    self.loc,
                    help="scale the weights down",
                )
            symbol = self.weight(name, held, F32)
            self._params[name] = self.op("param", symbol, name=symbol.name)
        return self._params[name]

    def load(self, flag: str, image: Array) -> Value:
        """Return a state at the beginning of a tick; its first value is `image`, with batch axis.

        What it was a tick ago is given to `save`.
        """
        held = self.op("constant", self.weight(f"{flag}.initial", image, F32), name="constant")
        first = self.call("reshape", held, newshape=image.shape)
        saved = self.forward(flag, Type(F32, image.shape, 0))
        self._open[flag] = saved
        loaded = self.call("annotation.load", first, saved, flag=flag)
        return self.call("cast", loaded, dtype="float32")

    def save(self, flag: str, value: Value) -> None:
        """Keep a value as the state of the next tick."""
        shaped = self.call("reshape", value, name=flag, newshape=value.type.shape)
        self.bind(self._open.pop(flag), self.call("annotation.save", shaped, flag=flag))

    def bits(self, kind: str, x: Value, y: Value, name: str = "") -> Value:
        """Return a comparison as 0.0 and 1.0."""
        return self.call("cast", self.call(kind, x, y), name=name, dtype="float32")

    def unless(self, bits: Value) -> Value:
        """Return 1 where a bit is 0."""
        return self.call("subtract", self.scalar(1.0), bits)

    def where(self, bits: Value, x: Value | None, y: Value) -> Value:
        """Return x where a bit is 1, else y; no x means 0. Exact for finite numbers."""
        kept = self.call("multiply", y, self.unless(bits))
        return kept if x is None else self.call("add", self.call("multiply", bits, x), kept)

    def finish_with(self, outputs: Sequence[tuple[Value, Value]], graph: str) -> Module:
        """Return the module, its outputs being (value of the program, value here)."""
        made = []
        for old, new in outputs:
            options: dict[str, Any] = {"shape": old.type.shape}
            options["element"] = old.type.element.name
            self._names.discard(old.name)
            made.append(self.op("result", new, name=old.name, **options))
        return self.finish(*made, graph=graph)


def symbol_name(symbol: Symbol) -> str:
    """Return a name for a weight after its cut."""
    cuts = ["" if c is None else f"{c[0]}_{c[1]}" for c in symbol.cut]
    return ".".join([symbol.name, *cuts])
