"""Layers of Norse 1.1 as `snn.neuron`: v > v_th fires; states are handed from call to call.

`Cell` classes take one tick, the others (time, batch, ...). LIF decays its current after use:
v = v + a ((v_leak - v) + i + x), i = (1 - b)(i + x), with a = dt / tau_mem and b = dt / tau_syn.
"""

from collections.abc import Callable
from typing import Any

from snnc.frontends.pytorch.sites import Site

STATEFUL = ("SNNCell", "SNN", "SNNRecurrentCell", "SNNRecurrent")
REFUSED = {
    "LIFAdExCell": "its charge is exponential in v",
    "LIFExCell": "its charge is exponential in v",
    "LSNNCell": "its threshold adapts to its spikes",
    "LIFRefracCell": "it has a refractory time, which snn.neuron has not",
    "IzhikevichCell": "it has a second, quadratic state",
}
Forward = Callable[..., Any]


class State(dict[str, Any]):
    """The state that a layer hands to its next call, under capture: tensors by role."""


def _site(module: Any, site: Site, roles: tuple[str, ...], attrs: dict[str, Any]) -> Forward:
    site.order = "step" if type(module).__name__.endswith("Cell") else "TB"

    def forward(x: Any, state: Any = None) -> Any:
        given = _roles(state, roles)
        made = dict(zip(("spikes", "v", "i"), site.neuron(_input(x), given, **attrs), strict=True))
        return made[site.role], State({r: made[r] for r in roles})

    def _input(x: Any) -> Any:
        return x

    return forward


def _roles(state: Any, roles: tuple[str, ...]) -> dict[str, Any]:
    if state is None:
        return {}
    if isinstance(state, State):
        return dict(state)
    names = {"v": "v", "i": "i", "z": "spikes"}
    found = {names[n]: getattr(state, n) for n in ("v", "i", "z") if hasattr(state, n)}
    return {r: found[r] for r in roles if r in found}


def _fire(module: Any, site: Site) -> dict[str, Any]:
    p = module.p
    attrs = {"threshold": site.number("v_th", p.v_th), "compare": "gt"}
    method = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if method == "reset_subtract":
        return attrs
    if method != "reset_value":
        raise site.refuse(f"reset_method {method} is not known", "use reset_value")
    return {**attrs, "reset": "hard", "reset_to": site.number("v_reset", p.v_reset)}


def _charge(module: Any, site: Site) -> dict[str, Any]:
    """Return decay, gain and leak of v + dt / tau_mem (v_leak - v + c)."""
    p, dt = module.p, module.dt
    rate = site.number("dt tau_mem_inv", dt * p.tau_mem_inv)
    leak_to = site.number("v_leak", p.v_leak)
    return {"decay": site.number("decay", 1.0 - rate), "gain": rate, "leak_to": leak_to}


def _filter(module: Any, site: Site) -> dict[str, Any]:
    rate = site.number("dt tau_syn_inv", module.dt * module.p.tau_syn_inv)
    return {"filter": "after", "filter_decay": site.number("filter_decay", 1.0 - rate)}


def integrate(module: Any, site: Site) -> Forward:
    """Per tick, v = v + x; hard reset."""
    return _site(module, site, ("v",), _fire(module, site))


def box(module: Any, site: Site) -> Forward:
    """The input is the current itself."""
    attrs = {**_fire(module, site), **_charge(module, site)}
    return _site(module, site, ("v",), {**attrs, "initial": attrs["leak_to"]})


def leaky(module: Any, site: Site) -> Forward:
    """With a synaptic current; the reset is to v_reset whatever `reset_method` says."""
    return _site(module, site, ("v", "i"), _leaky(module, site))


def _leaky(module: Any, site: Site) -> dict[str, Any]:
    attrs = {**_charge(module, site), **_filter(module, site)}
    attrs |= {"threshold": site.number("v_th", module.p.v_th), "compare": "gt", "reset": "hard"}
    attrs["reset_to"] = site.number("v_reset", module.p.v_reset)
    return {**attrs, "initial": attrs["leak_to"]}


def recurrent(module: Any, site: Site) -> Forward:
    """The input of a tick is W_in x + W_rec (spikes of the tick before)."""
    import torch

    roles, attrs = ("v", "i"), _leaky(module, site)
    site.order = "step" if type(module).__name__.endswith("Cell") else "TB"

    def forward(x: Any, state: Any = None) -> Any:
        given = _roles(state, (*roles, "spikes"))
        inward = torch.nn.functional.linear(x, module.input_weights)
        last = given.pop("spikes", None)
        # At the first call norse makes its state itself; the layer keeps its spikes then.
        last = site.past(inward) if last is None or site.order == "TB" else last
        total = inward + torch.nn.functional.linear(last, module.recurrent_weights)
        made = dict(zip(("spikes", "v", "i"), site.neuron(total, given, **attrs), strict=True))
        return made["spikes"], State({r: made[r] for r in ("spikes", *roles)})

    return forward


def integrator(module: Any, site: Site) -> Forward:
    """LI: the potential of a LIF without threshold."""
    site.role = "v"
    attrs = {**_charge(module, site), **_filter(module, site), "reset": "none"}
    return _site(module, site, ("v", "i"), {**attrs, "initial": attrs["leak_to"]})


def integrator_box(module: Any, site: Site) -> Forward:
    """LIBox: as LI, driven by the input itself."""
    site.role = "v"
    attrs = {**_charge(module, site), "reset": "none"}
    return _site(module, site, ("v",), {**attrs, "initial": attrs["leak_to"]})


LAYERS = {
    "IAFCell": integrate,
    "IAF": integrate,
    "LIFBoxCell": box,
    "LIFCell": leaky,
    "LIF": leaky,
    "LIFRecurrentCell": recurrent,
    "LIFRecurrent": recurrent,
    "LICell": integrator,
    "LI": integrator,
    "LIBoxCell": integrator_box,
}
