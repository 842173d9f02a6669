"""Layers of BIDL for one time step, written anew: Lif, LifPlus, and both behind a synapse.

A layer keeps its states itself, so that a network can be trained step by step (`reset` before each
sample); while a network is captured, states are loaded and saved by flags, which are the layer's
path and the state's name. Noise belongs to training and is not added here.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from snnc.diagnostics import fail, nearest
from snnc.frontends.bidl import state
from snnc.frontends.bidl.equations import Readout, lif, lif_plus, switches

SOMA = ("all_share", "channel_share")
LIF = {"alpha": 0.3, "beta": 0.0, "theta": 0.5, "v_0": 0.0}
PLUS = ("epsilon", "v_g", "tau_recip", "epsilon_r", "v_rr", "v_ar", "q_r", "b", "epsilon_w")
PLUS_MORE = ("v_theta", "delta_t", "v_c", "a", "v_w", "v_leak")


class Torch:
    """The functions of equations over tensors."""

    def fires(self, x: Any, theta: Any) -> Any:
        """Return 1 where x - theta > 0."""
        return self.over(x - theta)

    def over(self, x: Any) -> Any:
        """Return 1 where x > 0."""
        return torch.gt(x, 0.0).to(x.dtype)

    def exp(self, x: Any) -> Any:
        """Return e^x."""
        return torch.exp(x)

    def act(self, name: str | None, x: Any) -> Any:
        """Return an activation of x by its name."""
        return x if name is None else getattr(torch, name)(x)


def chosen(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return a word of a configuration.

    Raises:
        SnncError: `bidl-option`.
    """
    if value not in choices:
        text = f"{name} = {value!r} is not one of {', '.join(choices)}"
        raise fail("bidl-option", text, help=nearest(str(value), choices))
    return value


