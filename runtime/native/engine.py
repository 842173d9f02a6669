"""The native engine: the schedule of the numpy engine with machine code for what costs time.

Products and neurons of level `int` run natively, a product fused with the neuron that alone reads
it; every other op runs as in the numpy engine. Samples are spread over threads. Without llvmlite
the engine is the numpy engine, and says so in the program's notes.
"""

from collections.abc import Callable, Sequence
from threading import Event
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from snnc.diagnostics import Diagnostic, Severity
from snnc.ir.analysis import makers, readers
from snnc.ir.graph import Module, Op, Value
from snnc.ir.weights import Array
from snnc.machine import installed, missing, store
from snnc.machine.threads import spread, threads
from snnc.runtime.inputs import Batch
from snnc.runtime.native.bounds import ranges
from snnc.runtime.native.grids import grids
from snnc.runtime.numpy_engine import Held, NumpyProgram, Plan
from snnc.runtime.numpy_engine import kernel as plain_kernel
from snnc.runtime.numpy_schedule import Stage
from snnc.runtime.numpy_trains import Kernel
from snnc.runtime.state import Probes

if TYPE_CHECKING:
    from snnc.runtime.native.arrangement import Arrangement
    from snnc.runtime.native.bounds import Range
    from snnc.runtime.native.fusion import Fusion
    from snnc.runtime.native.neurons import Neurons
    from snnc.runtime.native.real_neurons import RealNeurons
    from snnc.runtime.native.source import Source
    from snnc.runtime.native.terms import Term

CHUNK_BYTES = 1 << 22
"""Bytes of values that the samples of a chunk have: they stay in the caches of a core."""

MISSING = missing("the numpy engine runs instead, exactly but slower")


@frozen
class NativeEngine:
    """Machine code for integer networks.

    `path` names the instructions it may use (`auto`, or one of `snnc.machine.paths`);
    `jobs` is the number of threads, 0 for SNNC_THREADS or one per processor; `cache` keeps
    compiled code on disk.
    """

    path: str = "auto"
    jobs: int = 0
    cache: bool = True
    name: str = "native"
    levels: tuple[str, ...] = ("snn", "int")

    def prepare(self, module: Module) -> "NumpyProgram":
        """Return a program, whose `notes` tell what does not run as machine code.

        Raises:
            SnncError: what the reference raises; `unknown-path`, `bad-threads`.
        """
        if not installed():
            program = NumpyProgram(module)
            program.notes = (MISSING,)
            return program
        return NativeProgram(module, self)


