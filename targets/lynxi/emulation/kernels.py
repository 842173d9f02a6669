"""What each op of a graph computes, as plain numpy over arrays with a sample axis in front.

An array of a value of shape S is `(samples, *S)`; that of a constant has one sample. `make(binding,
held)` returns the function of a binding; `held` are its constant operands, for which work is done
once. Real numbers are float32 or float16, as the profile says, and each op rounds once.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from attrs import frozen

from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import Binding, TensorType, TupleType
from snnc.targets.lynxi.emulation.exact import Product, rounded
from snnc.targets.lynxi.limits import LIMITS

Function = Callable[..., Array]


@frozen
class Site:
    """A binding made ready: attributes, shape and storage of its result, constant operands."""

    attrs: Mapping[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype
    held: Sequence[Array | None]


def storage(dtype: str, profile: str) -> np.dtype:
    """Return how an element is held; profile f16 holds every real number as float16."""
    return np.dtype("float16" if profile == "f16" and dtype == "float32" else dtype)


def known(op: str) -> bool:
    """Return whether an op has a kernel."""
    return op in _MAKERS


def make(binding: Binding, held: Sequence[Array | None], profile: str) -> Function:
    """Return the function of a binding from the arrays of its operands to that of its result."""
    type = binding.type
    if isinstance(type, TupleType):
        type = type.fields[0]
    assert isinstance(type, TensorType)
    site = Site(binding.attrs, type.shape, storage(type.dtype, profile), held)
    run = _MAKERS[binding.op](site)
    if site.dtype != np.float16:
        return run
    # What the host sends keeps its own element until an op has rounded it.
    return lambda *arrays: run(*map(_widened, arrays)).astype(np.float16, copy=False)


def _widened(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _aligned(*arrays: Array) -> list[Array]:
    """Return arrays with new axes behind the samples, so that numpy broadcasts as the ops do."""
    rank = max(a.ndim for a in arrays)
    return [a.reshape(len(a), *[1] * (rank - a.ndim), *a.shape[1:]) for a in arrays]


def _plain(function: Callable[..., Any]) -> Callable[[Site], Function]:
    """Return the maker of an op whose numpy function rounds as the op does."""

    def maker(site: Site) -> Function:
        def run(*arrays: Array) -> Array:
            with np.errstate(all="ignore"):
                return np.asarray(function(*_aligned(*arrays))).astype(site.dtype, copy=False)

        return run

    return maker


def _wide(function: Callable[..., Any]) -> Callable[[Site], Function]:
    """Return the maker of an op that is computed in double precision, then rounded."""
    return _plain(lambda *arrays: function(*(a.astype(np.float64) for a in arrays)))


def _cast(site: Site) -> Function:
    if site.dtype == np.bool_:
        return lambda x: np.asarray(x != 0)
    return lambda x: x.astype(site.dtype)


def _reshape(site: Site) -> Function:
    return lambda x: x.reshape(len(x), *site.shape)


def _transpose(site: Site) -> Function:
    order = (0, *(a + 1 for a in site.attrs["axes"]))
    return lambda x: np.transpose(x, order)


def _take(site: Site) -> Function:
    axis = site.attrs["axis"]

    def run(x: Array, index: Array) -> Array:
        at = axis + 1 if axis >= 0 else axis
        return np.asarray(np.take(x, int(index.reshape(())), axis=at, mode="clip"))

    return run


def _slice(site: Site) -> Function:
    attrs = site.attrs
    index = [slice(None)] * 16
    names = ("begin", "end", "strides", "axes")
    for begin, end, step, axis in zip(*(attrs[n] for n in names), strict=True):
        index[axis + 1] = slice(begin, end, step)
    return lambda x: x[tuple(index[: x.ndim])]


def _samples(arrays: Sequence[Array]) -> list[Array]:
    """Return arrays of one number of samples, constants repeated."""
    most = max(len(a) for a in arrays)
    return [np.broadcast_to(a, (most, *a.shape[1:])) for a in arrays]


def _concatenate(site: Site) -> Function:
    axis = site.attrs.get("axis", 0) + 1
    return lambda *arrays: np.concatenate(_samples(arrays), axis=axis)


def _stack(site: Site) -> Function:
    axis = site.attrs.get("axis", 0) + 1
    return lambda *arrays: np.stack(_samples(arrays), axis=axis)


def _clip(site: Site) -> Function:
    low, high = (_number(site, n) for n in ("a_min", "a_max"))
    return lambda x: np.clip(x, low, high)


def _fire(site: Site) -> Function:
    theta = _number(site, "theta")
    return lambda x: (x > theta).astype(site.dtype)


def _reset(site: Site) -> Function:
    theta, v_0, alpha, beta = (_number(site, n) for n in ("theta", "v_0", "alpha", "beta"))
    lowest = site.attrs.get("lowest", LIMITS.fit_lowest)

    def run(x: Array) -> Array:
        with np.errstate(all="ignore"):
            kept = np.where((x > lowest) & (x <= theta), x, v_0)
            return np.asarray(((kept * alpha).astype(site.dtype) + beta).astype(site.dtype))

    return run


def _number(site: Site, name: str) -> Any:
    """Return a number of an attribute as the profile holds it."""
    with np.errstate(over="ignore"):
        return site.dtype.type(site.attrs[name])


def _sum(mean: bool) -> Callable[[Site], Function]:
    def maker(site: Site) -> Function:
        axes = site.attrs["axis"]

        def run(x: Array) -> Array:
            rank = x.ndim - 1
            gone = tuple(a % rank + 1 for a in axes)
            rows = np.moveaxis(x, gone, tuple(range(len(gone))))
            rows = rows.reshape(-1, *rows.shape[len(gone) :])
            made = _total(list(rows), site.dtype, len(rows) if mean else 1)
            return made.reshape(len(x), *site.shape)

        return run

    return maker


def _total(terms: Sequence[Array], dtype: np.dtype, count: int = 1) -> Array:
    """Return a sum over a count, rounded once; whole numbers are added as they are."""
    wide = [t.astype(np.float64) for t in terms]
    if count == 1 and all(not (t % 1).any() for t in wide):
        return np.asarray(np.sum(wide, axis=0).astype(dtype))
    return rounded(wide, dtype, count)


def _dense(site: Site) -> Function:
    w = site.held[1]
    ready = None if w is None else Product(w[0].T)

    def run(x: Array, weights: Array) -> Array:
        rows = x.reshape(-1, x.shape[-1])
        made = (ready or Product(weights[0].T))(rows, site.dtype)
        return made.reshape(len(x), *site.shape)

    return run


def _bias_add(site: Site) -> Function:
    axis = site.attrs.get("axis", 1)

    def run(x: Array, bias: Array) -> Array:
        at = axis % (x.ndim - 1)
        wide = bias.reshape(1, -1, *[1] * (x.ndim - 2 - at))
        with np.errstate(all="ignore"):
            return np.asarray(x + wide)

    return run


def _batch_norm(site: Site) -> Function:
    epsilon = site.attrs.get("epsilon", 1e-5)

    def run(x: Array, *statistics: Array) -> Array:
        shape = (1, 1, -1, *[1] * (x.ndim - 3))
        gamma, beta, mean, variance = (s.astype(np.float64).reshape(shape) for s in statistics)
        with np.errstate(all="ignore"):
            y = (x.astype(np.float64) - mean) / np.sqrt(variance + np.float64(epsilon))
            return np.asarray((y * gamma + beta).astype(site.dtype))

    return run


@frozen
class Window:
    """Numbers per axis of a convolution or pool."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    befores: tuple[int, ...]
    dilation: tuple[int, ...]
    out: tuple[int, ...]

    def taps(self, x: Array, fill: float = 0.0) -> list[Array]:
        """Return, for each tap, what all windows read there; `fill` stands outside of x."""
        axes = len(self.kernel)
        sizes = x.shape[x.ndim - axes :]
        around = [(0, 0)] * (x.ndim - axes)
        for n, k, s, b, d, o in zip(
            sizes, self.kernel, self.strides, self.befores, self.dilation, self.out, strict=True
        ):
            around.append((b, max(0, (o - 1) * s + (k - 1) * d + 1 - n - b)))
        wide = np.pad(x, around, constant_values=fill)
        found = []
        for tap in product(*map(range, self.kernel)):
            index: list[Any] = [...]
            for t, s, d, o in zip(tap, self.strides, self.dilation, self.out, strict=True):
                index.append(slice(t * d, t * d + (o - 1) * s + 1, s))
            found.append(wide[tuple(index)])
        return found


