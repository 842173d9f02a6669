"""Orders a graph as it prints, and fixes what the build asks of the vendor's compiler.

The order is that of the vendor's printer: depth first from the result, operands from left to right,
an op behind what it reads; parameters, constants and numbers stand before their first reader. The
result ties the outputs to all saves, in the order in which the network saves. Values get their
numbers; those of the program keep their names. EXACT: only order and names change.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.analysis import makers
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.targets.lynxi.artifact.assemble import GROUPED, not_a_graph
from snnc.targets.lynxi.artifact.records import BINDING, LOAD, SAVE, TIE
from snnc.targets.lynxi.limits import LIMITS, needed_version
from snnc.targets.lynxi.lowering.sketch import PROGRAM

ENDS = ("data", "param", "constant", "scalar", "result")
_OURS = re.compile(r"\d.*|(?:scalar|constant|data)[._].*")
_BAD = re.compile(r"[^A-Za-z0-9_.]")


@frozen
class Place(Pass):
    """Order and number a graph as it prints; choose batch, version and the place of states."""

    name = "place"
    level = "any"
    to = "lynxi"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the graph in printed order.

        Raises:
            SnncError: `batch-size`, `batch-version` for what the vendor's compiler does not take;
                `lynxi-malformed` for a module of another level.
        """
        if module.level != "lynxi":
            raise not_a_graph(module)
        asked = context.hardware
        modes = {"mode": int(asked["mode"])} if asked.get("mode") else {}
        attrs = _build_attrs(module, asked, modes)
        return _Placer(module, attrs, modes).module()


def place(module: Module) -> Module:
    """Return a graph in printed order, batch and version as its attributes say."""
    return Place().run(module, Context())


def _build_attrs(
    module: Module, asked: Mapping[str, Any], modes: Mapping[str, int]
) -> dict[str, Any]:
    stated: Mapping[str, Any] = module.attrs
    batch = int(asked.get("batch") or stated.get("batch", 1))
    used = tuple(modes.get("mode", op["mode"]) for op in module.graph.ops if op.kind == LOAD)
    needed = needed_version(batch, used)
    version = asked.get("version")
    if version is None:
        version = max(needed, int(stated.get("version", 0)))
    if batch not in LIMITS.batches:
        raise fail(
            "batch-size",
            f"a batch of {batch} is not one of {', '.join(map(str, LIMITS.batches))}",
            module.loc,
            help="choose one of them with --batch; the host fills up the last batch",
            exit_status=4,
        )
    if version not in LIMITS.versions or version < needed:
        raise fail(
            "batch-version",
            f"version {version} does not take batch {batch} and states in mode "
            f"{max(used, default=0)}; version {needed} does",
            module.loc,
            help=f"leave --version out, or say --version {needed}",
            exit_status=4,
        )
    return {
        "batch": batch,
        "version": int(version),
        "profile": str(stated.get("profile", "f32")),
    }


