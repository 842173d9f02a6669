"""One measured simulation by sinabs 3, run as a script by a Python that has it.

It stands alone: that environment has no snnc. The layers are made from a configuration that snnc
wrote, so both sides run the same integers; all steps of a sample go through a layer at once, which
is the fastest that sinabs does. The last line is JSON.
"""

import importlib
import json
import sys
import time
from typing import Any


def make_network(torch: Any, layers: Any, config: dict[str, Any], order: list[int]) -> Any:
    """Return convolutions, integrate-and-fire layers and sums over windows, in order."""
    modules: list[Any] = []
    for number in order:
        core = config["cnn_layers"][number]
        weights = torch.tensor(core["weights"], dtype=torch.float32).transpose(-1, -2)
        conv = torch.nn.Conv2d(weights.shape[1], weights.shape[0], weights.shape[2], bias=False)
        conv.weight.data = weights.contiguous()
        high, low = (torch.tensor(float(core[f"threshold_{end}"])) for end in ("high", "low"))
        modules += [conv, layers.IAFSqueeze(batch_size=1, spike_threshold=high, min_v_mem=low)]
        pools = {to["pooling"] for to in core["destinations"] if to["enable"]}
        modules += [layers.SumPool2d(pool) for pool in pools if pool > 1]
    return torch.nn.Sequential(*modules)


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what running the samples takes."""
    import numpy as np

    torch = importlib.import_module("torch")
    layers = importlib.import_module("sinabs.layers")
    reset = importlib.import_module("sinabs").reset_states
    torch.set_num_threads(1)
    with open(task["folder"] + "/config.json", encoding="utf-8") as file:
        config = json.load(file)
    network = make_network(torch, layers, config, task["order"])
    draw = np.random.Generator(np.random.PCG64(task["seed"]))
    shape = (task["samples"], task["ticks"], 1, 28, 28)
    inputs = torch.from_numpy((draw.random(shape) < task["rate"]).astype(np.float32))
    spikes = 0
    with torch.no_grad():
        network(inputs[0])
        begun = time.process_time()
        for sample in inputs:
            reset(network)
            spikes += int(network(sample).sum())
        seconds = time.process_time() - begun
    steps = task["samples"] * task["ticks"]
    return {"seconds": seconds, "ms_per_step": 1e3 * seconds / steps, "spikes": spikes}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
