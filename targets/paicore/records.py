"""The parameter columns of the neuron records, from the neurons of the program.

Each parameter of `int.neuron` becomes a field of the record (paicore.md, section 3). Where the
program has no negative threshold, the record gets the largest magnitude with the floor, as the
vendor's tool writes it: no potential that the width proof allows passes it.
"""

from collections.abc import Sequence

import numpy as np

from snnc.ir.graph import Module, Op
from snnc.ir.neuron import param
from snnc.ir.weights import Array
from snnc.targets.paicore.limits import LIMITS

RESETS = {"hard": 0, "soft": 1, "none": 2}
NEGATIVE_MODES = {"reset": 0, "floor": 1}
DEFAULT_TRUNCATION = 8


def record_tables(module: Module, parts: Sequence[tuple[Op, int, int]]) -> dict[str, Array]:
    """Return the parameter columns for the neurons of each (op, first, last), in order."""
    columns = {op: _flat(module, op) for op in dict.fromkeys(op for op, _, _ in parts)}
    names = next(iter(columns.values())) if columns else {}
    return {
        name: np.concatenate([columns[op][name][first:last] for op, first, last in parts])
        for name in names
    }


def _flat(module: Module, op: Op) -> dict[str, Array]:
    """Return the columns with an entry for each neuron."""
    shape = op.result.type.shape
    return {
        name: np.broadcast_to(column, shape).reshape(-1)
        for name, column in _columns(module, op).items()
    }


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
