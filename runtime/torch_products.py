"""Products of tensors: bytes in 32 bits, or floats whose sums are proven exact or checked.

A convolution gathers what each window reads and multiplies it with a matrix, so that no library
may choose Winograd's or Fourier's way. Real numbers are summed in float64 and rounded where the
bound on the sum's error leaves no doubt; the rest is summed exactly on the processor.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from attrs import frozen

from snnc.ir.graph import Module, Op
from snnc.ir.types import Element
from snnc.ir.weights import Array
from snnc.runtime.numpy_reals import doubt, exactly
from snnc.runtime.semantics import OutOfRange, windows

BYTES = 8
"""Multiples that products of bytes on CUDA need in every size."""

FEWEST_ROWS = 17
"""Rows that they need at least."""

BLOCK_BYTES = 1 << 28
"""Bytes of gathered windows at a time."""


@frozen(eq=False)
class Lookup:
    """What windows read: places of elements in a row, 1 for the first, 0 for what is outside."""

    places: Any

    def __call__(self, x: Any, outside: int = 0) -> Any:
        """Return `(rows, places)` of x `(rows, *shape)`."""
        flat = x.flatten(1)
        wide = torch.nn.functional.pad(flat, (1, 0), value=outside)
        return wide.index_select(1, self.places)


def lookup(op: Op, look: Callable[[Array], Array], device: Any) -> Lookup:
    """Return what a function of numpy arrays, which moves and repeats elements, reads."""
    type = op.values[0].type
    numbers = np.arange(1, type.size + 1).reshape(1, *type.shape)
    return Lookup(torch.from_numpy(np.ascontiguousarray(look(numbers).reshape(-1))).to(device))


def product(module: Module, op: Op, device: Any) -> Callable[[Any], Any] | None:
    """Return the product of an op as a function of rows; None where none is exact."""
    w = module.tensor(op.symbols[0])
    if op.kind == "masked_linear":
        w = w * module.tensor(op.symbols[1]).astype(w.dtype)
    bias = None
    if op.kind != "masked_linear" and len(op.symbols) > 1:
        bias = module.tensor(op.symbols[1])
    if op.kind.endswith("linear"):
        multiply = _product(op, w, bias, device)
        return multiply and (
            lambda x: multiply(x.reshape(-1, w.shape[1])).reshape(*x.shape[:-1], -1)
        )
    return _convolution(op, w, bias, device)


def _convolution(op: Op, w: Array, bias: Array | None, device: Any) -> Callable[[Any], Any] | None:
    groups, out, kernel = op["groups"], op.result.type.shape, w.shape[2:]
    if op.kind.startswith("conv_transpose"):
        flipped = np.flip(w, axis=tuple(range(2, w.ndim)))
        w = np.concatenate([np.swapaxes(part, 0, 1) for part in np.split(flipped, groups)])

        def look(x: Array) -> Array:
            return windows.taps(*windows.upsampled(op, kernel, x))

    else:
        shape = windows.geometry(op, kernel)

        def look(x: Array) -> Array:
            return windows.taps(x, shape)

    per, ins, taps = w.shape[0] // groups, w.shape[1], int(np.prod(kernel))
    places = int(np.prod(out[1:]))

    def rows_of(x: Array) -> Array:
        seen = look(x).reshape(groups, ins, taps, places)
        return seen.transpose(0, 3, 1, 2)

    reading = lookup(op, rows_of, device)
    parts = [
        _product(
            op,
            w[g * per : (g + 1) * per].reshape(per, -1),
            None if bias is None else bias[g * per : (g + 1) * per],
            device,
        )
        for g in range(groups)
    ]
    if None in parts:
        return None

    def some(x: Any) -> Any:
        seen = reading(x).reshape(len(x), groups, places, ins * taps)
        made = [
            multiply(seen[:, g].reshape(-1, ins * taps)).reshape(len(x), places, per)
            for g, multiply in enumerate(parts)
            if multiply is not None
        ]
        return torch.cat(made, dim=2).transpose(1, 2).reshape(len(x), *out)

    def run(x: Any) -> Any:
        step = max(1, BLOCK_BYTES // (8 * len(reading.places)))
        return torch.cat([some(part) for part in x.split(step)])

    return run


def _product(op: Op, w: Array, bias: Array | None, device: Any) -> Callable[[Any], Any] | None:
    """Return x -> x @ w.T + bias over rows `(rows, in)`."""
    element = op.values[0].type.element
    if op.result.type.element.is_float:
        return _Real(op, w, bias, device)
    whole = w.astype(np.int64)
    start = np.zeros(len(w), np.int64) if bias is None else bias.astype(np.int64)
    greatest = max(-element.low, element.high)
    bound = int(np.abs(whole).sum(axis=1).max(initial=0)) * greatest
    bound += int(np.abs(start).max(initial=0))
    if bound >= 2**53:
        return None
    least, most = int(whole.min(initial=0)), int(whole.max(initial=0))
    small = bound < 2**31 and least >= -128 and most <= 127 and element.bits <= 8
    if small and _has_bytes(device):
        return _bytes(whole, start, element, device)
    kind = torch.float32 if bound < 2**24 else torch.float64
    matrix, constant = (torch.from_numpy(a).to(device, kind) for a in (whole.T.copy(), start))
    return lambda x: whole_numbers(op, x.to(kind) @ matrix + constant, bound)


def whole_numbers(op: Op, y: Any, bound: int = 2**63) -> Any:
    """Return whole numbers up to a bound in 32 bits, refusing what the result cannot hold.

    Raises:
        OutOfRange: a number is beyond the range of the result's element.
    """
    element = op.result.type.element
    if bound > element.high and bool(((y < element.low) | (y > element.high)).any()):
        raise OutOfRange(op.result.name, (), None, "")
    return y.to(torch.int32)


def _has_bytes(device: Any) -> bool:
    """Return whether products of bytes on a device are sums of 32 bits.

    Processors without VNNI add pairs of products in 16 bits, which saturate.
    """
    if device.type == "cuda":
        return True
    return device.type == "cpu" and bool(torch.cpu._is_vnni_supported())


def _bytes(w: Array, bias: Array, element: Element, device: Any) -> Callable[[Any], Any]:
    """Return the product of bytes; those above 127 are cut in two."""
    out, ins = w.shape
    wide = np.zeros((-(-ins // BYTES) * BYTES, -(-out // BYTES) * BYTES), dtype=np.int8)
    wide[:ins, :out] = w.T
    # Columns of a matrix one after the other are what products on CUDA take.
    matrix = torch.from_numpy(np.ascontiguousarray(wide.T)).to(device).t()
    constant = torch.from_numpy(bias.astype(np.int32)).to(device)

    def multiply(x: Any) -> Any:
        rows = max(FEWEST_ROWS, len(x))
        padded = torch.zeros((rows, len(wide)), dtype=torch.int8, device=x.device)
        padded[: len(x), :ins] = x
        return torch._int_mm(padded, matrix)[: len(x), :out]

    def run(x: Any) -> Any:
        if element.high <= 127:
            return multiply(x) + constant
        return multiply(x & 127) + 128 * multiply(x >> 7) + constant

    return run


class _Real:
    """A product of real numbers, each sum rounded once to the result's element."""

    def __init__(self, op: Op, w: Array, bias: Array | None, device: Any) -> None:
        self.op, self.w = op, w.astype(np.float64)
        self.bias = np.zeros(len(w)) if bias is None else bias.astype(np.float64)
        limits = doubt(np.abs(self.w).sum(axis=1), self.bias, w.shape[1])
        arrays = (np.ascontiguousarray(self.w.T), self.bias, *limits)
        self.tensors = [torch.from_numpy(array).to(device) for array in arrays]
        storage = op.result.type.element.storage
        self.kind = torch.float16 if storage == np.float16 else torch.float32

    def __call__(self, x: Any) -> Any:
        matrix, bias, each, start = self.tensors
        x = x.to(torch.float64)
        y = x @ matrix + bias
        reach = x.abs().amax(1, keepdim=True) * each + start
        found, least = (self._rounded(end) for end in (y + reach, y - reach))
        doubtful = found != least
        if bool(doubtful.any()):
            rows, places = doubtful.nonzero(as_tuple=True)
            inputs, outs = x[rows].cpu().numpy(), places.cpu().numpy()
            element = self.op.values[0].type.element, self.op.result.type.element
            right = exactly(inputs, self.w[outs], self.bias[outs], *element)
            found[doubtful] = torch.from_numpy(right.astype(np.float32)).to(x.device, self.kind)
        if not bool(torch.isfinite(found).all()):
            raise OutOfRange(self.op.result.name, (), None, "")
        return found

    def _rounded(self, y: Any) -> Any:
        """Return float64 rounded once, to float16 by adding a number so large.

        What float64 then rounds off is what lies behind float16's last place. Torch itself goes
        by way of float32 and so rounds twice.
        """
        if self.kind == torch.float32:
            return y.to(torch.float32)
        exponent = (y.view(torch.int64) & (0x7FF << 52)).clamp(min=(1023 - 14) << 52)
        large = (exponent + (42 << 52) | (1 << 51)).view(torch.float64)
        return ((y + large) - large).to(torch.float16)
