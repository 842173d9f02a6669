"""Executes what a pass declares: the reference runs the module before and after, on trial inputs.

EXACT: every output is equal at every tick. DELAYED: each output is equal up to a constant number of
ticks, the same for all inputs, and silent before. A pass keeps the interface in either case: the
inputs, and the number of outputs. Placed levels have no reference; the law of the emulator covers
them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.driver.stimuli import stimuli
from snnc.extend.engine import Engine
from snnc.extend.passes import Exactness
from snnc.ir.graph import Module
from snnc.ir.weights import Array

TICKS = 20
"""Ticks of a trial beyond the last start in the module."""

LONGEST = 300
"""Most ticks of a trial; starts later than that are not tried."""


@frozen
class Trial:
    """Outputs of both modules, in their order, for one stimulus."""

    stimulus: str
    before: tuple[Array, ...]
    after: tuple[Array, ...]


def check_exactness(
    label: str, exactness: Exactness, before: Module, after: Module, engine: Engine
) -> bool:
    """Raise unless a pass kept its promise; return whether that could be tried at all.

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
    _check_interface(label, before, after)
    trials = list(_trials(label, before, after, engine))
    for number, output in enumerate(before.graph.outputs):
        pairs = [(t.stimulus, t.before[number], t.after[number]) for t in trials]
        delay = _delay([(a, b) for _, a, b in pairs]) if exactness is Exactness.DELAYED else 0
        for stimulus, expected, actual in pairs:
            _compare(label, output.name, stimulus, _late(expected, delay), actual)
    return True


def _check_interface(label: str, before: Module, after: Module) -> None:
    old = [(v.name, str(v.type)) for v in before.graph.inputs]
    new = [(v.name, str(v.type)) for v in after.graph.inputs]
    if old != new:
        raise fail(
            "pass-changed-interface",
            f"pass {label} changed the inputs from {_listed(old)} to {_listed(new)}",
            help="inputs are the interface: a pass keeps them, used or not",
        )
    counts = [len(before.graph.outputs), len(after.graph.outputs)]
    if counts[0] != counts[1]:
        raise fail(
            "pass-changed-interface",
            f"pass {label} changed the number of outputs from {counts[0]} to {counts[1]}",
            help="a pass keeps every output",
        )


def _listed(values: Sequence[tuple[str, str]]) -> str:
    return "(" + ", ".join(f"%{name}: {type}" for name, type in values) + ")"


def trial_ticks(module: Module) -> int:
    """Return how many ticks a trial lasts, so that what starts or comes late is seen too."""
    late = max((int(op["first"]) for op in module.ops("neuron")), default=0)
    delays = max((int(op["by"]) for op in module.ops("delay")), default=0)
    return min(TICKS + late + delays, LONGEST)


def _trials(label: str, before: Module, after: Module, engine: Engine) -> list[Trial]:
    ticks = max(trial_ticks(before), trial_ticks(after))
    old, new = engine.prepare(before), engine.prepare(after)
    found = []
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
        found.append(Trial(stimulus, _ordered(before, expected), _ordered(after, actual)))
    return found


def _ordered(module: Module, outputs: Mapping[str, Array]) -> tuple[Array, ...]:
    return tuple(outputs[value.name] for value in module.graph.outputs)


def _late(array: Array, delay: int) -> Array:
    """Return an output `delay` ticks later, silent before."""
    if not delay:
        return array
    moved = np.zeros_like(array)
    moved[:, delay:] = array[:, :-delay]
    return moved


def _delay(pairs: Sequence[tuple[Array, Array]]) -> int:
    """Return the one delay that makes all pairs equal, else 0."""
    if not pairs or pairs[0][0].shape != pairs[0][1].shape or pairs[0][0].ndim < 2:
        return 0
    ticks = pairs[0][0].shape[1]
    return next((d for d in range(ticks) if all(_same(_late(a, d), b) for a, b in pairs)), 0)


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def _compare(label: str, name: str, stimulus: str, expected: Array, actual: Array) -> None:
    if _same(expected, actual):
        return
    if expected.shape != actual.shape:
        where = f"its shape was {list(expected.shape[2:])} and is {list(actual.shape[2:])}"
    else:
        differs = ~((expected == actual) | ((expected != expected) & (actual != actual)))
        places = np.argwhere(differs)
        # The first tick in time comes first, whichever sample it is in.
        place = tuple(int(i) for i in min(places.tolist(), key=lambda p: (p[1:2], p)))
        sample, tick, *neuron = place if len(place) > 1 else (*place, 0)
        where = (
            f"tick {tick}, neuron {neuron}, sample {sample}: was {expected[place]}, "
            f"is {actual[place]}"
        )
    raise fail(
        "pass-not-exact",
        f"pass {label} changed output %{name} on input '{stimulus}': {where}",
        help="this is a defect of the pass; leave it out and report it",
    )
