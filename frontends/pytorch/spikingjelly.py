"""Layers of SpikingJelly 2.0 as `snn.neuron`: v >= v_threshold fires; v_reset=None resets softly.

In step mode "m" the first axis is time. User code may read `.v`, which holds the potential.
"""

import math
from collections.abc import Callable
from typing import Any

from snnc.frontends.pytorch.sites import Site

STATEFUL = ("MemoryModule", "NonSpikingBaseNode", "SimpleBaseNode", "ILCBaseNode")
REFUSED = {
    "QIFNode": "its charge is quadratic in v",
    "EIFNode": "its charge is exponential in v",
    "IzhikevichNode": "it has a second, quadratic state",
    "KLIFNode": "it passes v through a scaled ReLU",
    "PSN": "it mixes all ticks by a matrix",
    "GatedLIFNode": "its gates are learned per tick",
}
Forward = Callable[..., Any]


def _common(module: Any, site: Site) -> dict[str, Any]:
    site.order = "TB" if getattr(module, "step_mode", "s") == "m" else "step"
    if not getattr(module.surrogate_function, "spiking", True):
        raise site.refuse(
            "its surrogate function has spiking=False: it gives smooth numbers, not spikes",
            "make the surrogate function with spiking=True",
        )
    if module.v_threshold == math.inf:
        return {"reset": "none", "initial": site.number("v_reset", module.v_reset or 0.0)}
    attrs: dict[str, Any] = {"threshold": site.number("v_threshold", module.v_threshold)}
    if module.v_reset is not None:
        attrs |= {"reset": "hard", "reset_to": site.number("v_reset", module.v_reset)}
        attrs["initial"] = attrs["reset_to"]
    return attrs


def _forward(module: Any, site: Site, attrs: dict[str, Any]) -> Forward:
    """Return the forward; with v_threshold=inf nothing fires, and the potential is read out."""
    never = module.v_threshold == math.inf
    site.compared = not never

    def forward(x: Any) -> Any:
        spikes, v, _ = site.neuron(x, **attrs)
        spikes = spikes * 0.0 if never else spikes
        if site.order == "TB":
            module.__dict__["v_seq"] = v
            v = v[-1]
        vars(module).get("_memories", {})["v"] = v
        return spikes

    return forward


def integrate(module: Any, site: Site) -> Forward:
    """Per tick, v = v + x."""
    return _forward(module, site, _common(module, site))


def leaky(module: Any, site: Site) -> Forward:
    """Per tick, v = v + (x - (v - v_reset)) / tau, or with x outside the quotient."""
    return _forward(module, site, _leaking(module, site, 1.0 / float(module.tau)))


def parametric(module: Any, site: Site) -> Forward:
    """As LIFNode with 1 / tau = sigmoid(w)."""
    return _forward(module, site, _leaking(module, site, float(module.w.detach().sigmoid())))


def _leaking(module: Any, site: Site, rate: float) -> dict[str, Any]:
    attrs = {**_common(module, site), "decay": site.number("1 - 1 / tau", 1.0 - rate)}
    if module.v_reset:
        attrs["leak_to"] = site.number("v_reset", module.v_reset)
    return {**attrs, "gain": site.number("1 / tau", rate)} if module.decay_input else attrs


def current(module: Any, site: Site) -> Forward:
    """Per tick, c = c_decay c + x; v = v_decay v + c."""
    attrs = {**_common(module, site), "decay": site.number("v_decay", module.v_decay)}
    attrs |= {"filter": "before", "filter_decay": site.number("c_decay", module.c_decay)}
    return _forward(module, site, attrs)


def silent(module: Any, site: Site) -> Forward:
    """Integrate without firing, starting at zero in every call; `decode` reads it out."""
    site.order, site.role, site.compared = "TB", "v", module.decode is None
    attrs: dict[str, Any] = {"reset": "none"}
    if hasattr(module, "tau"):
        rate = 1.0 / float(module.tau)
        attrs |= {"decay": site.number("decay", 1.0 - rate), "gain": site.number("gain", rate)}
    if module.decode not in (None, "mean-mem", "last_mem"):
        raise site.refuse(
            f"decode={module.decode!r} compares ticks", "use decode='last_mem' or 'mean-mem'"
        )

    def forward(x: Any) -> Any:
        v = site.neuron(x, **attrs)[1]
        if module.decode == "mean-mem":
            return v.mean(0)
        return v[-1] if module.decode == "last_mem" else v

    return forward


def dropout(module: Any, site: Site) -> Forward:
    """Nothing: networks in training mode are refused."""
    site.role = ""
    return lambda x: x


def delay(module: Any, site: Site) -> Forward:
    """Each value some ticks later, zeros before."""
    import torch

    site.role, site.order = "", "TB" if module.step_mode == "m" else "step"
    by = int(module.delay_steps)
    return lambda x: torch.ops.snnc.delay(x, by) if by else x


def linear_recurrent(module: Any, site: Site) -> Forward:
    """Per tick, y = sub_module(rc([x, y of the tick before]))."""

    def join(x: Any) -> Any:
        import torch

        like = x[..., :1].expand(*x.shape[:-1], module.sub_module_out_features)
        return module.rc(torch.cat((x, site.past(like)), dim=-1))

    return _container(module, site, join)


def elementwise_recurrent(module: Any, site: Site) -> Forward:
    """Per tick, y = sub_module(f(y of the tick before, x))."""
    return _container(module, site, lambda x: module.element_wise_function(site.past(x), x))


def _container(module: Any, site: Site, join: Forward) -> Forward:
    site.role = ""
    if module.step_mode == "m":
        for inner in module.sub_module.modules():
            if hasattr(inner, "step_mode"):
                inner.step_mode = "m"

    def forward(x: Any) -> Any:
        return site.mark(module.sub_module(join(x)))

    return forward


LAYERS = {
    "IFNode": integrate,
    "LIFNode": leaky,
    "ParametricLIFNode": parametric,
    "CUBALIFNode": current,
    "NonSpikingIFNode": silent,
    "NonSpikingLIFNode": silent,
    "Delay": delay,
    "Dropout": dropout,
    "Dropout2d": dropout,
    "LinearRecurrentContainer": linear_recurrent,
    "ElementWiseRecurrentContainer": elementwise_recurrent,
}
