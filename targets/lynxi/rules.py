"""Result types of the ops of level `lynxi`: Relay's rules for shapes, over types with time."""

import math
from collections.abc import Callable, Sequence

from snnc.ir.opset import Call
from snnc.ir.types import F16, U1, Element, Type
from snnc.targets.lynxi.lowering.elements import DTYPES

Shape = tuple[int, ...]
Rule = Callable[[Call], tuple[Type, ...]]


def operands(call: Call) -> list[Type]:
    """Return the types of all operands that are given."""
    found: list[Type] = []
    for given in call.types.values():
        found += given if isinstance(given, tuple) else [given] if given is not None else []
    return found


def made(call: Call, element: Element, shape: Sequence[int]) -> tuple[Type, ...]:
    """Return one result, timed if an operand is."""
    timed = any(t.timed for t in operands(call))
    return (Type(element, tuple(shape), 0 if timed else None),)


def element_of(call: Call, name: str) -> Element:
    """Return the element that an attribute names."""
    if name not in DTYPES:
        raise call.refuse(f"{name!r} is no element", help=f"known: {', '.join(DTYPES)}")
    return DTYPES[name]


def broadcast(call: Call, *types: Type) -> Shape:
    """Return the shape that several operands are broadcast to, as numpy does."""
    rank = max(len(t.shape) for t in types)
    shape = [1] * rank
    for t in types:
        for axis, size in enumerate(t.shape, rank - len(t.shape)):
            if size != 1 and shape[axis] not in (1, size):
                raise call.refuse(
                    "shapes " + " and ".join(str(list(t.shape)) for t in types) + " do not fit"
                )
            shape[axis] = max(shape[axis], size)
    return tuple(shape)


def _one_element(call: Call, types: Sequence[Type]) -> Element:
    if len({t.element for t in types}) > 1:
        raise call.refuse(
            "operands have different elements: " + ", ".join(str(t.element) for t in types),
            help="cast one of them",
        )
    return types[0].element


def elementwise(call: Call) -> tuple[Type, ...]:
    """Return the common element and the broadcast shape."""
    types = operands(call)
    return made(call, _one_element(call, types), broadcast(call, *types))


def comparison(call: Call) -> tuple[Type, ...]:
    """Return bits of the broadcast shape."""
    types = operands(call)
    _one_element(call, types)
    return made(call, U1, broadcast(call, *types))


def chosen(call: Call) -> tuple[Type, ...]:
    """Return the type of `where`."""
    condition, x, y = operands(call)
    if condition.element != U1:
        raise call.refuse(f"the condition is {condition}, not bits")
    return made(call, _one_element(call, [x, y]), broadcast(call, condition, x, y))


def same(call: Call) -> tuple[Type, ...]:
    """Return the type of the first operand."""
    return (operands(call)[0],)


def cast(call: Call) -> tuple[Type, ...]:
    """Return the operand's shape with another element."""
    return made(call, element_of(call, call["dtype"]), operands(call)[0].shape)


def reshaped(call: Call) -> tuple[Type, ...]:
    """Return the new shape; -1 stands for what is left, 0 for the size that was there."""
    x: Type = call.types["x"]
    new = list(call["newshape"])
    for axis, size in enumerate(new):
        if size == 0 and axis < len(x.shape):
            new[axis] = x.shape[axis]
    known = math.prod(n for n in new if n != -1)
    if new.count(-1) == 1 and known and x.size % known == 0:
        new[new.index(-1)] = x.size // known
    if math.prod(new) != x.size or min(new, default=0) < 0:
        raise call.refuse(f"{x} has {x.size} elements, newshape = {list(call['newshape'])} not")
    return made(call, x.element, new)


def transposed(call: Call) -> tuple[Type, ...]:
    """Return the shape with its axes in another order."""
    x: Type = call.types["x"]
    if sorted(call["axes"]) != list(range(len(x.shape))):
        raise call.refuse(f"axes {list(call['axes'])} are no order of {list(x.shape)}")
    return made(call, x.element, [x.shape[a] for a in call["axes"]])


def expanded(call: Call) -> tuple[Type, ...]:
    """Return the shape with new axes of size 1."""
    x: Type = call.types["x"]
    at = call["axis"] % (len(x.shape) + 1)
    new = [*x.shape[:at], *[1] * call["num_newaxis"], *x.shape[at:]]
    return made(call, x.element, new)


def squeezed(call: Call) -> tuple[Type, ...]:
    """Return the shape without some axes of size 1."""
    x: Type = call.types["x"]
    gone = {a % len(x.shape) for a in call["axis"]}
    if any(x.shape[a] != 1 for a in gone):
        raise call.refuse(f"axes {sorted(gone)} of {list(x.shape)} are not of size 1")
    return made(call, x.element, [n for a, n in enumerate(x.shape) if a not in gone])