def _window(site: Site, key: str) -> Window:
    kernel = tuple(site.attrs[key])
    ones = (1,) * len(kernel)
    padding = tuple(site.attrs.get("padding") or (0,) * len(kernel))
    return Window(
        kernel,
        tuple(site.attrs.get("strides") or ones),
        padding[: len(kernel)],
        tuple(site.attrs.get("dilation") or ones),
        site.shape[2:],
    )


def _convolution(site: Site) -> Function:
    window, groups = _window(site, "kernel_size"), site.attrs.get("groups", 1)
    w = site.held[1]
    ready = None if w is None else _kernels(w[0], groups)

    def run(x: Array, weights: Array) -> Array:
        taps = window.taps(x)
        if weights.shape[2] == 1 and groups == x.shape[2] == weights.shape[1]:
            return _each(taps, weights[0], site.dtype)
        return _correlated(taps, ready or _kernels(weights[0], groups), site)

    return run


def _transposed(site: Site) -> Function:
    """Return a transposed convolution as a convolution over x with zeros between its elements."""
    attrs, groups = site.attrs, site.attrs.get("groups", 1)
    kernel = tuple(attrs["kernel_size"])
    axes = len(kernel)
    ones = (1,) * axes
    strides, dilation = (tuple(attrs.get(n) or ones) for n in ("strides", "dilation"))
    padding = tuple(attrs.get("padding") or (0,) * 2 * axes)
    window = Window(kernel, ones, (0,) * axes, dilation, site.shape[2:])

    def run(x: Array, weights: Array) -> Array:
        sizes = [(n - 1) * s + 1 for n, s in zip(x.shape[3:], strides, strict=True)]
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        wide = [o + r for o, r in zip(site.shape[2:], reach, strict=True)]
        starts = [r - b for r, b in zip(reach, padding[:axes], strict=True)]
        steps: list[Any] = [slice(None, None, s) for s in strides]
        spread = np.zeros((*x.shape[:3], *sizes), x.dtype)
        spread[(..., *steps)] = x
        cut: list[Any] = [slice(max(0, -b), None) for b in starts]
        kept = spread[(..., *cut)]
        room = [w + max(0, n) for w, n in zip(wide, sizes, strict=True)]
        held = np.zeros((*x.shape[:3], *room), x.dtype)
        place: list[Any] = [
            slice(max(0, b), max(0, b) + n) for b, n in zip(starts, kept.shape[3:], strict=True)
        ]
        held[(..., *place)] = kept
        inside: list[Any] = [slice(0, w) for w in wide]
        seen = held[(..., *inside)]
        flipped = np.flip(weights[0], axis=tuple(range(2, 2 + axes)))
        parts = [np.swapaxes(p, 0, 1) for p in np.split(flipped, groups)]
        kernels = _kernels(np.concatenate(parts), groups)
        return _correlated(window.taps(seen), kernels, site)

    return run


