"""Neurons of BIDL, written anew: Lif and LifPlus, as one step or as a loop over the steps in rows.

Names of classes, arguments and parameters are those of BIDL, so that its checkpoints fit. Neurons
keep their states themselves, so that a network can be trained step by step (`reset` before each
sample); while a network is captured, states are loaded and saved by flags, which are the layer's
path and the state's name. Noise belongs to training and is not added here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from snnc.diagnostics import fail, nearest
from snnc.frontends.bidl import fit, state
from snnc.frontends.bidl.equations import Readout, Switches, lif, lif_plus, switches

SOMA = ("all_share", "channel_share")
LIF = {"alpha": 0.3, "beta": 0.0, "theta": 0.5, "v_0": 0.0}
ACTIVATIONS = ("relu", "sigmoid", "tanh")


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


def readout(mode: str, memb_mode: Sequence[Any]) -> Readout:
    """Return what a layer gives: spikes, or an activation by its function or name.

    Raises:
        SnncError: `bidl-option`.
    """
    if chosen("mode", mode, ("spike", "analog")) == "spike":
        return Readout()
    k, act = memb_mode
    name = act if act is None or isinstance(act, str) else getattr(act, "__name__", str(act))
    if k not in range(4):
        text = f"memb_mode = [{k}, ..] is not one of 0 to 3"
        raise fail("bidl-option", text, help="choose which of four values an analog layer gives")
    return Readout(k, None if name is None else chosen("memb_mode", name, ACTIVATIONS))


class Soma(nn.Module):  # type: ignore[misc]
    """Neurons with states; `states` are their names and values after a reset."""

    states: Mapping[str, float]

    def __init__(self, norm: Any, mode: str, memb_mode: Sequence[Any]) -> None:
        super().__init__()
        self.norm, self.mode = norm, mode
        self.out = readout(mode, memb_mode)
        self.path, self.held = "", {}  # type: ignore[var-annotated]
        self.forgotten = False

    def _numbers(self, values: Mapping[str, float | None], given: Mapping[str, Any]) -> None:
        """Make parameters; one without a value is drawn, and then trained."""
        shape = list(given.get("shape", ()))
        self.names = tuple(values)
        for name, value in values.items():
            number = given.get(name, value)
            full = torch.rand(shape) if number is None else torch.full(shape, float(number))
            setattr(self, name, nn.Parameter(full, requires_grad=bool(given.get("learn", False))))

    @property
    def parts(self) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self.names}

    def update(self, x: Any, old: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Return the output of a step and the states after it."""
        raise NotImplementedError

    def forward(self, x: Any) -> Any:
        """Return what the neurons give at one step."""
        old = {name: self._load(name, x, fill) for name, fill in self.states.items()}
        out, new = self.update(x, old)
        for name in self.states:
            self._save(name, new[name])
        self.forgotten = False
        return out

    def over_steps(self, x: Any, lanes: int) -> Any:
        """Return what they give at all steps; rows of x are steps by lanes, states begin anew."""
        steps = x.reshape(-1, lanes, *x.shape[1:])
        now: Mapping[str, Any] = {
            name: torch.full_like(steps[0, ...], fill) for name, fill in self.states.items()
        }
        made = []
        for step in range(steps.size(0)):
            out, now = self.update(steps[step, ...], now)
            made.append(out)
        return torch.stack(made, dim=0).reshape(x.shape)

    def reset(self, x: Any = None) -> None:
        """Forget the states: a new sample begins."""
        self.held, self.forgotten = {}, True

    def _load(self, name: str, like: Any, fill: float) -> Any:
        if not state.capturing():
            return self.held.get(name, torch.full_like(like, fill))
        first = {"init_one_use_data": like} if fill else {"init_zero_use_data": like}
        held = state.load(like, self._flag(name), uselookup=state.shared(), **first)
        return torch.full_like(like, fill) if self.forgotten else held

    def _save(self, name: str, value: Any) -> None:
        if state.capturing():
            state.save(value, self._flag(name), uselookup=state.shared())
        else:
            self.held[name] = value

    def _flag(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class Lif(Soma):
    """Leaky neurons that are reset, then decay; `memb_mode` says what an analog layer gives."""

    states = {"v": 0.0}  # noqa: RUF012 (nobody writes it)

    def __init__(
        self,
        norm: Any,
        mode: str = "spike",
        memb_mode: Sequence[Any] = (0, "relu"),
        soma_params: Mapping[str, Any] | None = None,
        noise: float = 0.0,
        spike_func: Any = None,
        use_inner_loop: bool = False,
    ) -> None:
        super().__init__(norm, mode, memb_mode)
        surrogate(spike_func)
        self._numbers(LIF, soma_params or {})

    def update(self, x: Any, old: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Return spikes, or the activation of an analog layer, and the potential."""
        fitted = fit.Fitted() if state.fitting() else None
        out, kept = lif(Torch(), x, old["v"], self.parts, self.norm, self.out, fitted)
        return out, {"v": kept}


def plus_numbers(c: Switches) -> dict[str, float | None]:
    """Return the parameters that some switches of LifPlus need, and their first values."""
    names = ["epsilon"] if c.accum else []
    names += ["v_g"] if c.reversal else []
    names += ["tau_recip", "v_0"]
    names += ["epsilon_r", "v_rr", "v_ar", "q_r"] if c.refractory == 2 else []
    names += ["epsilon_w", "b"] if c.refractory == 2 or c.trigger else []
    names += ["theta"] if c.initiation != 2 else []
    names += {0: [], 1: ["v_theta", "delta_t"], 2: ["v_theta", "v_c"]}[c.initiation]
    names += ["a", "v_w"] if c.trigger == 2 else []
    names += {0: ["alpha", "beta"], 1: [], 2: ["v_leak"]}[c.decay]
    return {name: LIF.get(name) for name in names}


class LifPlus(Soma):
    """Neurons whose parts are chosen by six switches, as `neuron_config` lists them."""

    def __init__(
        self,
        norm: Any,
        mode: str = "spike",
        memb_mode: Sequence[Any] = (0, "tanh"),
        soma_params: Mapping[str, Any] | None = None,
        input_accum: int = 0,
        rev_volt: bool = False,
        fire_refrac: int = 0,
        spike_init: int = 0,
        trig_current: int = 0,
        memb_decay: int = 0,
        noise: float = 0.0,
        spike_func: Any = None,
        use_inner_loop: bool = False,
    ) -> None:
        super().__init__(norm, mode, memb_mode)
        surrogate(spike_func)
        self.config = switches(
            (input_accum, rev_volt, fire_refrac, spike_init, trig_current, memb_decay)
        )
        self.states = self.config.states
        self._numbers(plus_numbers(self.config), soma_params or {})

    def update(self, x: Any, old: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Return spikes, or the activation of an analog layer, and the states."""
        fitted = fit.Fitted() if state.fitting() else None
        return lif_plus(Torch(), x, old, self.parts, self.config, self.norm, self.out, fitted)


def surrogate(spike_func: Any) -> None:
    """Refuse a function of spikes: here they are 1 where the potential is above the threshold.

    Raises:
        SnncError: `bidl-option`.
    """
    if spike_func is not None:
        raise fail(
            "bidl-option",
            f"spike_func = {getattr(spike_func, '__name__', spike_func)!r} is not read",
            help="leave it out for deployment; a neuron fires where v - theta > 0",
        )


def shared_shape(soma_params: str, channels: int, rank: int) -> dict[str, Any]:
    """Return the shape of a layer's parameters: one number, or one per channel.

    Raises:
        SnncError: `bidl-option`.
    """
    if chosen("soma_params", soma_params, SOMA) == "all_share":
        return {"shape": ()}
    if not channels:
        raise fail(
            "bidl-option",
            "soma_params = 'channel_share' needs the number of channels",
            help="give hidden_channel, or norm_state as the number of channels",
        )
    return {"shape": (1, channels, *[1] * (rank - 2))}
