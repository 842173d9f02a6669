"""The rules of a valid module. All are checked, and all violations are collected, in this order.

- The module's attribute `ticks`, if given, is a number of ticks.
- Names: each value is made once, and is not what the potential of neurons is called (`NAME.v`);
  what is read, is made; the graph returns something.
- Types: no axis is empty; at `snn` and `int` trains start at tick 0; at `int` sums and spikes are
  integers (an encoder may read floats).
- Weights: shape and element agree with the values, which lie in the element's range and are finite.
- Ops: of the module's level, known, with known attributes of the declared kind.
- Operands: as many as declared; values and constants where they belong; symbols defined, cuts
  inside; parameters with one value, one per channel or one per neuron; masks of one bit.
- Results: number and types as the op's rule infers them.
- Attributes that bound each other (`snnc.ir.rules`).
- Loops: each passes through a delay.

Driver and tests call this around every pass; a reader of the module may rely on each rule.
"""

from collections.abc import Callable, Mapping
from functools import partial
from weakref import WeakSet

from snnc.diagnostics import Diagnostics, Location, SnncError, fail, nearest
from snnc.ir.analysis import run_order
from snnc.ir.build import check_call, is_checked
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.rules import check_bounds
from snnc.ir.types import Type
from snnc.ir.weights import check_tensor

UNPLACED = ("snn", "int")
"""Levels at which the graph is synchronous: every train starts at tick 0."""

ENCODERS = ("poisson", "latency", "periodic", "direct")

_VALID: "WeakSet[Module]" = WeakSet()
"""Modules in which nothing is wrong; they never change."""


def verify(module: Module) -> Diagnostics:
    """Return what is wrong with a module; nothing if it is valid."""
    found = Diagnostics()
    if module in _VALID:
        return found
    _check_ticks(module, found)
    _check_names(module, found)
    for value in module.graph.inputs:
        _check_type(module, value.type, f"%{value.name}", value.loc, found)
    for weight in module.weights.values():
        subject = f"@{weight.name}"
        _check_type(module, weight.type, subject, weight.loc, found)
        _collect(found, partial(check_tensor, weight.tensor, weight.loc, subject))
    for op in module.graph.ops:
        _check_op(module, op, found)
    if not {"unknown-op", "unknown-level"} & {d.code for d in found}:
        # What an unknown op reads in a tick, nobody knows.
        _collect(found, lambda: run_order(module.graph))
    if not found.items:
        _VALID.add(module)
    return found


def _collect(found: Diagnostics, check: Callable[[], object]) -> bool:
    try:
        check()
    except SnncError as error:
        found.items += error.diagnostics
        return False
    return True


def _check_ticks(module: Module, found: Diagnostics) -> None:
    ticks = module.attrs.get("ticks", 1)
    if isinstance(ticks, bool) or not isinstance(ticks, int) or not 1 <= ticks < 2**31:
        found.error(
            "bad-ticks",
            f"@{module.name} states ticks = {ticks!r}, not a number of ticks in 1..{2**31 - 1}",
            module.loc,
            help="state how long a run lasts, or leave ticks out",
        )


def _check_names(module: Module, found: Diagnostics) -> None:
    graph = module.graph
    made: dict[str, Value] = {}
    for value in [*graph.inputs, *(r for op in graph.ops for r in op.results)]:
        if value.name in made:
            found.error(
                "duplicate-name",
                f"%{value.name} is defined twice",
                value.loc,
                help="rename one of the two",
            )
        made[value.name] = value
    for op in graph.ops:
        _check_potential(op, made, found)
    defined = set(graph.inputs) | {r for op in graph.ops for r in op.results}
    uses = [(v, op.loc) for op in graph.ops for v in op.values]
    for value, loc in [*uses, *((v, graph.loc) for v in graph.outputs)]:
        if value not in defined:
            found.error(
                "undefined-name",
                f"no op or input makes %{value.name}",
                loc,
                help=nearest(value.name, list(made)),
            )
    if not graph.outputs:
        found.error(
            "no-outputs",
            f"graph @{graph.name} returns nothing",
            graph.loc,
            help="return at least one value",
        )


def _check_potential(op: Op, made: Mapping[str, Value], found: Diagnostics) -> None:
    """What probes call the potential of neurons must not be another value's name."""
    other = made.get(f"{op.result.name}.v") if op.kind == "neuron" else None
    if other is not None and other not in op.results:
        found.error(
            "ambiguous-potential",
            f"%{other.name} has the name by which the potential of %{op.result.name} is probed",
            other.loc,
            help="rename one of the two",
        )


def _check_type(
    module: Module, type: Type, subject: str, loc: Location, found: Diagnostics
) -> None:
    if 0 in type.shape:
        found.error(
            "empty-shape",
            f"{subject} has no elements: {type}",
            loc,
            help="give every axis at least one element, or leave the value out",
        )
    if module.level in UNPLACED and type.phase:
        found.error(
            "bad-phase",
            f"{subject} starts at tick {type.phase}, but at level {module.level} all trains "
            "start at tick 0",
            loc,
            help="the neuron's attribute `first` delays its work; targets choose start ticks",
        )


def _check_op(module: Module, op: Op, found: Diagnostics) -> None:
    prefix = op.name.partition(".")[0]
    if prefix != module.level:
        found.error(
            "foreign-op",
            f"{op.name} is an op of level {prefix}, but the module is at level {module.level}",
            op.loc,
            help=f"use {module.level}.{op.kind}, or lower the whole module",
        )
        return
    for result in op.results:
        _check_type(module, result.type, f"%{result.name}", op.loc, found)
    if not _collect(found, lambda: _check_signature(module, op)):
        return
    if module.level == "int":
        _check_integers(module, op, found)
    check_bounds(module, op, found)


def _check_signature(module: Module, op: Op) -> None:
    if is_checked(op, module.weights):
        return
    _, _, types = check_call(op.name, op.operands, op.attrs, op.loc, module.weights)
    given = tuple(r.type for r in op.results)
    if given != types:
        inferred, declared = (", ".join(map(str, t)) for t in (types, given))
        raise fail(
            "type-mismatch",
            f"{op.name}: the results are ({inferred}), but ({declared}) is declared",
            op.loc,
            help="run the pass infer, or declare what follows from the operands",
        )


def _check_integers(module: Module, op: Op, found: Diagnostics) -> None:
    reads = () if op.kind in ENCODERS else op.values
    floats: dict[Operand, Type] = {
        v: v.type for v in (*reads, *op.results) if v.type.element.is_float
    }
    floats |= {s: t for s in op.symbols if (t := module.symbol_type(s)).element.is_float}
    for operand, type in floats.items():
        subject = f"%{operand.name}" if isinstance(operand, Value) else str(operand)
        found.error(
            "float-at-int",
            f"{op.name}: {subject} is {type}, but level int has integers only",
            op.loc,
            help="run quantize",
        )
