"""Ops that multiply and add: matrices, convolutions, pools, joins, norms; for `int` and `snn`.

At `int` every sum is an integer without rounding; one that the result's element cannot hold is an
error. At `snn` every sum is the sum of real numbers, rounded once to the result's element, and a
result that is infinite is an error.
"""

from collections.abc import Callable

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.types import F32, Element
from snnc.ir.weights import Array
from snnc.runtime.semantics import Meaning, OutOfRange, Stateless, exact, semantics, windows

Function = Callable[[Array], Array]


def both(*kinds: str) -> tuple[str, ...]:
    """Return the full names of ops that `int` and `snn` share."""
    return tuple(f"{level}.{kind}" for level in ("int", "snn") for kind in kinds)


def stored(op: Op, array: Array) -> Array:
    """Return integers or floats in the storage of the op's result, after checking that they fit."""
    element = op.result.type.element
    if element.is_float:
        bad, holds = ~np.isfinite(array), f"{element} holds finite numbers"
    else:
        bad = (array < element.low) | (array > element.high)
        holds = f"{element} holds {element.low}..{element.high}"
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise OutOfRange(op.result.name, index, array[index], holds)
    return array.astype(element.storage)


def product(
    op: Op, matrix: Array, bias: Array | None, element: Element, divisor: Array | None = None
) -> Function:
    """Return x -> x @ matrix + bias over the last axis of x, which holds `element`.

    The result is stored; at `snn` it may be divided by a positive number before its one rounding.
    """
    make = _real_product if op.result.type.element.is_float else _integer_product
    return make(op, matrix, bias, element, divisor)


def _integer_product(
    op: Op, matrix: Array, bias: Array | None, element: Element, divisor: Array | None
) -> Function:
    w = matrix.astype(np.int64)
    greatest = max(-element.low, element.high)
    bound = int(np.abs(w).sum(axis=0).max(initial=0)) * greatest
    kind = np.int64 if bound + 2**32 < 2**63 else object
    w = w.astype(kind)
    start = 0 if bias is None else bias.astype(kind)
    return lambda x: stored(op, x.astype(kind) @ w + start)


def _real_product(
    op: Op, matrix: Array, bias: Array | None, element: Element, divisor: Array | None
) -> Function:
    mine, theirs = exact.significant_bits(element, matrix.shape[0])
    w = exact.slices(matrix, theirs)
    start = [] if bias is None else [bias.astype(np.float64)]

    def run(x: Array) -> Array:
        shape = (*x.shape[:-1], matrix.shape[1])
        terms = exact.dot(exact.slices(x, mine), w, shape)
        terms = [*terms, *(np.broadcast_to(b, shape) for b in start)]
        kind = op.result.type.element
        if divisor is None:
            return stored(op, exact.rounded(terms, kind))
        return stored(op, exact.divided(terms, divisor, kind))

    return run


def _bias(module: Module, op: Op) -> Array | None:
    return module.tensor(op.symbols[1]) if len(op.symbols) > 1 else None


@semantics(*both("linear"))
def linear(module: Module, op: Op) -> Meaning:
    """Return the matrix product over the last axis."""
    w = module.tensor(op.symbols[0])
    return Stateless(product(op, w.T, _bias(module, op), op.values[0].type.element))


@semantics(*both("masked_linear"))
def masked_linear(module: Module, op: Op) -> Meaning:
    """Return the matrix product with weights that a mask sets to zero."""
    w, mask = (module.tensor(s) for s in op.symbols[:2])
    return Stateless(product(op, (w * mask.astype(w.dtype)).T, None, op.values[0].type.element))