class Soma(nn.Module):  # type: ignore[misc]
    """Neurons with states: what Lif and LifPlus share."""

    def __init__(self, channels: int, rank: int, mode: str, soma_params: str, norm: bool) -> None:
        super().__init__()
        chosen("soma_params", soma_params, SOMA)
        self.mode = chosen("cmode", mode, ("spike", "analog"))
        share = soma_params == "all_share"
        self.shape = () if share else (1, channels, *[1] * (rank - 2))
        kind = nn.BatchNorm2d if rank == 4 else nn.BatchNorm1d
        self.norm = kind(channels) if norm else None
        self.path, self.held = "", {}  # type: ignore[var-annotated]

    def number(self, value: float | None) -> Any:
        """Return a parameter of the neurons; without a value it is drawn, and then trained."""
        full = torch.rand(self.shape) if value is None else torch.full(self.shape, value)
        return nn.Parameter(full, requires_grad=False)

    def reset(self) -> None:
        """Forget the states: a new sample begins."""
        self.held = {}

    def load(self, name: str, like: Any, fill: float) -> Any:
        """Return a state before the step; `fill` everywhere at first."""
        if state.capturing():
            ones = {"init_one_use_data": like} if fill else {"init_zero_use_data": like}
            return state.load(like, self._flag(name), **ones)
        return self.held.get(name, torch.full_like(like, fill))

    def save(self, name: str, value: Any) -> None:
        """Keep a state for the next step."""
        if state.capturing():
            state.save(value, self._flag(name))
        else:
            self.held[name] = value

    def _flag(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class Lif(Soma):
    """Leaky neurons that are reset, then decay; `memb` says what an analog layer gives."""

    def __init__(
        self,
        channels: int = 1,
        rank: int = 4,
        mode: str = "spike",
        soma_params: str = "all_share",
        norm: bool = False,
        memb: tuple[int, str | None] = (0, "relu"),
        **numbers: float,
    ) -> None:
        super().__init__(channels, rank, mode, soma_params, norm)
        for name, value in {**LIF, **numbers}.items():
            setattr(self, name, self.number(value))
        self.out = Readout(*memb) if mode == "analog" else Readout()

    def forward(self, x: Any) -> Any:
        """Return spikes, or the activation of an analog layer."""
        p = {name: getattr(self, name) for name in LIF}
        out, kept = lif(Torch(), x, self.load("v", x, 0.0), p, self.norm, self.out)
        self.save("v", kept)
        return out


class LifPlus(Soma):
    """Neurons whose parts are chosen by six switches, as `neuron_config` lists them."""

    def __init__(
        self,
        channels: int = 1,
        rank: int = 4,
        mode: str = "analog",
        soma_params: str = "all_share",
        norm: bool = False,
        memb: tuple[int, str | None] = (0, "tanh"),
        neuron_config: tuple[Any, ...] = (1, False, 0, 0, 0, 0),
        **numbers: float,
    ) -> None:
        super().__init__(channels, rank, mode, soma_params, norm)
        self.config = switches(neuron_config)
        self.names = (*LIF, *PLUS, *PLUS_MORE)
        for name in self.names:
            setattr(self, name, self.number(numbers.get(name, LIF.get(name))))
        self.out = Readout(*memb) if mode == "analog" else Readout()

    def forward(self, x: Any) -> Any:
        """Return spikes, or the activation of an analog layer."""
        p: Mapping[str, Any] = {name: getattr(self, name) for name in self.names}
        old = {n: self.load(n, x, fill) for n, fill in self.config.states.items()}
        out, new = lif_plus(Torch(), x, old, p, self.config, self.norm, self.out)
        for name in old:
            self.save(name, new[name])
        return out


def neurons(neuron: str, channels: int, rank: int, norm: bool, **options: Any) -> Soma:
    """Return the neurons that a configuration names: `lif` or `lifplus`."""
    config = options.pop("neuron_config", None)
    if chosen("neuron", neuron.lower(), ("lif", "lifplus")) == "lif":
        return Lif(channels, rank, norm=norm, **options)
    given: dict[str, Any] = {} if config is None else {"neuron_config": tuple(config)}
    return LifPlus(channels, rank, norm=norm, **given, **options)


class Conv2dLif(nn.Module):  # type: ignore[misc]
    """A convolution and neurons; `mp` halves the map, the norm acts on input plus potential."""

    def __init__(
        self,
        ci: int,
        co: int,
        k: int,
        stride: int = 1,
        padding: int = 0,
        mp: bool = False,
        neuron: str = "lif",
        norm_state: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(ci, co, k, stride=stride, padding=padding)
        self.pool = nn.MaxPool2d(2, 2) if mp else nn.Identity()
        self.norm = nn.Identity() if norm_state else nn.BatchNorm2d(co)
        self.lif = neurons(neuron, co, 4, norm_state, **options)

    def forward(self, x: Any) -> Any:
        """Return what the neurons give."""
        return self.lif(self.norm(self.pool(self.conv(x))))


class FcLif(nn.Module):  # type: ignore[misc]
    """A linear layer and neurons."""

    def __init__(
        self, ci: int, co: int, neuron: str = "lif", norm_state: bool = True, **options: Any
    ) -> None:
        super().__init__()
        self.fc = nn.Linear(ci, co)
        self.norm = nn.Identity() if norm_state else nn.BatchNorm1d(co)
        self.lif = neurons(neuron, co, 2, norm_state, **options)

    def forward(self, x: Any) -> Any:
        """Return what the neurons give."""
        return self.lif(self.norm(self.fc(x)))


class TempAdd(Soma):
    """The mean over time of what a head gives: each step adds its part."""

    def __init__(self, timestep: int) -> None:
        super().__init__(1, 2, "spike", "all_share", False)
        self.timestep = timestep

    def forward(self, x: Any) -> Any:
        """Return the sum so far; after the last step it is the mean."""
        x = x.unsqueeze(2).unsqueeze(3)
        total = self.load("tempAdd", x, 0.0) + x / self.timestep
        self.save("tempAdd", total)
        return total.squeeze(-1).squeeze(-1)
