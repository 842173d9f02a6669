"""Products and pools, which an engine runs as networks of one op.

At level `snn` a sum is exact and rounded once, as it is here. Numbers that are whole go to the
engine as bits or bytes. What it has no machine code for runs by its kernel.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError
from snnc.extend.engine import Engine, Program, notes_of
from snnc.ir.build import Builder
from snnc.ir.graph import Module
from snnc.ir.types import F16, F32, U1, U8, Element, train
from snnc.ir.weights import Array
from snnc.targets.lynxi.records import Binding

ELEMENTS = {"bool": U1, "uint8": U8, "float16": F16, "float32": F32}


@frozen
class Shape:
    """A layer without its numbers: the op of `snn`, its attributes, and what it reads."""

    op: str
    attrs: Mapping[str, Any]
    given: tuple[int, ...]


def shape_of(binding: Binding, given: tuple[int, ...]) -> Shape | None:
    """Return the layer that a binding is, None where `snn` has none; `given` is what it reads."""
    attrs = binding.attrs
    if not given or given[0] != 1 or attrs.get("ceil_mode"):
        return None
    if binding.op == "nn.dense":
        return Shape("linear", {}, given[1:])
    kind = binding.op.removeprefix("nn.")
    found: dict[str, Any] = {
        "stride": tuple(attrs.get("strides") or ()),
        "padding": tuple(attrs.get("padding") or ()),
        "dilation": tuple(attrs.get("dilation") or ()),
    }
    if kind in ("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"):
        found["kernel"] = tuple(attrs["pool_size"])
        if kind.startswith("avg"):
            found["count_padding"] = bool(attrs.get("count_include_pad", False))
        return Shape(kind, found, given[1:])
    found["groups"] = int(attrs.get("groups", 1))
    if kind in ("conv1d_transpose", "conv2d_transpose"):
        found["output_padding"] = tuple(attrs.get("output_padding") or ())
        return Shape(f"conv_transpose{kind[4]}d", found, given[1:])
    return Shape(kind, found, given[1:]) if kind in ("conv1d", "conv2d") else None


class Layer:
    """A layer on an engine; `plain` is its kernel, which runs what the engine has no code for."""

    def __init__(
        self,
        engine: Engine,
        shape: Shape,
        weights: Array | None,
        kind: np.dtype,
        plain: Callable[[Array], Array],
    ) -> None:
        self.engine, self.shape, self.weights = engine, shape, weights
        self.kind, self.plain = kind, plain
        self._programs: dict[Element, Program | None] = {}

    def run(self, x: Array, samples: int) -> Array:
        """Return the results `(rows, ...)` of rows `(samples ticks, 1, ...)`, of `kind`."""
        if not x.size:
            return self.plain(x)
        words = _words(x)
        program = self._program(ELEMENTS[words.dtype.name])
        if program is None:
            return self.plain(x)
        rows = words.view(np.uint8) if words.dtype == np.bool_ else words
        try:
            made = program.run({"x": rows.reshape(samples, -1, *self.shape.given)}).outputs["y"]
        except SnncError:
            return self.plain(x)  # Infinite numbers are errors at `snn`.
        return made.reshape(-1, 1, *made.shape[2:]).astype(self.kind, copy=False)

    def _fits(self, module: Module) -> bool:
        """Return whether results are rounded to `kind`, or whole."""
        found = module.graph.outputs[0].type.element
        return not found.is_float or found.storage == self.kind

    def _program(self, element: Element) -> Program | None:
        if element not in self._programs:
            try:
                module = self._module(element)
                program = self.engine.prepare(module)
                good = self._fits(module) and not notes_of(program)
            except SnncError:
                good = False  # Something that `snn` refuses, such as no number.
            self._programs[element] = program if good else None
        return self._programs[element]

    def _module(self, element: Element) -> Module:
        b = Builder("layer", "snn")
        x = b.input("x", train(element, *self.shape.given))
        symbols = [] if self.weights is None else [b.weight("w", self.weights)]
        return b.finish(b.op(self.shape.op, x, *symbols, name="y", **self.shape.attrs))


def _words(x: Array) -> Array:
    """Return whole numbers that fit a byte as bits or bytes, other numbers as they are."""
    words = x
    if x.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            words = x.astype(np.uint8)
        if not np.array_equal(words, x):
            return x
    bits = words.dtype == np.uint8 and words.max(initial=0) <= 1
    return np.ascontiguousarray(words.view(np.bool_) if bits else words)
