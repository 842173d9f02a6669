"""How often each neuron spikes on data of the user: exact counts, the same however it is run."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.driver.engines import pick_engine
from snnc.driver.host import numbering
from snnc.extend.registry import Registry
from snnc.ir.graph import Module
from snnc.ir.weights import Array

CHUNK_BYTES = 1 << 27
"""Bytes of trains that are held at once, at four bytes a value."""

Counts = Mapping[str, Array]
"""Spikes of each neuron, int64 and flat, by the name of the layer."""


def counter(registry: Registry, inputs: Mapping[str, Array]) -> Callable[[Module], Counts]:
    """Return what counts the spikes of a module at level `int` on inputs.

    They are sums over all samples and ticks; of neurons that send values, those that are not 0
    count.

    Raises:
        SnncError: `rates-empty` where no neuron spikes; what the engine refuses as inputs.
    """

    def count(module: Module) -> Counts:
        values = [op.result for op in module.ops("neuron")]
        found = {v.name: np.zeros(v.type.size, dtype=np.int64) for v in values}
        program = pick_engine(registry, "auto", module).prepare(module)
        timed = [inputs[v.name].shape[1] for v in module.graph.inputs if _has_ticks(v, inputs)]
        stated = module.attrs.get("ticks")
        ticks = timed[0] if timed else stated if isinstance(stated, int) else None
        samples = max((len(array) for array in inputs.values()), default=0)
        size = sum(v.type.size for v in (*values, *module.graph.inputs)) + 1
        step = max(1, CHUNK_BYTES // (4 * size * max(ticks or 1, 1)))
        for first in range(0, max(samples, 1), step):
            part = {name: array[first : first + step] for name, array in inputs.items()}
            numbers = numbering(module, first)
            ran = program.run(part, ticks=ticks, probe=tuple(found), **numbers)
            for name, counts in found.items():
                counts += np.count_nonzero(ran.trace[name], axis=(0, 1)).reshape(-1)
        if not any(counts.any() for counts in found.values()):
            raise fail(
                "rates-empty",
                f"no neuron spikes on the data of rates: {samples} samples of {ticks} ticks",
                module.loc,
                help="give inputs as the network will see them; a few samples are enough",
            )
        return found

    return count


def _has_ticks(value: Any, inputs: Mapping[str, Array]) -> bool:
    return value.type.timed and value.name in inputs and inputs[value.name].ndim > 1
