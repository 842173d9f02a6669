"""What a NIR file leaves open, and how each producer fills it: the table of profiles.

NIR's equations are in continuous time. It fixes no time step, no integrator, no comparison at the
threshold in time steps and, up to 1.0.4, no reset value; every exporter writes by a convention of
its own. A profile is that convention. Facts: the exporters of snnTorch 1.0, SpikingJelly 2.0, Norse
1.1, sinabs 3.1 and Rockpool 3.1, and the layers they export.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, field, fields, frozen

from snnc.diagnostics import fail, nearest

WORDS = {
    "integrator": ("euler", "exponential"),
    "compare": ("ge", "gt"),
    "spike": ("single", "count"),
    "reset": ("hard", "soft"),
    "reset_time": ("now", "after"),
    "filter": ("before", "after", "whole"),
    "initial": ("zero", "leak", "reset"),
}


@frozen
class Lost:
    """Something of a producer's layers that its files do not say, and the value that is taken.

    It matters where a node of some types is there and the option that would say it is not given.
    """

    text: str
    types: tuple[str, ...]
    option: str = ""


FIRING = ("IF", "LIF", "CubaLIF")
STEPPED = ("LI", "LIF", "CubaLIF")
"""Nodes whose meaning depends on the time step."""


@frozen
class Profile:
    """One producer's convention.

    Attributes:
        name: what `profile=` calls it.
        dt: time step in the unit of the file's time constants; 0 if the file must be asked.
        integrator: `euler`: decay = 1 - dt / tau, gain = r dt / tau; `exponential`: decay =
            exp(-dt / tau), gain = r (1 - decay).
        gain: of LIF and CubaLIF; `file`: as the integrator says; `unit`: the input is added as it
            is, r says nothing else; `decay`: the input decays once, as the potential does.
        leaky_gain: the same of LI and CubaLI.
        ratio: what r dt / tau must be where `gain` is `unit`: `one` or `decay`; a file where it is
            not comes from elsewhere.
        integral: of I and IF; `dt`: the gain is r dt; `one`: r itself, as a tick is the unit.
        rate: `file`: tau is a time constant; `inverted`: tau was written as dt / (1 / tau).
        filter: when the synaptic current of CubaLIF decays (as `filter` of `snn.neuron`).
        synapse: what a spike adds to the synaptic current; `file`: w_in (1 - decay); `jump`: w_in.
        compare, spike, max_count: at the threshold.
        reset: `hard` to v_reset, `soft` by the threshold, `version`: soft up to NIR 1.0.4 where
            v_reset is absent, else hard.
        reset_time: `now`, or `after` the next charge.
        initial: the potential before the first tick: `zero`, `leak` (v_leak) or `reset` (v_reset,
            where the reset is hard).
        padded: whether padding counts in the mean of AvgPool2d; None: not known.
        batched: whether ports state axes of batch and time before the one axis of a sample.
        lost: what the producer's layers have and its files do not say, and the value taken.
    """

    name: str
    dt: float
    integrator: str = "euler"
    gain: str = "file"
    leaky_gain: str = "file"
    ratio: str = ""
    integral: str = "dt"
    rate: str = "file"
    filter: str = "before"
    synapse: str = "file"
    compare: str = "gt"
    spike: str = "single"
    max_count: int = 1
    reset: str = "hard"
    reset_time: str = "now"
    initial: str = "zero"
    padded: bool | None = None
    batched: bool = False
    lost: tuple[Lost, ...] = ()


PROFILES: Mapping[str, Profile] = {
    p.name: p
    for p in (
        Profile("spec", 0.0, reset="version"),
        Profile(
            "snntorch",
            1e-4,
            gain="unit",
            ratio="one",
            reset="soft",
            reset_time="after",
            lost=(
                Lost("reset_mechanism: subtract (files say v_reset = 0 for each)", FIRING, "reset"),
                Lost("reset_delay: true", FIRING, "reset_time"),
                Lost("padding of AvgPool2d: 0", ("AvgPool2d",)),
                Lost("graded_spikes_factor: 1, inhibition: false", FIRING),
            ),
        ),
        Profile(
            "spikingjelly",
            1e-4,
            compare="ge",
            initial="reset",
            padded=True,
            lost=(Lost("dt: 1e-4, the default of the export", STEPPED, "dt"),),
        ),
        Profile(
            "norse",
            1e-3,
            rate="inverted",
            integral="one",
            filter="after",
            synapse="jump",
            initial="leak",
            lost=(
                Lost("dt: 1e-3, the default of the export", STEPPED, "dt"),
                Lost("v_reset: 0 and reset_method: reset_value", FIRING, "reset"),
            ),
        ),
        Profile(
            "sinabs",
            1.0,
            integrator="exponential",
            leaky_gain="unit",
            compare="ge",
            spike="count",
            max_count=2**31 - 1,
            reset="soft",
            lost=(
                Lost("spike_fn: MultiSpike", FIRING, "spike"),
                Lost("reset_fn: MembraneSubtract", FIRING, "reset"),
                Lost("min_v_mem: none", FIRING),
                Lost("norm_input: true for LIF", ("LIF",), "gain"),
                Lost("norm_input: false for ExpLeak", ("LI",), "gain"),
                Lost("tau_syn: none", ("LIF", "LI")),
            ),
        ),
        Profile(
            "rockpool",
            0.0,
            integrator="exponential",
            gain="unit",
            leaky_gain="decay",
            ratio="decay",
            filter="whole",
            compare="ge",
            spike="count",
            max_count=2**16,
            reset="soft",
            batched=True,
            lost=(
                Lost("bias: 0", ("LIF", "CubaLIF")),
                Lost("max_spikes_per_dt: 65536", FIRING, "spike"),
                Lost("w_rec: none", ("CubaLIF",)),
            ),
        ),
    )
}


def _option(help: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=None, metadata={"help": help, "choices": choices})


@frozen
class Options:
    """What `profile=` and the other options of the NIR front end say; None: not given."""

    profile: str | None = _option("whose conventions the file follows", tuple(PROFILES))
    dt: float | None = _option("time step, in the unit of the file's time constants")
    input: str | None = _option("element of the graph's inputs: u1 for spikes, f32", ("u1", "f32"))
    integrator: str | None = _option("how a step is integrated", WORDS["integrator"])
    gain: str | None = _option("file: from r; unit: the input as it is", ("file", "unit"))
    filter: str | None = _option("when the synaptic current decays", WORDS["filter"])
    compare: str | None = _option("what fires at the threshold itself", WORDS["compare"])
    spike: str | None = _option("one spike a tick, or a count", WORDS["spike"])
    reset: str | None = _option("what a spike does to v", WORDS["reset"])
    reset_time: str | None = _option("when it does so", WORDS["reset_time"])
    initial: str | None = _option("potential before the first tick", WORDS["initial"])
    padded: bool | None = _option("whether padding counts in the mean of AvgPool2d")


OVERRIDES = tuple(name.name for name in fields(Options) if name.name not in ("profile", "input"))


def chosen(name: str, options: Options) -> Profile:
    """Return a profile by name with the given options in place of its own.

    Raises:
        SnncError: `nir-profile` for an unknown name, `nir-dt` for a time step that is not positive.
    """
    if name not in PROFILES:
        raise fail("nir-profile", f"no profile {name!r}", help=nearest(name, list(PROFILES)))
    if options.dt is not None and not options.dt > 0:
        raise fail("nir-dt", f"dt = {options.dt} must be positive", help="for example dt=1e-4")
    profile = PROFILES[name]
    given = {k: getattr(options, k) for k in OVERRIDES if getattr(options, k) is not None}
    if "gain" in given:
        given |= {"leaky_gain": given["gain"], "ratio": ""}
    if given.get("spike") == "count" and profile.spike != "count":
        given["max_count"] = 2**31 - 1
    return evolve(profile, **given)


def lost(profile: Profile, options: Options, types: Iterable[str]) -> tuple[str, ...]:
    """Return what a profile assumes of nodes of some types and no option says."""
    there = set(types)
    return tuple(
        item.text
        for item in profile.lost
        if there.intersection(item.types)
        and (not item.option or getattr(options, item.option) is None)
    )
