"""What drives a chip event by event, as words in order: events, ticks of the leak, ends of steps.

A word is kind, index of a core (its place in the build's order), feature, y and x, from the top
down: 8, 8, 16, 16 and 16 bits. An event that the host sends to two cores is two words, of which the
first is `JOINED`: the chip answers after both have come in.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from snnc.ir.types import Type
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Destination, Pixels, Placed
from snnc.targets.dynapcnn.ops import map_of

EVENT, JOINED, LEAK, STEP = range(4)

Rows = tuple[Array, Array]
"""Steps, and places (feature, y, x), of events in order."""


def pack(kind: Array | int, core: Array | int, places: Array) -> Array:
    """Return words; `places` are (feature, y, x)."""
    f, y, x = (places[:, n].astype(np.uint64) for n in range(3))
    top = (np.asarray(kind, np.uint64) << np.uint64(56)) | (
        np.asarray(core, np.uint64) << np.uint64(48)
    )
    return np.asarray(top | (f << np.uint64(32)) | (y << np.uint64(16)) | x)


def unpack(words: Array) -> Array:
    """Return (core, feature, y, x) of words, int64."""
    found = [(words >> np.uint64(shift)) & np.uint64(mask) for shift, mask in _FIELDS]
    return np.stack(found, axis=-1).astype(np.int64)


_FIELDS = ((48, 0xFF), (32, 0xFFFF), (16, 0xFFFF), (0, 0xFFFF))


def from_rasters(placed: Placed, types: Mapping[str, Type], trains: Mapping[str, Array]) -> Array:
    """Return the words of a sample from counts (steps, *shape) by input.

    In a step the inputs follow in their order, events in the order of feature, y and x.
    """
    found, steps = [], 0
    for name, train in trains.items():
        steps = len(train)
        maps = train.reshape(steps, *map_of(types[name].shape))
        places = np.argwhere(maps > 0)
        rows = np.repeat(places, maps[tuple(places.T)].astype(np.int64), axis=0)
        found.append(_sent(placed, name, (rows[:, 0], rows[:, 1:])))
    return _in_order(placed, found, steps)[0]


def from_stream(
    placed: Placed, events: Array, step: Array, steps: int, pixels: int
) -> tuple[Array, Array]:
    """Return the words of events (x, y, feature, layer), which are served in their order.

    `layer` is the number of a core, or `pixels` for the pixel block; `step` says in which step.
    Beside them, for each word, the number of its event, -1 for the leak and ends of steps.
    """
    places = np.column_stack([events[name].astype(np.int64) for name in ("feature", "y", "x")])
    known = {core.core: n for n, core in enumerate(placed.cores)}
    ranks, all_steps, words = [], [], []
    for layer in np.unique(events["layer"]).tolist():
        at = np.flatnonzero(events["layer"] == layer)
        if layer == pixels and placed.pixels is not None:
            kept, seen = passing(placed.pixels, places[at])
            at = at[kept]
            made = _words(placed, placed.pixels.destinations, seen)
        else:
            made = [pack(EVENT, known[layer], places[at])]
        for row in made:
            ranks.append(at)
            words.append(row)
            all_steps.append(step[at])
    none = np.zeros(0, np.int64)
    rank, when = (np.concatenate([none, *parts]) for parts in (ranks, all_steps))
    word = np.concatenate([none.astype(np.uint64), *words])
    order = np.argsort(rank, kind="stable")
    found, sources = _in_order(placed, [(when[order], word[order])], steps)
    numbers = np.full(len(found), -1, np.int64)
    numbers[sources == 0] = rank[order]
    return found, numbers


def passing(pixels: Pixels, places: Array) -> tuple[Array, Array]:
    """Return which events (feature, y, x) the pixel block passes on, and what becomes of them."""
    f = np.zeros(len(places), dtype=np.int64) if pixels.merge else places[:, 0]
    place = places[:, 1:] // np.array(pixels.pool)
    first, last = np.array(pixels.origin), np.array(pixels.last)
    kept = ((place >= first) & (place <= last)).all(axis=1)
    place = np.where(pixels.mirror, last - place, place - first)[kept]
    seen = np.column_stack([f[kept], place[:, ::-1] if pixels.swap else place])
    return np.flatnonzero(kept), seen


def _sent(placed: Placed, name: str, rows: Rows) -> Rows:
    """Return steps and words of an input's events, each once per destination."""
    steps, places = rows
    pixels = placed.pixels
    if pixels is not None and pixels.input == name:
        kept, places = passing(pixels, places)
        steps, sent = steps[kept], pixels.destinations
    else:
        sent = next(i.destinations for i in placed.inputs if i.name == name)
    made = _words(placed, sent, places)
    if not made:
        return steps[:0], np.zeros(0, np.uint64)
    return np.repeat(steps, len(made)), np.stack(made, axis=1).ravel()


def _words(placed: Placed, sent: Sequence[Destination], places: Array) -> list[Array]:
    known = {core.core: n for n, core in enumerate(placed.cores)}
    kinds = [JOINED] * (len(sent) - 1) + [EVENT]
    return [
        pack(kind, known[to.core], places + np.array([to.shift, 0, 0]))
        for kind, to in zip(kinds, sent, strict=False)
    ]


def _in_order(placed: Placed, events: Sequence[Rows], steps: int) -> tuple[Array, Array]:
    """Return all words: in a step first the leak, core after core by number, then the events.

    Beside them, from which of `events` each word is, -1 for none.
    """
    leaking = sorted((c.core, n) for n, c in enumerate(placed.cores) if c.bias is not None)
    nowhere = np.zeros((steps, 3), np.int64)
    every = np.arange(steps)
    parts: list[Rows] = [(every, pack(LEAK, n, nowhere)) for _, n in leaking]
    parts += [*events, (every, pack(STEP, 0, nowhere))]
    when = np.concatenate([part[0] for part in parts])
    words = np.concatenate([part[1] for part in parts])
    first, last = len(leaking), len(leaking) + len(events)
    sources = [n - first if first <= n < last else -1 for n in range(len(parts))]
    source = np.repeat(sources, [len(part[0]) for part in parts])
    order = np.argsort(when, kind="stable")
    return words[order], source[order]
