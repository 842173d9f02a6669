"""Equivalents: neurons that no record holds, as others that do the same at every tick.

- A count of at most one is a spike; one of at most 255 is eight bits of the potential, if the
  threshold is a power of two and no soft reset takes it away; a reversal leak without memory is a
  leak.
- A floor beside a leak after the compare: the leak comes before, and the threshold moves with it.
- A potential may be counted from another zero: with v' = v + s, `v >= threshold` is
  `v' >= threshold + s`, and what a reset, a floor or the beginning put there moves by s. So a soft
  reset by another amount than the threshold takes the threshold away (s is their difference), and a
  threshold below 0 or a floor above it become 0. `place` notes what a potential of 0 stands for.
- A potential that saturates and is reset hard by what fires has its lowest value as a floor, if
  everything at its highest value fires.

Where a neuron has no equivalent, it stays as it is, and `why` says the reason to who refuses it.
"""

from typing import Any

import numpy as np
from attrs import define, field

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.types import I32, U8, U16
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS

PARAMS = ("threshold", "reset_to", "reset_by", "leak", "negative", "floor", "initial")

COUNTS = U16.high
"""The largest count of neurons that say nothing of it."""

ZERO = "zero"
"""What a potential of 0 stands for in the program: one number, or one for each neuron."""


@define(eq=False)
class Equivalent:
    """A neuron op in the making: its parameters as arrays, and its other attributes.

    `why` says why a field has no equivalent.
    """

    op: Op
    params: dict[str, Ints | None]
    attrs: dict[str, Any] = field(factory=dict)
    why: dict[str, str] = field(factory=dict)
    zero: Ints = field(factory=lambda: np.zeros((), np.int64))
    changed: bool = False

    @classmethod
    def of(cls, module: Module, op: Op) -> "Equivalent":
        """Return an op as it is."""
        return cls(op, {name: param(module, op, name) for name in PARAMS}, dict(op.attrs))

    def __getitem__(self, name: str) -> Any:
        return self.attrs.get(name, self.op[name])

    def array(self, name: str) -> Ints:
        """Return a parameter that is given."""
        found = self.params[name]
        assert found is not None
        return found

    def set(self, **changes: Any) -> None:
        """Change parameters (arrays) and other attributes."""
        self.changed = True
        for name, value in changes.items():
            (self.params if name in PARAMS else self.attrs)[name] = value

    @property
    def turns(self) -> bool:
        """Whether its leak turns with the sign."""
        return bool(self["leak_reversal"] and self["memory"] == "keep" and self.array("leak").any())

    def drop(self, name: str) -> None:
        """Leave a field out."""
        self.changed = True
        self.params[name] = None

    def emit(self, build: Rebuild) -> Any:
        """Add the op to a module."""
        op, attrs = self.op, {k: v for k, v in self.attrs.items() if k not in PARAMS}
        shape, name = op.result.type.shape, op.result.name
        if self.zero.any():
            attrs["place"] = {**(op["place"] or {}), ZERO: _numbers(self.zero, shape)}
        for key, array in self.params.items():
            absent = key == "reset_by" and (self["reset"] != "soft" or _same(array, self, key))
            if array is not None and not absent:
                attrs[key] = _as_param(build, f"{name}.{key}", array, shape)
        names = [result.name for result in op.results]
        return build.emit("neuron", [build(op.values[0])], attrs, loc=op.loc, names=names).results


def _same(array: Ints | None, of: Equivalent, key: str) -> bool:
    return array is None or bool((array == of.array("threshold")).all())


def _as_param(build: Rebuild, name: str, array: Ints, shape: tuple[int, ...]) -> Any:
    whole = np.broadcast_to(array, shape)
    if (whole == whole.flat[0]).all():
        return int(whole.flat[0])
    return build.weight(name, whole, I32)


def _numbers(array: Ints, shape: tuple[int, ...]) -> tuple[int, ...]:
    flat = np.broadcast_to(array, shape).reshape(-1)
    return tuple(flat[:1].tolist() if (flat == flat[0]).all() else flat.tolist())


