"""The nodes without a membrane, each as ops of level `snn`: products, windows, reshapes, delays.

The contract: shapes follow from the graph's inputs and the fields alone; what the file states
beside (input_shape, input_type, an Output's shape) is compared with them. A field that has no exact
form is refused with the reason.
"""

from collections.abc import Callable, Mapping

import numpy as np
from attrs import field, frozen

from snnc.diagnostics import fail
from snnc.frontends.nir.neurons import TOLERANCE, Convention, spread
from snnc.frontends.nir.nodes import Node
from snnc.ir.build import Builder
from snnc.ir.graph import Operand, Value
from snnc.ir.weights import Array

LARGEST_PRODUCT = 1 << 27
"""Elements of the matrix that a product over several axes is laid out as."""


MOST_DELAYS = 256
"""Different delays of one node: as many as chips can hold back spikes, and more than are used."""


@frozen(eq=False)
class Site:
    """Where nodes are lowered: the builder, the convention, and what was assumed on the way."""

    build: Builder
    convention: Convention
    misled: frozenset[str] = frozenset()
    notes: dict[str, None] = field(factory=dict)


def lower_layer(site: Site, node: Node, x: Value) -> Value:
    """Return the value of a node that reads x; the node is neither a port nor a neuron.

    Raises:
        SnncError: `nir-shape`, `nir-value`, `nir-dt`, `nir-ambiguous`, `nir-unsupported`, and what
            the ops refuse.
    """
    return _LAYERS[node.type](site, node, x)


def _product(site: Site, node: Node, x: Value) -> Value:
    """Linear and Affine: weight (..., M, N) times x (..., N), leading axes one by one."""
    weight = node.array("weight")
    if weight.ndim < 2:
        raise _mismatch(node, f"weight {list(weight.shape)} needs at least two axes")
    lead, (rows, columns) = weight.shape[:-2], weight.shape[-2:]
    if x.type.shape != (*lead, columns):
        raise _mismatch(
            node,
            f"weight {list(weight.shape)} reads {[*lead, columns]}, but its input has the shape "
            f"{list(x.type.shape)}",
        )
    build, count = site.build, int(np.prod(lead))
    if lead:
        x = build.op("reshape", x, name=f"{node.path}.flat", loc=node.loc, shape=(x.type.size,))
        weight = _blocks(node, weight.reshape(count, rows, columns))
    operands: list[Operand] = [x, build.weight(f"{node.path}.weight", _real(weight), loc=node.loc)]
    if "bias" in node.fields:
        bias = node.array("bias").astype(np.float64)
        if bias.size != 1 and bias.shape != (*lead, rows):
            raise _mismatch(
                node,
                f"bias {list(bias.shape)} for a product that gives {[*lead, rows]}",
            )
        bias = np.broadcast_to(bias.reshape(-1), (count * rows,))
        operands.append(build.weight(f"{node.path}.bias", _real(bias), loc=node.loc))
    last = f"{node.path}.product" if lead else node.path
    y = build.op("linear", *operands, name=last, loc=node.loc)
    shape = (*lead, rows)
    return build.op("reshape", y, name=node.path, loc=node.loc, shape=shape) if lead else y


def _blocks(node: Node, weight: Array) -> Array:
    """Return one matrix with the matrices of `weight` (count, rows, columns) on its diagonal."""
    count, rows, columns = weight.shape
    if count * rows * count * columns > LARGEST_PRODUCT:
        raise fail(
            "nir-unsupported",
            f"{node.path}: {count} products of {rows} x {columns} are too many for one matrix",
            node.loc,
            help="export one node per product",
        )
    whole = np.zeros((count, rows, count, columns), dtype=weight.dtype)
    each = np.arange(count)
    whole[each, :, each, :] = weight
    return whole.reshape(count * rows, count * columns)


def _scale(site: Site, node: Node, x: Value) -> Value:
    factor = site.build.weight(
        f"{node.path}.scale", _real(spread(node, "scale", x.type.shape)), loc=node.loc
    )
    return site.build.op("scale", x, factor, name=node.path, loc=node.loc)


