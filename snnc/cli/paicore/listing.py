"""A listing of PAICORE words: index, hexadecimal word, what it is, its fields.

Data that follows a package header is counted, not shown, unless `full`; neuron records are decoded.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from snnc.diagnostics import Diagnostics, Location, SnncError
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.frames import Kind, Words
from snnc.targets.paicore.chip.image import parse

PLAIN = {Kind.SEED: frames.SEED, Kind.REGISTER: frames.REGISTER}
"""Kinds whose payloads, three words of them, make one layout."""

BY_NUMBER = {kind.value: kind for kind in Kind}

PACKAGES = (Kind.NEURONS, Kind.WEIGHTS, Kind.TEST_NEURONS, Kind.TEST_WEIGHTS)

OTHERS: dict[Kind | None, tuple[str, ...]] = {Kind.SYNC: ("steps",), Kind.CLEAR: (), Kind.INIT: ()}
"""What is shown of words without data or fields of their own; of the rest, the payload."""


def problems(words: Words, file: str) -> Diagnostics:
    """Return what is wrong with the words of a file as a whole.

    Those of a configuration, which begins with the seed of a core, are read as one; of others,
    packages are checked for the data that they announce.
    """
    found, where = Diagnostics(), Location(file=file)
    if not len(words):
        help = "a file that was not written to its end holds nothing; write it anew"
        found.error("frames-empty", "the file holds no words", where, help=help)
    elif int(words[0]) >> 60 == Kind.SEED:
        try:
            parse(words, file)
        except SnncError as error:
            found.items += error.diagnostics
    else:
        for place, wanted, there in _cut_short(words):
            message = f"word {place}: {wanted} words of data are announced, {there} follow"
            help = "the file was cut short; write it anew"
            found.error("frames-truncated", message, where, help=help)
    return found


def _cut_short(words: Words) -> Iterator[tuple[int, int, int]]:
    """Yield (place, words announced, words there) of packages that the end cuts short."""
    kinds = (words >> np.uint64(60)).astype(np.int64)
    place = 0
    while place < len(words):
        others = np.flatnonzero(np.isin(kinds[place:], PACKAGES))
        if not others.size:
            return
        place += int(others[0])
        head = _head(words[place], frames.PACKAGE)
        wanted = 0 if head["request"] else head["count"]
        there = len(words) - place - 1
        if wanted > there:
            yield place, wanted, there
        place += 1 + wanted


def listing(words: Words, full: bool = False) -> Iterator[str]:
    """Yield the lines of a listing of `uint64[n]`, in order; a package that is cut short too."""
    kinds = (words >> np.uint64(60)).astype(np.int64)
    # Runs of one kind and address are decoded at once; a run ends where its upper bits change.
    place = 0
    while place < len(words):
        kind = int(kinds[place])
        if kind in PACKAGES:
            head = _head(words[place], frames.PACKAGE)
            yield _line(place, words[place], _name(kind), head, ("start", "count", "request"))
            count = 0 if head["request"] else min(head["count"], len(words) - place - 1)
            yield from _data(kind, words[place + 1 : place + 1 + count], place + 1, full)
            place += 1 + count
        elif kind in PLAIN and _whole(words[place : place + 3]):
            yield from _triple(place, words[place : place + 3], Kind(kind))
            place += 3
        elif kind == Kind.SPIKE:
            others = np.flatnonzero(kinds[place:] != kind)
            end = place + int(others[0]) if others.size else len(words)
            yield from _spikes(place, words[place:end])
            place = end
        else:
            head = _head(words[place], frames.HEADER)
            fields = OTHERS.get(BY_NUMBER.get(kind), ("payload",))
            head["steps"] = head["payload"]
            yield _line(place, words[place], _name(kind), head, fields)
            place += 1


def _whole(words: Words) -> bool:
    """Whether three words are of one kind for one core, so that their payloads belong together."""
    upper = words >> np.uint64(30)
    return len(words) == 3 and bool((upper == upper[0]).all())


def _name(kind: int) -> str:
    known = BY_NUMBER.get(kind)
    return known.name.lower().replace("_", " ") if known is not None else f"unknown {kind}"


def _head(word: Any, layout: frames.Layout) -> dict[str, int]:
    decoded = frames.decode(layout, np.array([[word]], dtype=np.uint64))
    return {name: int(value[0]) for name, value in decoded.items()}


def _where(head: dict[str, int]) -> str:
    text = f"chip {head['chip_x']},{head['chip_y']} core {head['core_x']},{head['core_y']}"
    mask = head["core_mask_x"], head["core_mask_y"]
    return text + (f" mask {mask[0]},{mask[1]}" if any(mask) else "")


def _line(place: int, word: Any, name: str, head: dict[str, int], shown: tuple[str, ...]) -> str:
    fields = " ".join(f"{field}={head[field]}" for field in shown)
    return f"{place:>8}  {int(word):016X}  {name:<13} {_where(head)}  {fields}".rstrip()


def _triple(place: int, words: Words, kind: Kind) -> Iterator[str]:
    payloads = (words & frames.PAYLOAD_MASK).reshape(1, 3)
    layout = PLAIN[kind]
    values = {f.name: int(frames.extract(layout, f.name, payloads)[0]) for f in layout.fields}
    if "test_chip" in values:
        x, y = frames.coordinate(values.pop("test_chip"))
        text = " ".join(f"{k}={v}" for k, v in values.items()) + f" test_chip={x},{y}"
    else:
        text = " ".join(f"{k}={v}" for k, v in values.items())
    yield f"{_line(place, words[0], _name(kind), _head(words[0], frames.HEADER), ())}  {text}"
    for number in (1, 2):
        yield f"{place + number:>8}  {int(words[number]):016X}"


def _spikes(place: int, words: Words) -> Iterator[str]:
    fields = frames.decode(frames.SPIKE, words[:, None])
    for number in range(len(words)):
        head = {name: int(values[number]) for name, values in fields.items()}
        yield _line(place + number, words[number], "spike", head, ("slot", "axon", "data"))


def _data(kind: int, words: Words, place: int, full: bool) -> Iterator[str]:
    neurons = kind in (Kind.NEURONS, Kind.TEST_NEURONS)
    if not full:
        what = f"{len(words) // frames.RECORD_WORDS} records" if neurons else f"{len(words)} words"
        if len(words):
            yield f"{'':>8}  ... {what} of {'neurons' if neurons else 'weights'}"
        return
    size = frames.RECORD_WORDS if neurons else 4
    whole = len(words) // size * size
    decoded = frames.decode_records(words[:whole].reshape(-1, size)) if neurons else {}
    for number in range(0, len(words), size):
        text = " ".join(f"{int(word):016X}" for word in words[number : number + size])
        yield f"{place + number:>8}  {text}"
        if number < whole and neurons:
            row = {name: int(values[number // size]) for name, values in decoded.items()}
            yield f"{'':>8}    " + " ".join(f"{k}={v}" for k, v in row.items() if v)
