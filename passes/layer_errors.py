"""What quantization does to the spikes of each layer, counted on calibration data."""

from typing import Any

import numpy as np
from attrs import define

from snnc.ir.graph import Module
from snnc.ir.weights import Array
from snnc.passes.calibration import Calibration


def compare_layers(real: Module, lowered: Module, data: Calibration) -> dict[str, Any]:
    """Return, per layer of neurons in text order, how its integer spikes differ from real ones.

    `spikes` and `real_spikes` are sums over all samples; `dead` neurons never spike, `saturated`
    ones spike at every tick of every sample (`real_dead`, `real_saturated`: of the real network);
    `count_error` is the mean, over samples and neurons, of how far spike counts are apart;
    `first_difference` is the earliest tick at which any spike differs, with the lowest sample and
    neuron of that tick, or None.
    """
    names = [op.result.name for op in real.ops("neuron")]
    if not names:
        return {}
    layers = {name: _Layer() for name in names}
    step = min(data.step(real), data.step(lowered))
    chunks = zip(data.trains(real, names, step), data.trains(lowered, names, step), strict=True)
    for number, (expected, actual) in enumerate(chunks):
        for name, layer in layers.items():
            layer.add(number * step, expected[name], actual[name])
    return {name: layer.report(data.ticks) for name, layer in layers.items()}


@define
class _Layer:
    """Sums over the samples seen so far; `busy` counts the ticks with a spike, per neuron."""

    samples: int = 0
    off: int = 0
    first: tuple[int, int, int] | None = None
    counts: tuple[Any, Any] = (0, 0)
    busy: tuple[Any, Any] = (0, 0)

    def add(self, first: int, expected: Array, actual: Array) -> None:
        """Add trains `(samples, ticks, *shape)` of samples from `first` on."""
        expected, actual = (a.reshape(*a.shape[:2], -1) for a in (expected, actual))
        sums = [a.sum(axis=1, dtype=np.int64) for a in (expected, actual)]
        self.samples += len(expected)
        self.off += int(np.abs(sums[0] - sums[1]).sum())
        self.counts = tuple(c + s.sum(axis=0) for c, s in zip(self.counts, sums, strict=True))
        spiking = [np.count_nonzero(a, axis=(0, 1)) for a in (expected, actual)]
        self.busy = tuple(b + s for b, s in zip(self.busy, spiking, strict=True))
        different = (expected != actual).any(axis=(0, 2))
        if different.any():
            tick = int(different.argmax())
            sample, neuron = np.argwhere(expected[:, tick] != actual[:, tick])[0]
            found = (tick, first + int(sample), int(neuron))
            self.first = min(self.first or found, found)

    def report(self, ticks: int) -> dict[str, Any]:
        """Return the figures as plain data."""
        neurons, always = self.counts[0].size, ticks * self.samples
        return {
            "neurons": neurons,
            "real_spikes": int(self.counts[0].sum()),
            "spikes": int(self.counts[1].sum()),
            "count_error": self.off / (neurons * self.samples),
            "real_dead": int((self.busy[0] == 0).sum()),
            "dead": int((self.busy[1] == 0).sum()),
            "real_saturated": int((self.busy[0] == always).sum()),
            "saturated": int((self.busy[1] == always).sum()),
            "first_difference": None
            if self.first is None
            else dict(zip(("tick", "sample", "neuron"), self.first, strict=True)),
        }
