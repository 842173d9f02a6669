"""One measured simulation by PAIBox 1.3, run as a script by a Python that has it.

It stands alone: that environment has no snnc. PAIBox runs one sample; a layer works one tick after
the one before it, so a run is longer by the number of layers. The last line is JSON.
"""

import contextlib
import importlib
import io
import json
import sys
import time
from typing import Any

import numpy as np

LEAST_RUNS, LONG = 3, 10


def make_network(pb: Any, task: dict[str, Any], arrays: Any) -> Any:
    """Return the network and the neurons of its last layer; pools have none here."""
    network = pb.Network()
    network.x = values = pb.InputProj(input=None, shape_out=tuple(task["shape"]), name="x")
    made = [values]
    for number, layer in enumerate(task["layers"], 1):
        (term,) = layer["terms"]
        neurons = pb.IF(
            tuple(layer["shape"]),
            threshold=layer["threshold"],
            reset_v=None,
            tick_wait_start=number,
            name=f"n{number}",
        )
        w = arrays[term["w"]]
        if term["kind"] == "conv":
            synapses = pb.Conv2d(
                made[term["of"]], neurons, kernel=w, stride=term["stride"], padding=term["padding"]
            )
        else:
            synapses = pb.FullConn(
                made[term["of"]],
                neurons,
                weights=np.ascontiguousarray(w.T),
                conn_type=pb.SynConnType.All2All,
            )
        setattr(network, f"n{number}", neurons)
        setattr(network, f"w{number}", synapses)
        made.append(neurons)
    network.probe = pb.Probe(made[-1], "spike")
    return network


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what simulating the first sample takes."""
    pb = importlib.import_module("paibox")
    with np.load(task["data"], allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    with contextlib.redirect_stdout(io.StringIO()):
        network = make_network(pb, task, arrays)
        simulator = pb.Simulator(network)
        counts = run(simulator, network, arrays["x"][0], len(task["layers"]))
        clock = time.process_time if task["clock"] == "processor" else time.perf_counter
        times: list[float] = []
        seconds = task["seconds"]
        while sum(times) < seconds or (len(times) < LEAST_RUNS and sum(times) < LONG * seconds):
            begun = clock()
            run(simulator, network, arrays["x"][0], len(task["layers"]))
            times.append(clock() - begun)
    return {
        "times": times,
        "peak_bytes": importlib.import_module("resident").peak(),
        "spikes": counts,
    }


def run(simulator: Any, network: Any, x: Any, depth: int) -> list[int]:
    """Run one sample until its last tick has passed all layers; return the output spikes."""
    simulator.reset()
    silence = np.zeros_like(x[0])
    for step in [*x, *[silence] * (depth - 1)]:
        network.x.input = step
        simulator.run(1)
    found = np.stack(simulator.data[network.probe])[depth - 1 :]
    counts: list[int] = found.sum(axis=0, dtype=np.int64).reshape(-1).tolist()
    return counts


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        print(json.dumps(measure(json.load(stream))))
