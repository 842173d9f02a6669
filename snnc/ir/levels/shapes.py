"""Result shapes of the ops that `snn` and `int` share: arithmetic on shapes, no numbers of weights.

Shapes are those of one value of one sample: no batch, no time. Convolutions and pools are
channels first; windows and sizes follow the definitions of torch.
"""

from collections.abc import Sequence
from typing import Any

from snnc.ir.opset import Call
from snnc.ir.types import Type

Shape = tuple[int, ...]


def padding_of(call: Call, axes: int) -> tuple[tuple[int, int], ...]:
    """Return (before, after) per axis of `padding`: one number each, or befores then afters."""
    padding = tuple(call["padding"]) or (0,) * axes
    if len(padding) == axes:
        padding = padding * 2
    if len(padding) != 2 * axes or min(padding) < 0:
        raise call.refuse(f"padding {list(padding)} needs {axes} or {2 * axes} numbers >= 0")
    return tuple(zip(padding[:axes], padding[axes:], strict=True))


def per_axis(call: Call, name: str, axes: int, default: Sequence[int] = ()) -> Shape:
    """Return an attribute with one positive number per axis (`default` where it is empty)."""
    given = tuple(call[name]) or tuple(default) or (1,) * axes
    if len(given) != axes or min(given) < 1:
        raise call.refuse(f"{name} {list(given)} needs {axes} numbers >= 1")
    return given


