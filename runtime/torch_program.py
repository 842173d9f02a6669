"""A module that runs in torch: what has a kernel there as tensors, what has none as arrays."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from snnc.diagnostics import Diagnostic, Severity
from snnc.extend.engine import Result
from snnc.ir.graph import Module, Op
from snnc.runtime.inputs import Batch
from snnc.runtime.numpy_engine import Chunk, NumpyProgram
from snnc.runtime.numpy_engine import kernel as plain_kernel
from snnc.runtime.numpy_trains import Kernel
from snnc.runtime.state import Probes, RunState
from snnc.runtime.torch_kernels import array_of, exactly, tensor_kernel, tensor_of

CHUNK_BYTES = 1 << 28
"""Bytes of values that a chunk of samples may hold."""


class TorchProgram(NumpyProgram):
    """A module whose values are tensors on a device while it runs."""

    def __init__(self, module: Module, device: Any) -> None:
        self.device = device
        super().__init__(module)
        self.notes = tuple(
            Diagnostic(
                Severity.NOTE,
                "op-not-in-torch",
                f"%{op.result.name}: {op.name} runs in the numpy engine, on the processor",
                op.loc,
            )
            for op, kernel in self.kernels.items()
            if not _in_torch(kernel)
        )

    def kernel(self, op: Op) -> Kernel:
        """Return the kernel of an op in torch, or that of the numpy engine."""
        return tensor_kernel(self.module, op, self.device) or plain_kernel(self.module, op)

    def run(
        self,
        inputs: Mapping[str, ArrayLike],
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
        first_sample: int = 0,
    ) -> Result:
        """Run a batch; see `ReferenceProgram.run`, whose results, states and errors these are."""
        with exactly(self.device):
            return super().run(
                inputs, ticks=ticks, state=state, probe=probe, first_sample=first_sample
            )

    def chunk(self, batch: Batch) -> int:
        """Return how many samples run at a time."""
        return max(1, CHUNK_BYTES // self.sample_bytes(min(batch.ticks, self.longest())))

    def begun(
        self, batch: Batch, before: RunState | None, first_sample: int, wanted: Probes
    ) -> Chunk:
        """Return the chunk that runs some samples."""
        return TorchChunk(self, batch, before, first_sample, wanted)


class TorchChunk(Chunk):
    """Some samples whose values are tensors; kernels of numpy are given arrays."""

    def __init__(
        self,
        program: TorchProgram,
        batch: Batch,
        before: RunState | None,
        first_sample: int,
        wanted: Probes,
    ) -> None:
        super().__init__(program, batch, before, first_sample, wanted)
        self.device = program.device
        self.shown = {*program.module.graph.outputs, *wanted.values.values()}
        self.now = {value: tensor_of(x, self.device) for value, x in self.now.items()}
        for op, state in self.states.items():
            if _in_torch(self.plan.kernels[op]):
                self.states[op] = tuple(tensor_of(part, self.device) for part in state)

    def call(self, op: Op, tick: int, ticks: int, operands: list[Any]) -> list[Any]:
        """Return the results of an op, tensors as its operands are."""
        if _in_torch(self.plan.kernels[op]):
            return super().call(op, tick, ticks, operands)
        values = zip(self.plan.operands(op), operands, strict=True)
        arrays = [array_of(x, value.type.element.storage) for value, x in values]
        return [tensor_of(x, self.device) for x in super().call(op, tick, ticks, arrays)]

    def room(self, shape: tuple[int, ...], kind: "np.dtype[Any]") -> Any:
        """Return a tensor to be filled."""
        return tensor_of(np.empty(shape, dtype=kind), self.device)

    def finish(self) -> None:
        """Bring what is seen, and the states, back to arrays."""
        self.now = {v: array_of(self.now[v], v.type.element.storage) for v in self.shown}
        self.potentials = {op: array_of(x) for op, x in self.potentials.items()}
        for op, state in self.states.items():
            kinds = [part.dtype for part in self.plan.kernels[op].start(1, 0)]
            self.states[op] = tuple(array_of(x, k) for x, k in zip(state, kinds, strict=True))


def _in_torch(kernel: Kernel) -> bool:
    return type(kernel).__module__.startswith("snnc.runtime.torch_")
