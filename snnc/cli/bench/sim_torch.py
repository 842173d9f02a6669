"""One measured simulation by a framework of PyTorch, run as a script by a Python that has it.

It stands alone: that environment has no snnc. The first argument is the task, the second the name
of the framework, or `int8` for torch's own product of bytes, whose speed is a bound of the machine.
A layer runs over all ticks at once where the framework can do that; a network that reads itself
runs tick by tick. The last line of the output is JSON.
"""

import importlib
import json
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn

LEAST_RUNS, LONG = 3, 10


def operator(term: dict[str, Any], arrays: Any) -> Any:
    """Return the function of one term on `(rows, *shape)`."""
    if term["kind"] == "scale":
        return lambda x: x * float(term["by"])
    w = torch.from_numpy(arrays[term["w"]]).float()
    if term["kind"] == "conv":
        return lambda x: nn.functional.conv2d(x, w, stride=term["stride"], padding=term["padding"])
    return lambda x: nn.functional.linear(x.flatten(1), w)


class _Sinabs:
    """Integrate-and-fire neurons of sinabs over `(samples * ticks, ...)`."""

    def __init__(self, threshold: float, samples: int) -> None:
        layers = importlib.import_module("sinabs.layers")
        single = importlib.import_module("sinabs.activation").SingleSpike
        self.layer = layers.IAFSqueeze(
            batch_size=samples, spike_threshold=torch.tensor(threshold), spike_fn=single
        )

    def reset(self) -> None:
        self.layer.reset_states()

    def __call__(self, x: Any, samples: int) -> Any:
        return self.layer(x)


class _SpikingJelly:
    """Integrate-and-fire neurons of SpikingJelly, several steps at once."""

    def __init__(self, threshold: float, samples: int) -> None:
        neuron = importlib.import_module("spikingjelly.activation_based.neuron")
        self.layer = neuron.IFNode(v_threshold=threshold, v_reset=None, step_mode="m")
        self.layer.eval()

    def reset(self) -> None:
        self.layer.reset()

    def __call__(self, x: Any, samples: int) -> Any:
        steps = x.unflatten(0, (samples, -1)).transpose(0, 1)
        return self.layer(steps).transpose(0, 1).flatten(0, 1)


class _SnnTorch:
    """Leaky neurons of snnTorch without a leak, which it runs tick by tick."""

    def __init__(self, threshold: float, samples: int) -> None:
        leaky = importlib.import_module("snntorch").Leaky
        self.layer = leaky(beta=1.0, threshold=threshold, reset_mechanism="subtract")
        self.reset()

    def reset(self) -> None:
        self.state = self.layer.init_leaky()

    def __call__(self, x: Any, samples: int) -> Any:
        sent = []
        for step in x.unflatten(0, (samples, -1)).unbind(1):
            spikes, self.state = self.layer(step, self.state)
            sent.append(spikes)
        return torch.stack(sent, 1).flatten(0, 1)


class _Norse:
    """Integrate-and-fire neurons of Norse: its LIF without a leak towards rest, tick by tick."""

    def __init__(self, threshold: float, samples: int) -> None:
        box = importlib.import_module("norse.torch.functional.iaf")
        self.step, self.state_of = box.iaf_feed_forward_step, box.IAFFeedForwardState
        self.parameters = box.IAFParameters(v_th=torch.tensor(threshold))
        self.reset()

    def reset(self) -> None:
        self.state: Any = None

    def __call__(self, x: Any, samples: int) -> Any:
        sent = []
        for step in x.unflatten(0, (samples, -1)).unbind(1):
            state = self.state or self.state_of(v=torch.zeros_like(step))
            spikes, self.state = self.step(step, state, self.parameters)
            sent.append(spikes)
        return torch.stack(sent, 1).flatten(0, 1)


KINDS = {"sinabs": _Sinabs, "spikingjelly": _SpikingJelly, "snntorch": _SnnTorch, "norse": _Norse}


class Network:
    """The layers of a task with the neurons of a framework."""

    def __init__(self, task: dict[str, Any], arrays: Any, kind: Any, samples: int) -> None:
        self.samples = samples
        self.layers: list[Any] = []
        for layer in task["layers"]:
            if "pool" in layer:
                self.layers.append((layer, [], None))
                continue
            operators = [operator(term, arrays) for term in layer["terms"]]
            self.layers.append((layer, operators, kind(float(layer["threshold"]), samples)))
        terms = (t for layer in task["layers"] for t in layer.get("terms", ()))
        self.stepwise = any(term["delay"] for term in terms)

    def run(self, x: Any) -> Any:
        """Return the output spikes `(samples, ticks, ...)` of input spikes."""
        for _, _, neurons in self.layers:
            if neurons is not None:
                neurons.reset()
        with torch.no_grad():
            if not self.stepwise:
                return self._pass(x.flatten(0, 1), {})[-1].unflatten(0, x.shape[:2])
            past: dict[int, Any] = {}
            sent = []
            for step in x.unbind(1):
                values = self._pass(step, past)
                past = dict(enumerate(values))
                sent.append(values[-1])
            return torch.stack(sent, 1)

    def _pass(self, x: Any, past: dict[int, Any]) -> list[Any]:
        values = [x]
        for layer, operators, neurons in self.layers:
            if neurons is None:
                values.append(nn.functional.max_pool2d(values[layer["of"]], layer["pool"]))
                continue
            total: Any = 0
            for term, apply in zip(layer["terms"], operators, strict=True):
                if not term["delay"]:
                    total = total + apply(values[term["of"]])
                elif past:
                    total = total + apply(past[term["of"]])
            values.append(neurons(total, self.samples))
        return values


def measure(task: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what running a network takes."""
    torch.set_num_threads(task["threads"])
    if name == "int8":
        torch.set_num_threads(1)
        return bound(task["threads"])
    with np.load(task["data"], allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    x = torch.from_numpy(arrays["x"][: task["samples"]]).float()
    network = Network(task, arrays, KINDS[name], len(x))
    out = network.run(x)
    clock = time.process_time if task["clock"] == "processor" else time.perf_counter
    times: list[float] = []
    seconds = task["seconds"]
    while sum(times) < seconds or (len(times) < LEAST_RUNS and sum(times) < LONG * seconds):
        begun = clock()
        network.run(x)
        times.append(clock() - begun)
    return {
        "times": times,
        "peak_bytes": importlib.import_module("resident").peak(),
        "spikes": out.sum(dim=(0, 1)).reshape(-1).long().tolist(),
    }


def bound(threads: int) -> dict[str, Any]:
    """Return how many products of bytes a second torch makes with as many threads at best."""
    size, best = 1024, 0.0
    a = torch.randint(-127, 127, (size, size), dtype=torch.int8)
    b = torch.randint(-127, 127, (size, size), dtype=torch.int8)
    for _ in range(40):
        begun = time.process_time()
        torch._int_mm(a, b)
        best = max(best, size**3 / (time.process_time() - begun))
    return {"macs_per_second": best * threads}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        print(json.dumps(measure(json.load(stream), sys.argv[2])))