def windows(
    call: Call, sizes: Shape, kernel: Shape, axes: int, stride: Sequence[int] = ()
) -> Shape:
    """Return how many windows fit along each axis."""
    steps, dilation = per_axis(call, "stride", axes, stride), per_axis(call, "dilation", axes)
    out = []
    for n, k, s, d, (before, after) in zip(
        sizes, kernel, steps, dilation, padding_of(call, axes), strict=True
    ):
        room = n + before + after - d * (k - 1) - 1
        if room < 0:
            raise call.refuse(
                f"a window of {d * (k - 1) + 1} does not fit into {n} + padding {before + after}",
                help="use a smaller kernel or dilation, or more padding",
            )
        out.append(room // s + 1)
    return tuple(out)


def linear(call: Call) -> Shape:
    """`x[..., in]` with `w[out, in]` gives `[..., out]`."""
    x, w = call.types["x"], call.types["w"]
    if len(w.shape) != 2 or not x.shape or x.shape[-1] != w.shape[1]:
        raise call.refuse(
            f"input {list(x.shape)} does not match weights {list(w.shape)} (out, in)",
            help="the last axis of the input must equal the second axis of the weights; "
            "reshape the input, or transpose the weights",
        )
    check_bias(call, w.shape[0])
    return (*x.shape[:-1], w.shape[0])


def check_bias(call: Call, channels: int) -> None:
    """Refuse a bias that is not one value per output channel."""
    bias = call.types.get("bias")
    if bias is not None and bias.shape != (channels,):
        raise call.refuse(
            f"bias {list(bias.shape)} needs one value for each of {channels} channels"
        )


def convolution(call: Call, axes: int) -> Shape:
    """`x[C, *sizes]` with `w[O, C/groups, *kernel]` gives `[O, *windows]` (as torch)."""
    x, w, groups = call.types["x"], call.types["w"], call["groups"]
    if len(x.shape) != axes + 1 or len(w.shape) != axes + 2:
        raise call.refuse(
            f"input {list(x.shape)} needs {axes + 1} axes (channels first) and weights "
            f"{list(w.shape)} need {axes + 2} (out, in per group, kernel)"
        )
    if groups < 1 or x.shape[0] != w.shape[1] * groups or w.shape[0] % groups:
        raise call.refuse(
            f"{x.shape[0]} input channels and {w.shape[0]} output channels do not divide into "
            f"{groups} groups of {w.shape[1]} inputs"
        )
    check_bias(call, w.shape[0])
    return (w.shape[0], *windows(call, x.shape[1:], w.shape[2:], axes))


def transposed(call: Call, axes: int) -> Shape:
    """`x[C, *sizes]` with `w[C, O/groups, *kernel]` gives `[O, *sizes]`, as torch."""
    x, w, groups = call.types["x"], call.types["w"], call["groups"]
    if len(x.shape) != axes + 1 or len(w.shape) != axes + 2:
        raise call.refuse(
            f"input {list(x.shape)} needs {axes + 1} axes (channels first) and weights "
            f"{list(w.shape)} need {axes + 2} (in, out per group, kernel)"
        )
    if groups < 1 or x.shape[0] != w.shape[0] or x.shape[0] % groups:
        raise call.refuse(
            f"{x.shape[0]} channels do not match weights {list(w.shape)}, groups {groups}"
        )
    stride, dilation = per_axis(call, "stride", axes), per_axis(call, "dilation", axes)
    extra = tuple(call["output_padding"]) or (0,) * axes
    sizes = []
    for n, k, s, d, e, (before, after) in zip(
        x.shape[1:], w.shape[2:], stride, dilation, extra, padding_of(call, axes), strict=True
    ):
        if not 0 <= e < max(s, d):
            raise call.refuse(f"output_padding {e} must be below stride {s} or dilation {d}")
        size = (n - 1) * s - before - after + d * (k - 1) + e + 1
        if size < 1:
            raise call.refuse(f"padding {before + after} leaves no output of {n} inputs")
        sizes.append(size)
    check_bias(call, w.shape[1] * groups)
    return (w.shape[1] * groups, *sizes)


def pool(call: Call, axes: int) -> Shape:
    """`x[C, *sizes]` gives `[C, *windows]`; the stride is the kernel where it is not given."""
    x = call.types["x"]
    if len(x.shape) != axes + 1:
        raise call.refuse(f"input {list(x.shape)} needs {axes + 1} axes (channels first)")
    kernel = per_axis(call, "kernel", axes)
    for k, (before, after) in zip(kernel, padding_of(call, axes), strict=True):
        if max(before, after) > k // 2:
            raise call.refuse(f"padding {max(before, after)} is more than half of the window {k}")
    return (x.shape[0], *windows(call, x.shape[1:], kernel, axes, stride=kernel))


def per_channel(call: Call, name: str, shape: Shape, given: Any) -> None:
    """Refuse a constant that is not one value, one per channel (axis 0) or one per element."""
    if given.shape not in ((), (1,), shape[:1], shape):
        raise call.refuse(
            f"{name} {list(given.shape)} must have one value, one per channel ({list(shape[:1])}) "
            f"or one per element ({list(shape)})"
        )


def elementwise(call: Call) -> Shape:
    """All operands have the same shape, which is the result's."""
    types: list[Type] = (
        [*call.types["a"]] if "a" in call.types else [call.types["x"], call.types["y"]]
    )
    for other in types[1:]:
        if other.shape != types[0].shape:
            raise call.refuse(
                f"shapes {list(types[0].shape)} and {list(other.shape)} differ",
                help="operands are added element by element; reshape or pad one of them",
            )
    return types[0].shape


def concat(call: Call) -> Shape:
    """Operands agree in every axis but `axis`."""
    types, axis = call.types["a"], call["axis"]
    first = types[0].shape
    if not 0 <= axis < len(first):
        raise call.refuse(f"axis {axis} is outside a value of {len(first)} axes")
    for other in types[1:]:
        if len(other.shape) != len(first) or any(
            m != n for i, (m, n) in enumerate(zip(first, other.shape, strict=True)) if i != axis
        ):
            raise call.refuse(f"{list(first)} and {list(other.shape)} differ outside axis {axis}")
    return (*first[:axis], sum(t.shape[axis] for t in types), *first[axis + 1 :])


def reshape(call: Call) -> Shape:
    """The same elements in row-major order."""
    shape, x = tuple(call["shape"]), call.types["x"]
    if x.with_shape(shape).size != x.size or any(n < 1 for n in shape):
        raise call.refuse(f"{list(x.shape)} has {x.size} elements and cannot become {list(shape)}")
    return shape


def permute(call: Call) -> Shape:
    """Axis i of the result is axis `order[i]` of the input."""
    order, x = tuple(call["order"]), call.types["x"]
    if sorted(order) != list(range(len(x.shape))):
        raise call.refuse(f"order {list(order)} is not a permutation of {len(x.shape)} axes")
    return tuple(x.shape[i] for i in order)


def slice_of(call: Call) -> Shape:
    """`start:stop` along one axis."""
    x, axis, start, stop = call.types["x"], call["axis"], call["start"], call["stop"]
    if not 0 <= axis < len(x.shape) or not 0 <= start < stop <= x.shape[axis]:
        raise call.refuse(f"{start}:{stop} along axis {axis} is outside {list(x.shape)}")
    return (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
