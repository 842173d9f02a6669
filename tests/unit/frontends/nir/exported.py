"""Networks of each framework, to be exported by its own function and run by the framework itself.

    python -m tests.unit.frontends.nir.exported [producer or case ...]

records all cases, or those of some producers, in data/exports.zip, with the versions of the
packages, for the tests that run where no framework is. Frameworks are imported by the cases. Those
in the archive were exported with nir 1.0.8, but sinabs', which asks for nir 1.0.4 (and so for
nirtorch 1.0).
"""

import sys
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from tests.unit.frontends.nir.producers import (
    CASES,
    Export,
    case,
    flat,
    grid,
    record,
    stepped,
    train,
    watched,
)
from tests.unit.frontends.nir.recorded import SAMPLES, TICKS

# snnTorch


def snntorch_export(*modules, shape=(12,), nodes=None, ignore=(), factor=3.0):
    """Export a Sequential; its neuron layers are (recurrent ones as `i.lif`) those in `nodes`."""
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    network = grid(nn.Sequential(*modules), factor)
    graph = export_to_nir(network, torch.rand(shape), ignore_dims=list(ignore))
    utils.reset(network)
    x = train(*shape[len(ignore) :])
    found = stepped(network, list(nodes), x, network)
    return Export(graph, x.numpy(), {nodes[name]: layer for name, layer in found.items()})


def full(value, *shape):
    return torch.full(shape, value)


def leaky(n, beta=0.9, kind="Leaky", **more):
    import snntorch

    size = {"linear_features": n} if kind.startswith("R") and "V" not in more else {}
    shape = n if isinstance(n, tuple) else (n,)
    extra = {"alpha": full(0.5, *shape)} if "Synaptic" in kind else {}
    given = {"beta": full(beta, *shape), "threshold": full(1.0, *shape), **extra, **size, **more}
    return getattr(snntorch, kind)(init_hidden=True, **given)


@case("snntorch", "Leaky, two layers")
def snntorch_leaky():
    layers = nn.Linear(12, 16), leaky(16), nn.Linear(16, 6), leaky(6, 0.75)
    return snntorch_export(*layers, nodes={"1": "1", "3": "3"})


@case("snntorch", "Leaky(reset_delay=False), v < 2 threshold", reset_time="now")
def snntorch_at_once():
    layers = nn.Linear(12, 16), leaky(16, 0.75, reset_delay=False)
    return snntorch_export(*layers, nodes={"1": "1"}, factor=1.0)


@case("snntorch", 'Leaky(reset_mechanism="zero")', reset="hard", reset_time="now")
def snntorch_zero():
    layers = nn.Linear(12, 16), leaky(16, reset_mechanism="zero")
    return snntorch_export(*layers, nodes={"1": "1"})


@case("snntorch", "Synaptic")
def snntorch_synaptic():
    layers = nn.Linear(12, 16), leaky(16, kind="Synaptic")
    return snntorch_export(*layers, nodes={"1": "1"})


@case("snntorch", "RLeaky")
def snntorch_rleaky():
    layers = nn.Linear(12, 16), leaky(16, kind="RLeaky"), nn.Linear(16, 6), leaky(6)
    return snntorch_export(*layers, nodes={"1": "1.lif", "3": "3"})


@case("snntorch", "RLeaky(all_to_all=False)")
def snntorch_one_to_one():
    layer = leaky(16, kind="RLeaky", all_to_all=False, V=full(-0.5, 16))
    return snntorch_export(nn.Linear(12, 16), layer, nodes={"1": "1.lif"})


@case("snntorch", "RSynaptic")
def snntorch_rsynaptic():
    layers = nn.Linear(12, 16), leaky(16, kind="RSynaptic"), nn.Linear(16, 6), leaky(6)
    return snntorch_export(*layers, nodes={"1": "1.lif", "3": "3"})


@case("snntorch", "RLeaky and RSynaptic as nested graphs")
def snntorch_nested():
    """nirtorch lays snnTorch's graphs of recurrent layers flat; here they stay nested."""
    import nir
    from snntorch import utils
    from snntorch.export_nir import _extract_snntorch_module

    layers = nn.Linear(12, 16), leaky(16, kind="RLeaky"), leaky(16, kind="RSynaptic")
    network = grid(nn.Sequential(*layers), 3.0)
    names = ("fc", "rleaky", "rsynaptic")
    nodes = {
        "input": nir.Input(input_type=np.array([12])),
        **dict(zip(names, map(_extract_snntorch_module, network), strict=True)),
        "output": nir.Output(output_type=np.array([16])),
    }
    graph = nir.NIRGraph(nodes=nodes, edges=list(pairwise(nodes)))
    utils.reset(network)
    x = train(12)
    found = stepped(network, ["1", "2"], x, network)
    return Export(graph, x.numpy(), {"rleaky.lif": found["1"], "rsynaptic.lif": found["2"]})


