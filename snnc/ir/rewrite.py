"""Rebuilding a module op by op: what a pass is made of.

`rebuild` walks the ops in text order and lets a function replace each; everything that reads a
replaced value is renewed, names are kept, locations inherited, types inferred again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve

from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Operand, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

Replace = Callable[[Op, "Rebuild"], "Sequence[Value] | None"]


class Rebuild(Builder):
    """A builder that remembers which new value stands for each old one."""

    def __init__(self, module: Module, level: str = "") -> None:
        super().__init__(module.name, level or module.level, module.attrs, module.loc)
        self.weights.update(module.weights)
        self.module = module
        # Hosts know outputs by their names, so that no op without one may take them before.
        self._kept = frozenset(value.name for value in module.graph.outputs)
        self.now: dict[Value, Value] = {}
        self._pending: dict[Value, Value] = {}
        self.origin: dict[Op, Op] = {}

    def turn_to(self, op: Op) -> None:
        """Build what replaces an op from now on: at its place, with its names."""
        self.loc = op.loc
        self._kept -= {result.name for result in op.results}

    def __call__(self, old: Value) -> Value:
        """Return the new value for an old one; a stand-in if its maker comes later in the text."""
        if old in self.now:
            return self.now[old]
        if old not in self._pending:
            self._pending[old] = self.forward(old.name, old.type, old.loc)
        return self._pending[old]

    def replace(self, old: Value, new: Value) -> None:
        """Say that `new` stands for `old` from now on."""
        self.now[old] = new
        if old in self._pending:
            self.bind(self._pending[old], new)

    def copy(self, op: Op, **changes: object) -> "Sequence[Value]":
        """Add `op` again over the new operands, with some attributes changed (None removes)."""
        operands = [self(o) if isinstance(o, Value) else o for o in op.operands]
        if not changes and op.name.partition(".")[0] == self.level:
            made = self.again(op, operands)
            if made is not None:
                return made.results
        return self.over(op, operands, **changes)

    def over(self, op: Op, operands: "Sequence[Operand]", **changes: object) -> "Sequence[Value]":
        """Add `op` again over other operands, with some attributes changed (None removes)."""
        attrs, names = {**op.attrs, **changes}, [result.name for result in op.results]
        kind = op.name if op.name.partition(".")[0] == self.level else op.kind
        return self.emit(kind, operands, attrs, loc=op.loc, names=names).results


def rebuild(
    module: Module,
    function: Replace,
    level: str = "",
    inputs: Callable[[Value], Value] | None = None,
) -> Module:
    """Return the module with each op replaced by what `function(op, build)` returns.

    `function` returns the new values for the op's results, or None to keep the op. It builds with
    the given `Rebuild`, whose `loc` is the op's; a value replaced by another existing value simply
    disappears. `inputs` may change the graph's inputs (their types). Where all ops are kept, it is
    the same module.
    """
    build = Rebuild(module, level)
    for value in module.graph.inputs:
        changed = inputs(value) if inputs else value
        build.replace(value, build.input(changed.name, changed.type, changed.loc))
    same = level in ("", module.level) and inputs is None
    for op in module.graph.ops:
        build.turn_to(op)
        first = len(build.ops)
        results = function(op, build)
        kept = results is None
        if results is None:
            results = build.copy(op)
        # Other weights of the same names may give a kept op other types.
        same &= kept and [r.type for r in results] == [r.type for r in op.results]
        for made in build.ops[first:]:
            build.origin[made] = op
        for old, new in zip(op.results, results, strict=True):
            build.replace(old, new)
    used = {s.name for op in module.graph.ops for s in op.symbols}
    if same and len(build.ops) == len(module.graph.ops) and len(used) == len(module.weights):
        return module
    build.loc = module.loc
    outputs = tuple(build(o) for o in module.graph.outputs)
    return build.finish(*outputs, graph=module.graph.name)


def with_ops(
    module: Module, ops: "Sequence[Op]", outputs: "Sequence[Value] | None" = None
) -> Module:
    """Return the module with other ops (and outputs), weights pruned to those used.

    It is the same module where nothing changes.
    """
    kept = {s.name for op in ops for s in op.symbols}
    same = tuple(ops) == module.graph.ops and outputs in (None, module.graph.outputs)
    if same and len(kept) == len(module.weights):
        return module
    graph = evolve(
        module.graph,
        ops=tuple(ops),
        outputs=module.graph.outputs if outputs is None else tuple(outputs),
    )
    weights = {n: w for n, w in module.weights.items() if n in kept}
    return evolve(module, graph=graph, weights=weights)
