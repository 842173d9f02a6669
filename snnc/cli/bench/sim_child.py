"""One measured simulation by the native engine: `python -m snnc.cli.bench.sim_child TASK`.

The task is JSON: the layers of a network, the `.npz` file beside it, threads, and how long to
measure. The last line of the output is JSON: seconds of each run, of the first one with all that
comes before it, peak memory, spikes of the output and the rate of every layer.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from snnc.cli.bench.resident import peak

if TYPE_CHECKING:
    from snnc.ir.graph import Module, Value

LEAST_RUNS = 3


def make_module(layers: list[dict[str, Any]], shape: list[int], arrays: Any) -> "Module":
    """Return the network at level `int`."""
    from snnc.ir.build import Builder

    build = Builder("bench", "int", {})
    values = [build.input("x", f"u1[{', '.join(map(str, shape))}]~")]
    for place, layer in enumerate(layers, 1):
        if "pool" in layer:
            kernel = (layer["pool"],) * 2
            values.append(build.op("max_pool2d", values[layer["of"]], kernel=kernel))
            continue
        later = build.forward(f"s{place}", f"u1[{', '.join(map(str, layer['shape']))}]~")
        currents = []
        for term in layer["terms"]:
            read = values[term["of"]] if term["of"] < place else later
            read = build.op("delay", read, by=term["delay"]) if term["delay"] else read
            currents.append(_current(build, term, read, arrays))
        total = currents[0] if len(currents) == 1 else build.op("add", *currents)
        values.append(build.op("neuron", total, name=f"s{place}", threshold=layer["threshold"]))
        build.bind(later, values[-1])
    return build.finish(values[-1])


def _current(build: Any, term: dict[str, Any], x: "Value", arrays: Any) -> "Value":
    if term["kind"] == "scale":
        import numpy as np

        found: Value = build.op("scale", x, build.weight("by", np.array([term["by"]])))
        return found
    w = arrays[term["w"]]
    if term["kind"] == "conv":
        how = {"stride": (term["stride"],) * 2, "padding": (term["padding"],) * 2}
        found = build.op("conv2d", x, build.weight("w", w), **how)
    else:
        flat = x if len(x.type.shape) == 1 else build.op("reshape", x, shape=(x.type.size,))
        found = build.op("linear", flat, build.weight("w", w))
    return found


LONG = 10
"""How many times longer than asked for a process goes on, to have that many runs."""


def repeated(run: Callable[[], Any], seconds: float, processor: bool) -> list[float]:
    """Return the seconds of each of some runs, which take so long together, after one more.

    They are those that the processor gave, or the clock's.
    """
    clock = time.process_time if processor else time.perf_counter
    run()
    times: list[float] = []
    while sum(times) < seconds or (len(times) < LEAST_RUNS and sum(times) < LONG * seconds):
        begun = clock()
        run()
        times.append(clock() - begun)
    return times


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what running a network takes."""
    import numpy as np

    from snnc.runtime.native.engine import NativeEngine

    with np.load(task["data"], allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    module = make_module(task["layers"], task["shape"], arrays)
    begun = time.perf_counter()
    program = NativeEngine(jobs=task["threads"]).prepare(module)
    x = {"x": arrays["x"]}
    (out,) = program.run(x).outputs.values()
    first = time.perf_counter() - begun
    times = []
    if task["seconds"]:
        processor = task["clock"] == "processor"
        times = repeated(lambda: program.run(x), task["seconds"], processor)
    found = {"times": times, "first": first, "peak_bytes": peak()}
    found["spikes"] = _counts(out[: task["samples"]])
    if task["rates"]:
        names = [op.result.name for op in module.ops("neuron")]
        trace = program.run({"x": arrays["x"][:2]}, probe=names).trace
        found["rates"] = {name: float(trace[name].mean()) for name in names}
    return found


def _counts(out: Any) -> list[int]:
    """Return the spikes of each output neuron over all samples and ticks."""
    counts: list[int] = out.sum(axis=(0, 1), dtype="int64").reshape(-1).tolist()
    return counts


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        print(json.dumps(measure(json.load(stream))))
