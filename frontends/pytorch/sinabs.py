"""Layers of sinabs 3.1 as `snn.neuron`: v >= threshold fires, by default v // threshold times.

Input is (batch, time, ...); the Squeeze layers have batch and time in one axis.
"""

from collections.abc import Callable
from typing import Any

from snnc.frontends.pytorch.sites import Site

STATEFUL = ("StatefulLayer",)
REFUSED = {
    "ALIF": "its threshold adapts to its spikes; snn.neuron has constant thresholds",
    "ALIFRecurrent": "its threshold adapts to its spikes; snn.neuron has constant thresholds",
}
Forward = Callable[..., Any]


def _attrs(module: Any, site: Site) -> dict[str, Any]:
    """Return the charge: v = alpha v + (1 - alpha if norm_input) c, and the floor."""
    import torch

    site.order = "merged" if hasattr(module, "squeeze_forward") else "BT"
    site.batch = max(getattr(module, "batch_size", 0), 0)
    site.ticks = max(getattr(module, "num_timesteps", 0), 0)
    with torch.no_grad():
        alpha = module.alpha_mem_calculated
        current = module.alpha_syn_calculated
        made = {"decay": site.number("alpha_mem", alpha)}
        if module.norm_input:
            made["gain"] = site.number("1 - alpha_mem", 1 - alpha)
    if current is not None:
        made |= {"filter": "whole", "filter_decay": site.number("alpha_syn", current)}
    if module.min_v_mem is not None:
        made["floor"] = site.number("min_v_mem", module.min_v_mem)
    return made


def _spiking(module: Any, site: Site) -> dict[str, Any]:
    attrs = {**_attrs(module, site), "threshold": site.number("threshold", module.spike_threshold)}
    fire = module.spike_fn
    name = fire.__name__ if isinstance(fire, type) else type(fire).__name__
    if name not in ("SingleSpike", "MultiSpike", "MaxSpike"):
        raise site.refuse(f"spike_fn {name} is not known", "use MultiSpike or SingleSpike")
    if name != "SingleSpike":
        if float(module.spike_threshold.min()) <= 0:
            raise site.refuse(
                "v // threshold has no meaning for a threshold <= 0", "use a threshold > 0"
            )
        attrs["spike"] = "count"
        most = getattr(fire, "max_num_spikes_per_bin", None)
        attrs |= {} if most is None else {"max_count": int(most)}
    return {**attrs, **_reset(module.reset_fn, site)}


def _reset(reset: Any, site: Site) -> dict[str, Any]:
    name = type(reset).__name__
    if name == "MembraneSubtract":
        by = reset.subtract_value
        return {} if by is None else {"reset_by": site.number("subtract_value", by)}
    if name == "MembraneReset":
        if float(reset.reset_value) != 0:
            raise site.refuse(
                f"MembraneReset({reset.reset_value}) adds its value to silent neurons too",
                "use reset_value=0, or MembraneSubtract",
            )
        return {"reset": "hard"}
    raise site.refuse(f"reset_fn {name} is not known", "use MembraneSubtract() or MembraneReset()")


def lif(module: Any, site: Site) -> Forward:
    """IAF is a LIF with an infinite time constant."""
    attrs = _spiking(module, site)
    return lambda x: site.neuron(x, **attrs)[0]


def recurrent(module: Any, site: Site) -> Forward:
    """The input of a tick is x + rec_connect(spikes) of the tick before: at first 0, no bias."""
    attrs = _spiking(module, site)

    def forward(x: Any) -> Any:
        spikes = site.neuron(x + site.past(x, ".back"), **attrs)[0]
        site.mark(module.rec_connect(spikes.flatten(0, 1)).reshape(x.shape), ".back")
        return spikes

    return forward


def leak(module: Any, site: Site) -> Forward:
    """Return the potential; nothing fires."""
    attrs = {**_attrs(module, site), "reset": "none"}
    site.role = "v"
    return lambda x: site.neuron(x, **attrs)[1]


def sum_pool(module: Any, site: Site) -> Forward:
    """Sum over windows: an average with a divisor of 1, which the capture shows as a sum."""
    import torch

    if module.ceil_mode:
        raise site.refuse("ceil_mode adds windows over the edge", "use ceil_mode=False")

    def forward(x: Any) -> Any:
        pool = torch.nn.functional.avg_pool2d
        return pool(x, module.kernel_size, module.stride, divisor_override=1)

    site.role = ""
    return forward


LAYERS = {
    "IAF": lif,
    "LIF": lif,
    "IAFSqueeze": lif,
    "LIFSqueeze": lif,
    "IAFRecurrent": recurrent,
    "LIFRecurrent": recurrent,
    "ExpLeak": leak,
    "ExpLeakSqueeze": leak,
    "SumPool2d": sum_pool,
}