def with_equivalents(module: Module) -> tuple[Module, dict[str, dict[str, str]]]:
    """Return the module with equivalents, and by name and field why a neuron has none."""
    found = {op: _equivalent(module, op) for op in module.ops("neuron") if _odd(module, op)}
    why = {op.result.name: one.why for op, one in found.items() if one.why}
    changed = {op: one for op, one in found.items() if one.changed and not one.why}
    if changed:
        module = rebuild(module, lambda op, b: changed[op].emit(b) if op in changed else None)
    return module, why


def _odd(module: Module, op: Op) -> bool:
    """Whether a neuron has a field that may need an equivalent."""
    if op["spike"] == "count" or op["overflow"] == "saturate" or op["floor"] is not None:
        return True
    if op["leak_reversal"] or (op["reset"] == "soft" and op["reset_by"] is not None):
        return True
    threshold = param(module, op, "threshold")
    return threshold is None or bool(threshold.min(initial=0) < 0)


def _equivalent(module: Module, op: Op) -> Equivalent:
    one = Equivalent.of(module, op)
    if one["spike"] == "count":
        _uncounted(one)
    if one["leak_reversal"] and one["memory"] == "clear":
        one.set(leak_reversal=False)
    if one["overflow"] == "saturate":
        _unsaturated(one)
    if one.params["floor"] is not None:
        _one_bound(one)
    _moved(one)
    return one


def _uncounted(one: Equivalent) -> None:
    """Let neurons send a count as a spike, or as the eight bits above a power of two."""
    if one["max_count"] == 1:
        one.set(spike="single", max_count=COUNTS)
        return
    threshold, leak = one.array("threshold"), one.array("leak")
    power = int(threshold.flat[0]).bit_length() - 1
    late = one["leak_order"] == "after" and ((leak < 0).any() or one.turns)
    equal = (threshold == 1 << max(power, 0)).all() and 8 + power <= LIMITS.max_truncation
    if equal and one["max_count"] == U8.high and one["reset"] != "soft" and not late:
        one.set(spike="value", truncate=8 + power, max_count=COUNTS)


def _unsaturated(one: Equivalent) -> None:
    """Give a potential that saturates a floor, if nobody can tell the difference."""
    low, high = -(1 << one["width"] - 1), (1 << one["width"] - 1) - 1
    threshold, leak, initial = (one.array(name) for name in ("threshold", "leak", "initial"))
    after = [initial]
    if one["reset"] == "hard":
        after += [one.array("reset_to"), -one.array("reset_to")]
    negative = one.params["negative"]
    most = LIMITS.potential_max >> 1
    problems = {
        "only a hard reset leaves nothing of what saturates": one["reset"] != "hard",
        "what a core sends are bits of what saturates": one["spike"] != "single",
        "a leak that is positive or comes after the compare meets the bound elsewhere": bool(
            (leak > 0).any() or (leak.any() and (one["leak_order"] == "after" or one.turns))
        ),
        f"{high}, the highest potential, does not fire everywhere": bool(
            (threshold > np.minimum(high + leak, most)).any()
        ),
        f"it resets to, or begins at, what {one['width']} bits do not hold": any(
            (a < low).any() or (a > high).any() for a in after
        ),
        f"the lowest potential {low} is below what a floor holds": one["width"] > 29,
        "a negative reset lies beyond the lowest potential": bool(
            negative is not None and one["negative_mode"] == "reset" and (negative >= -low).any()
        ),
    }
    for problem, there in problems.items():
        if there:
            one.why["overflow"] = problem
            return
    if negative is None or one["negative_mode"] == "floor":
        bound = np.asarray(-low) if negative is None else np.minimum(negative, -low)
        one.set(negative=bound, negative_mode="floor")
    one.set(overflow="error")


