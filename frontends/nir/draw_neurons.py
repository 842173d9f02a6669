"""Neuron ops as NIR nodes: the equations of `neurons` solved for the fields.

The contract: at level `snn` the fields found are read again with the same profile, and the node is
written only if every parameter comes out equal in float32. At level `int` an IF (or I) of the same
threshold stands for the neuron, and its metadata lists what NIR leaves out.
"""

from typing import Any

import numpy as np

from snnc.diagnostics import SnncError, fail
from snnc.frontends.nir.neurons import Convention, neuron
from snnc.frontends.nir.nodes import Node
from snnc.frontends.nir.profiles import PROFILES, Profile
from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.weights import Array

LATEST = (1, 0, 8)
"""Version of the files written."""


def neuron_node(module: Module, op: Op, name: str, profile: Profile, fires: bool) -> dict[str, Any]:
    """Return type and fields of a neuron op's node.

    `fires` says whether the node's value are the spikes, else it is the potential.

    Raises:
        SnncError: `nir-unwritable`, naming what the profile cannot say and a profile that can.
    """
    if module.level == "int":
        return _integer(module, op, fires)
    found = _solved(module, op, name, profile, fires)
    wrong = _differences(module, op, name, profile, fires, found)
    if not wrong:
        return found
    others = [
        p.name
        for p in PROFILES.values()
        if p.name != profile.name and p.dt and _fits(module, op, name, p, fires)
    ]
    raise fail(
        "nir-unwritable",
        f"%{op.result.name}: profile {profile.name} cannot say {', '.join(wrong)}",
        op.loc,
        help=f"write it with profile {' or '.join(others)}"
        if others
        else "give the convention of all neurons, as save(net, path, reset='soft', compare='ge')",
    )


def _fits(module: Module, op: Op, name: str, profile: Profile, fires: bool) -> bool:
    found = _solved(module, op, name, profile, fires)
    return not _differences(module, op, name, profile, fires, found)


def _full(module: Module, op: Op, name: str) -> Array:
    """Return a parameter in float64, one value per neuron, as float32 holds it."""
    value = param(module, op, name)
    array = np.zeros(()) if value is None else value
    shape = op.result.type.shape
    if module.level == "snn":
        array = array.astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(array, shape).astype(np.float64))


def _solved(module: Module, op: Op, name: str, profile: Profile, fires: bool) -> dict[str, Any]:
    """Return the fields that come nearest to an op."""
    decay, gain = _full(module, op, "decay"), _full(module, op, "gain")
    threshold = _threshold(module, op, profile)
    if fires and op["reset"] == "none" and not decay.any() and (gain == 1).all():
        return {"type": "Threshold", "threshold": threshold}
    fields: dict[str, Any] = {}
    if fires:
        fields = {"v_threshold": threshold, "v_reset": np.zeros_like(threshold)}
        if op["reset"] == "hard":
            fields["v_reset"] = _full(module, op, "reset_to")
    if op["filter"] == "none" and (decay == 1).all():
        step = profile.dt if profile.integral == "dt" else 1.0
        return {"type": "IF" if fires else "I", "r": gain / step, **fields}
    fields["v_leak"] = _full(module, op, "leak_to")
    leaky = not fires and op["filter"] == "none"
    tau = _constant(decay, profile)
    fields["r"] = _resistance(
        decay, tau, gain, profile, profile.leaky_gain if leaky else profile.gain
    )
    if op["filter"] == "none":
        return {"type": "LIF" if fires else "LI", "tau": tau, **fields}
    filter_decay = _full(module, op, "filter_decay")
    tau_syn = _constant(filter_decay, profile)
    fields |= {"tau_mem": tau, "tau_syn": tau_syn, "w_in": np.ones_like(tau)}
    if profile.gain == "unit":
        if profile.ratio == "one":
            fields["w_in"] = tau_syn / profile.dt
    elif profile.synapse == "file":
        with np.errstate(divide="ignore"):
            fields["w_in"] = 1 / (1 - filter_decay)
    return {"type": "CubaLIF" if fires else "CubaLI", **fields}


def _threshold(module: Module, op: Op, profile: Profile) -> Array:
    """Return the threshold, moved to the next float32 where `ge` must be said as `gt`, or back."""
    threshold = _full(module, op, "threshold").astype(np.float32)
    wanted = _compare(op, profile)
    if op["compare"] != wanted:
        threshold = np.nextafter(threshold, np.float32(-np.inf if wanted == "gt" else np.inf))
    return threshold.astype(np.float64)


