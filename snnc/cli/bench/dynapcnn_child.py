"""One measurement of the DYNAP-CNN target, in a process of its own: `python -m ... TASK.json`.

A task names what to measure and the files to work with; the result is one line of JSON. Running is
measured in processor time, of which others on the machine take nothing. Before the clock starts,
every module is imported and all machine code is there.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnc.cli.bench.resident import peak

if TYPE_CHECKING:
    from snnc.ir.graph import Module

SHAPES = ((20, 1, 5, 5), (32, 20, 5, 5), (128, 32, 3, 3), (500, 128, 1, 1), (10, 500, 1, 1))
POOLED = 3
"""How many of the first layers are averaged over windows of two."""

RATE = 0.1
"""Share of the pixels that spike in a tick."""


def make_network(seed: int) -> "Module":
    """Return the network of sinabs' guide, with random weights that keep every layer busy."""
    import numpy as np

    from snnc.ir.build import Builder

    draw = np.random.Generator(np.random.PCG64(seed))
    build = Builder("bench", "snn", {})
    spikes = build.input("x", "u1[1, 28, 28]~")
    for number, shape in enumerate(SHAPES):
        fan_in = shape[1] * shape[2] * shape[3]
        weights = draw.normal(0.2 / fan_in**0.5, 1.3 / fan_in**0.5, shape).astype(np.float32)
        current = build.op("conv2d", spikes, build.weight(f"w{number}", weights))
        options: dict[str, Any] = {
            "threshold": 1.0,
            "floor": -1.0,
            "spike": "count",
            "reset": "soft",
        }
        spikes = build.op("neuron", current, name=f"n{number}", **options)
        if number < POOLED:
            spikes = build.op("avg_pool2d", spikes, kernel=(2, 2))
    return build.finish(build.op("reshape", spikes, name="y", shape=(10,)))


def make_inputs(samples: int, ticks: int, seed: int) -> Any:
    """Return random spikes (samples, ticks, 1, 28, 28)."""
    import numpy as np

    draw = np.random.Generator(np.random.PCG64(seed))
    return (draw.random((samples, ticks, 1, 28, 28)) < RATE).astype(np.uint8)


def compiling(task: dict[str, Any]) -> dict[str, Any]:
    """Return what compiling takes, from the network in memory to the files on disk."""
    from snnc.driver import compile as compile_network

    with tempfile.TemporaryDirectory(prefix="snnc-bench-") as place:
        compile_network(make_network(0), "dynapcnn").save(Path(place, "first"))
    module = make_network(task["seed"])
    begun = time.perf_counter()
    compile_network(module, "dynapcnn").save(Path(task["folder"]))
    return {"seconds": time.perf_counter() - begun, "peak_bytes": peak()}


def running(task: dict[str, Any]) -> dict[str, Any]:
    """Return what running a build takes, in time steps or event by event."""
    from snnc.machine import installed
    from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
    from snnc.targets.dynapcnn.emulation.timestep import Timestep

    if not installed():
        raise SystemExit("llvmlite is not installed: pip install snnc[native]")
    kind = Eventwise if task["what"] == "events" else Timestep
    program = kind(Path(task["folder"]))
    inputs = make_inputs(task["samples"], task["ticks"], task["seed"])
    program.run({"x": inputs[:1, :2]})
    begun = time.process_time()
    ran = program.run({"x": inputs})
    seconds = time.process_time() - begun
    operations = sum(row["operations"] for row in ran.state.activity.values())
    return {
        "seconds": seconds,
        "ms_per_step": 1e3 * seconds / (task["samples"] * task["ticks"]),
        "operations": operations,
        "operations_per_second": operations / seconds,
        "spikes": int(ran.outputs["y"].sum(dtype="int64")),
        "peak_bytes": peak(),
    }


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what a task asks for: `compile`, `steps` or `events`."""
    return compiling(task) if task["what"] == "compile" else running(task)


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
