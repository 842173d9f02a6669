"""The layers of `.snnl`: every op of the levels by its name, and PAIBox's ways to connect.

Signatures of ops follow from their declarations: operands, then attributes, in declared order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Location, fail
from snnc.frontends.dsl.arguments import Parameter, real_values
from snnc.frontends.dsl.constants import Array, as_array, filled, is_number, spoken
from snnc.frontends.dsl.sketch import Sketch
from snnc.ir.graph import Value
from snnc.ir.opset import ABSENT, REQUIRED, AttrSpec, OpSpec, level
from snnc.ir.types import U1

ALIASES = {"dense": "linear", "masked": "masked_linear"}
ENCODERS = ("poisson", "latency", "periodic", "direct")
ONE_BIT = {("masked_linear", "mask"): U1, ("periodic", "spikes"): U1}
LEVELS = ("int", "snn")

Bound = Mapping[str, Any]
Made = tuple[Value, ...]


@frozen
class Layer:
    """A layer: its parameters at a level, and how it is built from converted arguments.

    `others` are keywords that only the other level knows; `many` takes values by position.
    """

    name: str
    parameters: tuple[Parameter, ...]
    build: Callable[[Sketch, Bound, Location], Made]
    others: tuple[str, ...] = ()
    many: bool = False


def op_names() -> tuple[str, ...]:
    """Return the names of all ops of both levels."""
    return tuple(dict.fromkeys(op.partition(".")[2] for name in LEVELS for op in level(name).ops))


def spec_of(kind: str, level_name: str) -> OpSpec | None:
    """Return the declaration of an op at a level, or None."""
    return level(level_name).ops.get(f"{level_name}.{kind}")


def from_op(sketch: Sketch, kind: str, loc: Location) -> Layer:
    """Return the layer of an op; at `int` on trial an op of `snn` alone ends the trial."""
    spec = spec_of(kind, sketch.level)
    if spec is None:
        sketch.needs_real(f"{kind} exists at level snn only", loc, code="wrong-level")
    axes = int(kind[-2]) if kind.endswith(("1d", "2d")) else 0
    parameters = [
        Parameter(
            o.name,
            "constant" if o.constant else "value",
            ABSENT if o.optional else REQUIRED,
            element=ONE_BIT.get((kind, o.name)),
        )
        for o in spec.operands
        if not o.many
    ]
    parameters += [attribute(a, axes) for a in spec.attrs]
    return Layer(
        kind,
        tuple(parameters),
        lambda sketch, bound, loc: _emit(sketch, spec, kind, bound, loc),
        only_elsewhere(sketch.level, kind),
        any(o.many for o in spec.operands),
    )


def attribute(declared: AttrSpec, axes: int = 0) -> Parameter:
    """Return an attribute of an op as a parameter."""
    return Parameter(declared.name, declared.kind, declared.default, declared.choices, axes=axes)


def only_elsewhere(level_name: str, kind: str) -> tuple[str, ...]:
    """Return the attributes of an op that exist at the other level only."""
    here, there = (spec_of(kind, n) for n in (level_name, LEVELS[level_name == "int"]))
    known = {a.name for a in here.attrs} if here else set()
    return tuple(a.name for a in there.attrs if a.name not in known) if there else ()


def check_real(sketch: Sketch, what: str, values: Sequence[Value], loc: Location) -> None:
    """End the trial at `int` where a layer reads real numbers."""
    for value in values if sketch.level == "int" else ():
        if real_values(value):
            sketch.needs_real(f"{what} reads real numbers ({value.type})", loc)


def _emit(sketch: Sketch, spec: OpSpec, kind: str, bound: Bound, loc: Location) -> Made:
    operands: list[Any] = []
    for operand in spec.operands:
        given = bound.get(operand.name)
        operands += list(given) if operand.many and given else [given] if given is not None else []
    if kind not in ENCODERS or kind == "direct":
        check_real(sketch, kind, [o for o in operands if isinstance(o, Value)], loc)
    attrs = {a.name: bound[a.name] for a in spec.attrs if bound.get(a.name) is not None}
    return sketch.emit(kind, operands, attrs, loc)


# Connections whose weights PAIBox writes as (inputs, outputs), and shapes.


def _flat(sketch: Sketch, x: Value, loc: Location) -> Value:
    return x if len(x.type.shape) == 1 else sketch.op("reshape", x, loc=loc, shape=(x.type.size,))


def _flatten(sketch: Sketch, bound: Bound, loc: Location) -> Made:
    return (_flat(sketch, bound["x"], loc),)


def _dense(sketch: Sketch, x: Value, w: Array, loc: Location) -> Value:
    """Return x @ w over the last axis, w being (inputs, outputs)."""
    turned = Array(np.ascontiguousarray(w.data.T), w.name)
    return sketch.op("linear", x, sketch.symbol(turned, sketch.below("w"), loc), loc=loc)


def _all2all(sketch: Sketch, bound: Bound, loc: Location) -> Made:
    x, w, n = bound["x"], bound["w"], bound["n"]
    if is_number(w):
        if n is None:
            raise fail(
                "missing-argument",
                "all2all with one weight for all needs n, the number of neurons",
                loc,
                help="all2all(x, 1, n=10)",
            )
        w = filled((x.type.size, n), w, loc)
    array = as_array(w, loc, "all2all: w")
    outputs = array.data.shape[1] if array.data.ndim == 2 else 0
    if array.data.shape != (x.type.size, n or outputs):
        raise fail(
            "type-mismatch",
            f"all2all: weights {list(array.data.shape)} do not connect {x.type.size} inputs"
            + (f" with {n} neurons" if n else ""),
            loc,
            help="write the matrix as (inputs, outputs); linear takes (outputs, inputs)",
        )
    check_real(sketch, "all2all", [x], loc)
    return (_dense(sketch, _flat(sketch, x, loc), array, loc),)


def _one2one(sketch: Sketch, bound: Bound, loc: Location) -> Made:
    x, w = bound["x"], as_array(bound["w"], loc, "one2one: w")
    check_real(sketch, "one2one", [x], loc)
    if w.data.size not in (1, x.type.size):
        raise fail(
            "type-mismatch",
            f"one2one: {w.data.size} weights for {x.type.size} connections",
            loc,
            help="give one weight for all, or one for each neuron",
        )
    shape = () if w.data.size == 1 else x.type.shape
    shaped = Array(w.data.reshape(shape), w.name)
    return (sketch.op("scale", x, sketch.symbol(shaped, sketch.below("w"), loc), loc=loc),)


def _identity(sketch: Sketch, bound: Bound, loc: Location) -> Made:
    if not is_number(bound["w"]):
        message = f"identity takes one weight for all, not {spoken(bound['w'])}"
        raise fail("wrong-kind", message, loc, help="use one2one for a weight per neuron")
    return _one2one(sketch, bound, loc)


def _matconn(sketch: Sketch, bound: Bound, loc: Location) -> Made:
    x, w, turn = bound["x"], as_array(bound["w"], loc, "matconn: w"), bound["transpose"]
    check_real(sketch, "matconn", [x], loc)
    shape, rows = x.type.shape, w.data.shape[0] if w.data.ndim == 2 else 0
    if not rows or not 1 <= len(shape) <= 2 or rows not in shape:
        raise fail(
            "type-mismatch",
            f"matconn: a source {list(shape)} does not match weights {list(w.data.shape)}",
            loc,
            help="the source is (k) or (n, k), the weights are (k, m)",
        )
    if len(shape) == 2 and shape[0] == shape[1] and turn is None:
        raise fail(
            "ambiguous-shape",
            f"matconn: with a square source {list(shape)} either axis could meet the weights",
            loc,
            help="transpose=true multiplies the transposed source (what PAIBox does), "
            "transpose=false the source as it is",
        )
    if turn is None:
        turn = len(shape) == 2 and shape[0] == rows
    if turn:
        x = sketch.op("permute", x, loc=loc, order=(1, 0))
    return (_dense(sketch, x, w, loc),)


X = Parameter("x", "value")
SPECIAL: Mapping[str, Layer] = {
    layer.name: layer
    for layer in (
        Layer("flatten", (X,), _flatten),
        Layer("all2all", (X, Parameter("w", default=1), Parameter("n", "int", ABSENT)), _all2all),
        Layer("one2one", (X, Parameter("w", default=1)), _one2one),
        Layer("identity", (X, Parameter("w", default=1)), _identity),
        Layer("matconn", (X, Parameter("w"), Parameter("transpose", "bool", ABSENT)), _matconn),
    )
}
