"""One measured compilation, in a process of its own: `python -m snnc.cli.bench.child TASK.json`.

The network is made first, outside the clock, and a tiny one is compiled and
written, so that every module is imported. Measured is from the module in memory to the files on
disk; the result is one line of JSON with `seconds`, `bytes` and `peak_bytes` of the process.
"""

import gc
import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnc.cli.bench.resident import peak

if TYPE_CHECKING:
    from snnc.ir.graph import Module

MIDDLE = 0.25
"""Threshold as a part of the largest sum that a layer's inputs can give."""


def make_network(sizes: list[int], seed: int) -> "Module":
    """Return fully connected integrate-and-fire layers with random int8 weights."""
    import numpy as np

    from snnc.ir.build import Builder

    draw = np.random.Generator(np.random.PCG64(seed))
    build = Builder("bench", "int", {})
    spikes = build.input("x", f"u1[{sizes[0]}]~")
    for number, (before, size) in enumerate(pairwise(sizes), 1):
        weights = draw.integers(-128, 128, (size, before), dtype=np.int8)
        current = build.op("linear", spikes, build.weight(f"w{number}", weights))
        threshold = int(127 * before * MIDDLE)
        spikes = build.op("neuron", current, name=f"n{number}", threshold=threshold)
    return build.finish(spikes)


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what one compilation of a task takes."""
    from snnc.driver import compile as compile_network

    module = make_network(task["sizes"], task["seed"])
    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as place:
        compile_network(make_network([16, 8], 0), "paicore").save(Path(place, "tiny"))
        folder = Path(place, "build")
        gc.collect()
        begun = time.perf_counter()
        build = compile_network(module, "paicore")
        build.save(folder)
        seconds = time.perf_counter() - begun
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"seconds": seconds, "bytes": size, "peak_bytes": peak()}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
