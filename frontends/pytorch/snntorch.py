"""Layers of snnTorch 1.0 as `snn.neuron`.

They fire where v > threshold and, unless `reset_delay` is off, reset at the next tick: Leaky's
"zero" before the charge, all else after it. `past` gives recurrent layers their last spikes.
"""

from collections.abc import Callable
from typing import Any

from snnc.frontends.pytorch.sites import Site

STATEFUL = ("SpikingNeuron", "StateLeaky", "LeakyParallel", "AssociativeLeaky")
REFUSED = {
    "Alpha": "it has two synaptic currents; snn.neuron has one",
    "SLSTM": "an LSTM has gates, which no neuron of a chip has",
    "SConv2dLSTM": "an LSTM has gates, which no neuron of a chip has",
    "LeakyParallel": "it has no reset and runs as an RNN of torch",
}
Forward = Callable[..., Any]


def _common(module: Any, site: Site) -> dict[str, Any]:
    """Return what all layers share: threshold and the kind and time of the reset."""
    if module.state_quant:
        raise site.refuse("state_quant rounds its potentials", "train without state_quant")
    if module.inhibition:
        raise site.refuse("inhibition lets only one neuron fire", "use inhibition=False")
    threshold = site.number("threshold", module.threshold)
    if _least(threshold) <= 0:
        raise site.refuse("a threshold <= 0 resets before the first tick", "use a threshold > 0")
    reset = {0: "soft", 1: "hard", 2: "none"}[int(module.reset_mechanism_val)]
    late = getattr(module, "reset_delay", True)
    if not late and reset == "soft" and not getattr(module, "snnc_single_crossing", False):
        raise site.refuse(
            "reset_delay=False with subtract compares v - threshold where v is still above the "
            "threshold after a reset, which no neuron has",
            "use reset_delay=True or reset_mechanism='zero', which are exact; or give the option "
            "single_crossing=True if no potential reaches twice its threshold",
        )
    time = "after" if late else "now"
    return {"threshold": threshold, "compare": "gt", "reset": reset, "reset_time": time}


def _least(value: Any) -> float:
    return float(value.min()) if hasattr(value, "min") else float(value)


def _graded(module: Any) -> Any:
    """Return the factor on the spikes, or None where it is 1."""
    factor = getattr(module, "graded_spikes_factor", None)
    if factor is None or bool((factor.detach() == 1).all()):
        return None
    return factor.detach()


def _results(module: Any, site: Site, roles: tuple[int, ...]) -> Callable[[list[Any]], Any]:
    """Return what makes the layer's result: spikes alone, or with its states."""
    factor = _graded(module)
    site.graded = 1.0 if factor is None else factor.cpu().numpy()

    def made(given: list[Any]) -> Any:
        spikes = given[0] if factor is None else given[0] * factor
        if module.init_hidden and not module.output:
            return spikes
        return (spikes, *(given[r] for r in roles))

    return made


def _decay(module: Any, site: Site, name: str) -> Any:
    return site.number(name, getattr(module, name).detach().clamp(0, 1))


def leaky(module: Any, site: Site) -> Forward:
    """Per tick, v = beta v + x."""
    attrs = {**_common(module, site), "decay": _decay(module, site, "beta")}
    if (attrs["reset"], attrs["reset_time"]) == ("hard", "after"):
        attrs["reset_time"] = "before"

    results = _results(module, site, (1,))

    def forward(x: Any, mem: Any = None) -> Any:
        return results(site.neuron(x, {"v": mem}, **attrs))

    return forward


def lapicque(module: Any, site: Site) -> Forward:
    """Per tick, v = (1 - dt / (R C)) v + x R dt / (R C)."""
    import torch

    with torch.no_grad():
        ratio = module.R * (1 / (module.R * module.C)) * module.time_step
        decay = 1 - (module.time_step / (module.R * module.C))
    attrs = _common(module, site)
    attrs |= {"decay": site.number("decay", decay), "gain": site.number("gain", ratio)}

    results = _results(module, site, (1,))

    def forward(x: Any, mem: Any = None) -> Any:
        return results(site.neuron(x, {"v": mem}, **attrs))

    return forward


def synaptic(module: Any, site: Site) -> Forward:
    """Per tick, i = alpha i + x; v = beta v + i."""
    attrs = _with_current(module, site)

    results = _results(module, site, (2, 1))

    def forward(x: Any, syn: Any = None, mem: Any = None) -> Any:
        return results(site.neuron(x, {"i": syn, "v": mem}, **attrs))

    return forward


def _with_current(module: Any, site: Site) -> dict[str, Any]:
    attrs = {**_common(module, site), "decay": _decay(module, site, "beta")}
    return {**attrs, "filter": "before", "filter_decay": _decay(module, site, "alpha")}


def rleaky(module: Any, site: Site) -> Forward:
    """Per tick, v = beta v + x + recurrent(spikes of the tick before)."""
    attrs = {**_common(module, site), "decay": _decay(module, site, "beta")}

    results, last = _results(module, site, (1,)), _last(module, site)

    def forward(x: Any, spk: Any = None, mem: Any = None) -> Any:
        total = x + module.recurrent(last(x, spk))
        return results(site.neuron(total, {"v": mem}, **attrs))

    return forward


def rsynaptic(module: Any, site: Site) -> Forward:
    """Per tick, i = alpha i + x + recurrent(spikes of the tick before); v = beta v + i."""
    if not module.reset_delay:
        raise site.refuse("reset_delay=False fails inside snnTorch 1.0", "use reset_delay=True")
    attrs = _with_current(module, site)
    if attrs["reset"] == "hard":
        raise site.refuse(
            "its reset to zero takes the recurrent input away a second time", "use 'subtract'"
        )

    results, last = _results(module, site, (2, 1)), _last(module, site)

    def forward(x: Any, spk: Any = None, syn: Any = None, mem: Any = None) -> Any:
        total = x + module.recurrent(last(x, spk))
        return results(site.neuron(total, {"i": syn, "v": mem}, **attrs))

    return forward


def _last(module: Any, site: Site) -> Callable[[Any, Any], Any]:
    """Return what gives the spikes that feed back: those handed in, or those kept."""
    factor = _graded(module)

    def last(x: Any, spk: Any) -> Any:
        if spk is not None and spk.shape == x.shape:
            return spk
        kept = site.past(x)
        return kept if factor is None else kept * factor

    return last


LAYERS = {
    "Leaky": leaky,
    "Lapicque": lapicque,
    "Synaptic": synaptic,
    "RLeaky": rleaky,
    "RSynaptic": rsynaptic,
}