def _conv(site: Site, node: Node, x: Value) -> Value:
    axes = int(node.type[4])
    weight, groups = node.array("weight"), node.ints("groups")
    if weight.ndim != axes + 2 or len(groups) != 1 or len(x.type.shape) != axes + 1:
        raise _mismatch(
            node,
            f"weight {list(weight.shape)} in {list(groups)} groups does not fit a {node.type} over "
            f"an input of shape {list(x.type.shape)}",
        )
    _compare_stated(site, node, "input_shape", x.type.shape[1:])
    dilation = _per_axis(node, "dilation", axes)
    stride = _per_axis(node, "stride", axes)
    bias = node.array("bias").astype(np.float64)
    bias = np.broadcast_to(bias.reshape(-1), weight.shape[:1]) if bias.size == 1 else bias
    if bias.shape != weight.shape[:1]:
        raise _mismatch(node, f"bias {list(bias.shape)} for {weight.shape[0]} channels")
    operands: list[Operand] = [
        x,
        site.build.weight(f"{node.path}.weight", _real(weight), loc=node.loc),
        site.build.weight(f"{node.path}.bias", _real(bias), loc=node.loc),
    ]
    return site.build.op(
        f"conv{axes}d",
        *operands,
        name=node.path,
        loc=node.loc,
        stride=_unless(stride, 1),
        padding=_unless(_padding(node, weight.shape[2:], stride, dilation), 0),
        dilation=_unless(dilation, 1),
        groups=groups[0],
    )


