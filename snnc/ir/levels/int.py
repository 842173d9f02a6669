"""Level `int`: integers with stated widths. This level defines bit accuracy.

Every sum is exact; a result that its element cannot hold is an error. The neuron is a superset of
PAICORE's (paicore.md, section 3.1) and DYNAP-CNN's.
"""

from snnc.ir.levels import arithmetic
from snnc.ir.levels.arithmetic import Family, X
from snnc.ir.opset import ABSENT, REQUIRED, AttrSpec, Call, OpSpec, register_level
from snnc.ir.types import I32, U1, U8, U16, Type

NEURON_DOC = """
One tick, v being the state and x the input, in the order that `snnc.ir.neuron.steps` gives:

1. integrate: v = x + (v if memory = keep else 0).
2. leak (leak_order = before): v = v + leak, or v + sign(v) leak with leak_reversal and memory.
3. compare: c = v; p = c >= threshold; n = not p and c < -negative (if given).
4. leak (leak_order = after).
5. spike: single: s = p; count: s = clip(trunc(v / threshold), 1, max_count) where p, else 0;
   value: s = the eight bits [truncate-1 : truncate-8] of v where p, 255 if v >> truncate > 0.
6. reset where p: hard: v = reset_to; soft: v = v - s' reset_by (s' = the count, or 1); none.
   Where n: negative_mode floor: v = -negative; reset: hard: v = -reset_to; soft: v = v + negative.
7. floor: v = max(v, floor), if given.

After every sum v must fit `width` bits: overflow error: refused; wrap: modulo 2^width; saturate;
wrap-paibox: minus or plus 2^width - 1, once. It works in ticks first <= t < first + ticks (for
ever if ticks = 0); outside it s = 0 and v stays. With `potential`, the second result is v after
step 7.
"""

NUMBERS = (
    AttrSpec("threshold", "param", REQUIRED, "fires where v >= threshold"),
    AttrSpec("reset", "word", "soft", "what a spike does to v", ("soft", "hard", "none")),
    AttrSpec("reset_to", "param", 0, "v after a hard reset"),
    AttrSpec("reset_by", "param", ABSENT, "amount of a soft reset; the threshold if absent"),
    AttrSpec("leak", "param", 0, "added at every tick"),
    AttrSpec("leak_order", "word", "before", "before or after the compare", ("before", "after")),
    AttrSpec("leak_reversal", "bool", False, "leak times the sign of v"),
    AttrSpec("negative", "param", ABSENT, "magnitude of the negative threshold; none if absent"),
    AttrSpec("negative_mode", "word", "floor", "what passing it does", ("floor", "reset")),
    AttrSpec("floor", "param", ABSENT, "lowest potential after the reset; none if absent"),
    AttrSpec(
        "spike",
        "word",
        "single",
        "one spike, a count, or eight bits of v",
        ("single", "count", "value"),
    ),
    AttrSpec("max_count", "int", 65535, "largest count of one tick"),
    AttrSpec("truncate", "int", 8, "position of the eight bits of `value`, 0 to 29"),
    AttrSpec("memory", "word", "keep", "clear: v starts each tick at 0", ("keep", "clear")),
    AttrSpec("initial", "param", 0, "v before the first tick"),
    AttrSpec("width", "int", 32, "bits of v, two's complement"),
    AttrSpec(
        "overflow",
        "word",
        "error",
        "what happens beyond `width`",
        ("error", "wrap", "saturate", "wrap-paibox"),
    ),
    AttrSpec("first", "int", 0, "tick at which the neurons begin to work"),
    AttrSpec("ticks", "int", 0, "number of ticks they work; 0: for ever"),
    AttrSpec("potential", "bool", False, "also return v, as second result"),
    AttrSpec("place", "dict", ABSENT, "where a target puts it; no meaning here"),
)


def _neuron(call: Call) -> tuple[Type, ...]:
    x: Type = call.types["x"]
    if x.element.is_float or not x.timed:
        raise call.refuse(f"the input must be integers, one per tick, not {x}")
    if not 2 <= call["width"] <= 32:
        raise call.refuse(f"width {call['width']} must be 2 to 32 bits")
    counts = U16 if call["max_count"] <= 65535 else I32
    element = {"single": U1, "count": counts, "value": U8}[call["spike"]]
    spikes = x.with_element(element)
    return (spikes, x.with_element(I32)) if call["potential"] else (spikes,)


_FAMILY = Family("int", lambda call: I32)

LEVEL = register_level(
    "int",
    "integers with stated widths; defines bit accuracy",
    [
        *arithmetic.weighted(_FAMILY),
        *arithmetic.pools(_FAMILY, "sum", "Sum over each window, zeros outside."),
        *arithmetic.pools(
            _FAMILY,
            "max",
            "Largest value of each window, nothing outside; the OR of spikes.",
            arithmetic.same_element,
        ),
        *arithmetic.joins(_FAMILY),
        *arithmetic.movements(_FAMILY),
        *arithmetic.encoders("int"),
        OpSpec("int.neuron", NEURON_DOC, (X,), NUMBERS, _neuron, stateful=True),
    ],
)
