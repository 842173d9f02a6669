"""A program cut in two: what runs on the host (its encoders), and what runs on the chip.

The cut goes through the values that the chip takes: inputs of the program, or results of encoders.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from snnc.diagnostics import fail, nearest
from snnc.extend.engine import Engine
from snnc.ir.analysis import live_ops, makers
from snnc.ir.graph import Module, Value
from snnc.ir.rewrite import with_ops
from snnc.ir.weights import Array


def encoders(module: Module, taken: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return, for each value a chip takes that is no input of the program, what makes it.

    The entry is plain data: `op`, `of` (the value that it reads, empty for none), attributes.
    """
    made_by = {v.name: op for v, op in makers(module.graph).items()}
    return {
        name: {
            "op": made_by[name].kind,
            "of": ", ".join(v.name for v in made_by[name].values),
            **made_by[name].attrs,
        }
        for name in taken
        if name in made_by
    }


def numbering(module: Module, first_sample: int) -> dict[str, Any]:
    """Return the argument of a run that numbers samples, where a module draws by their numbers.

    Engines of plugins need not know it for modules that draw nothing.
    """
    return {"first_sample": first_sample} if any(True for _ in module.ops("poisson")) else {}


def _values(module: Module, names: Sequence[str]) -> tuple[Value, ...]:
    known = {v.name: v for v in module.graph.inputs}
    known |= {r.name: r for op in module.graph.ops for r in op.results}
    for name in names:
        if name not in known:
            raise fail(
                "target-inputs",
                f"the chip takes %{name}, which the program does not have",
                help=nearest(name, list(known)) + " (compare with the network that was compiled)",
            )
    return tuple(known[name] for name in names)


class Host:
    """The host's side of a program: from its inputs to the values that the chip takes."""

    def __init__(self, module: Module, taken: Sequence[str], engine: Engine) -> None:
        self.taken = _values(module, taken)
        live = live_ops(evolve(module.graph, outputs=self.taken))
        self._program = engine.prepare(with_ops(module, live, self.taken))
        self._module = module
        self._ops = set(live)

    def encode(
        self,
        inputs: Mapping[str, Array],
        ticks: int | None = None,
        state: Any = None,
        first_sample: int = 0,
    ) -> tuple[dict[str, Array], Any]:
        """Return what the chip takes, by name, and the state for the ticks that follow.

        `first_sample` is the number of the first sample, by which encoders draw.
        """
        numbers = numbering(self._module, first_sample)
        ran = self._program.run(inputs, ticks=ticks, state=state, **numbers)
        return {value.name: ran.outputs[value.name] for value in self.taken}, ran.state

    def rest(self) -> Module:
        """Return the part of the program behind the cut; its inputs are what the chip takes."""
        module = self._module
        ops = [op for op in live_ops(module.graph) if op not in self._ops]
        return with_ops(module.with_graph(evolve(module.graph, inputs=self.taken)), ops)
