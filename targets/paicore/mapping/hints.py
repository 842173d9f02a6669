"""What `group` writes into `place` of a population, and `laid.py` reads: both ways of one form.

`slices` are `[core, first, last, copy]`, cores counted in the region. With tiles there is `tile`,
the neurons of a tile along each axis, or `codes`, the tile of each neuron, or `patches`, a code,
then first place and stop along each axis; and `split`, the bits that count the cores of a tile.
Slices then count neurons tile by tile. A population that no region holds has `shares` in regions of
their own: `[group, axis, first, stop, split, tile...]`, places first to stop along an axis; or
`boxes`, `[group, split, first, stop, first, stop ...]` along every axis, each one tile. Its slices
end with the share's number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.ir.graph import Op
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.mapping.pack import Core
from snnc.targets.paicore.tiling.patches import Patched
from snnc.targets.paicore.tiling.plan import Cut
from snnc.targets.paicore.tiling.scatter import Codes
from snnc.targets.paicore.tiling.shares import Share

Slices = tuple[tuple[int, ...], ...]
"""`(core, first, last, copy)` each."""

MOST_CODES = LIMITS.routing_group
"""Codes that the tiles of a region can have."""


@frozen(eq=False)
class Laid:
    """A share: its region, the region's tiles, bits that count a tile's cores, slices of cores.

    Without tiles there is no `tile`; of an irregular region it is `Codes`. As read, `split` is -1
    without tiles.
    """

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
    found: dict[Share, list[tuple[int, ...]]] = {share: [] for share in shares}
    for code, cores in zip(codes, tiles, strict=True):
        for at, core in enumerate(cores):
            for part in core.slices:
                found[part.share].append((code + at, part.first, part.last, part.copy))
    return {share: tuple(sorted(s, key=lambda one: one[0])) for share, s in found.items()}


def laid_of(op: Op, hint: Mapping[str, Any]) -> list[Laid]:
    """Return the shares of a population as its `place` says."""
    if "boxes" in hint:
        return _boxes(op, hint)
    if "shares" not in hint:
        cut, split = hint.get("tile"), hint.get("split", -1)
        if "codes" in hint:
            cut = Codes({Share(op): _checked_codes(op, hint["codes"])}, 0)
        elif "patches" in hint:
            cut = Patched({Share(op): hint["patches"]}, 0)
        return [Laid(Share(op), hint["group"], cut, split, hint["slices"])]
    found = []
    for number, (group, axis, first, stop, split, *tile) in enumerate(hint["shares"]):
        slices = tuple(tuple(s) for *s, of in hint["slices"] if of == number)
        share = Share(op, axis, first, stop)
        found.append(Laid(share, group, tuple(tile) or None, split if tile else -1, slices))
    return found


def _boxes(op: Op, hint: Mapping[str, Any]) -> list[Laid]:
    """Return shares that are boxes; each is one tile."""
    slices: list[list[tuple[int, ...]]] = [[] for _ in hint["boxes"]]
    for *part, number in hint["slices"]:
        slices[number].append(tuple(part))
    found = []
    for mine, (group, split, *ends) in zip(slices, hint["boxes"], strict=True):
        box = tuple(zip(ends[::2], ends[1::2], strict=True))
        tile = tuple(stop - first for first, stop in box)
        found.append(Laid(Share(op, box=box), group, tile, split, tuple(mine)))
    return found


def _checked_codes(op: Op, codes: Sequence[int]) -> Ints:
    """Return the code of the tile of each neuron of a population."""
    made = np.array(codes, dtype=np.int64)
    if made.shape != (op.result.type.size,) or not ((made >= 0) & (made < MOST_CODES)).all():
        raise bad_codes(op)
    return made


def bad_codes(op: Op) -> Exception:
    """Return the error for codes that are no tiles of the neurons of a population."""
    size = op.result.type.size
    why = f"are no list of a tile, 0..{MOST_CODES - 1}, for each of its {size} neurons"
    return bad_place(op, "codes", why)


def bad_place(op: Op, key: str, why: str) -> Exception:
    """Return the error for a key of `place` that `group` did not write so."""
    help = f"leave {key} out of place; group finds them"
    return fail("bad-place", f"%{op.result.name}: {key} {why}", op.loc, help=help)
