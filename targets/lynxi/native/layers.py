"""Products and pools, which an engine runs as networks of one op.

At level `snn` a sum is exact and rounded once, as it is here. Numbers that are whole go to the
engine as bits or bytes. What it has no machine code for runs by its kernel.

Weights of float16 that whole numbers are multiplied with are cut into few pieces whose sums float32
holds, so that the engine counts them as it counts all sums of spikes; together they are rounded.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError
from snnc.extend.engine import Engine, Program, notes_of
from snnc.ir.build import Builder
from snnc.ir.graph import Module
from snnc.ir.types import F16, F32, U1, U8, Element, train
from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import Binding
from snnc.targets.lynxi.emulation.exact import pieces

_DIGITS = 24
"""Bits of a float32."""

_MOST_PIECES = 3

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
        self._programs: dict[Element, tuple[Program, int] | None] = {}

    def run(self, x: Array, samples: int) -> Array:
        """Return the results `(rows, ...)` of rows `(samples ticks, 1, ...)`, of `kind`."""
        if not x.size:
            return self.plain(x)
        words = _words(x)
        found = self._program(ELEMENTS[words.dtype.name])
        if found is None:
            return self.plain(x)
        program, count = found
        rows = words.view(np.uint8) if words.dtype == np.bool_ else words
        try:
            made = program.run({"x": rows.reshape(samples, -1, *self.shape.given)}).outputs["y"]
        except SnncError:
            return self.plain(x)  # Infinite numbers are errors at `snn`.
        if count > 1:
            made = self._together(made, count)
        with np.errstate(over="ignore"):
            return made.reshape(-1, 1, *made.shape[2:]).astype(self.kind, copy=False)

    def _together(self, made: Array, count: int) -> Array:
        """Return the sums of all pieces, which lie behind one another along the channels."""
        axis = made.ndim - 1 if self.shape.op == "linear" else 2
        shape = (*made.shape[:axis], count, -1, *made.shape[axis + 1 :])
        return np.asarray(made.reshape(shape).sum(axis=axis, dtype=np.float64))

    def _fits(self, module: Module) -> bool:
        """Return whether results are rounded to `kind`, or whole."""
        found = module.graph.outputs[0].type.element
        return not found.is_float or found.storage == self.kind

    def _program(self, element: Element) -> tuple[Program, int] | None:
        """Return the program for an element, and in how many pieces its sums come."""
        if element not in self._programs:
            self._programs[element] = self._made(element)
        return self._programs[element]

    def _made(self, element: Element) -> tuple[Program, int] | None:
        cut = self._pieces(element)
        for weights in (cut, [self.weights]) if cut else ([self.weights],):
            try:
                module = self._module(element, weights)
                program = self.engine.prepare(module)
            except SnncError:
                continue  # Something that `snn` refuses, such as no number.
            if (weights is cut or self._fits(module)) and not notes_of(program):
                return program, len(weights)
        return None

    def _pieces(self, element: Element) -> list[Array | None]:
        """Return float32 weights whose sums float32 holds, none where that is not worth it."""
        w, groups = self.weights, self.shape.attrs.get("groups", 1)
        plain = self.shape.op in ("linear", "conv1d", "conv2d") and groups == 1
        if w is None or self.kind != np.float16 or element.is_float or not plain:
            return []
        terms = w[0].size * element.high
        digits = _DIGITS - max(terms - 1, 0).bit_length()
        found = pieces(w.astype(np.float64), digits) if digits > 0 else []
        return [p.astype(np.float32) for p in found] if len(found) <= _MOST_PIECES else []

    def _module(self, element: Element, weights: Sequence[Array | None]) -> Module:
        b = Builder("layer", "snn")
        x = b.input("x", train(element, *self.shape.given))
        held = [w for w in weights if w is not None]
        symbols = [b.weight("w", np.concatenate(held))] if held else []
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