@case("snntorch", "Conv2d, Leaky, AvgPool2d, Flatten")
def snntorch_conv():
    layers = (
        nn.Conv2d(2, 4, 3, padding=1),
        leaky((4, 8, 8)),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 5),
        leaky(5),
    )
    found = {"1": "1", "5": "5"}
    return snntorch_export(*layers, shape=(1, 2, 8, 8), nodes=found, ignore=(0,))


# SpikingJelly


def jelly_export(network, names, shape=(12,), prefix="", dt=1e-4, factor=3.0):
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    network = grid(network, factor)
    graph = export_to_nir(network, torch.rand(1, *shape), dt=dt)
    functional.reset_net(network)
    x = train(*shape)
    found = stepped(network, names, x, network)
    return Export(graph, x.numpy(), {prefix + name: layer for name, layer in found.items()})


def jelly(*kinds):
    """Return a Sequential of Linear layers and neurons made by `kinds`, 12 values in."""
    from spikingjelly.activation_based import layer

    modules = []
    for kind in kinds:
        modules += [layer.Linear(16 if modules else 12, 16), kind]
    return nn.Sequential(*modules)


@case("spikingjelly", "IFNode, residual")
def spikingjelly_residual():
    from spikingjelly.activation_based import layer, neuron

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.first = layer.Linear(12, 16), neuron.IFNode()
            self.b, self.second = layer.Linear(16, 16), neuron.IFNode(v_reset=-0.5)
            self.c, self.last = layer.Linear(16, 6), neuron.IFNode()

        def forward(self, x):
            x = self.first(self.a(x))
            return self.last(self.c(self.second(self.b(x) + x)))

    return jelly_export(Residual(), ["first", "second", "last"])


@case("spikingjelly", "LIFNode, v_reset of its own", profile="spikingjelly")
def spikingjelly_lif():
    from spikingjelly.activation_based import neuron

    layers = neuron.LIFNode(tau=2.0), neuron.LIFNode(tau=2.0, v_reset=-0.25)
    return jelly_export(jelly(*layers), ["1", "3"], prefix="_", factor=6.0)


@case("spikingjelly", "LIFNode(decay_input=False)")
def spikingjelly_plain():
    from spikingjelly.activation_based import neuron

    layers = neuron.LIFNode(tau=4.0, decay_input=False), neuron.IFNode()
    return jelly_export(jelly(*layers), ["1", "3"], prefix="_")


@case("spikingjelly", "ParametricLIFNode", profile="spikingjelly")
def spikingjelly_parametric():
    from spikingjelly.activation_based import neuron

    return jelly_export(jelly(neuron.ParametricLIFNode(init_tau=2.0)), ["1"], prefix="_")


@case("spikingjelly", "CUBALIFNode")
def spikingjelly_cubalif():
    from spikingjelly.activation_based import neuron

    layers = neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75), neuron.CUBALIFNode(v_reset=-0.5)
    return jelly_export(jelly(*layers), ["1", "3"], prefix="_")


@case("spikingjelly", "Conv2d, IFNode, AvgPool2d(padding=1), Flatten")
def spikingjelly_conv():
    from spikingjelly.activation_based import layer, neuron

    layers = (
        layer.Conv2d(2, 4, 3, padding=1, stride=2),
        neuron.IFNode(),
        layer.AvgPool2d(2, padding=1),
        layer.Flatten(),
        layer.Linear(36, 5),
        neuron.LIFNode(decay_input=False),
    )
    return jelly_export(nn.Sequential(*layers), ["1", "5"], shape=(2, 8, 8), prefix="_")


# Norse


def norse_export(*modules, names, shape=(12,), factor=6.0):
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    network = grid(norse.SequentialState(*modules), factor)
    graph = to_nir(network, torch.rand(shape))
    x = train(*shape)
    state = None

    def step(one):
        nonlocal state
        _, state = network(one, state)

    return Export(graph, x.numpy(), stepped(network, names, x, step))


def norse_cell(kind, n, **given):
    import norse.torch as norse

    spread = {k: full(v, n) for k, v in given.items()}
    return getattr(norse, f"{kind}Cell")(getattr(norse, f"{kind}Parameters")(**spread))


@case("norse", "LIFBoxCell", profile="norse")
def norse_lifbox():
    box = {"tau_mem_inv": 250.0, "v_th": 0.5, "v_leak": 0.0}
    layers = nn.Linear(12, 16), norse_cell("LIFBox", 16, **box), nn.Linear(16, 6)
    return norse_export(*layers, norse_cell("LIFBox", 6, **box), names=["1", "3"])


@case("norse", "LIFCell", profile="norse")
def norse_lif():
    cell = {"tau_mem_inv": 250.0, "tau_syn_inv": 500.0, "v_th": 0.5, "v_leak": 0.125}
    return norse_export(nn.Linear(12, 16), norse_cell("LIF", 16, **cell), names=["1"])


@case("norse", "IAFCell, LIBoxCell", profile="norse")
def norse_iaf():
    box = {"tau_mem_inv": 250.0, "v_leak": 0.0}
    layers = nn.Linear(12, 16), norse_cell("IAF", 16, v_th=1.0), nn.Linear(16, 6)
    return norse_export(*layers, norse_cell("LIBox", 6, **box), names=["1", "3"])


