"""Where the sample has time and batch: as its layers say, as forward indexes it, or as stated."""

from collections.abc import Sequence
from typing import Any

from snnc.diagnostics import fail, named
from snnc.frontends.pytorch.axes import Axes, Axis, F, Sizes
from snnc.frontends.pytorch.capture import Capture
from snnc.frontends.pytorch.movements import CASTS, SAME


def ticks_of(captured: Capture, samples: Sequence[Any], time: Any) -> tuple[Sizes, Axes]:
    """Return the sizes of time and batch in the samples, and the axes of the first.

    `time` is "auto", "step" (one tick), "static" (the same value at every tick), or the number of
    the axis. Layers with a time axis of their own say it; else an input that is indexed along an
    axis says that this is time; else layers that are called once take one tick.
    """
    sizes, axes = _first_axes(captured, tuple(samples[0].shape), time)
    for number, sample in enumerate(samples[1:], 1):
        own = axes_of_rank(axes, sample.ndim)
        if not fits(own, sample.shape, sizes):
            raise fail(
                "sample-shape",
                f"input {number} of the sample is {list(sample.shape)}; its axes of time and batch "
                f"are not those of the first one, {list(samples[0].shape)}",
                help="give all inputs the same axes of time and batch",
            )
    return sizes, axes


def axes_of_rank(axes: Axes, rank: int) -> Axes:
    """Return the axes of another input: time and batch where the first one has them."""
    lead = tuple(a for a in axes if a != F)
    if F in axes[: len(lead)]:
        return axes
    return (*lead, *(F for _ in range(rank - len(lead))))


def fits(axes: Axes, shape: Sequence[int], sizes: Sizes) -> bool:
    """Whether a shape has time and batch of these sizes where its axes say it."""
    same = len(axes) == len(shape)
    return same and all(a == F or sizes.of(a) == n for a, n in zip(axes, shape, strict=True))


def _first_axes(captured: Capture, shape: tuple[int, ...], time: Any) -> tuple[Sizes, Axes]:
    orders = sorted({s.order for s in captured.sites.values() if s.role and s.order != "step"})
    if len(orders) > 1:
        raise fail(
            "unsupported-network",
            f"layers want different orders of axes: {', '.join(orders)}",
            help="use one step mode in the whole network",
        )
    if time == "auto" and orders == ["merged"]:
        return _merged(captured, shape)
    axis = {"TB": 0, "BT": 1}[orders[0]] if time == "auto" and orders else time
    turns = _turns(captured)
    spread = _spread(captured, shape) if orders == ["TB"] and time in ("auto", "static") else 0
    if axis == "auto":
        indexed = _indexed(captured)
        # Layers that are called once take one tick, whatever else is taken apart.
        looped = indexed is not None and (turns > 1 or shape[indexed] == 1)
        axis = indexed if looped else "static" if turns > 1 else "step"
    still = axis in ("step", "static") or bool(spread)
    wanted = ["batch"] if still else ["time", "batch"]
    if len(shape) <= len(wanted) or (not still and axis >= len(shape)):
        raise fail(
            "sample-shape",
            f"the sample {list(shape)} has {len(shape)} axes; it needs {' and '.join(wanted)} "
            "beside its own",
            help="give the sample a batch axis: sample[None]",
        )
    if still:
        ticks = 1 if axis == "step" else spread or turns
        return Sizes(ticks, shape[0]), (("B",), *(F for _ in shape[1:]))
    batch = 1 if axis == 0 else 0
    places: dict[int, Axis] = {axis: ("T",), batch: ("B",)}
    axes = tuple(places.get(i, F) for i in range(len(shape)))
    return Sizes(shape[axis], shape[batch]), axes


def _merged(captured: Capture, shape: tuple[int, ...]) -> tuple[Sizes, Axes]:
    apart = len(shape) > 1 and shape[0] * shape[1] == _rows(captured) != shape[0]
    rows = shape[0] * shape[1] if apart else shape[0]
    for site in captured.sites.values():
        if site.batch or site.ticks:
            ticks = site.ticks or rows // site.batch
            batch = site.batch or rows // ticks
            if ticks * batch != rows or (apart and (batch, ticks) != shape[:2]):
                raise fail(
                    "sample-shape",
                    f"{rows} rows of the sample are not {batch} samples of {ticks} ticks",
                    named(site.path),
                    help="give batch x time rows, as batch_size or num_timesteps of the layers say",
                )
            if apart:
                return Sizes(ticks, batch), (("B",), ("T",), *(F for _ in shape[2:]))
            return Sizes(ticks, batch), (("B", "T"), *(F for _ in shape[1:]))
    raise fail("sample-shape", "no layer says how many samples or ticks there are")


def _rows(captured: Capture) -> int:
    """Return the rows that the first layer of neurons gets."""
    for node in captured.program.graph.nodes:
        if str(node.target) == "snnc.neuron.default":
            return int(node.args[0].meta["val"].shape[0])
    return 0


def _turns(captured: Capture) -> int:
    counts: dict[str, int] = {}
    for node in captured.program.graph.nodes:
        if str(node.target) == "snnc.neuron.default":
            path = node.args[2].split(",")[0]
            counts[path] = counts.get(path, 0) + 1
    return max(counts.values(), default=1)


def _spread(captured: Capture, shape: tuple[int, ...]) -> int:
    """Return the ticks over which the network itself repeats an input without time, or 0."""
    for node in captured.program.graph.nodes:
        if str(node.target) == "snnc.neuron.default":
            ticks, batch = tuple(node.args[0].meta["val"].shape)[:2]
            return int(ticks) if shape[:2] != (ticks, batch) and shape[0] == batch else 0
    return 0


def _indexed(captured: Capture) -> int | None:
    """Return the axis along which the network itself takes its input apart."""
    names = set(captured.program.graph_signature.user_inputs)
    for node in captured.program.graph.nodes:
        if str(node.target) in ("aten.select.int", "aten.unbind.int"):
            axis = int(node.args[1]) if len(node.args) > 1 else 0
            axis %= len(node.args[0].meta["val"].shape)
            found = _axis_of_input(node.args[0], axis, names)
            if found is not None:
                return found
    return None


def _axis_of_input(node: Any, axis: int, names: set[str]) -> int | None:
    """Return which axis of the input an axis of a moved input is, or None."""
    while node.op != "placeholder":
        if not str(node.target).startswith("aten."):
            return None
        name, source = str(node.target).split(".")[1], node.args[0]
        if name in ("permute", "transpose"):
            order = list(range(len(node.meta["val"].shape)))
            if name == "permute":
                order = [d % len(order) for d in node.args[1]]
            else:
                a, b = node.args[1:]
                order[a], order[b] = order[b], order[a]
            axis = order[axis]
        elif name in ("flatten", "view", "reshape"):
            before, after = source.meta["val"].shape, node.meta["val"].shape
            if tuple(before[: axis + 1]) != tuple(after[: axis + 1]):
                return None
        elif name not in (*SAME, *CASTS):
            return None
        node = source
    return axis if node.name in names else None
