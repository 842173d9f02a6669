"""Ops of level `lynxi`: one time step of Relay ops, restated from their declarations.

Everything is computed in double precision from float32 or float16 operands and rounded once, to
float32, or to float16 where the module's attribute `profile` is f16; sums are exact before that.
Values of type f32 are held as float32 in either profile. What the host sends keeps its own numbers
until an op has rounded it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen

from snnc.ir.analysis import makers
from snnc.ir.graph import Module, Op
from snnc.ir.types import F16, F32, Element
from snnc.ir.weights import Array
from snnc.runtime.semantics import Meaning, State, Stateless, exact, meaning, semantics, windows
from snnc.runtime.semantics.movements import Delay

Numbers = Callable[..., Array]


def real_element(module: Module) -> Element:
    """Return the element that real numbers of a module are rounded to."""
    return F16 if module.attrs.get("profile") == "f16" else F32


def settled(module: Module, op: Op, function: Numbers) -> Meaning:
    """Return the meaning of an op from its function over float64 arrays, sample axis in front."""
    type, real = op.result.type, real_element(module)

    def run(*operands: Array) -> Array:
        with np.errstate(all="ignore"):
            made = np.asarray(function(*(o.astype(np.float64) for o in operands)))
            if type.element == F32:
                made = made.astype(real.storage)
            return made.astype(type.element.storage).reshape(-1, *type.shape)

    return Untimed(op, run)


class Untimed(Stateless):
    """A function of operands, of which constants get a sample axis before and results lose it."""

    def __init__(self, op: Op, function: Numbers) -> None:
        self.op = op
        self.timed = [v.type.timed for v in op.values]
        super().__init__(function)

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the one result."""
        given = [o if t else o[None] for o, t in zip(operands, self.timed, strict=True)]
        made = self.function(*given)
        return [made if any(self.timed) else made[0]], state


def _aligned(function: Numbers) -> Numbers:
    """Return a function whose operands get new axes behind the samples, as broadcasting needs."""

    def run(*operands: Array) -> Array:
        rank = max(o.ndim for o in operands)
        return function(
            *(o.reshape(len(o), *[1] * (rank - o.ndim), *o.shape[1:]) for o in operands)
        )

    return run


def _elementwise(names: dict[str, Numbers]) -> None:
    for name, function in names.items():

        def make(module: Module, op: Op, function: Numbers = function) -> Meaning:
            return settled(module, op, _aligned(function))

        semantics(f"lynxi.{name}")(make)


