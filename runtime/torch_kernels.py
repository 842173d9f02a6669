"""Ops on tensors: exact products, sums, pools and moves, and the arithmetic that they forbid.

Tensors of whole numbers have 8 bits, or 32 where the element needs more; potentials have 64.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from attrs import frozen

from snnc.ir.graph import Module, Op
from snnc.ir.types import F16, F32
from snnc.ir.weights import Array
from snnc.runtime.numpy_trains import Delaying, Kernel
from snnc.runtime.semantics import OutOfRange, State, windows
from snnc.runtime.torch_neurons import IntegerScan, RealScan
from snnc.runtime.torch_products import lookup, product, whole_numbers

WIDER = {np.dtype(np.uint16): np.dtype(np.int32)}
"""Numbers that tensors cannot compute with, by those that hold them."""

LARGEST = 2**31 - 1


@contextmanager
def exactly(device: Any) -> Iterator[None]:
    """Switch off, and on again, what makes float32 less than that: TF32, bfloat16, autocast."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def tensor_of(array: Any, device: Any) -> Any:
    """Return an array, or a tensor, as a tensor on a device."""
    if isinstance(array, np.ndarray):
        kind = WIDER.get(array.dtype, array.dtype)
        array = torch.from_numpy(np.require(array, kind, ["C", "W"]))
    return array.to(device)


def array_of(tensor: Any, kind: "np.dtype[Any] | None" = None) -> Array:
    """Return a tensor, or an array, as an array of a kind."""
    array = tensor if isinstance(tensor, np.ndarray) else tensor.cpu().numpy()
    return np.asarray(array, dtype=kind or array.dtype)


@frozen(eq=False)
class Same:
    """A function of the operands' rows `(samples * ticks, *shape)`, without a state."""

    op: Op
    function: Callable[..., Any]

    def start(self, samples: int, first_sample: int) -> State:
        """Return no state."""
        return ()

    def run(
        self, tick: int, ticks: int, operands: list[Any], state: State, potentials: bool
    ) -> tuple[list[Any], State]:
        """Return the one result; see `snnc.runtime.numpy_trains.Kernel`."""
        lead = operands[0].shape[:2]
        made = self.function(*(x.flatten(0, 1) for x in operands))
        return [made.unflatten(0, lead)], state


@frozen(eq=False)
class Late(Delaying):
    """A delay; its ring is a tensor."""

    def past(self, tick: int, ticks: int, state: State) -> Any:
        """Return the results of at most `by` ticks, which need no operand."""
        return state[0][:, [at % self.op["by"] for at in range(tick, tick + ticks)]]

    def pushed(self, tick: int, values: Any, state: Any) -> Any:
        """Return the ring after the operand's values from `tick` on."""
        ring, by, ticks = state[0].clone(), self.op["by"], values.shape[1]
        kept = min(ticks, by)
        places = [at % by for at in range(tick + ticks - kept, tick + ticks)]
        ring[:, places] = values[:, ticks - kept :].to(ring.dtype)
        return (ring,)

    def run(
        self, tick: int, ticks: int, operands: list[Any], state: State, potentials: bool
    ) -> tuple[list[Any], State]:
        """Return the operand, later."""
        early = self.past(tick, min(ticks, self.op["by"]), state)
        late = operands[0][:, : max(0, ticks - self.op["by"])].to(early.dtype)
        return [torch.cat([early, late], dim=1)], self.pushed(tick, operands[0], state)


def tensor_kernel(module: Module, op: Op, device: Any) -> Kernel | None:
    """Return the kernel of an op in torch; None where it has none that is exact."""
    if op.kind == "delay":
        return Late(op)
    if not op.values or not all(v.type.timed and v.type.size for v in (*op.values, *op.results)):
        return None
    if op.kind == "neuron":
        return (IntegerScan if module.level == "int" else RealScan)(module, op, device)
    function = _function(module, op, device)
    return None if function is None else Same(op, function)


def _function(module: Module, op: Op, device: Any) -> Callable[..., Any] | None:
    kind = op.kind
    if kind.endswith("linear") or kind.startswith("conv"):
        return product(module, op, device)
    if kind.startswith(("max_pool", "sum_pool")):
        return _pool(op, device)
    if kind in ("add", "sub"):
        return _joined(op)
    if kind == "scale":
        return _scaled(module, op, device)
    axis = op["axis"] + 1 if kind in ("concat", "slice") else 0
    moves: dict[str, Callable[..., Any]] = {
        "reshape": lambda x: x.reshape(len(x), *op["shape"]),
        "permute": lambda x: x.permute(0, *(at + 1 for at in op["order"])),
        "slice": lambda x: x.narrow(axis, op["start"], op["stop"] - op["start"]),
        "concat": lambda *xs: torch.cat(xs, dim=axis),
    }
    return moves.get(kind)


def _pool(op: Op, device: Any) -> Callable[..., Any] | None:
    """Return the sum or maximum of each window, of numbers whose sums 64 bits hold."""
    element, kernel = op.values[0].type.element, tuple(op["kernel"])
    if element.is_float or op.result.type.element == F16:
        return None
    shape = windows.geometry(op, kernel)
    largest = op.kind.startswith("max")
    if largest:
        windows.inside(op, shape)
    reading = lookup(op, lambda x: windows.taps(x, shape), device)
    out = op.result.type.shape

    def run(x: Any) -> Any:
        seen = reading(x, element.low if largest else 0).reshape(len(x), out[0], -1, *out[1:])
        if largest:
            return seen.amax(2)
        total = seen.sum(2, dtype=torch.int64)
        real = op.result.type.element.is_float
        return total.to(torch.float32) if real else whole_numbers(op, total)

    return run


def _finite(op: Op, y: Any) -> Any:
    if not bool(torch.isfinite(y).all()):
        raise OutOfRange(op.result.name, (), None, "")
    return y


def _single(op: Op) -> bool:
    """Whether one float32 operation on the operands rounds once: float32 holds them."""
    elements = [v.type.element for v in op.values]
    small = all(e == F32 or (not e.is_float and e.bits <= 16) for e in elements)
    return small and op.result.type.element == F32


def _joined(op: Op) -> Callable[..., Any] | None:
    sign = -1 if op.kind == "sub" else 1
    if not op.result.type.element.is_float:

        def add(first: Any, *others: Any) -> Any:
            total = first.to(torch.int64)
            for other in others:
                total = total + sign * other.to(torch.int64)
            return whole_numbers(op, total)

        return add
    if not _single(op) or len(op.values) != 2:
        return None

    def one(first: Any, other: Any) -> Any:
        first, other = (x.to(torch.float32) for x in (first, other))
        return _finite(op, first + other if sign > 0 else first - other)

    return one


def _scaled(module: Module, op: Op, device: Any) -> Callable[..., Any] | None:
    w, shape = module.tensor(op.symbols[0]), op.result.type.shape
    if w.shape == shape[:1] and len(shape) > 1:
        w = w.reshape(-1, *[1] * (len(shape) - 1))
    w = w.reshape(()) if w.shape == (1,) else w
    if not op.result.type.element.is_float:
        if int(np.abs(w.astype(np.int64)).max(initial=0)) > LARGEST:
            return None
        whole = tensor_of(w.astype(np.int64), device)
        return lambda x: whole_numbers(op, x.to(torch.int64) * whole)
    if not _single(op) or not np.array_equal(w, w.astype(np.float32)):
        return None
    by = tensor_of(w.astype(np.float32), device)
    return lambda x: _finite(op, x.to(torch.float32) * by)
