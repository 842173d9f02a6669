"""What a network computes of its last spikes, left to the host where a chip sends spikes alone.

Potentials of layers that never fire, weights behind the last neurons, means of spikes: a chip with
integers sends none of them. The network is cut at the spikes that they read, which the chip
returns in their place; behind the cut everything stays as it is, in real numbers, and a build runs
it on what the files give. Nothing is approximated by it, and it is said (`host-reads-out`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.engine import Program
from snnc.ir.analysis import live_ops, makers
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import with_ops
from snnc.ir.weights import Array

FILE, FILE_WEIGHTS = "host.snn", "host.safetensors"
"""Files of a build that hold the part for the host."""


def parted(module: Module, target: Any) -> tuple[Module, Module | None]:
    """Return the part of a network for a target and the one for the host, None for none.

    A target whose class has `reads_out` sends spikes alone; these are the kinds of ops behind
    spikes that it takes all the same. A network is left whole, for its target to judge, where real
    outputs depend on inputs without a layer of spikes between, or are potentials of a layer that
    fires.
    """
    own: Sequence[str] | None = getattr(target, "reads_out", None)
    real = [v for v in module.graph.outputs if v.type.element.is_float]
    if own is None or module.level != "snn" or not real or not all(v.type.timed for v in real):
        return module, None
    found = _behind(module, real)
    if found is None or all(op.kind in own for op in found[0]):
        return module, None
    ops, spikes = found
    graph = module.graph
    sent = tuple(dict.fromkeys((*(v for v in graph.outputs if v not in real), *spikes)))
    live = live_ops(evolve(graph, outputs=sent))
    rest = {name: value for name, value in module.attrs.items() if name != "readout"}
    front = evolve(with_ops(module, live, sent), attrs=rest)
    behind = module.with_graph(evolve(graph, inputs=spikes))
    told = {name: value for name, value in module.attrs.items() if name == "readout"}
    return front, evolve(with_ops(behind, ops, real), attrs=told)


def _behind(module: Module, real: Sequence[Value]) -> tuple[list[Op], tuple[Value, ...]] | None:
    """Return the ops between spikes and real outputs, and those spikes, both in text order."""
    made_by = makers(module.graph)
    ops: set[Op] = set()
    spikes: set[Value] = set()
    todo = list(real)
    while todo:
        value = todo.pop()
        op = made_by.get(value)
        fires = op is not None and op.kind == "neuron" and value is op.result
        if fires and not value.type.element.is_float:
            spikes.add(value)
        elif op is None or (op.kind == "neuron" and op["reset"] != "none"):
            return None
        elif op not in ops:
            ops.add(op)
            todo += op.values
    results = (r for op in module.graph.ops for r in op.results)
    ordered = tuple(value for value in results if value in spikes)
    return ([op for op in module.graph.ops if op in ops], ordered) if ordered else None


def tell(tail: Module, diagnostics: Diagnostics) -> None:
    """Say what runs on the host."""
    diagnostics.note(
        "host-reads-out",
        f"the chip sends {_names(tail.graph.inputs)}; the host computes "
        f"{_names(tail.graph.outputs)} of it, in real numbers ({kinds(tail)})",
    )


def _names(values: Sequence[Value]) -> str:
    return ", ".join(f"%{value.name}" for value in values)


def kinds(tail: Module) -> str:
    """Return the kinds of ops on the host, in their order, each once."""
    return ", ".join(dict.fromkeys(op.kind for op in tail.graph.ops))


def seen(module: Module, outputs: Sequence[str], tail: Module) -> Module:
    """Return a program with the outputs that a build returns in place of what its chip sends."""
    known = {v.name: v for v in (*module.graph.outputs, *tail.graph.outputs)}
    graph = evolve(module.graph, outputs=tuple(known[name] for name in outputs))
    return evolve(module, graph=graph, attrs={**module.attrs, **tail.attrs})


@frozen
class Readout:
    """Runs the part for the host; `outputs` are all outputs of the build, in their order."""

    module: Module
    outputs: tuple[str, ...]
    program: Program

    def run(self, sent: Mapping[str, Array], state: Any = None) -> tuple[dict[str, Array], Any]:
        """Return the outputs of a build and the state behind them, from what the chip sent."""
        read = self.module.graph.inputs
        trains = {v.name: sent[v.name].astype(v.type.element.storage) for v in read}
        ran = self.program.run(trains, state=state)
        every = {**sent, **ran.outputs}
        return {name: every[name] for name in self.outputs}, ran.state
