"""What the host makes of the events that monitored cores report."""

from collections.abc import Mapping

import numpy as np

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Output
from snnc.targets.dynapcnn.emulation.convolve import pool_sums


def gathered(output: Output, spikes: Mapping[int, Array]) -> Array:
    """Return the counts of an output (..., f, y, x) from those of its cores, by number."""
    counts = [spikes[core] for core in output.cores]
    whole = counts[0] if len(counts) == 1 else np.concatenate(counts, axis=-3)
    return pool_sums(whole[..., :: output.step, :, :], (output.pool, output.pool))
