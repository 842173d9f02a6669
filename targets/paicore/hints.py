"""What `group` writes into `place` of a population, and `laid.py` reads.

`slices` are `[core, first, last, copy]`, cores counted in the region. With tiles there is `tile`,
the neurons of a tile along each axis, or `codes`, the tile of each neuron, or `patches`, a code,
then first place and stop along each axis; and `split`, the bits that count the cores of a tile.
Slices then count neurons tile by tile. A population that no region holds has `shares` in regions of
their own: `[group, axis, first, stop, split, tile...]`, places first to stop along an axis; or
`boxes`, `[group, split, first, stop, first, stop ...]` along every axis, each one tile. Its slices
end with the share's number.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from snnc.targets.paicore.pack import Core
from snnc.targets.paicore.tiling.patches import Patched
from snnc.targets.paicore.tiling.plan import Cut
from snnc.targets.paicore.tiling.scatter import Codes
from snnc.targets.paicore.tiling.shares import Share

Slices = tuple[tuple[int, int, int, int], ...]


@frozen
class Laid:
    """Where a share lies: its region, the region's tiles, and its slices of cores."""

    share: Share
    group: int
    tile: Cut | None
    split: int
    slices: Slices


def entries(laid: Sequence[Laid]) -> dict[str, Any]:
    """Return what `place` says of the shares of a population: tiles and slices."""
    one = laid[0]
    if len(laid) == 1:
        return {**_tiles(one), "slices": one.slices}
    slices = tuple((*s, number) for number, each in enumerate(laid) for s in each.slices)
    if one.share.box:
        boxes = tuple(
            (each.group, each.split, *(place for ends in each.share.box for place in ends))
            for each in laid
        )
        return {"boxes": boxes, "slices": slices}
    shares = tuple(
        (each.group, each.share.axis, each.share.first, each.share.stop, each.split)
        + (each.tile if isinstance(each.tile, tuple) else ())
        for each in laid
    )
    return {"shares": shares, "slices": slices}


def _tiles(one: Laid) -> dict[str, Any]:
    if one.tile is None:
        return {}
    if isinstance(one.tile, Codes):
        return {"codes": tuple(one.tile.of[one.share].tolist()), "split": one.split}
    if isinstance(one.tile, Patched):
        return {"patches": one.tile.of[one.share], "split": one.split}
    return {"tile": one.tile, "split": one.split}


def slices_of(
    shares: Sequence[Share], codes: Sequence[int], tiles: Sequence[Sequence[Core]]
) -> dict[Share, Slices]:
    """Return the slices of each share, given the code and the cores of each tile of a region."""
    found: dict[Share, list[tuple[int, int, int, int]]] = {share: [] for share in shares}
    for code, cores in zip(codes, tiles, strict=True):
        for at, core in enumerate(cores):
            for part in core.slices:
                found[part.share].append((code + at, part.first, part.last, part.copy))
    return {share: tuple(sorted(s, key=lambda one: one[0])) for share, s in found.items()}
