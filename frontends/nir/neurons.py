"""NIR's neurons as `snn.neuron`: from the continuous equations to one tick, by a profile.

The contract: every parameter is computed in float64 from the fields and rounded once to float32,
the element of the potential; one value per neuron where the file has one, a number where all agree.
What the profile says of a field and what the field says must agree, or the node is refused.
"""

import math
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.frontends.nir.nodes import INTEGRATING, Node
from snnc.frontends.nir.profiles import Profile
from snnc.ir.weights import Array

TOLERANCE = 1e-5
"""Relative error of a ratio of two float32 numbers, with room for how they were computed."""

LARGEST = 1 << 27
"""Values that one field is repeated for."""

SOFT_UP_TO = (1, 0, 4)
"""The last version whose IF, LIF and CubaLIF subtract the threshold and have no v_reset."""


@frozen
class Convention:
    """A profile, and the version of the file (empty: not known), which old fields depend on."""

    profile: Profile
    version: tuple[int, ...] = ()


def neuron(node: Node, shape: tuple[int, ...], convention: Convention) -> dict[str, Any]:
    """Return the attributes of `snn.neuron` for a node whose input has a shape.

    Parameters are float64 arrays of that shape or (); the others are words and numbers. Where
    `potential` is true the node's value is the second result.

    Raises:
        SnncError: `nir-shape`, `nir-value`, `nir-dt`, `nir-profile`, `nir-ambiguous`.
    """
    made = _Neuron(node, shape, convention)
    if node.type == "Threshold":
        fires = {"threshold": made.real("threshold"), "compare": "gt"}
        return {"decay": np.array(0.0), **fires, "reset": "none"}
    attrs = made.charge()
    if node.type in INTEGRATING:
        attrs |= {"reset": "none", "potential": True}
    else:
        attrs |= made.fire()
    return {**attrs, **made.begin(attrs)}