def _correlated(taps: list[Array], kernels: list[Product], site: Site) -> Array:
    """Return sums over channels and taps, one product per group of channels."""
    samples, batch, channels = taps[0].shape[:3]
    groups = len(kernels)
    per, places = channels // groups, int(np.prod(site.shape[2:]))
    seen = np.stack(taps, axis=3).reshape(samples * batch, groups, per * len(taps), places)
    made = []
    for g, matrix in enumerate(kernels):
        rows = np.moveaxis(seen[:, g], 2, 1).reshape(-1, per * len(taps))
        sums = matrix(rows, site.dtype).reshape(samples * batch, places, -1)
        made.append(np.moveaxis(sums, 2, 1))
    return np.concatenate(made, axis=1).reshape(samples, *site.shape)


def _kernels(w: Array, groups: int) -> list[Product]:
    """Return the products of each group; `w` is (out, in per group, *kernel)."""
    return [Product(part.reshape(len(part), -1).T) for part in np.split(w, groups)]


def _each(taps: list[Array], w: Array, dtype: np.dtype) -> Array:
    """Return the convolution of each channel with a kernel of its own."""
    flat = w.reshape(len(w), -1).astype(np.float64)
    axes = [1] * (taps[0].ndim - 3)
    terms = [t.astype(np.float64) * flat[:, k].reshape(-1, *axes) for k, t in enumerate(taps)]
    return _total(terms, dtype)


