"""The ops without state that `snn` and `int` share, declared once for both.

`element` of a `Family` says which element the sums of a level have, given the operand types.
"""

from collections.abc import Callable
from functools import partial

from attrs import frozen

from snnc.ir.levels import shapes
from snnc.ir.opset import REQUIRED, AttrSpec, Call, OperandSpec, OpSpec
from snnc.ir.types import U1, Element, Type

X = OperandSpec("x")
W = OperandSpec("w", constant=True)
BIAS = OperandSpec("bias", constant=True, optional=True)
MANY = OperandSpec("a", many=True)
GROUPS = AttrSpec("groups", "int", 1, "number of independent groups of channels")
STRIDE = AttrSpec("stride", "ints", (), "step per axis")
PADDING = AttrSpec("padding", "ints", (), "zeros per axis, or befores then afters")
DILATION = AttrSpec("dilation", "ints", (), "distance of taps per axis")
OUTPUT_PADDING = AttrSpec("output_padding", "ints", (), "extra rows at the end per axis")
KERNEL = AttrSpec("kernel", "ints", REQUIRED, "window size per axis")


@frozen
class Family:
    """A level's name and the element of its sums."""

    level: str
    element: Callable[[Call], Element]

    def op(
        self,
        name: str,
        doc: str,
        operands: tuple[OperandSpec, ...],
        attrs: tuple[AttrSpec, ...],
        shape: Callable[[Call], tuple[int, ...]],
        element: Callable[[Call], Element] | None = None,
        stateful: bool = False,
        late: bool = False,
    ) -> OpSpec:
        """Return a declaration whose result is timed if an operand is."""
        pick = element or self.element

        def infer(call: Call) -> tuple[Type, ...]:
            return (Type(pick(call), shape(call), phase_of(call)),)

        return OpSpec(f"{self.level}.{name}", doc, operands, attrs, infer, stateful, late)


def operand_types(call: Call) -> list[Type]:
    """Return the types of all operands, repeated ones flattened."""
    found: list[Type] = []
    for given in call.types.values():
        if given is not None:
            found += given if isinstance(given, tuple) else [given]
    return found


def phase_of(call: Call) -> int | None:
    """Return the phase of the result: that of the timed operands, which must agree."""
    phases = sorted({t.phase for t in operand_types(call) if t.phase is not None})
    if len(phases) > 1:
        raise call.refuse(f"operands start at different ticks: {phases}")
    return phases[0] if phases else None


def same_element(call: Call) -> Element:
    """Return the one element of all value operands."""
    values = operand_types(call)
    names = sorted({t.element.name for t in values})
    if len(names) > 1:
        raise call.refuse(f"operands have different elements: {', '.join(names)}")
    return values[0].element


def weighted(family: Family) -> list[OpSpec]:
    """Return the ops that multiply by a constant and add up."""
    conv = (STRIDE, PADDING, DILATION, GROUPS)
    ops = [
        family.op(
            "linear",
            "y[..., o] = sum_i w[o, i] x[..., i] + bias[o]. Leading axes are kept, "
            "so a 2-D source is multiplied row by row (a matrix product).",
            (X, W, BIAS),
            (),
            shapes.linear,
        ),
        family.op(
            "masked_linear",
            "As linear with the weights w[o, i] mask[o, i]; mask is 0 or 1.",
            (X, W, OperandSpec("mask", constant=True)),
            (),
            _masked,
        ),
        family.op(
            "scale",
            "y = w x, element by element: one weight for all, per channel (axis 0) or "
            "per element (a one-to-one connection).",
            (X, W),
            (),
            _scaled,
        ),
    ]
    for axes in (1, 2):
        ops.append(
            family.op(
                f"conv{axes}d",
                "y[o] = sum over the input channels c of o's group and the taps k of "
                "w[o, c, k] x[c, stride*p - padding + dilation*k] + bias[o]; zeros outside.",
                (X, W, BIAS),
                conv,
                partial(shapes.convolution, axes=axes),
            )
        )
        ops.append(
            family.op(
                f"conv_transpose{axes}d",
                "y[o, stride*p - padding + dilation*k] += w[c, o, k] x[c, p], "
                "+ bias[o]; w is [in, out per group, kernel] as torch has it.",
                (X, W, BIAS),
                (STRIDE, PADDING, OUTPUT_PADDING, DILATION, GROUPS),
                partial(shapes.transposed, axes=axes),
            )
        )
    return ops


def pools(
    family: Family,
    kind: str,
    doc: str,
    element: Callable[[Call], Element] | None = None,
    extra: tuple[AttrSpec, ...] = (),
) -> list[OpSpec]:
    """Return a pooling op for one and two axes."""
    return [
        family.op(
            f"{kind}_pool{axes}d",
            doc,
            (X,),
            (KERNEL, STRIDE, PADDING, DILATION, *extra),
            partial(shapes.pool, axes=axes),
            element,
        )
        for axes in (1, 2)
    ]