@case("norse", "Conv2d, LIFBoxCell", profile="norse")
def norse_conv():
    return convolved(tau_mem_inv=full(250.0, 4, 3, 3), v_th=full(0.5, 4, 3, 3))


@case("norse", "cells of one parameter, Conv2d", profile="norse")
def norse_scalar():
    return convolved(tau_mem_inv=torch.tensor(250.0), v_th=torch.tensor(0.5))


def convolved(**given):
    import norse.torch as norse

    leak = torch.zeros_like(given["v_th"])
    box = norse.LIFBoxCell(norse.LIFBoxParameters(v_leak=leak, **given))
    return norse_export(nn.Conv2d(2, 4, 3, stride=2), box, names=["1"], shape=(2, 8, 8))


# sinabs


def sinabs_export(*modules, names, shape=(12,)):
    import sinabs
    from sinabs.nir import to_nir

    network = grid(nn.Sequential(*modules), 6.0)
    graph = to_nir(network, torch.rand(TICKS, *shape))
    sinabs.set_batch_size(network, SAMPLES)
    sinabs.reset_states(network)
    x = train(*shape)
    given = watched(network, names, lambda: network(x.flatten(0, 1)))
    return Export(graph, x.numpy(), {name: flat(given[name][0]) for name in names})


@case("sinabs", "IAFSqueeze, two layers", profile="sinabs")
def sinabs_iaf():
    from sinabs import layers as sl

    iaf = [sl.IAFSqueeze(batch_size=1) for _ in range(2)]
    layers = nn.Linear(12, 16), iaf[0], nn.Linear(16, 6), iaf[1]
    return sinabs_export(*layers, names=["1", "3"])


def sinabs_neuron(kind, n, **more):
    from sinabs import layers as sl

    given = {"tau_mem": full(4.0, n), **more}
    if kind.startswith("LIF"):
        given["spike_threshold"] = full(1.0, n)
    return getattr(sl, kind)(batch_size=1, **given)


@case("sinabs", "LIFSqueeze", profile="sinabs")
def sinabs_lif():
    layers = nn.Linear(12, 16), sinabs_neuron("LIFSqueeze", 16), nn.Linear(16, 6)
    return sinabs_export(*layers, sinabs_neuron("LIFSqueeze", 6), names=["1", "3"])


@case("sinabs", "LIFSqueeze of one parameter", profile="sinabs")
def sinabs_scalar():
    from sinabs import layers as sl

    lif = sl.LIFSqueeze(tau_mem=4.0, batch_size=1)
    return sinabs_export(nn.Linear(12, 16), lif, names=["1"])


@case("sinabs", "LIFSqueeze(norm_input=False)", profile="sinabs", gain="unit")
def sinabs_unit():
    lif = sinabs_neuron("LIFSqueeze", 16, norm_input=False)
    return sinabs_export(nn.Linear(12, 16), lif, names=["1"])


@case("sinabs", "ExpLeakSqueeze", profile="sinabs")
def sinabs_expleak():
    leak = sinabs_neuron("ExpLeakSqueeze", 16)
    return sinabs_export(nn.Linear(12, 16), leak, names=["1"])


@case("sinabs", "Conv2d, IAFSqueeze, SumPool2d, Flatten")
def sinabs_conv():
    from sinabs import layers as sl

    layers = (
        nn.Conv2d(2, 4, 3, bias=False),
        sl.IAFSqueeze(batch_size=1),
        sl.SumPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 4),
        sl.IAFSqueeze(batch_size=1),
    )
    return sinabs_export(*layers, names=["1", "5"], shape=(2, 8, 8))


# Rockpool


def rockpool_export(*modules, names):
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules.torch.nir import to_nir

    network = Sequential(*modules)
    with torch.no_grad():
        for module in network.modules().values():
            if hasattr(module, "weight"):
                module.weight.copy_(torch.round(module.weight * 192) / 64)
    graph = to_nir(network, torch.rand(1, TICKS, 12))
    x = train(12)
    network = network.reset_state()
    given = watched(network, names, lambda: network(x))
    return Export(graph, x.numpy(), {name: flat(given[name][0]) for name in names})


def rockpool_layers(kind, **given):
    from rockpool.nn import modules

    linear = modules.LinearTorch((12, 16), has_bias=False)
    names = [f"1_{kind}"]
    return rockpool_export(linear, getattr(modules, kind)((16,), dt=0.001, **given), names=names)


@case("rockpool", "LIFTorch")
def rockpool_liftorch():
    return rockpool_layers("LIFTorch", tau_mem=0.02, tau_syn=0.01)


@case("rockpool", "LIFNeuronTorch")
def rockpool_lifneurontorch():
    return rockpool_layers("LIFNeuronTorch", tau_mem=0.02)


@case("rockpool", "ExpSynTorch")
def rockpool_expsyntorch():
    return rockpool_layers("ExpSynTorch", tau=0.01)


if __name__ == "__main__":
    wanted = sys.argv[1:]
    record([n for n, c in CASES.items() if not wanted or {n, c.producer} & {*wanted}])
