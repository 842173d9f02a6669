"""A graph at level `lynxi` being drawn from a module of torch: numbers, parameters, states."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import fail, named
from snnc.ir.build import Builder
from snnc.ir.graph import Value
from snnc.ir.types import F32, U1, Type
from snnc.ir.weights import Array

UNNAMED = "0"


class Graph(Builder):
    """The graph so far; `call` adds an op, `constant` and `number` what it reads."""

    def __init__(self, name: str, seed: int) -> None:
        super().__init__(name, "lynxi", {"profile": "f32"})
        self.seed = seed
        self.draws = 0
        self.bits: set[Value] = set()
        self._params: dict[str, Value] = {}
        self._arrays: dict[Value, Array] = {}
        self._open: dict[str, Value] = {}

    def call(self, kind: str, *operands: Value, **attrs: Any) -> Value:
        """Return the result of an op."""
        return self.op(f"lynxi.{kind}", *operands, name=UNNAMED, **attrs)

    def number(self, value: float, dtype: str = "float32") -> Value:
        """Return a number that stands in the text."""
        return self.op("scalar", name="scalar", value=float(value), dtype=dtype)

    def one(self, value: float = 1.0) -> Value:
        """Return a cast number, as the vendor's converter makes of constants of torch."""
        return self.call("cast", self.number(value), dtype="float32")

    def param(self, name: str, tensor: Any) -> Value:
        """Return a parameter of the function."""
        if name not in self._params:
            array = tensor.detach().cpu().numpy()
            array = array.reshape(array.shape or (1,))
            held = np.ascontiguousarray(array, np.float32)
            symbol = self.weight(name, held, F32)
            self._params[name] = self.op("param", symbol, name=symbol.name)
            self._arrays[self._params[name]] = held
        return self._params[name]

    def held(self, value: Value) -> Array | None:
        """Return the numbers of a parameter, None for what is computed."""
        return self._arrays.get(value)

    def image(self, array: Array, name: str = "image") -> Value:
        """Return a constant of the metadata section."""
        held = np.ascontiguousarray(array, np.float32)
        return self.op("constant", self.weight(name, held, F32), name="constant")

    def floats(self, value: Value) -> Value:
        """Return a value as float32; bits and draws are cast."""
        if value.type.element == F32:
            return value
        made = self.call("cast", value, dtype="float32")
        if value.type.element == U1:
            self.bits.add(made)
        return made

    def load(self, flag: str, initial: Any, place: Mapping[str, int]) -> Value:
        """Return a state at the beginning of the step.

        Raises:
            SnncError: `state-twice` for a flag that another state has.
        """
        if flag in self._open:
            raise fail(
                "state-twice",
                f"two states are called {flag!r}",
                named(flag),
                help="give load and save another flag; attributes are called by their path",
            )
        array = np.ascontiguousarray(initial.detach().cpu().numpy(), np.float32)
        held = self.image(array, f"{flag}.initial")
        first = self.call("reshape", held, newshape=array.shape)
        self._open[flag] = self.forward(flag, Type(F32, array.shape, 0))
        loaded = self.call("annotation.load", first, self._open[flag], flag=flag, **place)
        return self.call("cast", loaded, dtype="float32")

    def save(self, flag: str, value: Value, place: Mapping[str, int]) -> None:
        """Keep a value for the next step."""
        shaped = self.call("reshape", value, newshape=value.type.shape)
        self.bind(self._open[flag], self.call("annotation.save", shaped, flag=flag, **place))
