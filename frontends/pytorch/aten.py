"""What torch's functions mean in one tick: arithmetic, convolutions, norms.

Each function takes the arguments of the ATen schema by name; `Ops` makes expressions and errors.
Functions over windows are in `windows`, those that only move elements in `movements`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from snnc.frontends.pytorch.axes import F, without_time
from snnc.frontends.pytorch.flow import Flow, Ops
from snnc.frontends.pytorch.slices import backwards, channels_added

Function = Callable[..., Any]
Lower = TypeVar("Lower", bound=Function)
FUNCTIONS: dict[str, Function] = {}


def lowers(*names: str) -> Callable[[Lower], Lower]:
    """Register a function for ATen ops by name."""

    def register(function: Lower) -> Lower:
        for name in names:
            FUNCTIONS[name] = function
        return function

    return register


@lowers("aten.linear.default")
def linear(o: Ops, input: Flow, weight: Any, bias: Any = None) -> Flow:
    """Per tick, y = W x + b over the last axis of the sample."""
    if isinstance(weight, Flow) or not input.expr.shape or input.axes[-1] != F:
        raise o.refuse(
            "linear over the batch or time axis, or with weights that depend on the input",
            "give the sample a batch axis as its first one: sample[None]",
        )
    attrs = {"w": o.weight(f"{o.path}.weight", weight)}
    if bias is not None:
        attrs["bias"] = o.weight(f"{o.path}.bias", bias)
    return o.mapped(input, "linear", (*input.expr.shape[:-1], int(weight.shape[0])), **attrs)


@lowers("aten.matmul.default", "aten.mm.default")
def matmul(o: Ops, self: Any, other: Any = None, mat2: Any = None) -> Flow:
    """Per tick, x @ W is linear with the weights transposed."""
    other = mat2 if other is None else other
    if isinstance(self, Flow) and isinstance(other, Flow):
        raise o.refuse(
            "a product of two values that both depend on the input (attention?)",
            "chips multiply by constants only: replace it by layers with weights",
        )
    if not isinstance(self, Flow) or other.ndim != 2:
        raise o.refuse("a matrix product with the constant on the left", "write x @ w.T")
    return linear(o, self, other.T)


@lowers("aten.addmm.default")
def addmm(o: Ops, self: Any, mat1: Any, mat2: Any, beta: Any = 1, alpha: Any = 1) -> Flow:
    """Bias + x @ W."""
    if beta != 1 or alpha != 1 or isinstance(self, Flow) or isinstance(mat2, Flow):
        raise o.refuse("addmm with factors or with a product of two values", "use nn.Linear")
    return linear(o, mat1, mat2.T, self)


def _convolution(o: Ops, kind: str, input: Flow, weight: Any, bias: Any, **attrs: Any) -> Flow:
    axes = int(kind[-2])
    input = o.leading(input)
    if isinstance(weight, Flow) or len(input.expr.shape) != axes + 1:
        raise o.refuse(
            f"{kind} of a tensor {list(input.shape(o.sizes))}",
            "give it (batch, channels, ...) and constant weights",
        )
    given = {name: ints(value, axes) for name, value in attrs.items() if name != "groups"}
    given = {n: v for n, v in given.items() if v != ints(0 if "padding" in n else 1, axes)}
    if attrs.get("groups", 1) != 1:
        given["groups"] = attrs["groups"]
    given["w"] = o.weight(f"{o.path}.weight", weight)
    if bias is not None:
        given["bias"] = o.weight(f"{o.path}.bias", bias)
    return o.mapped(input, kind, o.shape[1:], **given)


def ints(value: Any, axes: int) -> tuple[int, ...]:
    """Return an argument for windows as one number per axis."""
    one = (value,) if isinstance(value, int) else tuple(int(v) for v in value)
    return one * axes if len(one) == 1 else one


def _conv(axes: int) -> Function:
    def lower(o: Ops, input: Flow, weight: Any, bias: Any = None, **attrs: Any) -> Flow:
        padding = attrs.get("padding", 0)
        if isinstance(padding, str):
            attrs["padding"] = _named_padding(weight, attrs, padding, axes)
        return _convolution(o, f"conv{axes}d", input, weight, bias, **attrs)

    return lower


def _named_padding(weight: Any, attrs: dict[str, Any], name: str, axes: int) -> tuple[int, ...]:
    if name == "valid":
        return (0,) * axes
    total = [
        d * (k - 1)
        for d, k in zip(ints(attrs.get("dilation", 1), axes), weight.shape[2:], strict=True)
    ]
    before = tuple(t // 2 for t in total)
    return before + tuple(t - b for t, b in zip(total, before, strict=True))


for _axes in (1, 2):
    FUNCTIONS[f"aten.conv{_axes}d.default"] = _conv(_axes)
    FUNCTIONS[f"aten.conv{_axes}d.padding"] = _conv(_axes)


def _transposed(axes: int) -> Function:
    def lower(o: Ops, input: Flow, weight: Any, bias: Any = None, **attrs: Any) -> Flow:
        return _convolution(o, f"conv_transpose{axes}d", input, weight, bias, **attrs)

    return lower


FUNCTIONS["aten.conv_transpose1d.default"] = _transposed(1)
FUNCTIONS["aten.conv_transpose2d.input"] = _transposed(2)


@lowers("aten.relu.default", "aten.relu_.default")
def relu(o: Ops, self: Flow) -> Flow:
    """max(x, 0)."""
    return o.mapped(self, "relu", self.expr.shape)


@lowers("aten.batch_norm.default")
def batch_norm(o: Ops, input: Flow, weight: Any, bias: Any, **attrs: Any) -> Flow:
    """Normalization with the statistics of training."""
    input = o.leading(input)
    if attrs["training"] or attrs["running_mean"] is None:
        raise o.refuse(
            "batch norm with the statistics of the batch",
            "call network.eval(), and keep track_running_stats=True",
        )
    mean, variance = attrs["running_mean"], attrs["running_var"]
    given = {
        "mean": o.weight(f"{o.path}.mean", mean),
        "variance": o.weight(f"{o.path}.variance", variance),
        "gamma": o.weight(f"{o.path}.gamma", variance * 0 + 1 if weight is None else weight),
        "beta": o.weight(f"{o.path}.beta", mean * 0 if bias is None else bias),
        "epsilon": float(attrs["eps"]),
    }
    return o.mapped(input, "batch_norm", input.expr.shape, **given)


@lowers("aten.add.Tensor", "aten.add_.Tensor", "aten.add.Scalar")
def add(o: Ops, self: Any, other: Any, alpha: Any = 1) -> Flow:
    """Sum of two values, or of a value and a constant."""
    if alpha != 1:
        other = scaled(o, other, alpha) if isinstance(other, Flow) else other * alpha
    if not isinstance(self, Flow):
        self, other = other, self
    if not isinstance(other, Flow):
        return _shifted(o, self, other)
    (a, b), model = o.joined([self, other])
    if a.shape != b.shape:
        raise o.refuse(f"a sum of shapes {list(a.shape)} and {list(b.shape)}", "repeat or pad one")
    return evolve(model, expr=o.exprs.make("add", (a, b), a.shape, o.loc))


@lowers("aten.sub.Tensor", "aten.sub_.Tensor", "aten.sub.Scalar", "aten.subtract.Tensor")
def sub(o: Ops, self: Any, other: Any, alpha: Any = 1) -> Flow:
    """Difference of two values."""
    if not isinstance(other, Flow):
        return _shifted(o, self, -other * alpha)
    if not isinstance(self, Flow) or alpha != 1:
        return add(o, scaled(o, other, -alpha), self)
    (a, b), model = o.joined([self, other])
    if a.shape != b.shape:
        raise o.refuse(f"{list(a.shape)} - {list(b.shape)}", "repeat or pad one")
    return evolve(model, expr=o.exprs.make("sub", (a, b), a.shape, o.loc))


def _shifted(o: Ops, x: Flow, constant: Any) -> Flow:
    """Return x + constant, as a batch norm without statistics: one value for each channel."""
    value = o.aligned(x, constant)
    if not value.any():
        return x
    if any(n != 1 for n in value.shape[1:]):
        shape, size = x.expr.shape, value.size
        flat = np.broadcast_to(value, shape).reshape(-1)
        size = flat.size
        o.only_ticks(x)
        expr = o.exprs.make("reshape", (x.expr,), (size,), o.loc)
        expr = o.exprs.make("batch_norm", (expr,), (size,), o.loc, **_bias(o, flat))
        return evolve(x, expr=o.exprs.make("reshape", (expr,), shape, o.loc))
    if not x.expr.shape:
        raise o.refuse("a constant added to a sample without axes", "give the sample an axis")
    beta = np.broadcast_to(value.reshape(-1), x.expr.shape[:1])
    return o.mapped(x, "batch_norm", x.expr.shape, **_bias(o, beta))


def _bias(o: Ops, beta: Any) -> dict[str, Any]:
    """Return the attributes of a batch norm that only adds."""
    one, zero = np.ones(beta.shape, np.float32), np.zeros(beta.shape, np.float32)
    given = {"mean": zero, "variance": one, "gamma": one, "beta": beta}
    made = {name: o.weight_of(f"{o.path}.{name}", array) for name, array in given.items()}
    return {**made, "epsilon": 0.0}


@lowers("aten.mul.Tensor", "aten.mul.Scalar", "aten.mul_.Tensor", "aten.multiply.Tensor")
def scaled(o: Ops, self: Any, other: Any) -> Flow:
    """A value times a constant."""
    if not isinstance(self, Flow):
        self, other = other, self
    if isinstance(other, Flow):
        raise o.refuse(
            "a product of two values that both depend on the input",
            "chips multiply by constants only; use sums (SEW 'ADD'), or a layer with weights",
        )
    return times(o, self, other)


@lowers("aten.div.Tensor", "aten.div_.Tensor", "aten.div.Scalar", "aten.divide.Tensor")
def divided(o: Ops, self: Any, other: Any) -> Flow:
    """A value over a constant; the reciprocal is rounded to float32 first."""
    if isinstance(other, Flow):
        raise o.refuse("a division by a value", "chips multiply by constants only")
    return times(o, self, 1.0 / other)


@lowers("aten.rsub.Scalar", "aten.rsub.Tensor")
def subtracted_from(o: Ops, self: Flow, other: Any, alpha: Any = 1) -> Flow:
    """A constant minus x."""
    return sub(o, other, self, alpha)


@lowers("aten.neg.default", "aten.negative.default")
def negative(o: Ops, self: Flow) -> Flow:
    """-x."""
    return times(o, self, -1.0)


def times(o: Ops, x: Flow, by: Any) -> Flow:
    """Return x times a constant."""
    if x.over:
        one = np.asarray(by.detach().cpu() if hasattr(by, "cpu") else by, dtype=np.float32)
        if one.size == 1 and (x.over == "sum" or one.item() > 0):
            return evolve(x, factor=x.factor * o.sizes.share(one.item()))
    value = o.aligned(x, by)
    if (value == 1).all():
        return x
    full = np.broadcast_to(value, x.expr.shape) if value.size > 1 else value.reshape(())
    return o.mapped(x, "scale", x.expr.shape, w=o.weight_of(f"{o.path}.scale", full))


@lowers("aten.sum.dim_IntList", "aten.mean.dim")
def reduced(o: Ops, self: Flow, dim: Any, keepdim: bool = False, dtype: Any = None) -> Flow:
    """Sum or mean over time (a read-out) or over a channel's positions, or the sum of channels."""
    dims = sorted(d % len(self.axes) for d in dim)
    mean = "mean" in o.name
    if len(dims) == 1 and self.axes[dims[0]] == ("T",) and not keepdim:
        axes = tuple(a for a in self.axes if a != ("T",))
        factor = 1.0 / o.sizes.ticks if mean else 1.0
        return evolve(self, axes=axes, over="sum", factor=factor)
    rank, spatial = len(self.axes), len(self.expr.shape) - 1
    if dims == list(range(rank - spatial, rank)) and spatial in (1, 2):
        kind = f"{'avg' if mean else 'sum'}_pool{spatial}d"
        channels = self.expr.shape[0]
        ones = (channels, *(1,) * spatial)
        o.before_readout(self, kind)
        made = o.exprs.make(kind, (self.expr,), ones, o.loc, kernel=self.expr.shape[1:])
        shape = ones if keepdim else (channels,)
        made = o.exprs.make("reshape", (made,), shape, o.loc) if shape != ones else made
        axes = self.axes if keepdim else self.axes[: rank - spatial]
        return evolve(self, expr=made, axes=axes)
    if dims == [rank - spatial - 1] and spatial == 2 and keepdim and not mean:
        o.before_readout(self, "sum_pool2d")
        return channels_added(o, self)
    raise o.refuse(
        f"{o.name} over axes {dims}", "reduce over time alone, or over all positions of channels"
    )


@lowers("aten.max.dim", "aten.amax.default")
def greatest(o: Ops, self: Flow, dim: Any, keepdim: bool = False) -> Any:
    """Greatest value over time (a read-out); when it was has no form, and may not be used."""
    (place,) = (dim,) if isinstance(dim, int) else dim if len(dim) == 1 else (None,)
    if place is None or self.over or keepdim or self.axes[place] != ("T",):
        raise o.refuse(
            f"{o.name} over axes {dim} of {list(self.shape(o.sizes))}",
            "take the greatest value over time alone, as the network's result, or use a max pool",
        )
    found = evolve(self, axes=without_time(self.axes), over="max")
    return [found, None] if o.name == "aten.max.dim" else found


@lowers("aten.flip.default")
def flip(o: Ops, self: Flow, dims: Any) -> Flow:
    """Axes of the sample, backwards."""
    found = self
    for dim in dims:
        found = backwards(o, found, dim % len(self.axes))
    return found