def joins(family: Family) -> list[OpSpec]:
    """Return sums and differences of values."""
    return [
        family.op("add", "y = a1 + a2 + ...", (MANY,), (), shapes.elementwise),
        family.op("sub", "y = x - y", (X, OperandSpec("y")), (), shapes.elementwise),
    ]


def movements(family: Family) -> list[OpSpec]:
    """Return the ops that only move elements, in space or time."""
    ints = AttrSpec
    return [
        family.op(
            "concat",
            "Operands one after the other along `axis`.",
            (MANY,),
            (ints("axis", "int", 0, "axis that grows"),),
            shapes.concat,
            same_element,
        ),
        family.op(
            "reshape",
            "The same elements in row-major order.",
            (X,),
            (ints("shape", "ints", REQUIRED, "new shape"),),
            shapes.reshape,
            same_element,
        ),
        family.op(
            "permute",
            "Axis i of the result is axis order[i] of x.",
            (X,),
            (ints("order", "ints", REQUIRED, "old axis of each new one"),),
            shapes.permute,
            same_element,
        ),
        family.op(
            "slice",
            "Elements start:stop along one axis.",
            (X,),
            (
                ints("axis", "int", 0, "axis that is cut"),
                ints("start", "int", REQUIRED, "first element kept"),
                ints("stop", "int", REQUIRED, "end, not kept"),
            ),
            shapes.slice_of,
            same_element,
        ),
        family.op(
            "delay",
            "y[t] = x[t - by]; zeros for t < by. The only op that reads the past.",
            (X,),
            (ints("by", "int", 1, "ticks"),),
            _delayed,
            same_element,
            stateful=True,
            late=True,
        ),
    ]


def encoders(level: str) -> list[OpSpec]:
    """Return the ops that turn values into spike trains; they run on the host."""
    family = Family(level, lambda call: U1)
    seed = AttrSpec("seed", "int", REQUIRED, "seed of the draws")
    generator = AttrSpec("generator", "word", "pcg64", "source of the draws", ("pcg64", "mt19937"))
    ticks = AttrSpec("ticks", "int", REQUIRED, "length of the window; the train repeats after it")
    curve = AttrSpec("curve", "word", "linear", "spike time over value", ("linear", "log"))
    return [
        _encoder(
            family,
            "poisson",
            "s = u <= x for a fresh uniform u in [0, 1) per tick and element "
            "(Bernoulli). pcg64: 53-bit draws of PCG64([seed, sample]); mt19937: numpy's "
            "RandomState(seed).random, started anew for each sample, as PAIBox draws.",
            (seed, generator),
        ),
        _encoder(
            family,
            "latency",
            "One spike in every window of `ticks` at round((ticks-1)(1-x)), or "
            "round(ticks-1 - ln(a x + 1)) with a = exp(ticks-1)-1 (log); half to even.",
            (ticks, curve),
        ),
        OpSpec(
            f"{level}.periodic",
            "s[t] = spikes[t mod T] for a constant spikes[T, ...].",
            (OperandSpec("spikes", constant=True),),
            (),
            _periodic,
            stateful=True,
        ),
        _encoder(
            Family(level, same_element), "direct", "y[t] = x: the value itself at every tick.", ()
        ),
    ]


def _encoder(family: Family, name: str, doc: str, attrs: tuple[AttrSpec, ...]) -> OpSpec:
    def infer(call: Call) -> tuple[Type, ...]:
        x: Type = call.types["x"]
        if x.timed and name == "direct":
            raise call.refuse("the input already has one value per tick")
        return (Type(family.element(call), x.shape, 0),)

    return OpSpec(f"{family.level}.{name}", doc, (X,), attrs, infer, stateful=True)


def _periodic(call: Call) -> tuple[Type, ...]:
    spikes: Type = call.types["spikes"]
    if spikes.element != U1 or not spikes.shape or not spikes.shape[0]:
        raise call.refuse(f"spikes must be u1[T, ...], not {spikes}")
    return (Type(U1, spikes.shape[1:], 0),)


def _masked(call: Call) -> tuple[int, ...]:
    if call.types["mask"].shape != call.types["w"].shape or call.types["mask"].element != U1:
        raise call.refuse(f"mask {call.types['mask']} must be u1 of the weights' shape")
    return shapes.linear(call)


def _scaled(call: Call) -> tuple[int, ...]:
    shape: tuple[int, ...] = call.types["x"].shape
    shapes.per_channel(call, "weights", shape, call.types["w"])
    return shape


def _delayed(call: Call) -> tuple[int, ...]:
    if call["by"] < 1:
        raise call.refuse(f"by = {call['by']} must be at least 1 tick")
    if not call.types["x"].timed:
        raise call.refuse("a constant cannot be delayed")
    shape: tuple[int, ...] = call.types["x"].shape
    return shape
