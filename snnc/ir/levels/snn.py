"""Level `snn`: real numbers, what front ends emit.

Sums of linear and convolution ops are exact and rounded once to float32; every other op rounds
once. One neuron op covers the models of sinabs, snnTorch, SpikingJelly, Norse and NIR.
"""

from snnc.ir.levels import arithmetic
from snnc.ir.levels.arithmetic import Family, X
from snnc.ir.opset import ABSENT, AttrSpec, Call, OperandSpec, OpSpec, register_level
from snnc.ir.types import F16, F32, I32, U1, U16, Element, Type

NEURON_DOC = """
One tick, v and i being the state, x the input, s the spikes of the tick before (R):

1. `reset_time = before`: the reset of R acts on v.
2. filter: none: c = x; before: i = a i + x, c = i; after: c = i + x, i = a c; whole:
   i = a (i + x), c = i; with a = `filter_decay`.
3. charge: v = decay (v - leak_to) + leak_to + gain c + leak.
4. `reset_time = after`: the reset of R acts on v.
5. compare: p = v >= threshold (`ge`) or v > threshold (`gt`).
6. spike: single: s = p; count: where p: s = clip(trunc(v / threshold), 1, max_count).
7. `reset_time = now`: reset where p: hard: v = reset_to; soft: v = v - s reset_by; none.
8. floor: v = max(v, floor).

It works in ticks first <= t < first + ticks (for ever if ticks = 0); outside it s = 0 and the state
stays. `reset_by` is the threshold where it is not given. With `potential`, the second result is v
after step 8.
"""

NUMBERS = (
    AttrSpec("decay", "param", 1.0, "factor on the membrane per tick"),
    AttrSpec("leak_to", "param", 0.0, "potential that the membrane decays to"),
    AttrSpec("gain", "param", 1.0, "factor on the input"),
    AttrSpec("leak", "param", 0.0, "added at every tick (a bias; negative: a subtractive leak)"),
    AttrSpec("filter", "word", "none", "synaptic filter", ("none", "before", "after", "whole")),
    AttrSpec("filter_decay", "param", 0.0, "factor on the synaptic current per tick"),
    AttrSpec("threshold", "param", 1.0, "firing threshold"),
    AttrSpec("compare", "word", "ge", "ge: v >= threshold fires; gt: v > threshold", ("ge", "gt")),
    AttrSpec("spike", "word", "single", "one spike, or a count", ("single", "count")),
    AttrSpec("max_count", "int", 65535, "largest count of one tick"),
    AttrSpec("reset", "word", "soft", "what a spike does to v", ("soft", "hard", "none")),
    AttrSpec("reset_to", "param", 0.0, "v after a hard reset"),
    AttrSpec("reset_by", "param", ABSENT, "amount of a soft reset; the threshold if absent"),
    AttrSpec(
        "reset_time",
        "word",
        "now",
        "now, or the next tick before or after the charge",
        ("now", "before", "after"),
    ),
    AttrSpec("floor", "param", ABSENT, "lowest potential; none if absent"),
    AttrSpec("initial", "param", 0.0, "v before the first tick"),
    AttrSpec("first", "int", 0, "tick at which the neurons begin to work"),
    AttrSpec("ticks", "int", 0, "number of ticks they work; 0: for ever"),
    AttrSpec("potential", "bool", False, "also return v, as second result"),
    AttrSpec("place", "dict", ABSENT, "where a target puts it; no meaning here"),
)


def float_element(call: Call) -> Element:
    """Return f16 where an operand is f16, else f32."""
    return F16 if any(t.element == F16 for t in arithmetic.operand_types(call)) else F32


def _neuron(call: Call) -> tuple[Type, ...]:
    x: Type = call.types["x"]
    if not x.timed:
        raise call.refuse("the input has no time", help="put an encoder before the first neuron")
    if not x.element.is_float:
        x = x.with_element(F32)
    spikes = x.with_element(
        U1 if call["spike"] == "single" else U16 if call["max_count"] <= 65535 else I32
    )
    return (spikes, x) if call["potential"] else (spikes,)


_FAMILY = Family("snn", float_element)
_NORM = tuple(OperandSpec(n, constant=True) for n in ("mean", "variance", "gamma", "beta"))


def _normed(call: Call) -> tuple[int, ...]:
    shape: tuple[int, ...] = call.types["x"].shape
    for operand in _NORM:
        given = call.types[operand.name]
        if given.shape != shape[:1]:
            raise call.refuse(
                f"{operand.name} {list(given.shape)} needs one value per channel ({shape[:1]})"
            )
    return shape


def _same(call: Call) -> tuple[int, ...]:
    shape: tuple[int, ...] = call.types["x"].shape
    return shape


LEVEL = register_level(
    "snn",
    "real numbers; what front ends emit",
    [
        *arithmetic.weighted(_FAMILY),
        *arithmetic.pools(_FAMILY, "sum", "Sum over each window, zeros outside."),
        *arithmetic.pools(
            _FAMILY,
            "avg",
            "Mean over each window: the sum divided by the window's size, "
            "or by its elements inside x where count_padding is false.",
            extra=(AttrSpec("count_padding", "bool", True, "zeros outside count"),),
        ),
        *arithmetic.pools(
            _FAMILY,
            "max",
            "Largest value of each window, nothing outside.",
            arithmetic.same_element,
        ),
        *arithmetic.joins(_FAMILY),
        *arithmetic.movements(_FAMILY),
        *arithmetic.encoders("snn"),
        _FAMILY.op("relu", "y = max(x, 0)", (X,), (), _same),
        _FAMILY.op(
            "batch_norm",
            "y = (x - mean) / sqrt(variance + epsilon) * gamma + beta per channel, "
            "with the statistics of training.",
            (X, *_NORM),
            (AttrSpec("epsilon", "float", 1e-5, "added to the variance"),),
            _normed,
        ),
        OpSpec("snn.neuron", NEURON_DOC, (X,), NUMBERS, _neuron, stateful=True),
    ],
)
