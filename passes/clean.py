"""Removes what has no effect: dead ops, moves that move nothing, repeated work.

The contract (EXACT): every output has the same value at every tick and keeps its name. Graph inputs
stay, used or not, because they are the interface. So an op that makes an output is never replaced
by another one's result, which has another name. Rules are applied until none fires; the number
of rounds is bounded by the number of ops.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail, fuse
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.analysis import live_ops, makers
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, rebuild, with_ops
from snnc.ir.weights import Tensor
from snnc.passes.weight_names import hand_over

LEVELS = ("snn", "int")


@frozen
class Clean(Pass):
    """Drop dead ops, identity moves and duplicates; join moves; fold masks into weights."""

    name = "clean"
    level = "any"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the module without what has no effect.

        Raises:
            SnncError: `pass-level` for a placed module, whose every op is a part of the chip.
        """
        if module.level not in LEVELS:
            raise fail(
                "pass-level",
                f"pass clean reads levels {', '.join(LEVELS)}, not {module.level}",
                module.loc,
                help="put it before the passes of the target",
            )
        # Joining two moves may leave the first for other readers, so a round can keep all ops; but
        # it then reads from further up, which it can do once per op above it.
        for _ in range(2 * len(module.graph.ops) + 2):
            before = module
            module = with_ops(module, live_ops(module.graph))
            module = merge_duplicates(fold(module))
            if _wiring(module) == _wiring(before):
                return module
        raise fail("clean-diverges", f"clean does not settle on @{module.name}", module.loc)


def _wiring(module: Module) -> list[tuple[Any, ...]]:
    """Return which op reads what by name: equal for modules that a round left as they were."""
    return [
        (op.name, [o.name for o in op.operands], dict(op.attrs), [r.name for r in op.results])
        for op in module.graph.ops
    ]


def fold(module: Module) -> Module:
    """Return the module after one round of the rules that look at one op or at two in a row."""
    made_by = makers(module.graph)
    outputs = set(module.graph.outputs)

    def one(op: Op, build: Rebuild) -> list[Value] | None:
        if is_identity(op) and op.result not in outputs:
            return [build(op.values[0])]
        if op.kind == "masked_linear":
            return [_unmasked(op, build)]
        first = made_by.get(op.values[0]) if op.values else None
        joined = _joined(first, op) if first is not None and first.kind == op.kind else None
        if first is None or joined is None:
            return None
        x, loc = build(first.values[0]), fuse(first.loc, op.loc)
        return list(build.emit(op.kind, [x], joined, loc=loc, names=[op.result.name]).results)

    return rebuild(module, one)


def _joined(first: Op, op: Op) -> dict[str, Any] | None:
    """Return the attributes of one op that does what two moves of a kind do, or None."""
    if first is op:
        return None
    if op.kind == "delay":
        return {"by": op["by"] + first["by"]}
    if op.kind == "reshape":
        return {"shape": op["shape"]}
    if op.kind == "permute":
        return {"order": [first["order"][axis] for axis in op["order"]]}
    if op.kind == "slice" and op["axis"] == first["axis"]:
        start, stop = op["start"] + first["start"], op["stop"] + first["start"]
        return {"axis": op["axis"], "start": start, "stop": stop}
    return None


def is_identity(op: Op) -> bool:
    """Whether a result is its operand, value for value, at every tick."""
    if not op.values or op.result.type != op.values[0].type:
        return False
    if op.kind == "permute":
        return tuple(op["order"]) == tuple(range(len(op["order"])))
    if op.kind in ("concat", "add"):
        return len(op.values) == 1
    return op.kind in ("reshape", "slice")


def _unmasked(op: Op, build: Rebuild) -> Value:
    w, mask = op.symbols
    kept = np.where(build.module.tensor(mask) == 0, 0, build.module.tensor(w))
    symbol = build.weight(hand_over(w, build), Tensor(build.module.symbol_type(w), kept))
    return build.op("linear", build(op.values[0]), symbol, name=op.result.name)


def merge_duplicates(module: Module) -> Module:
    """Return the module with ops that compute the same values from the same values merged.

    Ops with a state are equal for ever if they start equal and read the same, so neurons and
    encoders merge too (equal seeds draw equal numbers).
    """
    seen: dict[Hashable, Op] = {}
    stands_for: dict[Value, Value] = {}
    outputs = set(module.graph.outputs)

    def key_of(operand: Any) -> Hashable:
        if isinstance(operand, Symbol):
            tensor = module.weights[operand.name].tensor
            return ("weight", tensor.digest, operand.cut)
        return stands_for.get(operand, operand) if isinstance(operand, Value) else operand

    def one(op: Op, build: Rebuild) -> list[Value] | None:
        operands = tuple(key_of(o) for o in op.operands)
        attrs = {
            k: key_of(v) if isinstance(v, Symbol) else _hashable(v) for k, v in op.attrs.items()
        }
        key = (op.name, operands, tuple(attrs.items()), tuple(str(r.type) for r in op.results))
        first = seen.setdefault(key, op)
        if first is op or not outputs.isdisjoint(op.results):
            return None
        stands_for.update(zip(op.results, first.results, strict=True))
        return [build(r) for r in first.results]

    return rebuild(module, one)


def _hashable(value: Any) -> Hashable:
    """Return a key of an attribute; 1, 1.0 and true are equal as keys, not as attributes."""
    if isinstance(value, Mapping):
        return tuple((k, _hashable(v)) for k, v in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(v) for v in value)
    return (type(value).__name__, value)