def _compare(op: Op, profile: Profile) -> str:
    """Return what the profile reads: a Threshold always compares by `gt`."""
    return "gt" if op["reset"] == "none" else profile.compare


def _constant(decay: Array, profile: Profile) -> Array:
    dt = profile.dt
    with np.errstate(divide="ignore"):
        if profile.integrator == "exponential":
            return np.asarray(-dt / np.log(decay))
        tau = dt / (1 - decay)
    return np.asarray(tau * dt if profile.rate == "inverted" else tau)


def _resistance(decay: Array, tau: Array, gain: Array, profile: Profile, rule: str) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        if profile.ratio == "decay" or rule == "decay":
            return np.asarray(tau * np.exp(-profile.dt / tau) / profile.dt)
        if rule == "unit":
            return tau / profile.dt if profile.ratio else np.ones_like(tau)
        return np.asarray(gain / (1 - decay))


def _differences(
    module: Module, op: Op, name: str, profile: Profile, fires: bool, found: dict[str, Any]
) -> list[str]:
    """Return what of an op is not what its node is read as, as `name = value`."""
    shape = op.result.type.shape
    fields = {k: v for k, v in found.items() if k != "type"}
    try:
        read = neuron(Node(name, found["type"], fields), shape, Convention(profile, LATEST))
    except SnncError as error:
        return [error.diagnostics[0].message]
    ignored = {"potential", "place"} if fires else {"potential", "place", *_FIRE}
    wrong = []
    for spec in op.spec.attrs:
        if spec.name in ignored or (spec.name == "reset_to" and op["reset"] != "hard"):
            continue
        if spec.name == "max_count" and op["spike"] == "single":
            continue
        if spec.kind == "param" and not _equal(module, op, spec.name, read, found, shape):
            wrong.append(f"{spec.name} = {op[spec.name]}")
        elif spec.kind != "param":
            given = op[spec.name]
            if spec.name == "compare":
                given = _compare(op, profile) if op["spike"] == "single" else given
            if read.get(spec.name, spec.default) != given:
                wrong.append(f"{spec.name} = {given}")
    if fires and op["reset"] == "soft" and op["compare"] != profile.compare:
        wrong.append(f"compare = {op['compare']} with reset = soft")
    return wrong


_FIRE = (
    "threshold",
    "compare",
    "spike",
    "max_count",
    "reset_to",
    "reset_by",
    "reset_time",
)


def _equal(
    module: Module, op: Op, key: str, read: dict[str, Any], found: dict[str, Any], shape: Any
) -> bool:
    """Whether a parameter is read as what the op has, in float32.

    `leak_to` counts even at a decay of 1: v - leak_to + leak_to rounds small potentials away.
    """
    if key == "floor":
        return op["floor"] is None
    if key == "reset_by":
        if op["reset"] != "soft" or op["reset_by"] is None:
            return True
        return bool((_full(module, op, key) == _full(module, op, "threshold")).all())
    if key == "filter_decay" and op["filter"] == "none":
        return True
    if key == "threshold":
        wanted = np.asarray(found.get("v_threshold", found.get("threshold")))
    else:
        wanted = _full(module, op, key)
    usual = op.spec.default(key)
    got = np.asarray(read.get(key, usual), dtype=np.float64)
    single = np.broadcast_to(got, shape).astype(np.float32)
    return bool((single == wanted.astype(np.float32)).all())


def _integer(module: Module, op: Op, fires: bool) -> dict[str, Any]:
    """Return the IF (or I) that stands for an integer neuron; v >= T is v > T - 1."""
    if op["spike"] == "value":
        raise fail(
            "nir-unwritable",
            f"%{op.result.name} gives values, which no neuron of NIR does",
            op.loc,
            help="write the module as .snn",
        )
    shape = op.result.type.shape
    if not fires:
        fields: dict[str, Any] = {"type": "I", "r": np.ones(shape)}
    else:
        fields = {
            "type": "IF",
            "r": np.ones(shape),
            "v_threshold": _full(module, op, "threshold") - 1,
            "v_reset": np.zeros(shape),
        }
        if op["reset"] == "hard":
            fields["v_reset"] = _full(module, op, "reset_to")
    said = ("threshold", "reset_to", "width", "potential", "place")
    beyond = {k: v for k, v in op.attrs.items() if k not in said and (k, v) != ("reset", "hard")}
    if fires and op["reset"] == "soft":
        beyond = {"reset": "soft", **beyond}
    if beyond:
        text = ", ".join(f"{key} = {value}" for key, value in beyond.items())
        fields["metadata"] = {"snnc": text}
    return fields
