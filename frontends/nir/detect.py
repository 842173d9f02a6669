"""Which producer wrote a NIR file, and with which time step: read off the file, or refused.

The contract: a producer is named only where something in the file is written by no other one here;
what could be two is `nir-profile`, with the candidates, because a wrong guess is a wrong network.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.frontends.nir.neurons import TOLERANCE
from snnc.frontends.nir.nodes import Node
from snnc.frontends.nir.profiles import PROFILES
from snnc.frontends.nir.storage import Leaf, Tree
from snnc.ir.weights import Array

USUAL = 1e-4
"""Time step of snnTorch's exporter, always, and of SpikingJelly's by default, in seconds."""

PRODUCER_KEYS = ("producer", "framework", "exporter", "profile")


@frozen
class Evidence:
    """What is known of a file: a profile, why, and the time step if the file gives it (else 0)."""

    profile: str
    reason: str
    dt: float = 0.0


@frozen(eq=False)
class Look:
    """What detection sees: the neurons, the types of all nodes, the version, whether it loops."""

    neurons: tuple[Node, ...]
    types: frozenset[str]
    version: tuple[int, ...]
    loops: bool
    dt: float = USUAL

    def all_in(self, *types: str) -> bool:
        """Whether all neurons are of these types."""
        return all(n.type in types for n in self.neurons)

    def each(self, name: str, test: Callable[[Array], bool]) -> bool:
        """Whether a field passes a test in every neuron that has it."""
        return all(test(n.array(name)) for n in self.neurons if name in n.fields)


def detect(look: Look, metadata: Tree) -> Evidence:
    """Return the producer of a file.

    Raises:
        SnncError: `nir-profile`, naming the candidates.
    """
    for key in PRODUCER_KEYS:
        given = metadata.get(key)
        if isinstance(given, Leaf) and given.kind == "text" and given.shape in ((), (1,)):
            word = given.text().lower()
            if word in PROFILES:
                return Evidence(word, f"the metadata says {key} = {word}", find_dt(word, look))
    if not look.neurons:
        return Evidence("spec", "no node has a membrane, so all producers mean the same")
    found = [e for e in (rule(look) for rule in _RULES) if e is not None]
    if len(found) == 1:
        return found[0]
    names = [e.profile for e in found] or [n for n, fits in _WEAK.items() if fits(look)]
    raise fail(
        "nir-profile",
        "the file does not say which tool's conventions it follows; "
        + (f"its numbers fit {', '.join(names)}" if names else "its numbers fit none known"),
        look.neurons[0].loc,
        notes=("NIR fixes neither the time step nor the integrator, the comparison or the reset",),
        help="name it: profile=" + " or profile=".join(names or ["spec"]) + " (spec needs dt)",
    )


def find_dt(profile: str, look: Look) -> float:
    """Return the time step that a producer's file gives away, or 0."""
    if profile == "spikingjelly":
        return _agreed(_jelly_steps(look.neurons))
    if profile == "rockpool":
        return _agreed(_rockpool_steps(look.neurons))
    return 0.0


def _snntorch(look: Look) -> Evidence | None:
    if not look.all_in("LIF", "CubaLIF") or not look.each("v_leak", _zero):
        return None
    if not look.each("v_reset", _zero) or not all(_unit(n, look.dt) for n in look.neurons):
        return None
    doubles = all(n.array("r").dtype == np.float64 for n in look.neurons)
    if doubles and not look.loops and all("v_reset" in n.fields for n in look.neurons):
        return None  # SpikingJelly writes the same ratios, but in float64 and with v_reset
    return Evidence(
        "snntorch", f"r dt / tau = 1 at dt = {look.dt!r} in {len(look.neurons)} neuron layers"
    )


def _spikingjelly(look: Look) -> Evidence | None:
    if not look.all_in("IF", "LIF", "CubaLIF") or look.loops:
        return None
    written = all("v_reset" in n.fields for n in look.neurons)
    if not written or not look.each("r", lambda a: a.dtype == np.float64):
        return None
    for node in look.neurons:
        if node.type == "LIF" and (node.array("v_leak") != node.array("v_reset")).any():
            return None
    dt = _agreed(_jelly_steps(look.neurons))
    if abs(dt - look.dt) > TOLERANCE * dt or dt == 1:
        return None  # any r is 1 / dt for some dt
    return Evidence("spikingjelly", f"r is 1 / dt or tau / dt at dt = {dt!r}, in float64", dt)


