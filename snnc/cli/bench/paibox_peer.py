"""One measured compilation by PAIBox 1.3, run as a script by a Python that has it.

It stands alone: that environment has no snnc. Same sizes, seed and weights as `child.py`, and a
tiny network first; measured is Mapper.build, compile and export. The last line is JSON.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import sys
import tempfile
import time
from itertools import pairwise
from typing import Any


def make_network(pb: Any, sizes: list[int], seed: int, prefix: str = "") -> Any:
    """Return fully connected IF layers, each one tick after the one before it."""
    import numpy as np

    draw = np.random.Generator(np.random.PCG64(seed))
    network = pb.Network()
    network.x = source = pb.InputProj(input=None, shape_out=(sizes[0],), name=f"{prefix}x")
    for number, (before, size) in enumerate(pairwise(sizes), 1):
        weights = draw.integers(-128, 128, (size, before), dtype=np.int8)
        neurons = pb.IF(
            (size,),
            threshold=int(127 * before * 0.25),
            tick_wait_start=number,
            name=f"{prefix}n{number}",
        )
        synapses = pb.FullConn(
            source,
            neurons,
            weights=np.ascontiguousarray(weights.T),
            conn_type=pb.SynConnType.All2All,
            name=f"{prefix}w{number}",
        )
        setattr(network, f"n{number}", neurons)
        setattr(network, f"w{number}", synapses)
        source = neurons
    return network


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what one compilation of a task takes."""
    pb = importlib.import_module("paibox")
    with contextlib.redirect_stdout(io.StringIO()):
        compile_network(pb, make_network(pb, [16, 8], 0, "warm_"))
        seconds, size = compile_network(pb, make_network(pb, task["sizes"], task["seed"]))
    largest = importlib.import_module("resident").peak()
    return {"seconds": seconds, "bytes": size, "peak_bytes": largest}


def compile_network(pb: Any, network: Any) -> tuple[float, int]:
    """Return the seconds that a compilation takes, and the bytes it writes."""
    with tempfile.TemporaryDirectory() as folder:
        gc.collect()
        begun = time.perf_counter()
        mapper = pb.Mapper()
        mapper.build(network)
        mapper.compile()
        mapper.export(write_to_file=True, fp=folder, format="bin")
        seconds = time.perf_counter() - begun
        names = os.listdir(folder)
        return seconds, sum(os.path.getsize(os.path.join(folder, name)) for name in names)


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