@semantics(*both("scale"))
def scale(module: Module, op: Op) -> Meaning:
    """Return the product element by element."""
    w, shape = module.tensor(op.symbols[0]), op.result.type.shape
    if w.shape == shape[:1] and len(shape) > 1:
        w = w.reshape(-1, *[1] * (len(shape) - 1))
    w = np.broadcast_to(w if w.shape != (1,) else w.reshape(()), shape)
    if not op.result.type.element.is_float:
        whole = w.astype(np.int64)
        return Stateless(lambda x: stored(op, x.astype(np.int64) * whole))
    parts = exact.slices(w, exact.MANTISSA // 2)

    def run(x: Array) -> Array:
        terms = [a * b for a in exact.slices(x, exact.MANTISSA // 2) for b in parts]
        return stored(op, exact.rounded(terms or [np.zeros(x.shape)], op.result.type.element))

    return Stateless(run)


@semantics(*both("conv1d", "conv2d"))
def convolution(module: Module, op: Op) -> Meaning:
    """Return the correlation of each group of channels with its kernels."""
    w = module.tensor(op.symbols[0])
    shape = windows.geometry(op, w.shape[2:])
    return Stateless(_grouped(module, op, w, lambda x: windows.taps(x, shape)))


@semantics(*both("conv_transpose1d", "conv_transpose2d"))
def transposed(module: Module, op: Op) -> Meaning:
    """Return the transposed convolution, as a correlation over the spread input."""
    w, groups = module.tensor(op.symbols[0]), op["groups"]
    kernel = w.shape[2:]
    flipped = np.flip(w, axis=tuple(range(2, w.ndim)))
    parts = [np.swapaxes(part, 0, 1) for part in np.split(flipped, groups)]
    return Stateless(
        _grouped(
            module,
            op,
            np.concatenate(parts),
            lambda x: windows.taps(*windows.upsampled(op, kernel, x)),
        )
    )


def _grouped(module: Module, op: Op, w: Array, look: Function) -> Function:
    """Return x -> sums over channels and taps; `w` is (out, in per group, *kernel)."""
    groups, bias = op["groups"], _bias(module, op)
    element, (outs, ins) = op.values[0].type.element, w.shape[:2]
    out, per = op.result.type.shape, outs // groups
    taps, places = int(np.prod(w.shape[2:])), int(np.prod(out[1:]))
    parts = []
    for g in range(groups):
        mine = slice(g * per, (g + 1) * per)
        matrix = w[mine].reshape(per, -1).T
        parts.append(product(op, matrix, None if bias is None else bias[mine], element))

    def run(x: Array) -> Array:
        seen = look(x).reshape(len(x), groups * ins, taps, places)
        sums = []
        for g, part in enumerate(parts):
            mine = seen[:, g * ins : (g + 1) * ins]
            rows = np.moveaxis(mine, 3, 1).reshape(len(x), places, ins * taps)
            sums.append(np.moveaxis(part(rows), 2, 1))
        return np.concatenate(sums, axis=1).reshape(len(x), *out)

    return run


@semantics(*both("sum_pool1d", "sum_pool2d"), "snn.avg_pool1d", "snn.avg_pool2d")
def sum_or_mean(module: Module, op: Op) -> Meaning:
    """Return the sum of each window, or its mean."""
    kernel = tuple(op["kernel"])
    shape = windows.geometry(op, kernel)
    divisor = None
    if op.kind.startswith("avg"):
        size = np.asarray(int(np.prod(kernel)))
        held = size if op["count_padding"] else windows.inside(op, shape)
        divisor = np.broadcast_to(held, shape.out)[..., None]
    ones = np.ones((int(np.prod(kernel)), 1))
    add = product(op, ones, None, op.values[0].type.element, divisor)
    return Stateless(lambda x: add(np.moveaxis(windows.taps(x, shape), 2, -1))[..., 0])


@semantics(*both("max_pool1d", "max_pool2d"))
def greatest(module: Module, op: Op) -> Meaning:
    """Return the largest value of each window."""
    shape = windows.geometry(op, tuple(op["kernel"]))
    windows.inside(op, shape)
    element = op.values[0].type.element
    least = -np.inf if element.is_float else element.low
    return Stateless(lambda x: np.asarray(windows.taps(x, shape, least).max(axis=2)))


@semantics(*both("add", "sub"))
def joined(module: Module, op: Op) -> Meaning:
    """Return the sum of all operands, or the difference of two."""
    signs = np.ones(len(op.values)) if op.kind == "add" else np.array([1.0, -1.0])
    kind = np.float64 if op.result.type.element.is_float else np.int64

    def run(*values: Array) -> Array:
        terms = [v.astype(kind) * s.astype(kind) for v, s in zip(values, signs, strict=True)]
        if kind is np.int64:
            return stored(op, np.asarray(sum(terms)))
        return stored(op, exact.rounded(terms, op.result.type.element))

    return Stateless(run)


@semantics("snn.relu")
def relu(module: Module, op: Op) -> Meaning:
    """Return the positive part."""
    storage = op.result.type.element.storage
    return Stateless(lambda x: np.maximum(x.astype(storage), storage.type(0)))


@semantics("snn.batch_norm")
def batch_norm(module: Module, op: Op) -> Meaning:
    """Return the normalized value: the formula in float64, step by step, then rounded once."""
    shape = (-1, *[1] * (len(op.result.type.shape) - 1))
    mean, variance, gamma, beta = (
        module.tensor(s).astype(np.float64).reshape(shape) for s in op.symbols[:4]
    )
    deviation = np.sqrt(variance + np.float64(op["epsilon"]))
    storage = op.result.type.element.storage if op.result.type.element.is_float else F32.storage

    def run(x: Array) -> Array:
        with np.errstate(all="ignore"):
            y = (x.astype(np.float64) - mean) / deviation * gamma + beta
            return stored(op, y.astype(storage))

    return Stateless(run)