def taken(call: Call) -> tuple[Type, ...]:
    """Return the shape without the axis that a number is taken from."""
    x: Type = call.types["x"]
    axis = call["axis"] % max(1, len(x.shape))
    if not x.shape or call.types["index"].shape:
        raise call.refuse("an axis of a tensor and a single number are needed")
    return made(call, x.element, [n for a, n in enumerate(x.shape) if a != axis])


def sliced(call: Call) -> tuple[Type, ...]:
    """Return the shape of begin:end:strides along some axes."""
    x: Type = call.types["x"]
    shape = list(x.shape)
    parts = [call["begin"], call["end"], call["strides"], call["axes"]]
    if len({len(p) for p in parts}) > 1:
        raise call.refuse("begin, end, strides and axes have different lengths")
    for begin, end, step, axis in zip(*parts, strict=True):
        if not 0 <= axis < len(shape) or not 0 <= begin < end <= shape[axis] or step < 1:
            raise call.refuse(f"{begin}:{end}:{step} does not lie in axis {axis} of {list(shape)}")
        shape[axis] = len(range(begin, end, step))
    return made(call, x.element, shape)


def concatenated(call: Call) -> tuple[Type, ...]:
    """Return operands one after the other."""
    types = operands(call)
    axis = call["axis"]
    if len({(t.element, t.shape[:axis], t.shape[axis + 1 :]) for t in types}) > 1:
        raise call.refuse("operands differ: " + ", ".join(map(str, types)))
    shape = list(types[0].shape)
    shape[axis] = sum(t.shape[axis] for t in types)
    return made(call, types[0].element, shape)


def stacked(call: Call) -> tuple[Type, ...]:
    """Return operands along a new axis."""
    types = operands(call)
    if len({(t.element, t.shape) for t in types}) > 1:
        raise call.refuse("operands differ: " + ", ".join(map(str, types)))
    shape = list(types[0].shape)
    shape.insert(call["axis"], len(types))
    return made(call, types[0].element, shape)


def reduced(call: Call) -> tuple[Type, ...]:
    """Return the shape after a sum or mean over some axes."""
    x: Type = call.types["x"]
    axes = {a % len(x.shape) for a in call["axis"]}
    keep = call["keepdims"]
    shape = [1 if a in axes else n for a, n in enumerate(x.shape) if keep or a not in axes]
    return made(call, x.element, shape)


def dense(call: Call) -> tuple[Type, ...]:
    """`x[..., in]` with `w[out, in]` gives `[..., out]`."""
    x, w = call.types["x"], call.types["w"]
    if len(w.shape) != 2 or not x.shape or x.shape[-1] != w.shape[1]:
        raise call.refuse(f"{x} does not match weights {w} (out, in)")
    return made(call, _one_element(call, [x, w]), [*x.shape[:-1], w.shape[0]])


def bias(call: Call) -> tuple[Type, ...]:
    """Return the type of x; the bias has one value per element of an axis."""
    x, b = call.types["x"], call.types["bias"]
    if not x.shape or b.shape != (x.shape[call["axis"]],):
        raise call.refuse(f"bias {b} needs one value per element of axis {call['axis']} of {x}")
    return made(call, _one_element(call, [x, b]), x.shape)


def windows(
    call: Call, sizes: Shape, kernel: Shape, strides: Shape, padding: Shape, dilation: Shape
) -> list[int]:
    """Return how many windows fit along each axis; `ceil_mode` lets the last one stand out."""
    axes = len(sizes)
    befores, afters = padding[:axes], padding[axes:]
    up = call["ceil_mode"] if "ceil_mode" in call.attrs else False
    out = []
    for n, k, s, b, a, d in zip(sizes, kernel, strides, befores, afters, dilation, strict=True):
        room = n + b + a - d * (k - 1) - 1
        if room < 0:
            raise call.refuse(f"a window of {d * (k - 1) + 1} does not fit into {n} + {b + a}")
        count = (room + (s - 1 if up else 0)) // s + 1
        out.append(count - 1 if up and (count - 1) * s >= n + b else count)
    return out


def _per_axis(call: Call, name: str, axes: int, fill: int) -> Shape:
    given = tuple(call[name]) or (fill,) * axes
    wanted = 2 * axes if name == "padding" else axes
    if name == "padding" and len(given) == axes:
        given = given * 2
    if len(given) != wanted or min(given) < min(fill, 1):
        raise call.refuse(f"{name} {list(given)} needs {wanted} numbers")
    return given


