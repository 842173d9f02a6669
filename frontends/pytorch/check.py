"""The self-check: the network itself against its lowering, on every spiking layer and output.

The network (a copy, with its own layers) runs on the sample and on random variations of it, its
layers recorded; the module runs on the same input. A spike may differ only where the potential is
within 1e-6 of the threshold, relative to it: then torch and exact sums round to different sides.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen

from snnc.diagnostics import UNKNOWN, fail, named
from snnc.frontends.pytorch.axes import has_time
from snnc.frontends.pytorch.eager import Batch, Recorded, arranged, eager, fewer, inputs
from snnc.frontends.pytorch.emit import Emitted
from snnc.frontends.pytorch.expr import Array
from snnc.frontends.pytorch.layout import axes_of_rank
from snnc.frontends.pytorch.lower import Lowered, Output
from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param

MARGIN = 1e-6
"""Distance to the threshold, relative to it, within which rounding decides about a spike."""

Run = Callable[..., Any]


@frozen
class Difference:
    """The first difference of a check."""

    layer: str
    sample: int
    tick: int
    index: tuple[int, ...]
    theirs: float
    ours: float
    margin: float | None = None

    def __str__(self) -> str:
        place = f"{self.layer}[{', '.join(map(str, self.index))}]"
        near = "" if self.margin is None else f"; |v - threshold| / threshold = {self.margin:.2g}"
        return (
            f"{place} at tick {self.tick} of input {self.sample}: torch gives {self.theirs:g}, "
            f"the lowering {self.ours:g}{near}"
        )


@define
class Report:
    """What a check found: neuron-ticks compared, spikes seen, and ties that rounding decided."""

    compared: int = 0
    spikes: int = 0
    ties: list[Difference] = field(factory=list)


def check(
    network: Any,
    samples: Batch,
    lowered: Lowered,
    emitted: Emitted,
    run: Run,
    allow: bool,
) -> Report:
    """Return what was compared; raise `torch-differs` at the first difference unless allowed."""
    report = Report()
    for number, batch in enumerate(inputs(_runnable(network, samples, lowered), lowered)):
        try:
            theirs = eager(network, batch, lowered)
        except Exception as error:
            if number == 0:
                raise fail(
                    "unsupported-network",
                    f"the network does not run on the sample: {type(error).__name__}: {error}",
                    help="check the sample's shape and type",
                ) from error
            continue
        found = _compare(theirs, batch, lowered, emitted, run, report)
        if found is not None and not allow:
            where = named(found.layer) if found.layer else UNKNOWN
            raise fail(
                "torch-differs",
                f"the lowering is not the network: {found}",
                where,
                help="report this with the network; allow_mismatch=True goes on all the same",
                exit_status=3,
            )
    return report


def _runnable(network: Any, samples: Batch, lowered: Lowered) -> Batch:
    """Return the first samples, or all where the network takes batches of one size only."""
    few = fewer(samples, lowered)
    if few[0].shape != samples[0].shape:
        try:
            eager(network, few, lowered)
        except Exception:  # whatever a user's forward raises
            return samples
    return few


def _compare(
    theirs: Recorded, batch: Batch, lowered: Lowered, emitted: Emitted, run: Run, report: Report
) -> Difference | None:
    """Return the first difference that is not a tie; a sample with a tie is left out after it."""
    spiking = [p for p in theirs.layers if p in emitted.layers]
    potentials = [f"{emitted.layers[p].removesuffix('.v')}.v" for p in spiking]
    names = [emitted.layers[p] for p in spiking]
    given = _given(batch, lowered, emitted, theirs.ticks)
    probe = list(dict.fromkeys([*names, *potentials]))
    shown = before_resets(emitted.module)
    result = run(shown, given, ticks=theirs.ticks, probe=probe)
    values = {**result.outputs, **result.trace}
    good = np.ones(len(next(iter(given.values()))), dtype=bool)
    while True:
        found = _first(theirs, spiking, emitted, values, good, lowered)
        if found is None:
            break
        path = found.layer
        margin = _margin(shown, emitted.layers[path], values, found) if path in spiking else None
        found = Difference(
            path, found.sample, found.tick, found.index, found.theirs, found.ours, margin
        )
        if margin is None or margin > MARGIN:
            return found
        report.ties.append(found)
        good[found.sample] = False
    for path in spiking:
        report.compared += theirs.layers[path][good].size
        report.spikes += int(np.count_nonzero(theirs.layers[path][good]))
    return _outputs(theirs, lowered, emitted, values, good)


def before_resets(module: Module) -> Module:
    """Return the module with resets at the next tick, before its charge.

    The spikes are those of resets at once, and probes show the potentials that were compared.
    Layers whose potentials are values of the module stay as they are.
    """

    def told(op: Op) -> Op:
        late = op.kind == "neuron" and op["reset_time"] == "now" and len(op.results) == 1
        # A floor may stand between such a reset and the next charge.
        late &= "floor" not in op.attrs or (op["reset"] == "soft" and "reset_by" not in op.attrs)
        return evolve(op, attrs={**op.attrs, "reset_time": "before"}) if late else op

    return module.with_graph(evolve(module.graph, ops=tuple(map(told, module.graph.ops))))


def _given(batch: Batch, lowered: Lowered, emitted: Emitted, ticks: int) -> dict[str, Array]:
    """Return the inputs of the module: (samples, ticks, *shape), or without ticks."""
    types = {v.name: v.type for v in emitted.module.graph.inputs}
    arrays = {e["name"]: x for e, x in zip(lowered.given, batch, strict=True)}
    return {
        name: _train(arrays[name], lowered, len(kind.shape), ticks).astype(kind.element.storage)
        for name, kind in types.items()
    }


def _train(x: Any, lowered: Lowered, rank: int, ticks: int) -> Array:
    """Return one input as the module takes it; `rank` is the number of the sample's own axes."""
    array = np.asarray(x)
    if lowered.stepping:
        full = array if array.ndim == rank + 2 else array[None]
        return np.swapaxes(full, 0, 1)
    if not has_time(lowered.layout):
        return array
    return arranged([x], axes_of_rank(lowered.layout, array.ndim), lowered)[:, :ticks]


