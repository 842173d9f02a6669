"""Calibration data: checked once, run in chunks, kept as integer counts of spikes.

Statistics do not depend on the chunks: a chunk knows the index of its first sample, so random
encoders draw what they would draw in one batch, and counts are sums of integers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context
from snnc.ir.analysis import live_ops
from snnc.ir.graph import Module
from snnc.ir.rewrite import with_ops
from snnc.ir.weights import Array

CHUNK_BYTES = 1 << 26
"""Bytes of trains that one chunk of samples may hold, at four bytes a value."""

LABELS = "labels"
"""The name under which calibration data may hold the right answers."""

Trains = Mapping[str, Array]


@frozen(eq=False)
class Calibration:
    """Inputs `(samples, ticks, *shape)` by name, and the engine that runs modules on them.

    `labels` are the right answers, int64 `(samples,)`, if they were given.
    """

    inputs: Trains
    samples: int
    ticks: int
    run: Callable[..., Any]
    labels: Array | None = None

    def trains(self, module: Module, names: Sequence[str], step: int = 0) -> Iterator[Trains]:
        """Yield the trains of some values that have time, `step` samples after the other.

        Only what they depend on is run. Each is `(samples, ticks, *shape)`; without `step`, memory
        decides.
        """
        part = _part(module, names)
        draws = any(True for _ in part.ops("poisson"))
        step = step or self.step(part)
        for first in range(0, self.samples, step):
            inputs = {name: a[first : first + step] for name, a in self.inputs.items()}
            number = {"first_sample": first} if draws else {}
            yield dict(self.run(part, inputs, ticks=self.ticks, **number).outputs)

    def step(self, module: Module) -> int:
        """Return how many samples of a module may run at a time."""
        size = sum(r.type.size for op in module.graph.ops for r in op.results) + 1
        return max(1, CHUNK_BYTES // (4 * size * self.ticks))

    def counts(self, module: Module, names: Sequence[str]) -> dict[str, Array]:
        """Return the sums of values over the ticks, `(samples, *shape)` by name.

        They are int64, or float64 where the values are real numbers.
        """
        if not names:
            return {}
        parts = [
            {name: _over_time(train) for name, train in chunk.items()}
            for chunk in self.trains(module, names)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _over_time(train: Array) -> Array:
    kind = np.float64 if train.dtype.kind == "f" else np.int64
    return np.asarray(train.sum(axis=1, dtype=kind))


def _part(module: Module, names: Sequence[str]) -> Module:
    """Return what some values of a module depend on, with them as outputs."""
    graph = module.graph
    values = {v.name: v for v in (*graph.inputs, *(r for op in graph.ops for r in op.results))}
    wanted = tuple(values[name] for name in dict.fromkeys(names))
    part = evolve(module, graph=evolve(graph, outputs=wanted))
    return with_ops(part, live_ops(part.graph))


def calibration_of(module: Module, context: Context) -> Calibration | None:
    """Return the calibration data of a context, checked against a module, or None without data.

    Raises:
        SnncError: `calibration-empty`, `calibration-constant`, `calibration-ticks`,
            `calibration-labels`, and what the engine refuses as inputs: names, shapes, numbers that
            are not finite.
    """
    if context.calibration is None:
        return None
    given = {name: np.asarray(array) for name, array in context.calibration.items()}
    labels = None
    if LABELS in given and all(v.name != LABELS for v in module.graph.inputs):
        labels = given.pop(LABELS)
    context.run(module, given, ticks=0)
    samples = min((len(array) for array in given.values()), default=0)
    timed = [given[v.name].shape[1] for v in module.graph.inputs if v.type.timed]
    stated = module.attrs.get("ticks")
    ticks = timed[0] if timed else stated
    if not isinstance(ticks, int):
        raise fail(
            "calibration-ticks",
            "no input has ticks, so it is not known how long the calibration data runs",
            module.loc,
            help="state the length of a run in the network: `ticks 16` (of a network of PyTorch: "
            "--set ticks=16)",
        )
    if not samples * ticks:
        raise fail(
            "calibration-empty",
            f"the calibration data holds {samples} samples of {ticks} ticks",
            module.loc,
            help="give inputs as the network will see them; a few hundred samples are enough",
        )
    if all((array == array.flat[0]).all() for array in given.values()):
        said = ", ".join(f"{name} is {array.flat[0]!s} everywhere" for name, array in given.items())
        raise fail(
            "calibration-constant",
            f"the calibration data never varies: {said}",
            module.loc,
            help="give inputs as the network will see them",
        )
    _check_labels(labels, samples, module)
    return Calibration(given, samples, ticks, context.run, labels)


def _check_labels(labels: Array | None, samples: int, module: Module) -> None:
    if labels is None:
        return
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        why = f"labels are {labels.dtype} of shape {labels.shape}, not whole numbers of one axis"
    elif len(labels) != samples:
        why = f"the calibration data has {samples} samples and {len(labels)} labels"
    else:
        return
    raise fail("calibration-labels", why, module.loc, help="give a label per sample, or none")


def needed(found: Calibration | None, module: Module, wanted: str) -> Calibration:
    """Return calibration data that an option needs.

    Raises:
        SnncError: `calibration-missing`.
    """
    if found is None:
        raise fail(
            "calibration-missing",
            f"{wanted} needs calibration data, and there is none",
            module.loc,
            help="give typical inputs with --calibrate X.npz, one array per input of the network",
        )
    return found
