"""One step of the neurons of BIDL, in the order in which its code computes them.

Written over whatever has + - * and the functions of `Functions`: tensors of torch under capture,
or values of a graph that is being drawn. Where the framework's documents and its code disagree, the
code holds: no potential of the step before is added in LifPlus, the exponent of EXI is
(v - theta) - delta_t, and EXD does not use what the reset gives.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from snnc.diagnostics import fail

REFRACTORY = 10
"""Steps for which a neuron with an absolute refractory time is silent."""


class Functions(Protocol):
    """What equations need beside + - *; `fires` and `over` give 0.0 and 1.0."""

    def fires(self, x: Any, theta: Any) -> Any:
        """Return 1 where x - theta > 0."""

    def over(self, x: Any) -> Any:
        """Return 1 where x > 0."""

    def exp(self, x: Any) -> Any:
        """Return e^x."""

    def act(self, name: str | None, x: Any) -> Any:
        """Return relu, tanh, sigmoid of x, or x itself."""


class Fused(Protocol):
    """The chip's fused ops, which some networks fire and reset with."""

    def fires(self, x: Any, theta: Any) -> Any:
        """Return 1 where x > theta."""

    def rest(self, x: Any, theta: Any, v_0: Any, alpha: Any = 1.0, beta: Any = 0.0) -> Any:
        """Return alpha x + beta, or alpha v_0 + beta where a neuron is reset."""


@frozen
class Readout:
    """What a layer gives: spikes (`k` is None), or an activation of one of four values.

    0: the potential after the charge; 1: the same less the threshold; 2: after the reset; 3: kept.
    """

    k: int | None = None
    act: str | None = "relu"

    def of(self, o: Functions, fired: Any, values: Sequence[Any]) -> Any:
        """Return the output of a step."""
        return fired if self.k is None else o.act(self.act, values[self.k])


Norm = Callable[[Any], Any]
States = dict[str, Any]


def lif(
    o: Functions,
    x: Any,
    v: Any,
    p: Mapping[str, Any],
    norm: Norm | None,
    out: Readout,
    fused: Fused | None = None,
) -> tuple[Any, Any]:
    """Return the output of a Lif layer and its potential, kept after reset and leak."""
    u = x + v
    u = norm(u) if norm else u
    theta = p["theta"]
    if fused is not None and out.k is None:
        kept = fused.rest(u, theta, p["v_0"], p["alpha"], p["beta"])
        return fused.fires(u, theta), kept
    if fused is not None:
        # An analog layer does not say when it fires.
        fired, rest = None, fused.rest(u, theta, p["v_0"])
    else:
        fired = o.fires(u, theta)
        rest = fired * p["v_0"] + (1.0 - fired) * u
    kept = rest * p["alpha"] + p["beta"]
    return out.of(o, fired, (u, u - theta, rest, kept)), kept


@frozen
class Switches:
    """The six switches of LifPlus, as `neuron_config` lists them.

    accum: 0 CUB, 1 COBE, 2 COBA; reversal; refractory: 0, 1 AR, 2 RR; initiation: 0, 1 EXI, 2 QDI;
    trigger: 0, 1 ADT, 2 SBT; decay: 0 EXP, 1 EXD, 2 LID.
    """

    accum: int
    reversal: bool
    refractory: int
    initiation: int
    trigger: int
    decay: int

    @property
    def states(self) -> dict[str, float]:
        """Names of the states and their values after a reset."""
        found = {"v": 0.0}
        found |= {"g": 1.0} if self.accum else {}
        found |= {"y": 1.0} if self.accum == 2 else {}
        found |= {"cnt": 0.0} if self.refractory == 1 else {}
        found |= {"r": 1.0} if self.refractory == 2 else {}
        found |= {"w": 0.0} if self.refractory == 2 or self.trigger else {}
        return found


def switches(config: Sequence[Any]) -> Switches:
    """Return the switches of a `neuron_config`.

    Raises:
        SnncError: `bidl-neuron` for a list that is no legal combination.
    """
    made = list(config)
    ranges = (3, 2, 3, 3, 3, 3)
    whole = len(made) == 6 and all(isinstance(c, int) for c in made)
    if not whole or any(not 0 <= c < n for c, n in zip(made, ranges, strict=True)):
        raise fail(
            "bidl-neuron",
            f"neuron_config = {made} is not [0..2, true or false, 0..2, 0..2, 0..2, 0..2]",
            help="give input_accum, rev_volt, fire_refrac, spike_init, trig_current, memb_decay",
        )
    if made[1] and not made[0]:
        raise fail(
            "bidl-neuron",
            "rev_volt needs an accumulated input, and input_accum is 0",
            help="set input_accum to 1 or 2, or rev_volt to False",
        )
    return Switches(made[0], bool(made[1]), *made[2:])