class NativeProgram(NumpyProgram):
    """A module with native kernels where there are some."""

    def __init__(self, module: Module, engine: NativeEngine) -> None:
        from snnc.machine.compiler import Compiler
        from snnc.machine.paths import choose

        folder = store.cache_folder() if engine.cache else None
        self.compiler = Compiler(choose(engine.path), folder)
        self.jobs = engine.jobs or threads()
        self.sources: dict[Op, Source] = {}
        self.fused: dict[Op, Fusion] = {}
        self._fusions: dict[Op, Kernel] = {}
        self._plans: dict[tuple[tuple[Op, ...], frozenset[Value]], Plan] = {}
        self._ranges, self._makers = ranges(module), makers(module.graph)
        self._grids = grids(module) if module.level == "snn" else {}
        super().__init__(module)
        self._pictures = _pictures(module)
        loops = [stage for stage in self.whole.stages if stage.loop]
        self._looped = {r for s in loops for op in (*s.ops, *s.delays) for r in op.results}
        self.notes = tuple(_notes(self.kernels))
        self._fuse()

    def kernel(self, op: Op) -> Kernel:
        """Return the native kernel of an op, or that of the numpy engine."""
        from snnc.runtime.native.elementwise import elementwise
        from snnc.runtime.native.layers import Gathered, Scanned, flat
        from snnc.runtime.native.pools import pool

        if op.kind == "neuron" and op.result.type.size:
            x = self._ranges[op.values[0]]
            element = op.values[0].type.element
            if not element.is_float:
                x = max(x[0], element.low), min(x[1], element.high)
            neurons = self._neurons(op, flat(op, self._together(op)), x)
            if neurons is not None:
                return Scanned(self.compiler, neurons)
        if _multiplies(op) and op.values[0].type.timed:
            found = self._source(op)
            if found is not None:
                self.sources[op] = found
                return Gathered(self.compiler, found, None)
            if self.module.level == "snn":
                from snnc.runtime.native.rounded import rounded

                kernel = rounded(self.module, op, self.compiler)
                if kernel is not None:
                    return kernel
        simple = elementwise(self.module, op, [self._ranges[v] for v in op.values])
        if simple is not None:
            return simple
        plain = plain_kernel(self.module, op)
        if "_pool" in op.kind:
            return pool(op, self._ranges[op.values[0]]) or plain
        return plain

    def _together(self, op: Op) -> bool:
        """Return whether what an op reads has channels together: what windows slid over has."""
        maker = self._makers.get(op.values[0])
        while maker is not None and maker.kind in ("add", "sub", "scale"):
            maker = self._makers.get(maker.values[0])
        return maker is not None and (maker.kind.startswith("conv") or "_pool" in maker.kind)

    def _source(self, op: Op) -> "Source | None":
        """Return the product of an op, None where machine code would not be exact."""
        from snnc.runtime.native.source import real_source, source

        if self.module.level == "int":
            return source(self.module, op, self._ranges[op.values[0]])
        return real_source(self.module, op, self._grids.get(op.values[0]))

    def _neurons(
        self, op: Op, arrangement: "Arrangement", x: "Range", terms: "Sequence[Term]" = ()
    ) -> "Neurons | RealNeurons | None":
        """Return the neurons of an op, None where machine code would not be exact."""
        from snnc.runtime.native.neurons import Neurons
        from snnc.runtime.native.real_neurons import real_neurons

        if self.module.level == "int":
            return Neurons(self.module, op, arrangement, x, terms)
        return real_neurons(self.module, op, arrangement, terms)

    def plan(self, wanted: Probes) -> Plan:
        """Return a plan with the fusions of all products that need not be seen."""
        seen = {*self.module.graph.outputs, *wanted.values.values()}
        fused = tuple(n for n, found in self.fused.items() if not found.hidden & seen)
        looped = frozenset(seen & self._looped)
        if (fused, looped) not in self._plans:
            found = {neuron: self.fused[neuron] for neuron in fused}
            self._plans[fused, looped] = self._planned(found, seen)
        return self._plans[fused, looped]

    def _planned(self, fused: "dict[Op, Fusion]", seen: set[Value]) -> Plan:
        """Return the plan in which some neurons, the keys, do the work of other ops too.

        Of what loops make, `seen` is kept.
        """
        gone = {op for found in fused.values() for op in found.gone}
        kernels = {op: k for op, k in self.kernels.items() if op not in gone}
        kernels |= {neuron: self._fusions[neuron] for neuron in fused}
        reads = {neuron: found.reads for neuron, found in fused.items()}
        kept = (_without(stage, gone) for stage in self.whole.stages)
        plan = Plan(tuple(stage for stage in kept if stage.ops), kernels, reads)
        looped = [stage for stage in plan.stages if stage.loop]
        if not looped:
            return plan
        from snnc.runtime.native.loops import loop

        loops = {s: loop(self.module, self.compiler, s, plan, seen) for s in looped}
        return evolve(plan, loops={stage: found for stage, found in loops.items() if found})

    def made(self) -> list[Value]:
        """Return the values of a run that sees no more than it must."""
        hidden = {value for found in self.fused.values() for value in found.hidden}
        return [value for value in super().made() if value not in hidden]

    def given(self, batch: Batch) -> dict[Value, Array]:
        """Return the inputs; pictures of bytes that windows slide over have channels together."""
        found = super().given(batch)
        if self._pictures:
            from snnc.runtime.native.turning import channels_last

            found |= {v: channels_last(self.compiler, found[v]) for v in self._pictures}
        return found

    def chunk(self, batch: Batch) -> int:
        """Return how many samples run at a time: few enough for caches, enough for threads."""
        few = max(1, CHUNK_BYTES // self.sample_bytes(min(batch.ticks, self.longest())))
        return max(1, min(few, -(-batch.samples // self.jobs)))

    def each(self, run: Callable[[int], Held], starts: range, halt: Event) -> list[Held]:
        """Run chunks in threads of their own; the first chunk that fails is the one reported."""
        return spread(run, starts, self.jobs, halt)

    def _fuse(self) -> None:
        """Note which neurons are alone in reading a product, and give them a common kernel."""
        from snnc.runtime.native.elementwise import Elementwise
        from snnc.runtime.native.fusion import fusion
        from snnc.runtime.native.layers import Gathered

        made_by, read_by = self._makers, readers(self.module.graph)
        simple = {op for op, k in self.kernels.items() if isinstance(k, Elementwise)}
        stage = {op: stage for stage in self.whole.stages for op in stage.ops}
        for op in self.module.ops("neuron"):
            # A product outside of a loop is made for all ticks at once, which is faster.
            near = {
                product: found
                for product, found in self.sources.items()
                if not stage[op].loop or stage[product] is stage[op]
            }
            found = fusion(self.module, op, made_by, lambda v: len(read_by[v]) == 1, near, simple)
            if found is None:
                continue
            source = self.sources[found.product]
            x = self._ranges[op.values[0]] if found.terms else source.total
            neurons = self._neurons(op, source.result, x, found.terms)
            if neurons is not None:
                self.fused[op] = found
                self._fusions[op] = Gathered(self.compiler, source, neurons)


def _multiplies(op: Op) -> bool:
    return op.kind.endswith("linear") or op.kind.startswith("conv")


def _pictures(module: Module) -> list[Value]:
    """Return the inputs, bytes, that windows slide over."""
    read = {v for op in module.graph.ops if op.kind.startswith("conv") for v in op.values}
    bytes_ = [v for v in module.graph.inputs if v.type.element.storage.itemsize == 1]
    return [v for v in bytes_ if v in read and v.type.timed and v.type.shape[0] > 1]


def _without(stage: Stage, gone: set[Op]) -> Stage:
    return evolve(stage, ops=tuple(op for op in stage.ops if op not in gone))


def _notes(kernels: dict[Op, Kernel]) -> list[Diagnostic]:
    """Return a note for every product and neuron that has no native kernel."""
    return [
        Diagnostic(
            Severity.NOTE,
            "op-not-native",
            f"%{op.result.name}: {op.name} runs in the numpy engine, exactly but slower",
            op.loc,
        )
        for op, kernel in kernels.items()
        if (_multiplies(op) or op.kind == "neuron")
        and not type(kernel).__module__.startswith("snnc.runtime.native.")
    ]
