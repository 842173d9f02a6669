"""The connections of PAIBox as ops: sparse where PAIBox keeps a kernel, dense where it is dense.

Matrices are written as PAIBox has them, `W[source, target]`; kernels `[out, in, ...]`, for
transposed convolutions too. Elements of a shape are in row-major order (channels first).
"""

from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.frontends.paibox.network import Population
from snnc.frontends.paibox.numbers import Shape
from snnc.ir.build import Builder
from snnc.ir.graph import Value
from snnc.ir.types import U1
from snnc.ir.weights import Array


def shaped(build: Builder, value: Value, shape: Shape) -> Value:
    """Return a value in another shape; itself where it has that shape."""
    return value if value.type.shape == shape else build.op("reshape", value, shape=shape)


def size_of(shape: Shape) -> int:
    """Return the number of elements."""
    return int(np.prod(shape))


def mismatch(name: str, found: str, wanted: str) -> SnncError:
    """Return the refusal of a link whose shapes do not fit."""
    return fail("paibox-shape", f"{name}: {found}, but {wanted}", help="make the shapes agree")


@frozen(eq=False)
class Dense:
    """All to all: one weight for all pairs, or a matrix `[sources, targets]`."""

    weights: Array

    def current(self, build: Builder, spikes: Value, target: Population, name: str) -> Value:
        """Add the product with the matrix."""
        sizes = (spikes.type.size, size_of(target.shape))
        if self.weights.ndim and self.weights.shape != sizes:
            raise mismatch(name, f"weights {self.weights.shape}", f"(sources, targets) are {sizes}")
        matrix = np.broadcast_to(self.weights, sizes).T
        flat = shaped(build, spikes, (sizes[0],))
        made = build.op("linear", flat, build.weight(name, matrix))
        return shaped(build, made, target.shape)


@frozen(eq=False)
class Diagonal:
    """One to one: one weight for all, or one per neuron."""

    weights: Array

    def current(self, build: Builder, spikes: Value, target: Population, name: str) -> Value:
        """Add the product, element by element."""
        size = size_of(target.shape)
        if spikes.type.size != size or self.weights.size not in (1, size):
            found = f"{spikes.type.size} sources and {self.weights.size} weights"
            raise mismatch(name, found, f"there are {size} targets")
        weights = self.weights.reshape(() if self.weights.size == 1 else target.shape)
        at_target = shaped(build, spikes, target.shape)
        return build.op("scale", at_target, build.weight(name, weights))


@frozen(eq=False)
class Rows:
    """A product with each row of a source of shape (n, k), or of its transpose: `W[k, m]`."""

    weights: Array
    transposed: bool = False

    def current(self, build: Builder, spikes: Value, target: Population, name: str) -> Value:
        """Add the product; a source with one axis has one row."""
        weights = build.weight(name, np.ascontiguousarray(self.weights.T))
        if self.transposed and len(spikes.type.shape) == 2:
            spikes = build.op("permute", spikes, order=(1, 0))
        if spikes.type.shape[-1] != self.weights.shape[0]:
            raise mismatch(name, f"weights {self.weights.shape}", f"rows are {spikes.type.shape}")
        made = build.op("linear", spikes, weights)
        if made.type.size != size_of(target.shape):
            raise mismatch(name, f"the product is {made.type.shape}", f"{target.shape} is wanted")
        return shaped(build, made, target.shape)


def rows(weights: Array, source: Shape) -> Rows:
    """Return the link of a matrix and a source as PAIBox reads it: the first axis that fits.

    A square source is transposed (paicore.md, section 7.2).
    """
    return Rows(weights, transposed=len(source) == 2 and source[0] == weights.shape[0])


@frozen(eq=False)
class Convolution:
    """A convolution with a kernel `[out, in per group, taps...]`.

    `cut`: keep the upper left part where the target is smaller, which PAIBox's simulation shows for
    a dilation: it checks shapes with it and leaves it out of the sum. The target is refused else.
    """

    kernel: Array
    stride: Shape
    padding: Shape
    groups: int = 1
    shape: Shape = ()
    cut: bool = False

    def current(self, build: Builder, spikes: Value, target: Population, name: str) -> Value:
        """Add the convolution of the source in its shape, or in the given one."""
        axes = self.kernel.ndim - 2
        made = build.op(
            f"conv{axes}d",
            shaped(build, spikes, self.shape or spikes.type.shape),
            build.weight(name, self.kernel),
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
        )
        wanted = target.shape if len(target.shape) == axes + 1 else made.type.shape
        for axis, size in enumerate(wanted):
            if size < made.type.shape[axis] and self.cut:
                made = build.op("slice", made, axis=axis, start=0, stop=size)
        return fitted(build, made, target, name)


def fitted(build: Builder, made: Value, target: Population, name: str) -> Value:
    """Return currents in the target's shape; refuse another number of them."""
    if made.type.size != size_of(target.shape):
        raise fail(
            "paibox-shape",
            f"{name} gives {made.type.shape}, but its target has shape {target.shape}",
            target.loc,
            help="PAIBox takes a dilation into account for shapes only: write the kernel with "
            "its zeros, or give steps=N for what PAIBox's simulation shows",
        )
    return shaped(build, made, target.shape)


@frozen(eq=False)
class Transposed:
    """A transposed convolution with a kernel `[out, in, taps...]`, as torch but for one case.

    Where padding and output padding meet, PAIBox has no weights for the rows that are added last.
    """

    kernel: Array
    stride: Shape
    padding: Shape
    output_padding: Shape
    shape: Shape = ()

    def current(self, build: Builder, spikes: Value, target: Population, name: str) -> Value:
        """Add the transposed convolution; with padding, what output padding adds is zeros."""
        kernel = np.ascontiguousarray(np.swapaxes(self.kernel, 0, 1))
        made = build.op(
            f"conv_transpose{self.kernel.ndim - 2}d",
            shaped(build, spikes, self.shape or spikes.type.shape),
            build.weight(name, kernel),
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
        )
        if any(self.padding) and any(self.output_padding):
            made = build.op("scale", made, build.weight(f"{name}.mask", self._mask(made), U1))
        return fitted(build, made, target, name)

    def _mask(self, made: Value) -> Array:
        """Return zeros where PAIBox has no weights: simulated and deployed, if unlike torch."""
        mask = np.zeros(made.type.shape, dtype=np.uint8)
        kept = [slice(n - e) for n, e in zip(mask.shape[1:], self.output_padding, strict=True)]
        mask[(slice(None), *kept)] = 1
        return mask


@frozen(eq=False)
class Window:
    """Pooling inside each channel: the sum of a window, or its maximum for such neurons."""

    kernel: Shape
    stride: Shape
    padding: Shape
    shape: Shape = ()
    sign: int = 1

    def current(self, build: Builder, spikes: Value, target: Population, name: str) -> Value:
        """Add the sum over each window, or the maximum."""
        made: Any = build.op(
            f"{'max' if target.largest else 'sum'}_pool{len(self.kernel)}d",
            shaped(build, spikes, self.shape or spikes.type.shape),
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
        )
        if self.sign < 0:
            made = build.op("scale", made, build.weight(name, np.asarray(self.sign, np.int8)))
        return fitted(build, made, target, name)
