"""Which values of a network of real numbers are small whole numbers of a unit, whatever the input.

Spikes, counts, their sums and means over windows whose size is a power of two are; so a product
with them is a sum of whole numbers, as one of spikes is.
"""

from math import prod

from attrs import frozen

from snnc.ir.analysis import makers, run_order
from snnc.ir.graph import Module, Op, Value


@frozen
class Grid:
    """Multiples of `unit`, a power of two, from 0 to `most` units."""

    unit: float
    most: int


def grids(module: Module) -> dict[Value, Grid]:
    """Return the grid of every value that has one."""
    found = {v: g for v in module.graph.inputs if (g := _element(v))}
    made_by = makers(module.graph)
    for op in run_order(module.graph):
        given = [found.get(v) or _later(made_by.get(v), v) for v in op.values]
        grid = _of(op, [g for g in given if g], len(given))
        if grid:
            found[op.result] = grid
    return found


def _element(value: Value) -> Grid | None:
    element = value.type.element
    return None if element.is_float or element.low < 0 else Grid(1.0, element.high)


def _later(maker: Op | None, value: Value) -> Grid | None:
    """Return the grid of a value that is read through a delay before it is made."""
    return _spikes(maker) if maker and maker.kind == "neuron" and value is maker.result else None


def _spikes(op: Op) -> Grid:
    return Grid(1.0, op["max_count"] if op["spike"] == "count" else 1)


def _of(op: Op, given: list[Grid], operands: int) -> Grid | None:
    """Return the grid of an op's first result; `given` are those of its operands that have one."""
    if op.kind == "neuron":
        return _spikes(op)
    if op.kind in ("poisson", "latency", "periodic"):
        return Grid(1.0, 1)
    if not given or len(given) < operands or len({g.unit for g in given}) > 1:
        return None
    grid = Grid(given[0].unit, max(g.most for g in given))
    if op.kind in ("reshape", "permute", "slice", "concat", "delay", "direct"):
        return grid
    if op.kind.startswith("max_pool"):
        return grid
    taps = prod(op["kernel"]) if "_pool" in op.kind else 0
    if op.kind.startswith("sum_pool"):
        return Grid(grid.unit, grid.most * taps)
    whole = op.kind.startswith("avg_pool") and op["count_padding"] and not taps & (taps - 1)
    return Grid(grid.unit / taps, grid.most * taps) if whole else None