def convolution(axes: int) -> Rule:
    """Return the rule of a convolution over `axes` axes; weights are (out, in / groups, ...)."""

    def rule(call: Call) -> tuple[Type, ...]:
        x, w, groups = call.types["x"], call.types["w"], call["groups"]
        if len(x.shape) != axes + 2 or len(w.shape) != axes + 2:
            raise call.refuse(f"{x} and weights {w} need {axes + 2} axes")
        if groups < 1 or x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
            raise call.refuse(f"{x} does not match weights {w} in {groups} groups")
        if call["channels"] != w.shape[0] or tuple(call["kernel_size"]) != w.shape[2:]:
            raise call.refuse(f"channels and kernel_size are not those of weights {w}")
        numbers = [_per_axis(call, n, axes, f) for n, f in _WINDOW]
        out = windows(call, x.shape[2:], w.shape[2:], *numbers)
        return made(call, _one_element(call, [x, w]), [x.shape[0], w.shape[0], *out])

    return rule


def transposed_convolution(axes: int) -> Rule:
    """Return the rule of a transposed convolution; weights are (in, out / groups, ...)."""

    def rule(call: Call) -> tuple[Type, ...]:
        x, w, groups = call.types["x"], call.types["w"], call["groups"]
        if len(x.shape) != axes + 2 or len(w.shape) != axes + 2:
            raise call.refuse(f"{x} and weights {w} need {axes + 2} axes")
        if groups < 1 or x.shape[1] != w.shape[0] or x.shape[1] % groups:
            raise call.refuse(f"{x} does not match weights {w} in {groups} groups")
        outs = w.shape[1] * groups
        if call["channels"] != outs or tuple(call["kernel_size"]) != w.shape[2:]:
            raise call.refuse(f"channels and kernel_size are not those of weights {w}")
        strides, padding, dilation = (_per_axis(call, n, axes, f) for n, f in _WINDOW)
        extra = _per_axis(call, "output_padding", axes, 0)
        sizes = []
        for a, n in enumerate(x.shape[2:]):
            spread = (n - 1) * strides[a] + dilation[a] * (w.shape[2 + a] - 1) + 1
            sizes.append(spread - padding[a] - padding[axes + a] + extra[a])
        if min(sizes) < 1:
            raise call.refuse(f"padding {list(padding)} leaves nothing of {x}")
        return made(call, _one_element(call, [x, w]), [x.shape[0], outs, *sizes])

    return rule


_WINDOW = (("strides", 1), ("padding", 0), ("dilation", 1))


def pool(axes: int) -> Rule:
    """Return the rule of a pool over `axes` axes."""

    def rule(call: Call) -> tuple[Type, ...]:
        x: Type = call.types["x"]
        kernel = tuple(call["pool_size"])
        if len(x.shape) != axes + 2 or len(kernel) != axes or min(kernel) < 1:
            raise call.refuse(f"{x} needs {axes + 2} axes, pool_size {axes} numbers")
        numbers = [_per_axis(call, n, axes, f) for n, f in _WINDOW]
        return made(call, x.element, [*x.shape[:2], *windows(call, x.shape[2:], kernel, *numbers)])

    return rule


def normed(call: Call) -> tuple[Type, ...]:
    """Return the type of x; each statistic has one value per channel (axis 1)."""
    x, *rest = operands(call)
    if len(x.shape) < 2 or any(t.shape != (x.shape[1],) for t in rest):
        raise call.refuse(f"statistics need one value per channel of {x}")
    return made(call, _one_element(call, [x, *rest]), x.shape)


def random(call: Call) -> tuple[Type, ...]:
    """Return draws at every tick."""
    element = element_of(call, call["dtype"])
    if element != F16:
        raise call.refuse(f"draws are float16, not {call['dtype']}")
    return (Type(element, tuple(call["shape"]), 0),)


def loaded(call: Call) -> tuple[Type, ...]:
    """Return the initial image's type, with time; what is saved has it too."""
    init, saved = call.types["init"], call.types.get("saved")
    if init.timed:
        raise call.refuse("the initial image is a constant")
    held = Type(init.element, init.shape, 0)
    if saved is not None and saved != held:
        raise call.refuse(f"flag {call['flag']!r} loads {held}, and {saved} is saved")
    return (held,)


def tied(call: Call) -> tuple[Type, ...]:
    """Return the first `outputs` operands; the others are only kept alive."""
    given = operands(call)
    if not 1 <= call["outputs"] <= len(given):
        raise call.refuse(f"outputs = {call['outputs']} of {len(given)} operands")
    return tuple(given[: call["outputs"]])
