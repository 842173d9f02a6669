"""A build for DYNAP-CNN as a picture (SVG): cores as boxes with their memories, and who sends whom.

Cores stand from left to right by their depth, those of one depth below each other. The picture is
text made from numbers and escaped names, so that the same build gives the same bytes.
"""

from collections.abc import Iterator
from html import escape

from snnc.targets.dynapcnn.artifact.records import Core, Placed
from snnc.targets.dynapcnn.emit import MEMORIES, memory_table
from snnc.targets.dynapcnn.limits import LIMITS

BOX, TALL, GAP, EDGE = 190, 124, 70, 24
"""Width and height of a box, space between boxes, around all of them."""

BAR, LETTERS = 112, 24
COLORS = {"kernel": "#3b6fb6", "neuron": "#3f9b6d", "bias": "#b6793b"}

Place = tuple[int, int]


def drawing(placed: Placed) -> str:
    """Return the picture of a placed network."""
    places = _places(placed)
    columns = 1 + max((x for x, _ in places.values()), default=0)
    rows = 1 + max((y for _, y in places.values()), default=0)
    width = 2 * EDGE + columns * BOX + (columns - 1) * GAP
    height = 2 * EDGE + 22 + rows * TALL + (rows - 1) * GAP // 2
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(EDGE, EDGE + 4, f"{placed.name} on {placed.device}", size=15, weight="bold"),
    ]
    lines += _arrows(placed, places)
    lines += _sources(placed, places)
    for core in placed.cores:
        lines += _box(placed, core, places[core.core])
    return "\n".join([*lines, "</svg>", ""])


def _places(placed: Placed) -> dict[int, Place]:
    """Return column and row of each core; -1 is what the inputs are, or the pixel block."""
    depth = {core.core: 1 for core in placed.cores}
    for core in placed.cores:
        for to in core.destinations:
            depth[to.core] = max(depth[to.core], depth[core.core] + 1)
    found: dict[int, Place] = {-1: (0, 0)}
    for core in placed.cores:
        column = depth[core.core]
        found[core.core] = column, sum(x == column for x, _ in found.values())
    return found


def _corner(place: Place) -> tuple[int, int]:
    return EDGE + place[0] * (BOX + GAP), EDGE + 22 + place[1] * (TALL + GAP // 2)


def _box(placed: Placed, core: Core, place: Place) -> Iterator[str]:
    x, y = _corner(place)
    yield _frame(x, y, "#f4f6f9")
    yield _text(x + 10, y + 20, _short(f"core {core.core}: {core.name}"), weight="bold")
    shape, kernel = "x".join(map(str, core.output)), core.kernel
    yield _text(x + 10, y + 37, f"{shape} neurons, kernel {kernel}", color="#444")
    told = "monitored" if core.monitor else ""
    told += (", leak" if told else "leak") if core.bias is not None else ""
    yield _text(x + 10, y + 53, f"threshold {core.high}{', ' if told else ''}{told}", color="#444")
    words = memory_table(placed)[str(core.core)]
    for n, name in enumerate(MEMORIES):
        used, room = words[name]
        top = y + 64 + 18 * n
        share = used / room if room else 0.0
        yield f'<rect x="{x + 54}" y="{top}" width="{BAR}" height="10" fill="#dde3ea"/>'
        wide = round(BAR * min(1.0, share), 1)
        yield (
            f'<rect x="{x + 54}" y="{top}" width="{wide}" height="10" fill="{COLORS[name]}">'
            f"<title>{name}: {used} of {room} words</title></rect>"
        )
        yield _text(x + 10, top + 9, name, color="#444", size=11)


def _sources(placed: Placed, places: dict[int, Place]) -> Iterator[str]:
    """Draw what events come from: the inputs, or the pixel block."""
    x, y = _corner(places[-1])
    yield _frame(x, y, "#fdf6e8")
    pixels = placed.pixels
    yield _text(x + 10, y + 20, "inputs" if pixels is None else "pixel block", weight="bold")
    for n, one in enumerate(placed.inputs[:4]):
        yield _text(x + 10, y + 40 + 17 * n, _short(f"{one.name}: {one.type}"), color="#444")
    if pixels is not None:
        pool, size = "x".join(map(str, pixels.pool)), "x".join(map(str, pixels.output))
        yield _text(x + 10, y + 57, f"pool {pool}, sends {size}", color="#444")


def _arrows(placed: Placed, places: dict[int, Place]) -> Iterator[str]:
    sent = [(-1, to.core, 1, to.shift) for one in placed.inputs for to in one.destinations]
    if placed.pixels is not None:
        sent += [(-1, to.core, 1, 0) for to in placed.pixels.destinations]
    sent += [
        (core.core, to.core, to.pool, to.shift) for core in placed.cores for to in core.destinations
    ]
    for source, target, pool, shift in sent:
        x, y = _corner(places[source])
        to_x, to_y = _corner(places[target])
        start, end = (x + BOX, y + TALL // 2), (to_x, to_y + TALL // 2)
        bend = GAP // 2
        yield (
            f'<path d="M{start[0]} {start[1]}C{start[0] + bend} {start[1]} '
            f'{end[0] - bend} {end[1]} {end[0]} {end[1]}" fill="none" stroke="#555" '
            'stroke-width="1.5" marker-end="url(#to)"/>'
        )
        told = (f"pool {pool}" if pool > 1 else "") + (f" +{shift}" if shift else "")
        if told:
            yield _text(start[0] + 8, (start[1] + end[1]) // 2 - 8, told.strip(), size=11)
    if any(core.readout for core in placed.cores):
        yield _text(EDGE, EDGE + 20, f"output sent to the readout block ({LIMITS.readout_layer})")


def _short(text: str) -> str:
    """Return a text that fits into a box."""
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def _frame(x: int, y: int, color: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="6" fill="{color}" '
        'stroke="#8895a5"/>'
    )


def _text(
    x: int, y: int, text: str, size: int = 12, weight: str = "normal", color: str = "#111"
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'fill="{color}">{escape(text)}</text>'
    )