class _Placer:
    """The graph in printed order, as far as it was visited."""

    def __init__(self, module: Module, attrs: dict[str, Any], modes: Mapping[str, int]) -> None:
        self.old, self.modes = module, modes
        self.made_by = makers(module.graph)
        self.new = Builder(module.name, "lynxi", attrs, module.loc)
        self.now: dict[Value, Value] = {}
        self.later: dict[Value, list[Value]] = {}
        self.shared: dict[object, Value] = {}
        self.count = 0
        self.bound = {
            r.name: r.name.removeprefix(PROGRAM)
            for op in module.graph.ops
            if op.kind not in ENDS
            for r in op.results
            if not _OURS.fullmatch(r.name)
        }
        self.taken = {v.name for v in (*module.graph.inputs, *module.graph.outputs)}
        self.taken |= set(self.bound.values())

    def module(self) -> Module:
        """Return the placed module."""
        graph = self.old.graph
        for value in graph.inputs:
            self.now[value] = self.new.input(value.name, value.type, value.loc)
        ends = [self.made_by[v] for v in graph.outputs]
        roots = [end.values[0] for end in ends]
        ties = [op for op in graph.ops if op.kind == TIE]
        if ties:
            self._visit(ties[-1])
            returned = [self.now[r] for r in roots]
        else:
            returned = self._tied(roots)
        made = [
            self.new.emit("result", [value], end.attrs, loc=end.loc, names=[end.result.name])
            for end, value in zip(ends, returned, strict=True)
        ]
        return self.new.finish(*(op.result for op in made), graph=graph.name)

    def _tied(self, roots: list[Value]) -> list[Value]:
        """Return the outputs, tied to the saves where there are any."""
        saves = [op for op in self.old.graph.ops if op.kind == SAVE]
        for op in [*(self.made_by[r] for r in roots), *saves]:
            self._visit(op)
        outputs = [self.now[r] for r in roots]
        maker = self.made_by[roots[0]]
        last = self.new.ops[-1].results if self.new.ops else ()
        if len(roots) == 1 and not saves and maker.kind not in ENDS and outputs[0] in last:
            return outputs
        operands = [*outputs, *(self.now[op.result] for op in saves)]
        self.count += len(roots) > 1
        return list(
            self.new.emit(
                TIE, operands, {"outputs": len(roots)}, names=[self._number()] * len(roots)
            ).results
        )

    def _visit(self, root: Op) -> None:
        """Add an op behind what it reads, without recursion."""
        stack: list[tuple[Op, Iterator[Value]]] = [(root, iter(self._reads(root)))]
        while stack:
            op, rest = stack[-1]
            following = next((v for v in rest if v not in self.now), None)
            if following is not None:
                maker = self.made_by[following]
                stack.append((maker, iter(self._reads(maker))))
                continue
            stack.pop()
            if op.result not in self.now:
                self._add(op)

    def _reads(self, op: Op) -> tuple[Value, ...]:
        return op.values[:1] if op.kind == LOAD else op.values

    def _add(self, op: Op) -> None:
        self.new.loc = op.loc
        if op.kind in ENDS:
            self.now[op.result] = self._end(op)
            return
        operands = [self.now[v] for v in self._reads(op)]
        attrs = dict(op.attrs)
        if op.kind in (LOAD, SAVE):
            attrs |= self.modes
        if op.kind == LOAD and len(op.values) > 1:
            saved = op.values[1]
            operands.append(self.new.forward(saved.name, saved.type))
            self.later.setdefault(saved, []).append(operands[-1])
        if op.kind in GROUPED or (op.kind == TIE and op["outputs"] > 1):
            self.count += 1
        names = [self.bound.get(r.name) or self._number() for r in op.results]
        made = self.new.emit(op.name, operands, attrs, loc=op.loc, names=names)
        self.count += 1
        for old, value in zip(op.results, made.results, strict=True):
            self.now[old] = value
            for waiting in self.later.get(old, ()):
                self.new.bind(waiting, value)

    def _number(self) -> str:
        """Return what the next binding is called: its number, if nothing of the program is."""
        text = str(self.count)
        return text + BINDING if text in self.taken else text

    def _end(self, op: Op) -> Value:
        """Return an input of the function, a parameter, a constant or a number, each made once."""
        if op.kind == "data":
            number = self.old.graph.inputs.index(op.values[0])
            name, key = f"data_{number}", ("data", op.values[0].name)
        elif op.kind == "scalar":
            value = float(str(np.dtype(op["dtype"]).type(op["value"]))) + 0.0
            name, key = "scalar", ("scalar", f"{value} {op['dtype']}")
        else:
            name, key = op.kind, (op.kind, str(op.symbols[0]))
        if key in self.shared:
            return self.shared[key]
        kinds = [k for k in self.shared if isinstance(k, tuple) and k[0] == op.kind]
        if op.kind in ("scalar", "constant"):
            name = f"{op.kind}.{len(kinds)}"
        attrs, symbols = dict(op.attrs), []
        if op.kind == "scalar":
            attrs["value"] = value
        if op.symbols:
            weight = self.old.weights[op.symbols[0].name]
            name = self._param_name(weight.name) if op.kind == "param" else name
            held = weight.tensor if not op.symbols[0].cut else self.old.tensor(op.symbols[0])
            symbols = [self.new.weight(name, held, loc=weight.loc)]
        operands = [self.now[v] for v in op.values] + symbols
        made = self.new.emit(op.kind, operands, attrs, loc=op.loc, names=[name]).result
        self.shared[key] = made
        return made

    def _param_name(self, name: str) -> str:
        """Return a name that a text can hold, and no other value has."""
        held = _BAD.sub("_", name)
        if not (held[:1].isalpha() or held[:1] == "_") or _OURS.fullmatch(held):
            held = f"p_{held}"
        number, made = 1, held
        while made in self.taken:
            number, made = number + 1, f"{held}_{number}"
        self.taken.add(made)
        return made
