"""The parameter columns of the neuron records, from the neurons of the program.

Each parameter of `int.neuron` becomes a field of the record (paicore.md, section 3). Where the
program has no negative threshold, the record gets the largest magnitude with the floor, as the
vendor's tool writes it: no potential that the width proof allows passes it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.weights import Array
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS

RESETS = {"hard": 0, "soft": 1, "none": 2}
NEGATIVE_MODES = {"reset": 0, "floor": 1}
DEFAULT_TRUNCATION = 8


Neurons = slice | Ints
"""Some flat neurons of an op."""


def record_tables(module: Module, parts: Sequence[tuple[Op, Neurons]]) -> dict[str, Array]:
    """Return the parameter columns for some neurons of each op, in order."""
    columns = {op: _columns(module, op) for op in dict.fromkeys(op for op, _ in parts)}
    names = next(iter(columns.values())) if columns else {}
    count = sum(_count(some) for _, some in parts)
    return {
        name: _joined({op: c[name] for op, c in columns.items()}, parts, count) for name in names
    }


def _joined(column: Mapping[Op, Array], parts: Sequence[tuple[Op, Neurons]], count: int) -> Array:
    """Return one column of all parts from what each op's neurons have, often one number for all."""
    first = next(iter(column.values()))
    if first.size == 1 and all(a.size == 1 and a.item() == first.item() for a in column.values()):
        return np.full(count, first.item(), np.int64)
    flat = {
        op: np.broadcast_to(array, op.result.type.shape).reshape(-1) for op, array in column.items()
    }
    return np.concatenate([flat[op][some] for op, some in parts])


def _count(some: Neurons) -> int:
    return some.stop - some.start if isinstance(some, slice) else len(some)


def _columns(module: Module, op: Op) -> dict[str, Array]:
    negative = param(module, op, "negative")
    if negative is None:
        negative, mode = np.asarray(LIMITS.potential_max), NEGATIVE_MODES["floor"]
    else:
        mode = NEGATIVE_MODES[op["negative_mode"]]
    given = {name: param(module, op, name) for name in ("threshold", "leak", "reset_to")}
    return {name: array for name, array in given.items() if array is not None} | {
        "negative": negative,
        "reset": np.asarray(RESETS[op["reset"]]),
        "negative_mode": np.asarray(mode),
        "leak_after": np.asarray(int(op["leak_order"] == "after")),
        "leak_reversal": np.asarray(int(op["leak_reversal"])),
        "truncate": np.asarray(op["truncate"] if op["spike"] == "value" else DEFAULT_TRUNCATION),
    }
