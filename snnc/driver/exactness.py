"""Executes what a pass declares: the reference runs the module before and after, on trial inputs.

EXACT: every output is equal at every tick. DELAYED: each output is equal up to a constant number of
ticks, the same for all inputs, and silent before. A pass keeps the interface in either case: the
inputs and the outputs; only on the way to a target's level encoders may be left to the host, and
what they make is then the input. Placed levels have no reference; the law of the emulator covers
them.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from attrs import frozen

from snnc.diagnostics import Diagnostics, SnncError, fail
from snnc.driver.host import Host
from snnc.driver.stimuli import stimuli
from snnc.extend.engine import Engine
from snnc.extend.passes import Exactness
from snnc.ir.graph import Module
from snnc.ir.weights import Array
from snnc.runtime.compare import first_difference

SHARED = ("snn", "int")
"""Levels of no target."""

TICKS = 20
"""Ticks of a trial beyond the last start in the module."""

LONGEST = 300
"""Most ticks of a trial; starts later than that are not tried."""


@frozen
class Trial:
    """Outputs of both modules by name, for one stimulus."""

    stimulus: str
    before: Mapping[str, Array]
    after: Mapping[str, Array]


def check_exactness(
    label: str,
    exactness: Exactness,
    before: Module,
    after: Module,
    engine: Engine,
    diagnostics: Diagnostics,
) -> bool:
    """Raise unless a pass kept its promise; return whether that could be tried at all.

    Where the module refuses all inputs that are tried, `diagnostics` gets the warning
    `pass-untried`.

    Raises:
        SnncError: `pass-changed-interface`, `pass-not-exact` with the first differing tick, value
            and neuron.
    """
    levels = engine.levels
    if (
        exactness is Exactness.APPROXIMATE
        or before.level not in levels
        or after.level not in levels
    ):
        return False
    if after.level not in SHARED:
        before = _on_chip(before, after, engine)
    _check_interface(label, before, after)
    trials = list(_trials(label, before, after, engine))
    if not trials:
        diagnostics.warn(
            "pass-untried",
            f"the module before pass {label} refuses every input that is tried, so what the pass "
            "promises was not executed",
            before.loc,
            help="run it on inputs that it takes: snnc diff BEFORE AFTER -i X.npz",
        )
        return False
    called = _called(before)
    constant = [called[v.name] for v in before.graph.outputs if not v.type.timed]
    late = {called[v.name]: 0 for v in before.graph.outputs}
    if exactness is Exactness.DELAYED:
        late |= {name: _delay(trials, name) for name in late if name not in constant}
    for trial in trials:
        expected = {name: _late(trial.before[name], late[name]) for name in late}
        difference = first_difference(
            expected, trial.after, order=late, untimed=constant, names=("before", "after")
        )
        if difference is not None:
            raise fail(
                "pass-not-exact",
                f"pass {label} changed an output on input '{trial.stimulus}': {difference}",
                help="this is a defect of the pass; leave it out and report it",
            )
    return True


def _on_chip(before: Module, after: Module, engine: Engine) -> Module:
    """Return the part of a module that takes what the module after the pass does."""
    taken = [v.name for v in after.graph.inputs]
    made = {op.result.name for op in before.graph.ops}
    if not made & set(taken):
        return before
    given = {v.name for v in before.graph.inputs}
    return Host(before, taken, engine).rest() if set(taken) <= made | given else before


def _check_interface(label: str, before: Module, after: Module) -> None:
    """Raise unless inputs have the same names and types, outputs the same names and shapes."""
    for kind, old, new in (
        ("inputs", _inputs(before), _inputs(after)),
        ("outputs", _outputs(before), _outputs(after)),
    ):
        if old != new:
            raise fail(
                "pass-changed-interface",
                f"pass {label} changed the {kind} from ({', '.join(old)}) to ({', '.join(new)})",
                help="inputs and outputs are the interface: a pass keeps them, used or not",
            )


def _inputs(module: Module) -> list[str]:
    return [f"%{v.name}: {v.type}" for v in module.graph.inputs]


def _outputs(module: Module) -> list[str]:
    called = _called(module)
    return [f"%{called[v.name]}: {list(v.type.shape)}" for v in module.graph.outputs]


def _called(module: Module) -> dict[str, str]:
    """Return what hosts call each output: one that sends what has a name notes that in `place`."""
    places = {op.result: op["place"] or {} for op in module.ops("neuron") if module.level == "int"}
    return {v.name: places.get(v, {}).get("returned", v.name) for v in module.graph.outputs}


def trial_ticks(module: Module) -> int:
    """Return how many ticks a trial lasts, so that what starts or comes late is seen too."""
    late = max((int(op["first"]) for op in module.ops("neuron")), default=0)
    delays = max((int(op["by"]) for op in module.ops("delay")), default=0)
    return min(TICKS + late + delays, LONGEST)


def _trials(label: str, before: Module, after: Module, engine: Engine) -> Iterator[Trial]:
    ticks = max(trial_ticks(before), trial_ticks(after))
    old, new = engine.prepare(before), engine.prepare(after)
    before_names, after_names = _called(before), _called(after)
    for stimulus, inputs in stimuli(before, ticks):
        try:
            expected = old.run(inputs, ticks=ticks).outputs
        except SnncError:
            continue  # No meaning for this input (a sum overflows), so nothing to keep.
        try:
            actual = new.run(inputs, ticks=ticks).outputs
        except SnncError as error:
            raise fail(
                "pass-not-exact",
                f"pass {label}, input '{stimulus}': the module ran before it, and not after it",
                notes=[str(d) for d in error.diagnostics],
                help="this is a defect of the pass; leave it out and report it",
            ) from error
        yield Trial(
            stimulus,
            {before_names[name]: array for name, array in expected.items()},
            {after_names[name]: array for name, array in actual.items()},
        )


def _late(array: Array, delay: int) -> Array:
    """Return an output `delay` ticks later, silent before."""
    if not delay:
        return array
    moved = np.zeros_like(array)
    moved[:, delay:] = array[:, :-delay]
    return moved


def _delay(trials: Sequence[Trial], name: str) -> int:
    """Return the one delay that makes an output of all trials equal, else 0."""
    ticks = trials[0].before[name].shape[1] if trials else 0
    return next(
        (
            delay
            for delay in range(ticks)
            if all(np.array_equal(_late(t.before[name], delay), t.after[name]) for t in trials)
        ),
        0,
    )
