"""What functions of torch become in a load/save graph; each takes the graph and the ATen arguments.

Arguments are values of the graph, numbers, or lists; results are values. Mixed elements meet in
float32, as in torch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.frontends.bidl.graph import Graph
from snnc.ir.graph import Value

Function = Callable[..., Value]
FUNCTIONS: dict[str, Function] = {}

IDENTITY = {
    *("clone.default", "alias.default", "detach.default", "lift_fresh_copy.default"),
    *("contiguous.default", "dropout.default", "native_dropout.default"),
}
"""Functions that change nothing in a step."""


def lowers(*names: str) -> Callable[[Function], Function]:
    """Register a function for ATen ops by name, without `aten.`."""

    def register(function: Function) -> Function:
        for name in names:
            FUNCTIONS[name] = function
        return function

    return register


def refuse(g: Graph, what: str, help: str) -> Exception:
    """Return the error for an argument that has no form."""
    return fail("unsupported-function", what, g.loc, help=help)


def real(g: Graph, x: Any) -> Value:
    """Return an operand as a float32 value; a number stands in the text."""
    made: Value = g.floats(x) if isinstance(x, Value) else g.number(x)
    return made


@lowers("_to_copy.default", "to.dtype", "to.dtype_layout")
def copied(g: Graph, x: Value, *_: Any, dtype: Any = None, **__: Any) -> Value:
    """A cast, or nothing."""
    if dtype is None and _:
        dtype = _[0]
    known = {"torch.float32": "float32", "torch.float16": "float16", "torch.bool": "bool"}
    name = known.get(str(dtype))
    if dtype is None or (name == "float32" and x.type.element.name == "f32"):
        return x
    if name == "float32":
        made: Value = g.floats(x)
        return made
    if name is None:
        raise refuse(g, f"a cast to {dtype}", "keep numbers in float32")
    return g.call("cast", x, dtype=name)


def _compared(kind: str) -> Function:
    def lower(g: Graph, a: Any, b: Any) -> Value:
        return g.call(kind, real(g, a), real(g, b))

    return lower


for _name, _kind in {
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
}.items():
    for _form in ("Tensor", "Scalar"):
        FUNCTIONS[f"{_name}.{_form}"] = _compared(_kind)


@lowers("add.Tensor", "add.Scalar")
def add(g: Graph, a: Any, b: Any, alpha: float = 1) -> Value:
    """Return a + alpha b."""
    if not isinstance(a, Value):
        a, b = b, a
    if not isinstance(b, Value):
        return g.call("add", real(g, a), g.number(b * alpha))
    scaled = g.call("multiply", real(g, b), g.number(alpha))
    return g.call("add", real(g, a), scaled)


@lowers("sub.Tensor", "sub.Scalar")
def sub(g: Graph, a: Any, b: Any, alpha: float = 1) -> Value:
    """Return a - alpha b."""
    if not isinstance(b, Value):
        return g.call("subtract", real(g, a), g.number(b * alpha))
    scaled = g.call("multiply", real(g, b), g.number(alpha))
    return g.call("subtract", real(g, a), scaled)


@lowers("rsub.Scalar")
def rsub(g: Graph, x: Value, other: float, alpha: float = 1) -> Value:
    """Return other - alpha x."""
    left, factor = g.one(other), g.one(alpha)
    return g.call("subtract", left, g.call("multiply", factor, real(g, x)))


def _binary(kind: str) -> Function:
    def lower(g: Graph, a: Any, b: Any) -> Value:
        return g.call(kind, real(g, a), real(g, b))

    return lower


for _name, _kind in {
    "mul.Tensor": "multiply",
    "mul.Scalar": "multiply",
    "div.Tensor": "divide",
    "div.Scalar": "divide",
    "maximum.default": "maximum",
    "minimum.default": "minimum",
    "clamp_min.default": "maximum",
    "clamp_min.Tensor": "maximum",
    "max.other": "maximum",
    "min.other": "minimum",
}.items():
    FUNCTIONS[_name] = _binary(_kind)


def _unary(kind: str) -> Function:
    def lower(g: Graph, x: Value) -> Value:
        return g.call(kind, real(g, x))

    return lower


for _kind in ("nn.relu", "tanh", "sigmoid", "exp", "sqrt"):
    FUNCTIONS[f"{_kind.removeprefix('nn.')}.default"] = _unary(_kind)
FUNCTIONS["neg.default"] = _unary("negative")


@lowers("where.self")
def where(g: Graph, condition: Value, a: Any, b: Any) -> Value:
    """Return a where a bit is set, else b."""
    return g.call("where", condition, real(g, a), real(g, b))


@lowers("linear.default")
def linear(g: Graph, x: Value, w: Value, bias: Value | None = None) -> Value:
    """Return x w^T + bias."""
    made: Value = g.call("nn.dense", real(g, x), w)
    return made if bias is None else g.call("nn.bias_add", made, bias, axis=-1)


def _ints(value: Any, axes: int) -> tuple[int, ...]:
    one = (value,) if isinstance(value, int) else tuple(int(v) for v in value)
    return one * axes if len(one) == 1 else one


def _convolution(axes: int) -> Function:
    def lower(
        g: Graph,
        x: Value,
        w: Value,
        bias: Value | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Value:
        attrs = {
            "strides": _ints(stride, axes),
            "padding": _ints(padding, axes) * 2,
            "dilation": _ints(dilation, axes),
            "groups": groups,
            "channels": w.type.shape[0],
            "kernel_size": w.type.shape[2:],
        }
        made: Value = g.call(f"nn.conv{axes}d", real(g, x), w, **attrs)
        return made if bias is None else g.call("nn.bias_add", made, bias)

    return lower


FUNCTIONS["conv1d.default"], FUNCTIONS["conv2d.default"] = _convolution(1), _convolution(2)


@lowers("batch_norm.default", "_native_batch_norm_legit_no_training.default")
def batch_norm(
    g: Graph, x: Value, gamma: Any, beta: Any, mean: Any, variance: Any, *rest: Any
) -> Value:
    """Normalization with the statistics of training."""
    epsilon = [r for r in rest if not isinstance(r, bool)][-1]
    if any(v is None for v in (gamma, beta, mean, variance)) or (rest and rest[0] is True):
        raise refuse(
            g,
            "batch norm without weights, or with the statistics of the batch",
            "call network.eval(), keep affine=True and track_running_stats=True",
        )
    return g.call("nn.batch_norm", real(g, x), gamma, beta, mean, variance, epsilon=epsilon)


def _pooled(
    g: Graph, kind: str, x: Value, size: Any, stride: Any, padding: Any, **more: Any
) -> Value:
    kernel = _ints(size, 2)
    attrs = {
        "pool_size": kernel,
        "strides": _ints(stride, 2) if stride else kernel,
        "padding": _ints(padding, 2) * 2,
        **more,
    }
    return g.call(f"nn.{kind}_pool2d", real(g, x), **attrs)


@lowers("max_pool2d.default", "max_pool2d_with_indices.default")
def max_pool(
    g: Graph,
    x: Value,
    size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Value:
    """The largest of each window."""
    more = {"dilation": _ints(dilation, 2), "ceil_mode": ceil_mode}
    return _pooled(g, "max", x, size, stride, padding, **more)


@lowers("avg_pool2d.default")
def avg_pool(
    g: Graph,
    x: Value,
    size: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    """The mean of each window."""
    if divisor_override is not None:
        raise refuse(g, f"divisor_override = {divisor_override}", "leave it out")
    more = {"ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
    return _pooled(g, "avg", x, size, stride, padding, **more)


def _adaptive(axes: int) -> Function:
    def lower(g: Graph, x: Value, size: Any) -> Value:
        if set(_ints(size, axes)) != {1}:
            raise refuse(g, f"an adaptive pool to {list(size)}", "pool to 1, or use AvgPool2d")
        rank = len(x.type.shape)
        over = tuple(range(rank - axes, rank))
        made: Value = g.call("mean", real(g, x), axis=over, keepdims=True)
        return made

    return lower


for _axes in (1, 2, 3):
    FUNCTIONS[f"adaptive_avg_pool{_axes}d.default"] = _adaptive(_axes)


@lowers("view.default", "reshape.default", "_unsafe_view.default")
def reshape(g: Graph, x: Value, shape: Sequence[int]) -> Value:
    """The same elements in row-major order."""
    return g.call("reshape", x, newshape=tuple(shape))


@lowers("flatten.using_ints")
def flatten(g: Graph, x: Value, start: int = 0, end: int = -1) -> Value:
    """Axes start to end as one."""
    rank = len(x.type.shape)
    start, end = start % rank, end % rank
    return reshape(g, x, (*x.type.shape[:start], -1, *x.type.shape[end + 1 :]))


@lowers("unsqueeze.default")
def unsqueeze(g: Graph, x: Value, axis: int) -> Value:
    """A new axis of size 1."""
    rank = len(x.type.shape) + 1
    return g.call("expand_dims", x, axis=axis % rank)


@lowers("squeeze.dim", "squeeze.dims")
def squeeze(g: Graph, x: Value, axes: Any) -> Value:
    """Without axes of size 1."""
    rank = len(x.type.shape)
    gone = tuple(a % rank for a in _ints(axes, 1) if x.type.shape[a] == 1)
    return g.call("squeeze", x, axis=gone) if gone else x


@lowers("permute.default")
def permute(g: Graph, x: Value, order: Sequence[int]) -> Value:
    """Axes in another order."""
    rank = len(x.type.shape)
    return g.call("transpose", x, axes=tuple(a % rank for a in order))


@lowers("transpose.int")
def transpose(g: Graph, x: Value, a: int, b: int) -> Value:
    """Two axes exchanged."""
    order = list(range(len(x.type.shape)))
    order[a], order[b] = order[b], order[a]
    return permute(g, x, order)


@lowers("select.int")
def select(g: Graph, x: Value, axis: int, index: int) -> Value:
    """One element of an axis."""
    at = index % x.type.shape[axis]
    number = g.number(at, "int32")
    return g.call("take", x, number, axis=axis % len(x.type.shape), indices=(at,))


@lowers("slice.Tensor")
def cut(
    g: Graph,
    x: Value,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Value:
    """A range of an axis."""
    axis %= len(x.type.shape)
    size = x.type.shape[axis]
    first, last, _ = slice(start, end).indices(size)
    if (first, last, step) == (0, size, 1):
        return x
    cuts = {"begin": (first,), "end": (last,), "strides": (step,), "axes": (axis,)}
    return g.call("strided_slice", x, **cuts)


@lowers("narrow.default")
def narrow(g: Graph, x: Value, axis: int, start: int, length: int) -> Value:
    """A range of an axis by its length."""
    return cut(g, x, axis, start, start + length)


@lowers("cat.default")
def cat(g: Graph, parts: Sequence[Value], axis: int = 0) -> Value:
    """Operands in a row."""
    given = [real(g, p) for p in parts]
    return g.call("concatenate", *given, axis=axis % len(given[0].type.shape))


@lowers("stack.default")
def stack(g: Graph, parts: Sequence[Value], axis: int = 0) -> Value:
    """Operands along a new axis."""
    given = [real(g, p) for p in parts]
    return g.call("stack", *given, axis=axis % (len(given[0].type.shape) + 1))


def _reduced(kind: str) -> Function:
    def lower(g: Graph, x: Value, axes: Any, keepdim: bool = False, **_: Any) -> Value:
        rank = len(x.type.shape)
        over = tuple(a % rank for a in _ints(axes, 1))
        made: Value = g.call(kind, real(g, x), axis=over, keepdims=keepdim)
        return made

    return lower


FUNCTIONS["mean.dim"], FUNCTIONS["sum.dim_IntList"] = _reduced("mean"), _reduced("sum")


def _drawn(g: Graph, x: Value, size: Sequence[int], mode: int = 0) -> Value:
    options = {"shape": tuple(size), "seed": g.seed, "serial": g.draws, "mode": mode}
    made: Value = g.call("lyn_random_data", x, **options)
    g.draws += 1
    return made


@lowers("snnc_step.rand.default")
def rand(g: Graph, x: Value, size: Sequence[int], mode: int) -> Value:
    """Draws at every step."""
    return _drawn(g, x, size, mode)


@lowers("snnc_step.cut.default")
def cut_here(g: Graph, x: Value, name: str) -> Value:
    """The same value, by a name at which the graph can be cut."""
    return g.op("lynxi.reshape", x, name=name, newshape=x.type.shape)


@lowers("custom.cmpandfire.default", "custom.cmpandfire.Scalar")
def fire(g: Graph, x: Value, theta: Any) -> Value:
    """The chip's comparison."""
    return g.call("cmpandfire", real(g, x), theta=_number(g, theta))


