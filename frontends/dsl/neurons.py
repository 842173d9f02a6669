"""The neurons of `.snnl`: presets over the one neuron op, and `neuron` itself.

At `int` a preset sets exactly the registers that PAIBox sets (paicore.md, section 7.1): a potential
of 30 bits, a negative threshold of 2^29 - 1 where none is given. At `snn` those presets that have a
meaning over real numbers exist too. Every other attribute of the level's neuron may be added by its
name; an attribute that two keywords would set is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Location, fail
from snnc.frontends.dsl.arguments import Parameter, convert
from snnc.frontends.dsl.constants import as_array, binary, integer, real
from snnc.frontends.dsl.layers import (
    Bound,
    Layer,
    Made,
    check_real,
    only_elsewhere,
)
from snnc.frontends.dsl.sketch import Sketch
from snnc.ir.opset import ABSENT, lookup

MAX = 2**29 - 1
"""Largest potential of PAICORE, and the negative threshold where none is given."""

REST = -10
"""Resting potential of a phasic neuron where none is given."""

Attrs = dict[str, Any]


@frozen
class Preset:
    """A preset: its own parameters, the attributes each of them sets, and the equations.

    `equation(level, given)` returns the attributes; `levels` are those it has a meaning at.
    """

    name: str
    parameters: tuple[Parameter, ...]
    sets: Mapping[str, tuple[str, ...]]
    equation: Callable[[str, Attrs, Location], Attrs]
    levels: tuple[str, ...] = ("int", "snn")


def _registers(level: str, **attrs: Any) -> Attrs:
    """Return attributes of an integer neuron of 30 bits; at snn only what it knows."""
    if level == "int":
        return {"negative": MAX, "width": 30, **attrs}
    return {k: v for k, v in attrs.items() if k not in ("negative", "negative_mode")}


def _if(level: str, given: Attrs, loc: Location) -> Attrs:
    attrs = _registers(level, threshold=given["threshold"], negative_mode="floor", reset="soft")
    if given["reset_v"] is not None:
        attrs |= {"reset": "hard", "reset_to": given["reset_v"]}
    if given["neg_threshold"] is not None:
        low = abs(given["neg_threshold"])
        attrs |= {"negative": low} if level == "int" else {"floor": -low}
    return attrs


def _lif(level: str, given: Attrs, loc: Location) -> Attrs:
    attrs = _if(level, given, loc)
    leak = given["leak_v"] if given["bias"] is None else _total(given, loc)
    if leak is not None:
        attrs["leak"] = leak
    if given["decay"] is not None and given["tau"] is not None:
        raise _conflict("LIF", "decay", "tau", loc)
    if given["tau"] is not None:
        if (as_array(given["tau"], loc, "tau").data <= 0).any():
            raise fail("bad-neuron", "LIF: tau must be above 0 ticks", loc)
        inverse = binary("/", -1, given["tau"], loc)
        attrs["decay"] = real("exp", np.exp)(loc, inverse)
    elif given["decay"] is not None:
        attrs["decay"] = given["decay"]
    return attrs


def _total(given: Attrs, loc: Location) -> Any:
    if given["leak_v"] is None:
        return given["bias"]
    return binary("+", given["leak_v"], given["bias"], loc)


def _tonic(level: str, given: Attrs, loc: Location) -> Attrs:
    return _registers(
        level,
        threshold=_positive("TonicSpiking: fire_step", given["fire_step"], loc),
        reset="hard",
        negative_mode="reset",
    )


def _phasic(level: str, given: Attrs, loc: Location) -> Attrs:
    steps = _positive("PhasicSpiking: fire_step", given["fire_step"], loc)
    rest = REST if given["neg_floor"] is None else given["neg_floor"]
    floor = integer(rest, loc, "PhasicSpiking: neg_floor")
    if floor > 0:
        raise fail(
            "bad-neuron",
            f"PhasicSpiking: neg_floor = {floor} is the resting potential, which is not above 0",
            loc,
            help=f"write neg_floor={-floor}",
        )
    return _registers(
        level,
        threshold=2 * steps,
        reset="hard",
        reset_to=floor - 1,
        negative=-floor,
        negative_mode="floor",
        leak=1,
        leak_reversal=True,
    )


def _positive(what: str, value: Any, loc: Location) -> int:
    number = integer(value, loc, what)
    if number < 1:
        raise fail("bad-neuron", f"{what} = {number} must be at least 1", loc)
    return number


def _bypass(level: str, given: Attrs, loc: Location) -> Attrs:
    if level == "snn":
        return {"decay": 0.0, "threshold": 1.0, "reset": "hard"}
    return _registers(level, threshold=1, reset="hard", negative=0, negative_mode="reset")


def _store(level: str, given: Attrs, loc: Location) -> Attrs:
    leak = given["leak_v"] if given["bias"] is None else _total(given, loc)
    attrs = _registers(level, threshold=MAX, reset="none", negative_mode="reset")
    return attrs if leak is None else {**attrs, "leak": leak}


def _always(level: str, given: Attrs, loc: Location) -> Attrs:
    return _registers(
        level,
        threshold=0,
        reset="hard",
        reset_to=1,
        negative=0,
        negative_mode="floor",
        leak=MAX,
        overflow="wrap-paibox",
    )


def _ann(level: str, given: Attrs, loc: Location) -> Attrs:
    attrs = _registers(
        level,
        threshold=1,
        reset="soft",
        negative_mode="floor",
        spike="value",
        memory="clear",
        truncate=8 if given["bit_trunc"] is None else integer(given["bit_trunc"], loc, "bit_trunc"),
    )
    return attrs if given.get("bias") is None else {**attrs, "leak": given["bias"]}


def _numbers(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(n, "any", ABSENT) for n in names)


_IF = (Parameter("threshold"), *_numbers("reset_v", "neg_threshold"))
_IF_SETS = {"reset_v": ("reset", "reset_to"), "neg_threshold": ("negative", "floor")}
_LEAK_SETS = {"leak_v": ("leak",), "bias": ("leak",)}
_STEP = Parameter("fire_step")
_STEP_SETS = {"fire_step": ("threshold",)}
_TRUNC = _numbers("bit_trunc")

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("IF", _IF, _IF_SETS, _if),
        Preset(
            "LIF",
            (
                Parameter("threshold"),
                *_numbers("reset_v", "leak_v", "bias", "neg_threshold", "decay", "tau"),
            ),
            {**_IF_SETS, **_LEAK_SETS, "tau": ("decay",)},
            _lif,
        ),
        Preset("TonicSpiking", (_STEP,), _STEP_SETS, _tonic),
        Preset(
            "PhasicSpiking",
            (_STEP, *_numbers("neg_floor")),
            {
                **_STEP_SETS,
                "neg_floor": ("reset", "reset_to", "negative", "negative_mode"),
            },
            _phasic,
            ("int",),
        ),
        Preset("Bypass", (), {}, _bypass),
        Preset("StoreVoltage", _numbers("leak_v", "bias"), _LEAK_SETS, _store, ("int",)),
        Preset("Always1", (), {}, _always, ("int",)),
        Preset(
            "ANN",
            (*_numbers("bias"), *_TRUNC),
            {"bias": ("leak",), "bit_trunc": ("truncate",)},
            _ann,
            ("int",),
        ),
        Preset("ANNBypass", _TRUNC, {"bit_trunc": ("truncate",)}, _ann, ("int",)),
    )
}


def preset_layer(sketch: Sketch, name: str, loc: Location) -> Layer:
    """Return a preset as a layer of the sketch's level: own parameters, then other attributes.

    Raises:
        SnncError: `wrong-level` for an integer neuron in a network of real numbers.
    """
    preset = PRESETS[name]
    if sketch.level not in preset.levels:
        raise sketch.int_only(name, loc)
    spec = lookup(f"{sketch.level}.neuron")
    own = [
        p for p in preset.parameters if not (p.name in ("decay", "tau") and sketch.level == "int")
    ]
    hidden = [p.name for p in preset.parameters if p not in own]
    named = {p.name for p in preset.parameters}
    extra = [
        Parameter(a.name, a.kind, ABSENT, a.choices, keyword=True)
        for a in spec.attrs
        if a.name not in named
    ]
    only = tuple(n for n in only_elsewhere(sketch.level, "neuron") if n not in named)

    def build(sketch: Sketch, bound: Bound, loc: Location) -> Made:
        return _build(sketch, preset, {p.name: p for p in extra}, bound, loc)

    return Layer(name, (Parameter("x", "value"), *own, *extra), build, (*only, *hidden))


def _build(
    sketch: Sketch, preset: Preset, extra: Mapping[str, Parameter], bound: Bound, loc: Location
) -> Made:
    given = {p.name: bound.get(p.name) for p in preset.parameters}
    check_real(sketch, preset.name, [bound["x"]], loc)
    attrs = preset.equation(sketch.level, given, loc)
    for name in extra:
        if bound.get(name) is None:
            continue
        for rival, sets in preset.sets.items():
            if name in sets and given[rival] is not None:
                raise _conflict(preset.name, name, rival, loc)
        attrs[name] = bound[name]
    if bound.get("width") is not None and attrs.get("negative") == MAX:
        del attrs["negative"]  # the chip's own default, for potentials of 30 bits
    spec = lookup(f"{sketch.level}.neuron")
    params = {a.name for a in spec.attrs if a.kind == "param"}
    clean = {
        k: convert(sketch, preset.name, Parameter(k, "param"), v, loc) if k in params else v
        for k, v in attrs.items()
    }
    return sketch.emit("neuron", [bound["x"]], clean, loc)


def _conflict(preset: str, first: str, second: str, loc: Location) -> Exception:
    return fail(
        "duplicate-argument",
        f"{preset}: {first} and {second} set the same thing",
        loc,
        help=f"give one of {first} and {second}",
    )