class _Neuron:
    """The fields of one node, seen with a convention."""

    def __init__(self, node: Node, shape: tuple[int, ...], convention: Convention) -> None:
        self.node, self.shape, self.convention = node, shape, convention
        self.profile = convention.profile

    def real(self, name: str) -> Array:
        """Return a field in float64, of the neurons' shape or ()."""
        array = spread(self.node, name, self.shape)
        if not np.isfinite(array).all():
            raise self._refuse("nir-value", f"{name} has values that are not finite")
        return array

    def charge(self) -> dict[str, Any]:
        """Return what brings the potential from one tick to the next."""
        kind = self.node.type
        if kind in ("I", "IF"):
            self._check_dt()
            step = self.profile.dt if self.profile.integral == "dt" else 1.0
            return {"gain": np.asarray(self.real("r") * step)}
        tau = "tau_mem" if kind.startswith("Cuba") else "tau"
        decay = self._decay(tau)
        attrs = {"decay": decay, "leak_to": self.real("v_leak"), "gain": self._gain(tau, decay)}
        if kind.startswith("Cuba"):
            attrs |= self._filter()
        return attrs

    def fire(self) -> dict[str, Any]:
        """Return what happens at the threshold."""
        profile = self.profile
        attrs: dict[str, Any] = {
            "threshold": self.real("v_threshold"),
            "compare": profile.compare,
            "spike": profile.spike,
            "reset": self._reset(),
            "reset_time": profile.reset_time,
        }
        if profile.spike == "count":
            attrs["max_count"] = profile.max_count
        if attrs["reset"] == "hard" and "v_reset" in self.node.fields:
            attrs["reset_to"] = self.real("v_reset")
        return attrs

    def begin(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the potential before the first tick, where it is not 0."""
        rule = self.profile.initial
        hard = rule == "reset" and attrs["reset"] == "hard"
        value = attrs.get("reset_to" if hard else "leak_to") if hard or rule == "leak" else None
        return {} if value is None or not np.any(value) else {"initial": value}

    def _reset(self) -> str:
        given, rule = "v_reset" in self.node.fields, self.profile.reset
        if rule == "version" and not given and not self.convention.version:
            raise fail(
                "nir-ambiguous",
                f"{self.node.path} has no v_reset, and the file does not say which NIR wrote it",
                self.node.loc,
                notes=(
                    "up to 1.0.4 a spike subtracts the threshold, later it resets to v_reset = 0",
                ),
                help="say which: reset=soft or reset=hard",
            )
        if rule == "version":
            soft = not given and self.convention.version <= SOFT_UP_TO
            return "soft" if soft else "hard"
        if rule == "soft" and given and (self.real("v_reset") != 0).any():
            raise self._refuse(
                "nir-profile",
                f"v_reset is not 0, but neurons of profile {self.profile.name} with reset=soft "
                "subtract the threshold",
                "reset=hard, or another profile",
            )
        return rule

    def _check_dt(self) -> None:
        if not self.profile.dt:
            raise fail(
                "nir-dt",
                f"{self.node.path} needs a time step: its {self.node.type} is a differential "
                f"equation, and profile {self.profile.name} fixes no dt",
                self.node.loc,
                help="give the producer's time step, for example dt=1e-4",
            )

    def _decay(self, tau: str) -> Array:
        """Return the factor per tick that a time constant stands for."""
        self._check_dt()
        values, dt = spread(self.node, tau, self.shape), self.profile.dt
        if not (values > 0).all():
            raise self._refuse("nir-value", f"{tau} has values that are not positive")
        rate = dt / values if self.profile.rate == "inverted" else 1 / values
        if self.profile.integrator == "exponential":
            return np.asarray(np.exp(-dt * rate))
        decay = np.asarray(1 - dt * rate)
        if (decay < 0).any():
            raise self._refuse(
                "nir-value",
                f"{tau} is as short as {float(values.min())!r}: a step of dt = {dt!r} would turn "
                "the potential's sign",
                "give a smaller dt, or integrator=exponential",
            )
        return decay

    def _gain(self, tau: str, decay: Array) -> Array:
        rule = self.profile.leaky_gain if self.node.type == "LI" else self.profile.gain
        if rule == "decay":
            return decay
        if rule == "unit":
            self._check_ratio("r", tau, decay)
            return np.array(1.0)
        return np.asarray(self.real("r") * (1 - decay))

    def _filter(self) -> dict[str, Any]:
        decay = self._decay("tau_syn")
        gain = self._gain("tau_mem", self._decay("tau_mem"))
        if self.profile.gain == "unit":
            if self.profile.ratio == "one":
                self._check_ratio("w_in", "tau_syn", decay)
        else:
            w_in = self.real("w_in") if "w_in" in self.node.fields else np.array(1.0)
            gain = gain * w_in * (np.array(1.0) if self.profile.synapse == "jump" else 1 - decay)
        return {"filter": self.profile.filter, "filter_decay": decay, "gain": np.asarray(gain)}

    def _check_ratio(self, name: str, tau: str, decay: Array) -> None:
        """Refuse a file whose gain is not what the profile's producer writes."""
        if not self.profile.ratio:
            return
        given = spread(self.node, name, self.shape) if name in self.node.fields else 1.0
        constant = spread(self.node, tau, self.shape)
        endless = np.isinf(given) & np.isinf(constant)  # a decay of 1 is written as inf and inf
        with np.errstate(invalid="ignore"):
            found = np.where(endless, 1.0, given * self.profile.dt / constant)
        wanted = np.array(1.0) if self.profile.ratio == "one" else decay
        if not (np.abs(found - wanted) <= TOLERANCE * wanted).all():
            raise self._refuse(
                "nir-profile",
                f"{name} dt / {tau} is as far as {_worst(found, wanted)} from what profile "
                f"{self.profile.name} writes at dt = {self.profile.dt!r}",
                "give the dt of the export, or another profile; gain=file takes r as it is",
            )

    def _refuse(self, code: str, message: str, help: str = "") -> Exception:
        return fail(code, f"{self.node.path}: {message}", self.node.loc, help=help)


def _worst(found: Array, wanted: Array) -> str:
    far = np.abs(found - wanted)
    return f"{float(np.nanmax(far)):.3g}" if np.isfinite(far).any() else "infinity"


def spread(node: Node, name: str, shape: tuple[int, ...]) -> Array:
    """Return a field in float64 as (), if it has one value, or of the full shape of a value.

    Raises:
        SnncError: `nir-shape`; only axes that the file writes as 1 are repeated.
    """
    array = node.array(name).astype(np.float64)
    if array.size == 1:
        return array.reshape(())
    fits = len(array.shape) == len(shape) and all(
        m in (1, n) for m, n in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise fail(
            "nir-shape",
            f"{node.path}: {name} {list(array.shape)} does not match its input {list(shape)}",
            node.loc,
            help="fields of a node have the shape of its input, or one value",
        )
    if math.prod(shape) > LARGEST:
        raise fail(
            "nir-size",
            f"{node.path}: {name} would stand for {math.prod(shape)} values",
            node.loc,
            help="the shape of the graph's input is absurd",
        )
    return np.ascontiguousarray(np.broadcast_to(array, shape))


def rounded(value: Array) -> Array | float:
    """Return a parameter in float32: an array, or the shortest decimal where all values agree."""
    with np.errstate(over="ignore"):
        single = np.asarray(value).astype(np.float32)
    if single.size and (single == single.reshape(-1)[0]).all():
        return float(str(single.reshape(-1)[0]))
    return single