def _one_bound(one: Equivalent) -> None:
    """Join a floor with a negative threshold, and let a late leak come before the compare."""
    floor, leak, negative = one.array("floor"), one.array("leak"), one.params["negative"]
    # A hard reset meets the floor alone: it may go below the negative threshold, as the chip's may.
    below = one["reset"] == "hard" and bool((one.array("reset_to") < floor).any())
    reset_to = np.maximum(one.array("reset_to"), floor) if below else None
    if negative is not None:
        if one["negative_mode"] == "reset":
            one.why["floor"] = "a record has no floor beside a negative threshold that resets"
            return
        if one["leak_order"] == "after" and leak.any():
            one.why["floor"] = "beside a negative threshold, the chip compares before the late leak"
            return
        one.set(floor=np.maximum(floor, -negative))
        one.drop("negative")
    if reset_to is not None:
        one.set(reset_to=reset_to)
    if one["leak_order"] == "after" and leak.any():
        if one.turns:
            one.why["floor"] = "the chip compares before the late leak, which turns with the sign"
            return
        one.set(threshold=one.array("threshold") + leak, leak_order="before")


def _moved(one: Equivalent) -> None:
    """Count a potential from another zero where that is needed."""
    threshold, floor = one.array("threshold"), one.params["floor"]
    if one["reset"] == "soft":
        name, moved = "reset_by", one.array("reset_by") - threshold
        if one.op["reset_by"] is None:
            name = "floor"
        if one["spike"] == "count":
            return
    else:
        name, moved = "threshold", np.maximum(-threshold, 0)
        if floor is not None and (floor > 0).any():
            name, moved = "floor", np.where(floor > 0, -floor, moved)
    if not moved.any():
        if (threshold < 0).any():
            one.why["threshold"] = "a soft reset takes the threshold away, which would add"
        return
    problem = _fixed(one, moved)
    if problem:
        one.why[name] = problem
        return
    one.set(threshold=threshold + moved)
    if one["reset"] == "hard":
        one.set(reset_to=one.array("reset_to") + moved)
    if floor is not None:
        one.set(floor=floor + moved)
    if one.params["negative"] is not None:
        if one["negative_mode"] == "reset" and one["reset"] == "none":
            one.drop("negative")
        else:
            one.set(negative=one.array("negative") - moved)
    if one["memory"] == "clear":
        one.set(leak=one.array("leak") + moved, leak_order="before")
    one.set(initial=one.array("initial") + moved)
    shape = one.op.result.type.shape
    given = np.asarray((one.op["place"] or {}).get("unit", (1,)))
    unit = given.reshape(-1, *[1] * (len(shape) - 1)) if given.size > 1 else given.reshape(())
    one.zero = -np.asarray(moved) * unit


def _fixed(one: Equivalent, moved: Ints) -> str:
    """Return why a potential must be counted from its own zero, or nothing."""
    clear, negative = one["memory"] == "clear", one.params["negative"]
    resets = negative is not None and one["negative_mode"] == "reset"
    floor = one.params["floor"]
    problems = {
        "what neurons send are bits of the potential": one["spike"] != "single",
        f"overflow = {one['overflow']} comes at a potential of its own": one["overflow"] != "error",
        "a reversal leak turns at 0": one.turns,
        "each tick begins at 0, and the leak comes after the compare": bool(
            clear and one["leak_order"] == "after" and one.array("leak").any()
        ),
        "neurons that begin late show 0 until then": bool(
            clear and one["first"] and (one.array("initial") + moved).any()
        ),
        "what a negative reset puts there counts from 0": resets and one["reset"] != "none",
        "the negative threshold would be above 0": bool(
            negative is not None and not resets and (negative < moved).any()
        ),
        "a spike may leave the potential below the floor": bool(
            one["reset"] == "soft" and floor is not None and (floor + moved > 0).any()
        ),
        "the threshold lies below the floor": bool(
            one["reset"] != "soft" and floor is not None and (floor + moved > 0).any()
        ),
        "the neurons would fire below 0": bool((one.array("threshold") + moved < 0).any()),
    }
    return next((problem for problem, there in problems.items() if there), "")