_elementwise(
    {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / y,
        "maximum": np.maximum,
        "minimum": np.minimum,
        "greater": lambda x, y: x > y,
        "greater_equal": lambda x, y: x >= y,
        "less": lambda x, y: x < y,
        "less_equal": lambda x, y: x <= y,
        "logical_and": lambda x, y: (x != 0) & (y != 0),
        "where": lambda c, x, y: np.asarray(np.where(c != 0, x, y)),
        "nn.relu": lambda x: np.where(x > 0, x, 0.0),
        "sqrt": np.sqrt,
        "trunc": np.trunc,
        "negative": np.negative,
        "exp": np.exp,
        "tanh": np.tanh,
        "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    }
)


@semantics("lynxi.cast")
def cast(module: Module, op: Op) -> Meaning:
    """Return the value in another element; a bit is whether it differs from 0."""
    bit = op.result.type.element.bits == 1
    return settled(module, op, lambda x: x != 0 if bit else x)


@semantics("lynxi.clip")
def clip(module: Module, op: Op) -> Meaning:
    """Return the value between two numbers."""
    low, high = _numbers(module, op, "a_min", "a_max")
    return settled(module, op, lambda x: np.minimum(np.maximum(x, low), high))


@semantics("lynxi.cmpandfire")
def cmpandfire(module: Module, op: Op) -> Meaning:
    """Return 1 where x > theta."""
    (theta,) = _numbers(module, op, "theta")
    return settled(module, op, lambda x: x > theta)


@semantics("lynxi.resetwithdecay")
def resetwithdecay(module: Module, op: Op) -> Meaning:
    """Return alpha x + beta, or alpha v_0 + beta outside of the window."""
    theta, v_0, alpha, beta = _numbers(module, op, "theta", "v_0", "alpha", "beta")
    kind, lowest = real_element(module).storage, op["lowest"]

    def run(x: Array) -> Array:
        kept = np.where((x > lowest) & (x <= theta), x, v_0)
        return np.asarray((kept * alpha).astype(kind).astype(np.float64) + beta)

    return settled(module, op, run)


def _numbers(module: Module, op: Op, *names: str) -> list[np.float64]:
    """Return attributes as the profile holds them."""
    kind = real_element(module).storage.type
    with np.errstate(over="ignore"):
        return [np.float64(kind(op[name])) for name in names]


def _moved(module: Module, op: Op, function: Numbers) -> Meaning:
    """Return the meaning of an op that only moves elements."""
    type, real = op.result.type, real_element(module)

    def run(*operands: Array) -> Array:
        made = function(*operands)
        made = made.astype(real.storage) if type.element == F32 else made
        return made.astype(type.element.storage).reshape(-1, *type.shape)

    return Untimed(op, run)


@semantics("lynxi.reshape", "lynxi.squeeze", "lynxi.expand_dims", "lynxi.annotation.save")
def reshape(module: Module, op: Op) -> Meaning:
    """Return the elements in row-major order."""
    return _moved(module, op, lambda x: x)


@semantics("lynxi.transpose")
def transpose(module: Module, op: Op) -> Meaning:
    """Return the axes in another order."""
    return _moved(module, op, lambda x: x.transpose(0, *(a + 1 for a in op["axes"])))


@semantics("lynxi.take")
def take(module: Module, op: Op) -> Meaning:
    """Return one element of an axis."""
    axis = op["axis"] % len(op.values[0].type.shape)
    last = op.values[0].type.shape[axis] - 1

    def run(x: Array, index: Array) -> Array:
        at = min(max(int(index.item()), 0), last)
        return x[(*[slice(None)] * (axis + 1), at)]

    return _moved(module, op, run)


@semantics("lynxi.strided_slice")
def strided_slice(module: Module, op: Op) -> Meaning:
    """Return ranges of some axes."""
    cuts: dict[int, slice] = {}
    for n, axis in enumerate(op["axes"]):
        cuts[axis] = slice(op["begin"][n], op["end"][n], op["strides"][n])
    axes = range(len(op.values[0].type.shape))
    index = (slice(None), *(cuts.get(a, slice(None)) for a in axes))
    return _moved(module, op, lambda x: x[index])


@semantics("lynxi.concatenate", "lynxi.stack")
def joined(module: Module, op: Op) -> Meaning:
    """Return operands along an old or a new axis."""
    join: Any = np.concatenate if op.kind == "concatenate" else np.stack
    axis = op["axis"] + 1

    def run(*parts: Array) -> Array:
        many = max(len(p) for p in parts)
        return np.asarray(join([np.repeat(p, many // len(p), axis=0) for p in parts], axis=axis))

    return _moved(module, op, run)


def _rounded(module: Module, op: Op, terms: list[Array], count: int = 1) -> Array:
    real = real_element(module)
    wide = [t.astype(np.float64) for t in terms]
    if count == 1:
        return exact.rounded(wide, real)
    return exact.divided(wide, np.asarray(count), real)


@semantics("lynxi.sum", "lynxi.mean")
def total(module: Module, op: Op) -> Meaning:
    """Return the sum or mean over some axes."""
    rank = len(op.values[0].type.shape)
    gone = sorted(a % rank + 1 for a in op["axis"])

    def run(x: Array) -> Array:
        terms = np.moveaxis(x, gone, range(len(gone)))
        flat = list(terms.reshape(-1, *terms.shape[len(gone) :]))
        return _rounded(module, op, flat, len(flat) if op.kind == "mean" else 1)

    return _moved(module, op, run)


def _products(module: Module, x: Array, w: Array) -> Array:
    """Return x @ w, each sum exact and rounded once."""
    mine, theirs = exact.significant_bits(F32, len(w))
    shape = (*x.shape[:-1], w.shape[1])
    terms = exact.dot(exact.slices(x, mine), exact.slices(w, theirs), shape)
    return exact.rounded(terms, real_element(module))


@semantics("lynxi.nn.dense")
def dense(module: Module, op: Op) -> Meaning:
    """Return x w^T over the last axis."""
    return _moved(module, op, lambda x, w: _products(module, x, w[0].T))


@semantics("lynxi.nn.bias_add")
def bias_add(module: Module, op: Op) -> Meaning:
    """Return x + bias along an axis."""
    rank = len(op.result.type.shape)
    shape = [1] * (rank + 1)
    shape[op["axis"] % rank + 1] = -1
    return settled(module, op, lambda x, b: x + b.reshape(shape))


@semantics("lynxi.nn.batch_norm")
def batch_norm(module: Module, op: Op) -> Meaning:
    """Return the formula in double precision, step by step."""
    shape = (1, 1, -1, *[1] * (len(op.result.type.shape) - 2))

    def run(x: Array, gamma: Array, beta: Array, mean: Array, variance: Array) -> Array:
        g, b, m, v = (p.reshape(shape) for p in (gamma, beta, mean, variance))
        return (x - m) / np.sqrt(v + np.float64(op["epsilon"])) * g + b

    return settled(module, op, run)


def _geometry(op: Op, kernel: tuple[int, ...]) -> windows.Geometry:
    axes = len(kernel)
    out, sizes = op.result.type.shape[2:], op.values[0].type.shape[2:]
    padding = tuple(op["padding"]) or (0,) * axes
    befores = padding[:axes]
    strides, dilation = (tuple(op[n]) or (1,) * axes for n in ("strides", "dilation"))
    # Where the last window stands out (ceil_mode), there are zeros beyond the padding.
    afters = [
        (o - 1) * s + (k - 1) * d + 1 - n - b
        for o, s, k, d, n, b in zip(out, strides, kernel, dilation, sizes, befores, strict=True)
    ]
    around = tuple(zip(befores, (max(a, 0) for a in afters), strict=True))
    return windows.Geometry(kernel, strides, around, dilation, out)


def _merged(x: Array) -> Array:
    """Return the axes of samples and batch as one."""
    return x.reshape(-1, *x.shape[2:])


@semantics("lynxi.nn.conv1d", "lynxi.nn.conv2d")
def convolution(module: Module, op: Op) -> Meaning:
    """Return the correlation of each group of channels with its kernels."""
    kernel, groups = op.values[1].type.shape[2:], op["groups"]
    shape = _geometry(op, kernel)

    def run(x: Array, w: Array) -> Array:
        seen = windows.taps(_merged(x), shape)
        count, channels, taps = seen.shape[:3]
        parts = seen.reshape(count, groups, channels // groups * taps, -1)
        made = []
        for g, kernels in enumerate(np.split(w[0], groups)):
            rows = np.moveaxis(parts[:, g], 2, 1)
            sums = _products(module, rows, kernels.reshape(len(kernels), -1).T)
            made.append(np.moveaxis(sums, 2, 1))
        return np.concatenate(made, axis=1)

    return _moved(module, op, run)


@semantics("lynxi.nn.conv1d_transpose", "lynxi.nn.conv2d_transpose")
def transposed(module: Module, op: Op) -> Meaning:
    """Return the convolution with the turned kernel over x with zeros between its elements."""
    kernel, groups = op.values[1].type.shape[2:], op["groups"]
    axes = len(kernel)
    ones = (1,) * axes
    strides, dilation = (tuple(op[n]) or ones for n in ("strides", "dilation"))
    sizes, out = op.values[0].type.shape[2:], op.result.type.shape[2:]
    befores = (tuple(op["padding"]) or (0,) * axes)[:axes]
    around = []
    for n, k, s, d, b, o in zip(sizes, kernel, strides, dilation, befores, out, strict=True):
        first = d * (k - 1) - b
        around.append((first, o + d * (k - 1) - first - ((n - 1) * s + 1)))
    shape = windows.Geometry(kernel, ones, tuple(around), dilation, out)
    turned = tuple(range(2, 2 + axes))

    steps: list[Any] = [slice(None, None, s) for s in strides]
    wide = [(n - 1) * s + 1 for n, s in zip(sizes, strides, strict=True)]

    def run(x: Array, w: Array) -> Array:
        flat = _merged(x)
        spread = np.zeros((*flat.shape[:2], *wide))
        spread[(..., *steps)] = flat
        seen = windows.taps(spread, shape)
        count, channels, taps = seen.shape[:3]
        parts = seen.reshape(count, groups, channels // groups * taps, -1)
        made = []
        for g, kernels in enumerate(np.split(np.flip(w[0], turned), groups)):
            rows = np.moveaxis(parts[:, g], 2, 1)
            matrix = np.swapaxes(kernels, 0, 1)
            sums = _products(module, rows, matrix.reshape(len(matrix), -1).T)
            made.append(np.moveaxis(sums, 2, 1))
        return np.concatenate(made, axis=1)

    return _moved(module, op, run)


@semantics("lynxi.nn.max_pool1d", "lynxi.nn.max_pool2d")
def max_pool(module: Module, op: Op) -> Meaning:
    """Return the largest of each window."""
    shape = _geometry(op, tuple(op["pool_size"]))
    return _moved(module, op, lambda x: windows.taps(_merged(x), shape, -np.inf).max(axis=2))


@semantics("lynxi.nn.avg_pool1d", "lynxi.nn.avg_pool2d")
def avg_pool(module: Module, op: Op) -> Meaning:
    """Return the mean of each window."""
    kernel = tuple(op["pool_size"])
    shape, axes = _geometry(op, kernel), len(kernel)
    padding = tuple(op["padding"]) or (0,) * 2 * axes
    inner = np.ones(op.values[0].type.shape[2:])
    if op["count_include_pad"]:
        counted = np.pad(inner, list(zip(padding[:axes], padding[axes:], strict=True)))
        late = [(0, max(0, a - p)) for (_, a), p in zip(shape.padding, padding[axes:], strict=True)]
        wide = windows.Geometry(kernel, shape.stride, tuple(late), shape.dilation, shape.out)
        counts = windows.taps(np.ones(counted.shape), wide).sum(axis=0)
    else:
        counts = windows.taps(inner, shape).sum(axis=0)

    def run(x: Array) -> Array:
        terms = list(np.moveaxis(windows.taps(_merged(x), shape), 2, 0))
        wide = [t.astype(np.float64) for t in terms]
        divisor = np.broadcast_to(counts, wide[0].shape)
        return exact.divided(wide, divisor, real_element(module))

    return _moved(module, op, run)


@semantics("lynxi.data")
def data(module: Module, op: Op) -> Meaning:
    """Return what is sent, with a batch axis."""
    type = op.result.type
    return Stateless(lambda x: x.astype(type.element.storage).reshape(-1, *type.shape))


@semantics("lynxi.param", "lynxi.constant")
def param(module: Module, op: Op) -> Meaning:
    """Return a parameter, rounded to the profile."""
    array = module.tensor(op.symbols[0])
    if op.result.type.element == F32:
        array = array.astype(real_element(module).storage).astype(np.float32)
    return Stateless(lambda: array)


@semantics("lynxi.scalar")
def scalar(module: Module, op: Op) -> Meaning:
    """Return a number, rounded to the profile."""
    type = op.result.type
    kind = real_element(module) if type.element == F32 else type.element
    array = np.asarray(op["value"]).astype(kind.storage).astype(type.element.storage)
    return Stateless(lambda: array)


@semantics("lynxi.result")
def result(module: Module, op: Op) -> Meaning:
    """Return an output in the shape and element of the program."""
    type = op.result.type
    return Stateless(lambda x: x.astype(type.element.storage).reshape(-1, *type.shape))


class _Tie:
    """The outputs of a graph: the first operands as they are."""

    def __init__(self, count: int) -> None:
        self.count = count

    def start(self, samples: int, first_sample: int) -> State:
        """Return no state."""
        return ()

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the outputs."""
        return operands[: self.count], state


@semantics("lynxi.lyn_vir_op")
def tie(module: Module, op: Op) -> Meaning:
    """Return the outputs of a graph."""
    return _Tie(op["outputs"])


@frozen
class Load(Delay):
    """What was saved one tick ago; the state is that value, first the initial image."""

    image: Array

    def start(self, samples: int, first_sample: int) -> State:
        """Return the initial image of every sample."""
        return (np.repeat(self.image[None], samples, axis=0),)

    def past(self, tick: int, state: State) -> list[Array]:
        """Return the state."""
        return [state[0]]

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the state, and what is saved as the next one."""
        return [state[0]], (operands[0],)


@semantics("lynxi.annotation.load")
def load(module: Module, op: Op) -> Meaning:
    """Return the state of a flag; its initial image is computed here."""
    made_by = makers(module.graph)

    def constant(maker: Op) -> Array:
        operands = [constant(made_by[v]) for v in maker.values]
        return meaning(module, maker).step(0, operands, ())[0][0]

    return Load(op, constant(made_by[op.values[0]]))


class _Draws:
    """Draws of a random op: word k of a sample's stream, shifted to 11 bits, over 2048."""

    def __init__(self, op: Op) -> None:
        self.op, self.size = op, op.result.type.size

    def start(self, samples: int, first_sample: int) -> State:
        """Return the indices of the samples."""
        return (np.arange(first_sample, first_sample + samples),)

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the draws of a tick."""
        words = np.empty((len(state[0]), self.size), dtype=np.uint64)
        for row, sample in enumerate(state[0]):
            seeds = np.random.SeedSequence([self.op["seed"], int(sample), self.op["serial"]])
            stream = np.random.PCG64(seeds)
            stream.advance(tick * self.size)
            words[row] = stream.random_raw(self.size)
        draws = (words >> np.uint64(53)).astype(np.float64) / 2048
        return [draws.astype(np.float16).reshape(-1, *self.op.result.type.shape)], state


@semantics("lynxi.lyn_random_data")
def random(module: Module, op: Op) -> Meaning:
    """Return draws at every tick."""
    return _Draws(op)