def _first(
    theirs: Recorded,
    spiking: list[str],
    emitted: Emitted,
    values: Mapping[str, Array],
    good: Array,
    lowered: Lowered,
) -> Difference | None:
    """Return the earliest difference of a layer among the samples that are still good."""
    best: Difference | None = None
    for path in spiking:
        ours = values[emitted.layers[path]].astype(np.float64) * lowered.sites[path].graded
        want = theirs.layers[path].astype(np.float64)
        if ours.shape != want.shape:
            raise fail(
                "torch-differs",
                f"{path}: torch gives {list(want.shape)}, the lowering {list(ours.shape)}",
                named(path),
                exit_status=3,
            )
        exact = lowered.sites[path].role == "spikes"
        differs = ours != want if exact else ~np.isclose(ours, want, rtol=1e-4, atol=1e-5)
        differs &= good.reshape(-1, *[1] * (ours.ndim - 1))
        if differs.any():
            by_tick = np.moveaxis(differs, 1, 0)
            tick = int(by_tick.reshape(len(by_tick), -1).any(axis=1).argmax())
            sample, *index = (int(i) for i in np.argwhere(by_tick[tick])[0])
            at = (sample, tick, *index)
            if best is None or tick < best.tick:
                best = Difference(
                    path, sample, tick, tuple(index), float(want[at]), float(ours[at])
                )
    return best


def _margin(
    module: Module, layer: str, values: Mapping[str, Array], found: Difference
) -> float | None:
    """Return how far from the threshold the potential was before the reset, or None if lost."""
    name = layer.removesuffix(".v")
    op = next(o for o in module.graph.ops if o.result.name == name)
    at = (found.sample, found.tick, *found.index)
    v = float(values[f"{name}.v"][at])

    def number(which: str) -> float:
        array = param(module, op, which)
        assert array is not None
        return float(np.broadcast_to(array, op.result.type.shape)[found.index])

    if op["reset_time"] == "now" and found.ours:
        if op["reset"] == "hard":
            return None
        v += found.ours * number("reset_by") if op["reset"] == "soft" else 0.0
    threshold = number("threshold")
    level = threshold * max(found.theirs, found.ours)
    return abs(v - level) / abs(threshold)


def _outputs(
    theirs: Recorded,
    lowered: Lowered,
    emitted: Emitted,
    values: Mapping[str, Array],
    good: Array,
) -> Difference | None:
    """Return the first difference of an output, read out as forward does."""
    for output, name, want in zip(lowered.outputs, emitted.outputs, theirs.outputs, strict=True):
        ours = values[name].astype(np.float64)
        if _of_own_ticks(output, lowered) and theirs.ticks != lowered.sizes.ticks:
            continue
        if output.over == "sum":
            ours = ours.sum(axis=1, keepdims=True) * output.factor
        elif output.over == "max":
            ours = ours.max(axis=1, keepdims=True) * output.factor
        elif output.over == "last":
            ours = ours[:, -1:]
        if ours.ndim == want.ndim - 1:
            ours = ours[:, None]
        if ours.shape != want.shape:
            raise fail(
                "torch-differs",
                f"output %{name}: torch gives {list(want.shape)}, the lowering {list(ours.shape)}",
                exit_status=3,
            )
        differs = ~np.isclose(ours, want, rtol=1e-4, atol=1e-5) & good.reshape(
            -1, *[1] * (ours.ndim - 1)
        )
        if differs.any():
            at = tuple(int(i) for i in np.argwhere(differs)[0])
            return Difference(
                f"output %{name}", at[0], at[1], at[2:], float(want[at]), float(ours[at])
            )
    return None


def _of_own_ticks(output: Output, lowered: Lowered) -> bool:
    """Whether an output is a sum over 1 / ticks, which may be a mean or a division by a number.

    Runs of other lengths than the sample's do not tell the two apart; the sample itself runs too.
    """
    return output.over == "sum" and output.factor == 1.0 / lowered.sizes.ticks != 1.0
