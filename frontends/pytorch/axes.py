"""Which axis of a captured tensor is time, which is the batch, and which belong to one sample.

A tensor's axes are a tuple with one entry per axis: "f" for an axis of the sample, or a tuple of
"T" and "B" in order (both where they were merged, neither for an axis of size 1 put in between).
The axes of the sample are always in the order of the expression's shape.
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen

Axis = str | tuple[str, ...]
Axes = tuple[Axis, ...]

F: Axis = "f"


class Untrackable(Exception):
    """A movement that mixes time, batch and sample; the message says how."""


@frozen
class Sizes:
    """Numbers of ticks and of samples in the captured tensors."""

    ticks: int
    batch: int

    def of(self, axis: Axis) -> int:
        """Return the size of an axis that is not of the sample."""
        size = 1
        for atom in axis:
            size *= self.ticks if atom == "T" else self.batch
        return size

    def share(self, factor: float) -> float:
        """Return a factor of float32, or 1 / ticks where it is that number rounded."""
        mean = 1.0 / self.ticks
        return mean if factor == float(np.float32(mean)) else factor


def shape_of(axes: Axes, shape: Sequence[int], sizes: Sizes) -> tuple[int, ...]:
    """Return the shape of a tensor with these axes."""
    rest = iter(shape)
    return tuple(next(rest) if a == F else sizes.of(a) for a in axes)


def feature_index(axes: Axes, axis: int) -> int:
    """Return which axis of the sample an axis of the tensor is."""
    if axes[axis] != F:
        raise Untrackable(f"axis {axis} is not an axis of the sample")
    return sum(a == F for a in axes[:axis])


def reshaped(
    axes: Axes, shape: Sequence[int], new: Sequence[int], sizes: Sizes
) -> tuple[Axes, tuple[int, ...]]:
    """Return the axes and the sample's shape after a row-major reshape to `new`.

    Raises:
        Untrackable: where an axis of the sample would be mixed with time or batch.
    """
    lead = [a for a in axes if a != F]
    if F in axes[: len(lead)]:
        raise Untrackable("time or batch lies behind an axis of the sample")
    atoms = [atom for a in lead for atom in a]
    made: list[Axis] = []
    rest = list(new)
    while any(sizes.of((a,)) > 1 for a in atoms):
        if not rest:
            raise Untrackable("time or batch is mixed with the axes of the sample")
        taken = _take(atoms, rest.pop(0), sizes)
        made.append(taken)
        atoms = atoms[len(taken) :]
    total = 1
    for n in shape:
        total *= n
    # Axes of size 1 in between: a batch or time of one keeps its own axis where there is one.
    while atoms and rest and rest[0] == 1 and len(rest) > 1:
        made.append((atoms.pop(0),))
        rest.pop(0)
    if atoms and made:
        made[-1] = (*made[-1], *atoms)
    elif atoms:
        raise Untrackable("the batch axis disappears")
    size = 1
    for n in rest:
        size *= n
    if size != total:
        raise Untrackable("time or batch is mixed with the axes of the sample")
    return (*made, *(F for _ in rest)), tuple(rest)


def _take(atoms: Sequence[str], size: int, sizes: Sizes) -> tuple[str, ...]:
    # Of axes of size 1, the one that comes next in the tensor keeps its place.
    taken = list(atoms[:1]) if size == 1 and sizes.of(tuple(atoms[:1])) == 1 else []
    while sizes.of(tuple(taken)) < size and len(taken) < len(atoms):
        taken.append(atoms[len(taken)])
    if sizes.of(tuple(taken)) != size:
        raise Untrackable("time or batch is mixed with the axes of the sample")
    return tuple(taken)


def without_time(axes: Axes) -> Axes:
    """Return the axes after one tick is taken out of an axis that is time alone."""
    return tuple(a for a in axes if a != ("T",))


def time_axis(axes: Axes) -> int | None:
    """Return the place of the axis that is time alone."""
    return axes.index(("T",)) if ("T",) in axes else None


def has_time(axes: Axes) -> bool:
    """Whether time is among the axes, alone or merged."""
    return any("T" in a for a in axes if a != F)