def _sinabs(look: Look) -> Evidence | None:
    if not _WEAK["sinabs"](look):
        return None
    if "SumPool2d" in look.types:
        return Evidence("sinabs", "r = 1 and SumPool2d, which no other tool exports")
    # nir from 1.0.6 on adds v_reset = 0 of itself; then the file could be Norse's as well.
    if _old(look) and any("tau" in n.fields for n in look.neurons):
        return Evidence("sinabs", "r = 1, no v_reset, and time constants of a tick or more")
    return None


def _rockpool(look: Look) -> Evidence | None:
    if not look.all_in("LIF", "CubaLIF", "LI") or not look.each("v_leak", _zero):
        return None
    if not look.each("w_in", _one) or not look.each("v_reset", _zero) or look.each("r", _one):
        return None
    dt = _agreed(_rockpool_steps(look.neurons))
    if not dt or dt != float(f"{dt:.3g}"):
        return None
    return Evidence("rockpool", f"r = tau / dt exp(-dt / tau) at dt = {dt!r}", dt)


_RULES: Sequence[Callable[[Look], Evidence | None]] = (
    _snntorch,
    _spikingjelly,
    _sinabs,
    _rockpool,
)


def _zero(array: Array) -> bool:
    return not array.any()


def _one(array: Array) -> bool:
    return bool((array == 1).all())


def _old(look: Look) -> bool:
    return not any("v_reset" in n.fields for n in look.neurons) and (
        not look.version or look.version <= (1, 0, 4)
    )


_WEAK: Mapping[str, Callable[[Look], bool]] = {
    "sinabs": lambda look: (
        look.all_in("IF", "LIF", "LI")
        and look.each("r", _one)
        and look.each("v_leak", _zero)
        and look.each("v_reset", _zero)
        and look.each("tau", lambda a: bool((a >= 1).all()))
    ),
    "norse": lambda look: (
        look.all_in("IF", "LIF", "CubaLIF", "LI")
        and look.each("r", _one)
        and look.each("w_in", _one)
        and look.each("v_reset", _zero)
    ),
    "spikingjelly": lambda look: (
        look.all_in("LIF")
        and look.each("r", lambda a: _one(a) and a.dtype == np.float64)
        and all("v_reset" in n.fields for n in look.neurons)
        and not look.loops
    ),
    "spec": lambda look: True,
}


def _unit(node: Node, dt: float) -> bool:
    """Whether the input of a node is added as it is, at a time step."""
    pairs = [("r", "tau_mem"), ("w_in", "tau_syn")] if node.type == "CubaLIF" else [("r", "tau")]
    for name, tau in pairs:
        if name not in node.fields:
            return False
        given, constant = (node.array(n).astype(np.float64) for n in (name, tau))
        if given.size != constant.size:
            return False
        endless = np.isinf(given) & np.isinf(constant)
        with np.errstate(all="ignore"):
            ratio = np.where(endless, 1.0, given * dt / constant.reshape(given.shape))
        if not (np.abs(ratio - 1) <= TOLERANCE).all():
            return False
    return True


def _jelly_steps(neurons: Sequence[Node]) -> list[Array]:
    """Return what SpikingJelly's neurons say of dt; a LIF whose r is 1 says nothing."""
    found = []
    for node in neurons:
        r = node.array("r").astype(np.float64)
        if node.type == "IF":
            with np.errstate(divide="ignore"):
                found.append(1 / r)
        elif not _one(r):
            tau = node.array("tau" if node.type == "LIF" else "tau_mem").astype(np.float64)
            if tau.shape != r.shape:
                return [np.zeros(1)]
            with np.errstate(all="ignore"):
                found.append(tau / r)
    return found


def _rockpool_steps(neurons: Sequence[Node]) -> list[Array]:
    """Return dt of r = exp(-u) / u with u = dt / tau, by Newton's method on u exp(u) = 1 / r."""
    found = []
    for node in neurons:
        tau = node.array("tau" if "tau" in node.fields else "tau_mem").astype(np.float64)
        r = node.array("r").astype(np.float64)
        if tau.shape != r.shape or not (r > 0).all():
            return [np.zeros(1)]
        u = np.log1p(1 / r)
        for _ in range(50):
            u -= (u * np.exp(u) - 1 / r) / (np.exp(u) * (1 + u))
        found.append(u * tau)
    return found


def _agreed(steps: Sequence[Array]) -> float:
    """Return the number on which all agree (in few digits, if one is near), or 0."""
    if not steps:
        return 0.0
    flat = np.concatenate([s.reshape(-1) for s in steps])
    dt = float(flat[0])
    if not np.isfinite(flat).all() or dt <= 0 or (np.abs(flat - dt) > TOLERANCE * dt).any():
        return 0.0
    short = float(f"{dt:.4g}")
    return short if abs(short - dt) <= TOLERANCE * dt else dt