_RESET = ("default", "leak", "Scalar")


@lowers(*(f"custom.resetwithdecay.{form}" for form in _RESET))
def reset(g: Graph, x: Value, *numbers: Any) -> Value:
    """The chip's reset and leak."""
    names = ("theta", "v_0", "alpha", "beta")
    held = {name: _number(g, n) for name, n in zip(names, numbers, strict=True)}
    return g.call("resetwithdecay", real(g, x), **held)


def _number(g: Graph, number: Any) -> float:
    """Return the one number that a fused op takes."""
    array = g.held(number) if isinstance(number, Value) else np.asarray(number, np.float32)
    if array is None or array.size != 1:
        raise refuse(
            g,
            "a fused op of the chip with numbers per channel",
            "use soma_params = 'all_share', or leave fit out",
        )
    return float(str(np.float32(array.reshape(()))))


def _like(fill: float) -> Function:
    def lower(g: Graph, x: Value, **_: Any) -> Value:
        return g.image(np.full(x.type.shape, fill, np.float32))

    return lower


FUNCTIONS["zeros_like.default"], FUNCTIONS["ones_like.default"] = _like(0.0), _like(1.0)


@lowers("full_like.default")
def full_like(g: Graph, x: Value, fill: float, **_: Any) -> Value:
    """A constant of the shape of x."""
    return g.image(np.full(x.type.shape, fill, np.float32))


@lowers("full.default")
def full(g: Graph, size: Sequence[int], fill: float, **_: Any) -> Value:
    """A constant of a shape."""
    return g.image(np.full(tuple(size), fill, np.float32))


@lowers("zeros.default")
def zeros(g: Graph, size: Sequence[int], **_: Any) -> Value:
    """Zeros of a shape."""
    return full(g, size, 0.0)


@lowers("ones.default")
def ones(g: Graph, size: Sequence[int], **_: Any) -> Value:
    """Ones of a shape."""
    return full(g, size, 1.0)


@lowers("bernoulli.default")
def bernoulli(g: Graph, x: Value, **_: Any) -> Value:
    """1 where a draw is below x."""
    first = x
    for _axis in x.type.shape:
        first = g.call("take", first, g.number(0, "int32"), axis=0, indices=(0,))
    draws = g.floats(_drawn(g, first, x.type.shape))
    made: Value = g.floats(g.call("less", draws, real(g, x)))
    return made
