"""The networks of the table in docs/pytorch.md: of each framework, each kind and each reset.

All take pictures of 28 x 28. A network is made by a function without arguments, so that the names
can be listed where neither torch nor a framework is installed.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

TICKS, SAMPLES = 32, 8


@frozen
class Network:
    """A row of the table.

    Attributes:
        framework: the package.
        title: what kind of network, and which layers.
        order: how it is called: step, states (handed on), loop, TB, BT or merged.
        make: returns the network.
        gain: factor on the weights that make its layers fire.
        options: what `snnc.load` is told.
    """

    framework: str
    title: str
    order: str
    make: Callable[[], Any]
    gain: float
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.framework}: {self.title}"


NETWORKS: list[Network] = []


def network(
    framework: str, title: str, order: str, gain: float = 3.0, **options: Any
) -> Callable[..., Any]:
    """Put the function into the table."""

    def listed(make: Callable[[], Any]) -> Callable[[], Any]:
        NETWORKS.append(Network(framework, title, order, make, gain, options))
        return make

    return listed


def _module(parts: dict[str, Any], forward: Callable[..., Any]) -> Any:
    from torch import nn

    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, *given: Any) -> Any:
            return forward(self, *given)

    return Written()


def _mlp(neurons: Callable[[], Any], flatten: int = 1) -> list[Any]:
    from torch import nn

    layers = [nn.Flatten(flatten), nn.Linear(784, 40), neurons(), nn.Linear(40, 20), neurons()]
    return [*layers, nn.Linear(20, 10), neurons()]


def _convolutions(neurons: Callable[[], Any], last: Callable[[], Any] | None = None) -> list[Any]:
    """Convolutions, batch norm, both pools, for one axis before the channels."""
    from torch import nn

    front = [nn.Conv2d(1, 4, 5, 2, bias=False), nn.BatchNorm2d(4), neurons(), nn.AvgPool2d(2)]
    middle = [nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), neurons(), nn.MaxPool2d(2)]
    return [*front, *middle, nn.Flatten(), nn.Linear(72, 10), (last or neurons)()]


# ---- SpikingJelly


def _jelly() -> Any:
    from spikingjelly.activation_based import functional, layer, neuron

    return functional, layer, neuron


def _stepped(network: Any, mode: str) -> Any:
    functional, _, _ = _jelly()
    functional.set_step_mode(network, mode)
    return network


@network("spikingjelly", "MLP, `LIFNode`, single-step", "step", gain=6)
def _() -> Any:
    from torch import nn

    return nn.Sequential(*_mlp(lambda: _jelly()[2].LIFNode(tau=2.0)))


@network("spikingjelly", "MLP, `ParametricLIFNode`, multi-step", "TB", gain=6)
def _() -> Any:
    from torch import nn

    make = lambda: _jelly()[2].ParametricLIFNode(init_tau=2.3)  # noqa: E731
    return _stepped(nn.Sequential(*_mlp(make, 2)), "m")


@network("spikingjelly", "MLP, `CUBALIFNode`, multi-step", "TB")
def _() -> Any:
    from torch import nn

    return _stepped(nn.Sequential(*_mlp(lambda: _jelly()[2].CUBALIFNode(), 2)), "m")


def _jelly_convolutions(make: Callable[[Any], Any]) -> Any:
    from torch import nn

    _, layer, neuron = _jelly()
    return nn.Sequential(
        layer.Conv2d(1, 4, 5, 2, bias=False),
        layer.BatchNorm2d(4),
        make(neuron),
        layer.AvgPool2d(2),
        layer.Conv2d(4, 8, 3, padding=1),
        layer.BatchNorm2d(8),
        make(neuron),
        layer.MaxPool2d(2, 2),
        layer.Dropout(0.5),
        layer.Flatten(),
        layer.Linear(72, 10),
        make(neuron),
    )


@network("spikingjelly", "convolutions, pools, batch norm, `IFNode`, multi-step", "TB")
def _() -> Any:
    return _stepped(_jelly_convolutions(lambda n: n.IFNode()), "m")


@network("spikingjelly", "residual (SEW, sum), batch norm, rate read-out", "TB")
def _() -> Any:
    _, layer, neuron = _jelly()
    parts = {
        "conv1": layer.Conv2d(1, 4, 5, 2),
        "sn1": neuron.IFNode(),
        "conv2": layer.Conv2d(4, 4, 3, padding=1, bias=False),
        "bn2": layer.BatchNorm2d(4),
        "sn2": neuron.IFNode(),
        "conv3": layer.Conv2d(4, 4, 3, padding=1, bias=False),
        "bn3": layer.BatchNorm2d(4),
        "sn3": neuron.LIFNode(tau=2.0),
        "head": layer.Linear(576, 10),
        "sn4": neuron.LIFNode(tau=2.0),
    }

    def forward(self: Any, x: Any) -> Any:
        y = self.sn1(self.conv1(x))
        z = self.sn3(self.bn3(self.conv3(self.sn2(self.bn2(self.conv2(y)))))) + y
        return self.sn4(self.head(z.flatten(2))).mean(0)

    return _stepped(_module(parts, forward), "m")


@network("spikingjelly", "recurrent, `LinearRecurrentContainer`", "step")
def _() -> Any:
    from torch import nn

    _, layer, neuron = _jelly()
    inner = layer.LinearRecurrentContainer(neuron.LIFNode(tau=2.0), 30, 30, bias=True)
    tail = [layer.Linear(30, 10), neuron.IFNode()]
    return nn.Sequential(layer.Flatten(), layer.Linear(784, 30), inner, *tail)


@network("spikingjelly", "soft reset, `LIFNode(v_reset=None)`", "TB", gain=6)
def _() -> Any:
    return _stepped(_jelly_convolutions(lambda n: n.LIFNode(tau=2.0, v_reset=None)), "m")


@network("spikingjelly", "hard reset, `IFNode(v_reset=-0.2)`", "step")
def _() -> Any:
    return _jelly_convolutions(lambda n: n.IFNode(v_threshold=0.8, v_reset=-0.2))


# ---- snnTorch


def _leaky(**given: Any) -> Any:
    import snntorch as snn

    return snn.Leaky(**{"beta": 0.9, "init_hidden": True, **given})


@network("snntorch", "MLP, `Leaky`, loop in forward, membrane read-out", "loop")
def _() -> Any:
    import torch
    from torch import nn

    parts = {
        "fc1": nn.Linear(784, 40),
        "lif1": _leaky(init_hidden=False),
        "fc2": nn.Linear(40, 10),
        "lif2": _leaky(init_hidden=False, beta=0.8),
    }

    def forward(self: Any, x: Any) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, potentials = [], []
        for step in range(x.shape[0]):
            spk1, mem1 = self.lif1(self.fc1(x[step].flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes), torch.stack(potentials)

    return _module(parts, forward)


@network("snntorch", "MLP, `Synaptic`", "step")
def _() -> Any:
    import snntorch as snn
    from torch import nn

    return nn.Sequential(*_mlp(lambda: snn.Synaptic(alpha=0.6, beta=0.8, init_hidden=True)))


@network("snntorch", "MLP, `Lapicque`", "step", gain=10)
def _() -> Any:
    import snntorch as snn
    from torch import nn

    return nn.Sequential(*_mlp(lambda: snn.Lapicque(beta=0.8, init_hidden=True)))


@network("snntorch", "convolutions, pools, batch norm, `Leaky`", "step")
def _() -> Any:
    from torch import nn

    return nn.Sequential(*_convolutions(_leaky))


@network("snntorch", "residual, `Leaky`", "step")
def _() -> Any:
    from torch import nn

    parts = {
        "conv1": nn.Conv2d(1, 4, 5, 2),
        "lif1": _leaky(),
        "conv2": nn.Conv2d(4, 4, 3, padding=1),
        "bn2": nn.BatchNorm2d(4),
        "lif2": _leaky(),
        "fc": nn.Linear(576, 10),
        "lif3": _leaky(),
    }

    def forward(self: Any, x: Any) -> Any:
        y = self.lif1(self.conv1(x))
        return self.lif3(self.fc((self.lif2(self.bn2(self.conv2(y))) + y).flatten(1)))

    return _module(parts, forward)


@network("snntorch", "recurrent, `RLeaky`", "step")
def _() -> Any:
    import snntorch as snn
    from torch import nn

    inner = snn.RLeaky(beta=0.8, linear_features=30, init_hidden=True)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 30), inner, nn.Linear(30, 10), _leaky())


@network("snntorch", "recurrent, `RSynaptic`", "step")
def _() -> Any:
    import snntorch as snn
    from torch import nn

    inner = snn.RSynaptic(alpha=0.6, beta=0.8, linear_features=30, init_hidden=True)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 30), inner, nn.Linear(30, 10), _leaky())


@network("snntorch", "soft reset a tick later (the default)", "step")
def _() -> Any:
    from torch import nn

    return nn.Sequential(*_mlp(lambda: _leaky(beta=0.95, threshold=0.7)))


@network("snntorch", "hard reset a tick later, `reset_mechanism='zero'`", "step")
def _() -> Any:
    from torch import nn

    return nn.Sequential(*_convolutions(lambda: _leaky(reset_mechanism="zero")))


@network("snntorch", "hard reset at once, `reset_delay=False`", "step")
def _() -> Any:
    from torch import nn

    return nn.Sequential(*_mlp(lambda: _leaky(reset_mechanism="zero", reset_delay=False)))


@network(
    "snntorch", "soft reset at once, `single_crossing=True`", "step", gain=6, single_crossing=True
)
def _() -> Any:
    from torch import nn

    make = lambda threshold: _leaky(reset_delay=False, threshold=threshold)  # noqa: E731
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 40), make(9.0), nn.Linear(40, 10), make(2.5))


# ---- sinabs


def _iaf(**given: Any) -> Any:
    import sinabs.layers as sl

    return sl.IAFSqueeze(num_timesteps=TICKS, **given)


@network("sinabs", "MLP, `LIF`", "BT")
def _() -> Any:
    import sinabs.layers as sl
    from torch import nn

    return nn.Sequential(*_mlp(lambda: sl.LIF(tau_mem=6.0, norm_input=False), 2))


@network("sinabs", "MLP, `LIF` with `tau_syn`", "BT")
def _() -> Any:
    import sinabs.layers as sl
    from torch import nn

    return nn.Sequential(*_mlp(lambda: sl.LIF(tau_mem=6.0, tau_syn=3.0, norm_input=False), 2))


@network("sinabs", "convolutions, `SumPool2d`, batch norm, `IAFSqueeze`", "merged")
def _() -> Any:
    import sinabs.layers as sl
    from torch import nn

    layers = _convolutions(lambda: _iaf(min_v_mem=-1.0))
    return nn.Sequential(*(sl.SumPool2d(2) if isinstance(m, nn.AvgPool2d) else m for m in layers))


@network("sinabs", "residual, `Merge`", "merged")
def _() -> Any:
    import sinabs.layers as sl
    from torch import nn

    parts = {
        "conv1": nn.Conv2d(1, 4, 5, 2),
        "s1": _iaf(),
        "conv2": nn.Conv2d(4, 4, 3, padding=1),
        "bn2": nn.BatchNorm2d(4),
        "s2": _iaf(),
        "merge": sl.Merge(),
        "fc": nn.Linear(576, 10),
        "s3": _iaf(),
    }

    def forward(self: Any, x: Any) -> Any:
        y = self.s1(self.conv1(x))
        return self.s3(self.fc(self.merge(self.s2(self.bn2(self.conv2(y))), y).flatten(1)))

    return _module(parts, forward)


@network("sinabs", "recurrent, `LIFRecurrent`", "BT")
def _() -> Any:
    import sinabs.layers as sl
    from torch import nn

    inner = sl.LIFRecurrent(tau_mem=6.0, rec_connect=nn.Linear(30, 30))
    return nn.Sequential(nn.Flatten(2), nn.Linear(784, 30), inner, nn.Linear(30, 10), sl.IAF())


@network("sinabs", "soft reset, several spikes a tick (the default)", "merged")
def _() -> Any:
    from torch import nn

    return nn.Sequential(*_mlp(_iaf))


@network("sinabs", "soft reset, one spike a tick, `SingleSpike`", "merged")
def _() -> Any:
    from sinabs.activation import SingleSpike
    from torch import nn

    return nn.Sequential(*_convolutions(lambda: _iaf(spike_fn=SingleSpike)))


@network("sinabs", "hard reset, `MembraneReset()`", "merged")
def _() -> Any:
    from sinabs.activation import MembraneReset, SingleSpike
    from torch import nn

    make = lambda: _iaf(spike_fn=SingleSpike, reset_fn=MembraneReset())  # noqa: E731
    return nn.Sequential(*_convolutions(make))


# ---- Norse


def _norse() -> Any:
    import norse.torch

    return norse.torch


def _cell() -> Any:
    return _norse().LIFCell(dt=0.004)


@network("norse", "MLP, `LIFCell`", "states", gain=6)
def _() -> Any:
    return _norse().SequentialState(*_mlp(_cell))


@network("norse", "MLP, `LIF` over time", "TB", gain=6)
def _() -> Any:
    from torch import nn

    layers = [nn.Flatten(2), nn.Linear(784, 40), _norse().LIF(dt=0.004), nn.Linear(40, 10)]
    return _norse().SequentialState(*layers, _norse().LIF(dt=0.004))


@network("norse", "convolutions, pools, batch norm, `LIFCell`", "states", gain=6)
def _() -> Any:
    return _norse().SequentialState(*_convolutions(_cell))


@network("norse", "residual, `LIFCell`", "states", gain=6)
def _() -> Any:
    from torch import nn

    parts = {
        "conv1": nn.Conv2d(1, 4, 5, 2),
        "lif1": _cell(),
        "conv2": nn.Conv2d(4, 4, 3, padding=1),
        "bn2": nn.BatchNorm2d(4),
        "lif2": _cell(),
        "fc": nn.Linear(576, 10),
        "lif3": _cell(),
    }

    def forward(self: Any, x: Any, state: Any = None) -> Any:
        first, second, third = state or (None, None, None)
        y, first = self.lif1(self.conv1(x), first)
        z, second = self.lif2(self.bn2(self.conv2(y)), second)
        out, third = self.lif3(self.fc((y + z).flatten(1)), third)
        return out, (first, second, third)

    return _module(parts, forward)


@network("norse", "recurrent, `LIFRecurrentCell`", "states", gain=6)
def _() -> Any:
    from torch import nn

    inner = _norse().LIFRecurrentCell(40, 30, dt=0.004)
    layers = [nn.Flatten(1), nn.Linear(784, 40), _cell(), inner, nn.Linear(30, 10), _cell()]
    return _norse().SequentialState(*layers)


@network("norse", "hard reset to `v_reset=-0.3`, `LIFBoxCell`", "states", gain=10)
def _() -> Any:
    import torch

    norse = _norse()
    parameters = norse.LIFBoxParameters(
        v_reset=torch.as_tensor(-0.3), v_leak=torch.as_tensor(0.1), tau_mem_inv=300.0
    )
    return norse.SequentialState(*_mlp(lambda: norse.LIFBoxCell(parameters)))


@network("norse", "hard reset, no leak, `IAFCell`", "states")
def _() -> Any:
    norse = _norse()
    return norse.SequentialState(*_convolutions(lambda: norse.IAFCell()))


@network("norse", "soft reset, `reset_subtract`, `LIFBoxCell`", "states", gain=10)
def _() -> Any:
    from norse.torch.functional.reset import reset_subtract

    norse = _norse()
    parameters = norse.LIFBoxParameters(tau_mem_inv=300.0, reset_method=reset_subtract)
    return norse.SequentialState(*_mlp(lambda: norse.LIFBoxCell(parameters)))
