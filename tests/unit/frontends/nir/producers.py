"""Exporting and running networks of the frameworks, and the archive of what came of it.

A case gives the graph that the framework's own function exports, random input, and what every
neuron layer gave in the framework, per tick, by the node's name. Inputs are spikes and weights
multiples of 1/64, so that sums of products are exact in float32 in any order, and what differs is a
neuron's doing.
"""

import io
import json
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import field, frozen
from torch import nn

from tests.unit.frontends.nir.recorded import ARCHIVE, SAMPLES, TICKS


@frozen(eq=False)
class Export:
    """One exported network: layers are (samples, ticks, n), inputs (samples, ticks, *shape)."""

    graph: Any = field(repr=False)
    x: np.ndarray = field(repr=False)
    layers: dict[str, np.ndarray] = field(repr=False)


@frozen(eq=False)
class Case:
    """How a network is made, and what its reader must be told beside the file."""

    producer: str
    layer: str
    make: Any = field(repr=False)
    options: dict[str, Any]


CASES: dict[str, Case] = {}


def case(producer, layer, **options):
    def add(make):
        CASES[make.__name__] = Case(producer, layer, make, options)
        return make

    return add


def export(name):
    """Return one case, made anew."""
    torch.manual_seed(sum(map(ord, name)))
    torch.set_num_threads(1)
    return CASES[name].make()


def grid(network, factor=1.0):
    """Put all weights on multiples of 1/64, larger by a factor; return the network in eval mode."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
                for tensor in module.parameters(recurse=False):
                    tensor.copy_(torch.round(tensor * factor * 64) / 64)
    return network.eval()


def train(*shape, rate=0.5):
    return (torch.rand(SAMPLES, TICKS, *shape) < rate).float()


def watched(network, names, call):
    """Return what modules gave while `call` runs, first results, by name, one list each."""
    given = {name: [] for name in names}
    modules = dict(network.named_modules())

    def record(name):
        def hook(module, inputs, result):
            one = result[0] if isinstance(result, tuple) else result
            given[name].append(one.detach().clone())

        return hook

    hooks = [modules[name].register_forward_hook(record(name)) for name in names]
    with torch.no_grad():
        call()
    for hook in hooks:
        hook.remove()
    return given


def flat(array):
    """Return (samples, ticks, n) of a tensor (samples, ticks, ...)."""
    return array.reshape(SAMPLES, TICKS, -1).numpy().astype(np.float32)


def stepped(network, names, x, call):
    """Return layers of a network that is called once a tick, batch first."""
    given = watched(network, names, lambda: [call(x[:, t]) for t in range(TICKS)])
    return {name: flat(torch.stack(given[name], 1)) for name in names}


def write(graph, path):
    """Write a graph as its producer's users do: with shapes inferred, where nir needs them.

    Raises what nir raises where it has no form for the graph.
    """
    import nir

    try:
        nir.write(path, graph)
    except TypeError:
        graph.infer_types()
        nir.write(path, graph)


def record(names):
    """Put cases into the archive in place of those recorded; others are kept."""
    members = {}
    if ARCHIVE.exists():
        with zipfile.ZipFile(ARCHIVE) as old:
            members = {n: old.read(n) for n in old.namelist() if n.partition(".")[0] not in names}
    for name in names:
        made = export(name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.nir"
            try:
                write(made.graph, path)
            except (TypeError, ValueError, RuntimeError) as error:
                print(f"{name}: nir does not write it: {error}")
                continue
            members[f"{name}.nir"] = path.read_bytes()
        layers = {f"layer:{k}": narrow(v) for k, v in made.layers.items()}
        buffer = io.BytesIO()
        np.savez(buffer, x=made.x.astype(np.uint8), about=np.array(_about(name)), **layers)
        members[f"{name}.npz"] = buffer.getvalue()
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in sorted(members):
            new.writestr(zipfile.ZipInfo(name), members[name], zipfile.ZIP_DEFLATED)


def _about(name):
    import nir

    case = CASES[name]
    said = {"producer": case.producer, "layer": case.layer, "options": case.options}
    return json.dumps({**said, "version": version(case.producer), "nir": nir.version})


def narrow(layer):
    """Return counts of spikes in 16 bits, potentials as they are."""
    return layer.astype(np.uint16) if (layer == layer.astype(np.uint16)).all() else layer