def _padding(
    node: Node, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the zeros per axis; `same` puts the odd one behind, as torch does."""
    given = node.fields["padding"]
    if not isinstance(given, str):
        return _per_axis(node, "padding", len(kernel), least=0)
    if given == "valid":
        return (0,) * len(kernel)
    if any(s != 1 for s in stride):
        raise fail(
            "nir-ambiguous",
            f"{node.path}: padding 'same' has no agreed meaning with stride {list(stride)}",
            node.loc,
            help="export the padding as numbers",
        )
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    before = [n // 2 for n in total]
    return (*before, *(n - b for n, b in zip(total, before, strict=True)))


def _per_axis(node: Node, name: str, axes: int, least: int = 1) -> tuple[int, ...]:
    given = node.ints(name)
    given = given * axes if len(given) == 1 else given
    if len(given) != axes or min(given) < least:
        raise fail(
            "nir-value",
            f"{node.path}: {name} = {list(given)} needs {axes} numbers of at least {least}",
            node.loc,
        )
    return given


def _unless(given: tuple[int, ...], usual: int) -> tuple[int, ...]:
    """Return the numbers, or none where all are the op's default."""
    return () if all(n == usual for n in given) else given


def _pool(site: Site, node: Node, x: Value) -> Value:
    padding = _per_axis(node, "padding", 2, least=0)
    kernel, stride = _per_axis(node, "kernel_size", 2), _per_axis(node, "stride", 2)
    attrs: dict[str, object] = {
        "kernel": kernel,
        "stride": () if stride == kernel else stride,
        "padding": _unless(padding, 0),
    }
    if node.type == "AvgPool2d" and any(padding):
        padded = site.convention.profile.padded
        if padded is None:
            raise fail(
                "nir-ambiguous",
                f"{node.path}: NIR does not say whether padding {list(padding)} counts in the mean",
                node.loc,
                help="say it: padded=true (the default of torch) or padded=false",
            )
        attrs["count_padding"] = padded
    kind = "sum_pool2d" if node.type == "SumPool2d" else "avg_pool2d"
    return site.build.op(kind, x, name=node.path, loc=node.loc, **attrs)


def _flatten(site: Site, node: Node, x: Value) -> Value:
    shape = x.type.shape
    _compare_stated(site, node, "input_type", shape)
    first, last = (node.ints(name)[0] for name in ("start_dim", "end_dim"))
    start, stop = (d + len(shape) if d < 0 else d for d in (first, last))
    if not 0 <= start < len(shape) or not start <= stop < len(shape):
        raise _mismatch(
            node,
            f"start_dim {first} and end_dim {last} do not lie in an input of {len(shape)} axes",
            "NIR counts axes without a batch: 0 is the first axis of a sample",
        )
    middle = int(np.prod(shape[start : stop + 1]))
    flat = (*shape[:start], middle, *shape[stop + 1 :])
    return (
        x
        if flat == shape
        else site.build.op("reshape", x, name=node.path, loc=node.loc, shape=flat)
    )


def delay_ticks(node: Node, convention: Convention) -> Array:
    """Return the delays of a Delay node in ticks, of the field's shape, int64.

    Raises:
        SnncError: `nir-dt` where the profile fixes no time step or a delay is no multiple of it.
    """
    delays, dt = node.array("delay").astype(np.float64), convention.profile.dt
    if not delays.any():
        return np.zeros(delays.shape, dtype=np.int64)
    if not dt:
        raise fail(
            "nir-dt",
            f"{node.path} is a delay in units of time, and profile {convention.profile.name} fixes "
            "no time step",
            node.loc,
            help="give it, for example dt=1e-4",
        )
    with np.errstate(invalid="ignore"):
        ticks = np.round(delays / dt)
        fits = (np.abs(delays / dt - ticks) <= TOLERANCE * np.maximum(ticks, 1)) & (ticks >= 0)
    if not (fits & (ticks < 2**31)).all():
        worst = float(delays.reshape(-1)[np.argmin(fits.reshape(-1))])
        raise fail(
            "nir-dt",
            f"{node.path}: a delay of {worst!r} is no number of ticks of dt = {dt!r}",
            node.loc,
            help="give a dt that all delays are multiples of",
        )
    return ticks.astype(np.int64)


def _delay(site: Site, node: Node, x: Value) -> Value:
    """Delay: one op where all delays agree, else a sum of masked ones, one for each length."""
    spread(node, "delay", x.type.shape)  # checks the shape
    ticks = delay_ticks(node, site.convention)
    build, lengths = site.build, np.unique(ticks)
    if len(lengths) > MOST_DELAYS:
        raise fail(
            "nir-unsupported",
            f"{node.path} has {len(lengths)} different delays; each takes an op of its own",
            node.loc,
            help=f"round them to at most {MOST_DELAYS} lengths",
        )
    if len(lengths) == 1:
        return _late(build, node, x, int(lengths[0]), node.path)
    parts = []
    ticks = np.broadcast_to(ticks, x.type.shape)
    for by in lengths.tolist():
        mask = build.weight(f"{node.path}.mask", _real(ticks == by), loc=node.loc)
        part = build.op("scale", x, mask, name=f"{node.path}.part", loc=node.loc)
        parts.append(_late(build, node, part, by, f"{node.path}.late"))
    return build.op("add", *parts, name=node.path, loc=node.loc)


def _late(build: Builder, node: Node, x: Value, by: int, name: str) -> Value:
    return build.op("delay", x, name=name, loc=node.loc, by=by) if by else x


def check_port(site: Site, node: Node, shape: tuple[int, ...]) -> None:
    """Compare what an Output or a port of a nested graph states with the shape that arrives."""
    if "shape" not in node.fields or port_shape(site, node) != shape:
        _compare_stated(site, node, "shape", shape)


def port_shape(site: Site, node: Node) -> tuple[int, ...]:
    """Return the shape of a sample that an Input or Output states.

    Rockpool's samples have one axis, and its ports state those of batch and time before it.
    """
    shape = node.ints("shape")
    if site.convention.profile.batched and len(shape) > 1:
        site.notes[f"{node.path}: of {list(shape)}, batch and time first"] = None
        return shape[-1:]
    return shape


def _compare_stated(site: Site, node: Node, name: str, shape: tuple[int, ...]) -> None:
    if name not in node.fields or node.ints(name) == shape:
        return
    stated = list(node.ints(name))
    if node.path in site.misled:
        text = f"{node.path}: {name} {stated} is the nir package's error; it is {list(shape)}"
        site.notes[text] = None
        return
    raise _mismatch(
        node,
        f"{name} says {stated}, but the shape that arrives is {list(shape)}",
        "one of the shapes in the file is wrong; export the network again",
    )


def _real(array: Array) -> Array:
    with np.errstate(over="ignore"):  # infinity is refused as a weight
        return np.asarray(array).astype(np.float32)


def _mismatch(node: Node, message: str, help: str = "") -> Exception:
    return fail("nir-shape", f"{node.path}: {message}", node.loc, help=help)


_LAYERS: Mapping[str, Callable[[Site, Node, Value], Value]] = {
    "Affine": _product,
    "Linear": _product,
    "Scale": _scale,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "SumPool2d": _pool,
    "AvgPool2d": _pool,
    "Flatten": _flatten,
    "Delay": _delay,
}


def misleads(node: Node) -> bool:
    """Whether the nir package infers a wrong shape behind this node (up to 1.0.8 at least).

    It takes the first size of a kernel for both axes, and ignores groups and stride of 'same'.
    """
    if node.type == "Conv2d":
        kernel = node.array("weight").shape[2:]
        return len(set(kernel)) > 1 or node.ints("groups") != (1,)
    return node.type == "Conv1d" and node.ints("groups") != (1,)
