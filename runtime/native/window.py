"""Matrices and convolutions in one shape: which runs of neighboring elements each output reads.

Samples are `(rows, columns, groups, unit)` in memory: `unit` elements of one group of one place. An
output place reads, per run, `units` units that follow one another. A matrix is the case of one
place, one group and one run over everything. Weights are `(groups, runs, elements, out)`.
"""

from attrs import frozen

from snnc.ir.weights import Array
from snnc.runtime.semantics.windows import Geometry


@frozen
class Window:
    """The shape of a product; all that its code depends on besides the numbers."""

    groups: int
    unit: int
    size: tuple[int, int]
    out: tuple[int, int]
    stride: tuple[int, int]
    runs: tuple[int, ...]
    units: int
    channels: int

    @property
    def inputs(self) -> int:
        """Elements of a sample in one tick, zeros around it included."""
        return self.size[0] * self.size[1] * self.groups * self.unit

    @property
    def places(self) -> int:
        """Output places of a sample."""
        return self.out[0] * self.out[1]

    @property
    def length(self) -> int:
        """Elements of a run."""
        return self.units * self.unit

    @property
    def fan_in(self) -> int:
        """Elements that an output reads."""
        return len(self.runs) * self.length


def matrix_window(rows: int, inputs: int, outputs: int) -> Window:
    """Return the shape of products of some rows with a matrix."""
    return Window(1, inputs, (rows, 1), (rows, 1), (1, 1), (0,), 1, outputs)


def matrix_weights(w: Array) -> Array:
    """Return `(1, 1, in, out)` of a matrix `(out, in)`."""
    return w.T[None, None]


def convolution_window(
    groups: int, channels: int, size: tuple[int, ...], shape: Geometry, outputs: int
) -> Window:
    """Return the shape of a convolution over an input `size` with its zeros already around it."""
    height, width = _two(size)
    (rows, columns), (stride_y, stride_x) = _two(shape.kernel), _two(shape.stride)
    far_y, far_x = _two(shape.dilation)
    together = groups == 1 and far_x == 1
    runs = tuple(
        (y * far_y * width + x * far_x) * groups
        for y in range(rows)
        for x in range(1 if together else columns)
    )
    return Window(
        groups,
        channels // groups,
        (height, width),
        _two(shape.out),
        (stride_y, stride_x),
        runs,
        columns if together else 1,
        outputs // groups,
    )


def convolution_weights(w: Array, window: Window) -> Array:
    """Return `(groups, runs, elements, out)` of `(out, channels of a group, *kernel)`."""
    kernel = w.reshape(window.groups, window.channels, window.unit, -1)
    ordered = kernel.transpose(0, 3, 2, 1)  # groups, taps, unit, out
    return ordered.reshape(window.groups, len(window.runs), window.length, window.channels)


def _two(numbers: tuple[int, ...]) -> tuple[int, int]:
    """Return numbers of two axes; one axis is a row of an image of height 1."""
    first, second = numbers if len(numbers) == 2 else (1, numbers[0])
    return first, second
