"""The part of a program that runs on the host: its encoders, between its inputs and the chip."""

from collections.abc import Mapping, Sequence
from typing import Any

from snnc.diagnostics import fail
from snnc.extend.engine import Engine
from snnc.ir.analysis import live_ops, makers
from snnc.ir.graph import Graph, Module, Value
from snnc.ir.rewrite import with_ops
from snnc.ir.weights import Array


def encoders(module: Module, taken: Sequence[Value]) -> dict[str, dict[str, Any]]:
    """Return, for each value a chip takes that is no input of the program, what makes it.

    The entry is plain data: `op`, `of` (the value that it reads, empty for none), attributes.
    """
    made_by = {v.name: op for v, op in makers(module.graph).items()}
    return {
        value.name: {
            "op": made_by[value.name].kind,
            "of": ", ".join(v.name for v in made_by[value.name].values),
            **made_by[value.name].attrs,
        }
        for value in taken
        if value.name in made_by
    }


def host_part(module: Module, taken: Sequence[Value]) -> Module:
    """Return the program that makes what a chip takes from what the user gives."""
    by_name = {v.name: v for v in module.graph.inputs}
    by_name |= {r.name: r for op in module.graph.ops for r in op.results}
    outputs = tuple(by_name[value.name] for value in taken)
    graph = module.graph
    live = live_ops(Graph(graph.name, graph.inputs, graph.ops, outputs, graph.loc))
    return with_ops(module, live, outputs)


def encode(
    module: Module,
    taken: Sequence[Value],
    inputs: Mapping[str, Array],
    ticks: int | None,
    engine: Engine,
) -> dict[str, Array]:
    """Return the arrays that a chip takes, each by its name, for inputs of the whole program."""
    unknown = [v.name for v in taken if v.name not in _names(module)]
    if unknown:
        raise fail(
            "target-inputs",
            f"the chip takes {', '.join(unknown)}, which the program does not make",
            help="this is a defect of the target",
        )
    ran = engine.prepare(host_part(module, taken)).run(inputs, ticks=ticks)
    return {value.name: ran.outputs[value.name] for value in taken}


def _names(module: Module) -> set[str]:
    inputs = {v.name for v in module.graph.inputs}
    return inputs | {r.name for op in module.graph.ops for r in op.results}