def _max_pool(site: Site) -> Function:
    window = _window(site, "pool_size")
    return lambda x: np.maximum.reduce(window.taps(x, -np.inf))


def _avg_pool(site: Site) -> Function:
    window = _window(site, "pool_size")
    padded = tuple(site.attrs.get("padding") or ())
    whole = bool(site.attrs.get("count_include_pad", False))

    def run(x: Array) -> Array:
        terms = window.taps(x)
        inside = np.ones(x.shape[x.ndim - len(window.kernel) :])
        if whole and padded:
            axes = len(window.kernel)
            inside = np.pad(inside, list(zip(padded[:axes], padded[axes:], strict=True)))
            inside[...] = 1.0
            counts = sum(_shifted(window).taps(inside))
        else:
            counts = sum(window.taps(inside))
        sizes = np.unique(counts)
        made = _total(terms, site.dtype, int(sizes[0]))
        for size in sizes[1:]:
            made = np.where(counts == size, _total(terms, site.dtype, int(size)), made)
        return made

    return run


def _shifted(window: Window) -> Window:
    """Return the window over what is padded already."""
    return Window(
        window.kernel, window.strides, (0,) * len(window.kernel), window.dilation, window.out
    )


_MAKERS: dict[str, Callable[[Site], Function]] = {
    "add": _plain(np.add),
    "subtract": _plain(np.subtract),
    "multiply": _plain(np.multiply),
    "divide": _plain(np.divide),
    "maximum": _plain(np.maximum),
    "minimum": _plain(np.minimum),
    "greater": _plain(np.greater),
    "greater_equal": _plain(np.greater_equal),
    "less": _plain(np.less),
    "less_equal": _plain(np.less_equal),
    "logical_and": _plain(np.logical_and),
    "where": _plain(np.where),
    "nn.relu": _plain(lambda x: np.maximum(x, x.dtype.type(0))),
    "sqrt": _plain(np.sqrt),
    "trunc": _plain(np.trunc),
    "negative": _plain(np.negative),
    "exp": _wide(np.exp),
    "tanh": _wide(np.tanh),
    "sigmoid": _wide(lambda x: 1.0 / (1.0 + np.exp(-x))),
    "cmpandfire": _fire,
    "resetwithdecay": _reset,
    "cast": _cast,
    "clip": _clip,
    "reshape": _reshape,
    "expand_dims": _reshape,
    "squeeze": _reshape,
    "transpose": _transpose,
    "take": _take,
    "strided_slice": _slice,
    "concatenate": _concatenate,
    "stack": _stack,
    "sum": _sum(False),
    "mean": _sum(True),
    "nn.dense": _dense,
    "nn.bias_add": _bias_add,
    "nn.batch_norm": _batch_norm,
    "nn.conv1d": _convolution,
    "nn.conv2d": _convolution,
    "nn.conv1d_transpose": _transposed,
    "nn.conv2d_transpose": _transposed,
    "nn.max_pool1d": _max_pool,
    "nn.max_pool2d": _max_pool,
    "nn.avg_pool1d": _avg_pool,
    "nn.avg_pool2d": _avg_pool,
}