def lif_plus(
    o: Functions,
    x: Any,
    old: Mapping[str, Any],
    p: Mapping[str, Any],
    c: Switches,
    norm: Norm | None,
    out: Readout,
    fused: Fused | None = None,
) -> tuple[Any, States]:
    """Return the output of a LifPlus layer and its states; `p` has `epsilon`, `tau_recip`, ..."""
    v, new = old["v"], dict(old)
    drive = _accumulated(x, new, p, c)
    reversed_ = (p["v_g"] - v) if c.reversal else None
    drive = drive if reversed_ is None else reversed_ * drive
    if c.refractory == 1:
        drive = drive * (1.0 - o.over(new["cnt"]))
        new["cnt"] = o.act("relu", new["cnt"] - 1.0)
    extra = _currents(v, new, p, c)
    theta, inner = _initiated(o, v, p, c)
    charge = (drive + inner) * p["tau_recip"]
    u = x + charge if extra is None else x + charge + extra
    u = norm(u) if norm else u
    if fused is None:
        fired = o.fires(u, theta)
        rest = fired * p["v_0"] + (1.0 - fired) * u
    else:
        fired, rest = fused.fires(u, theta), fused.rest(u, theta, p["v_0"])
    _after_spikes(fired, new, p, c)
    if c.decay == 0:
        kept = rest * p["alpha"] + p["beta"]
    elif c.decay == 1:
        kept = charge if extra is None else charge + extra
    else:
        kept = v + drive - p["v_leak"]
        kept = kept if extra is None else kept + extra
    new["v"] = kept
    return out.of(o, fired, (u, u - theta, rest, kept)), new


def _accumulated(x: Any, new: States, p: Mapping[str, Any], c: Switches) -> Any:
    """Return the conductance, or the input where nothing is accumulated."""
    if c.accum == 0:
        return x
    keep = 1.0 - p["epsilon"]
    if c.accum == 1:
        new["g"] = new["g"] * keep + x
    else:
        new["y"] = new["y"] * keep + x
        new["g"] = new["g"] * keep + new["y"] * (_E * p["epsilon"])
    return new["g"]


_E = 2.718281828459045


def _currents(v: Any, new: States, p: Mapping[str, Any], c: Switches) -> Any:
    """Return the currents of refractory and triggered conductances, None where there are none."""
    extra = None
    if c.refractory == 2:
        new["r"] = new["r"] * (1.0 - p["epsilon_r"])
        new["w"] = new["w"] * (1.0 - p["epsilon_w"])
        extra = new["r"] * (p["v_rr"] - v) + new["w"] * (p["v_ar"] - v)
    if c.trigger:
        new["w"] = new["w"] * (1.0 - p["epsilon_w"])
        if c.trigger == 2:
            new["w"] = new["w"] + (v - p["v_w"]) * (p["tau_recip"] * p["a"])
        extra = new["w"] if extra is None else extra + new["w"]
    return extra


def _initiated(o: Functions, v: Any, p: Mapping[str, Any], c: Switches) -> tuple[Any, Any]:
    """Return the threshold, and what the potential before adds to the charge."""
    back = p["v_0"] - v
    if c.initiation == 0:
        return p["theta"], back
    if c.initiation == 1:
        return p["v_theta"], back + o.exp((v - p["theta"]) - p["delta_t"]) * p["delta_t"]
    return p["v_theta"], back * (p["v_c"] - v)


def _after_spikes(fired: Any, new: States, p: Mapping[str, Any], c: Switches) -> None:
    if c.refractory == 1:
        new["cnt"] = (1.0 - fired) * new["cnt"] + fired * float(REFRACTORY)
    if c.refractory == 2:
        new["r"] = new["r"] - fired * p["q_r"]
        new["w"] = new["w"] - fired * p["b"]
    elif c.trigger:
        new["w"] = new["w"] - fired * p["b"]
