"""A build for PAICORE as a picture (SVG): the grid of each chip, cores by layer.

A cell is a core, filled from below as far as its dendrites are used. Cores with a line between them
are reached by different multicasts, those without by the same ones; a thick line divides layers.
Empty cores of regions, learning cores and cores that nobody uses look different. The text of a cell
shows when one points at it. The same build gives the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil

from attrs import frozen

from snnc.cli.paicore.mapping import coverage, in_time
from snnc.cli.paicore.tables import available, dendrites, held, layer_name, place
from snnc.cli.printing import counted
from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.placed import Core, Placed
from snnc.targets.paicore.reports.traffic import Address

CELL, EDGE, KEY, LINE = 15, 24, 250, 17
"""Sizes of a cell, of the margin, of a column of the list of layers, and of one line of text."""

SIDE = LIMITS.side
PITCH = SIDE * CELL + EDGE
"""From one chip to the next; between two rows of chips lies the text of the upper one."""

ENTRIES = SIDE * CELL // LINE
"""Lines of a column of the list of layers: as many as stand beside a chip."""

NAME = 26
"""Letters of a layer's name that fit."""

IDLE, FREE, ONLINE = "#c9c9c9", "#ffffff", "#4a4a4a"


@frozen(eq=False)
class Cell:
    """What a core of a chip shows: its layers, the multicasts that reach it, a text."""

    layers: tuple[str, ...]
    reached: frozenset[Address]
    use: float
    text: str


Cells = Mapping[Coordinate, Cell]


def drawing(placed: Placed) -> str:
    """Return the picture of a placed network, chips row by row, as many rows as columns."""
    names = list(in_time(placed))
    chips = placed.chips
    across = ceil(len(chips) ** 0.5)
    key = list(_key(placed, names, (EDGE + across * PITCH, EDGE + LINE)))
    width = 2 * EDGE + across * PITCH + KEY * ceil(len(key) / ENTRIES)
    height = EDGE + LINE + ceil(len(chips) / across) * PITCH
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
        '<defs><pattern id="idle" width="4" height="4" patternUnits="userSpaceOnUse">'
        f'<path d="M0 4L4 0" stroke="{IDLE}"/></pattern></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(EDGE, EDGE, f"{placed.module.name} on PAICORE", bold=True),
    ]
    cells = _cells(placed)
    for number, chip in enumerate(chips):
        corner = EDGE + number % across * PITCH, EDGE + LINE + number // across * PITCH
        lines += _chip(chip, cells[chip], names, corner)
    return "\n".join([*lines, *key, "</svg>", ""])


def _cells(placed: Placed) -> dict[Coordinate, dict[Coordinate, Cell]]:
    covered, holds = coverage(placed), held(placed)
    found: dict[Coordinate, dict[Coordinate, Cell]] = {chip: {} for chip in placed.chips}
    for core in placed.cores:
        pieces = holds[core]
        layers = tuple(dict.fromkeys(layer.of for layer, *_ in pieces))
        told = ", ".join(
            f"{layer_name(layer)}[{done}:{done + last - first}]"
            for layer, done, first, last in pieces
        )
        reached = frozenset(covered[core.place])
        text = f"{place(core.chip, core.at)} {told}{_numbers(core)}, "
        text += counted(len(reached), "multicast")
        found[core.chip][core.at] = Cell(layers, reached, dendrites(core) / available(core), text)
    for empty in placed.idle:
        text = f"{place(empty.chip, empty.at)} empty, reached by multicasts"
        reached = frozenset(covered[empty.place])
        found[empty.chip][empty.at] = Cell((), reached, 0.0, text)
    return found


def _numbers(core: Core) -> str:
    neurons, bits = counted(core.count, "neuron"), counted(core["bits"], "bit")
    return f": {neurons}, {bits}, extension {core['extension']}"


def _color(number: int) -> str:
    # So many hues lie at least 16 degrees apart.
    return f"hsl({number * 137 % 360},55%,{(62, 48, 74)[number // 13 % 3]}%)"


def _chip(
    chip: Coordinate, cells: Cells, names: Sequence[str], corner: tuple[int, int]
) -> Iterator[str]:
    left, top = corner
    yield _text(left, top + SIDE * CELL + 14, f"chip {chip[0]},{chip[1]}")
    color = {name: _color(n) for n, name in enumerate(names)}
    for y in range(SIDE):
        for x in range(SIDE):
            at = left + x * CELL, top + y * CELL
            if LIMITS.is_online(x, y):
                yield _cell(at, ONLINE, f"{x},{y} learning core")
            elif (x, y) in cells:
                yield from _filled(at, cells[x, y], color)
    yield from _grid(left, top)
    for (x, y), cell in cells.items():
        yield from _borders(cells, cell, (x, y), (left + x * CELL, top + y * CELL))


def _cell(at: tuple[int, int], fill: str, text: str) -> str:
    box = f'<rect x="{at[0]}" y="{at[1]}" width="{CELL}" height="{CELL}" fill="{fill}">'
    return f"{box}<title>{escape(text)}</title></rect>"


def _filled(at: tuple[int, int], cell: Cell, color: Mapping[str, str]) -> Iterator[str]:
    if not cell.layers:
        yield _cell(at, "url(#idle)", cell.text)
        return
    strips = len(cell.layers)
    tall = round(CELL * cell.use, 2)
    for n, name in enumerate(cell.layers):
        begin, end = n * CELL // strips, (n + 1) * CELL // strips
        yield (
            f'<rect x="{at[0] + begin}" y="{at[1]}" width="{end - begin}" height="{CELL}" '
            f'fill="{color[name]}" fill-opacity="0.35"/>'
        )
        yield (
            f'<rect x="{at[0] + begin}" y="{at[1] + CELL - tall:g}" width="{end - begin}" '
            f'height="{tall:g}" fill="{color[name]}"/>'
        )
    yield f"{_cell(at, 'transparent', cell.text)}"


def _grid(left: int, top: int) -> Iterator[str]:
    """Draw the blocks of the quad tree from 4 x 4 cores on, larger ones darker."""
    size = SIDE * CELL
    for n in range(0, SIDE + 1, 4):
        shade = "#777" if n % 16 == 0 else "#bbb" if n % 8 == 0 else "#e2e2e2"
        at = n * CELL
        yield (
            f'<path d="M{left + at} {top}v{size}M{left} {top + at}h{size}" stroke="{shade}" '
            'stroke-width="0.7" fill="none"/>'
        )


def _borders(cells: Cells, cell: Cell, place: Coordinate, at: tuple[int, int]) -> Iterator[str]:
    """Draw the lines to the right and below, and to the left and above where nobody is."""
    x, y = place
    left, top, right, low = at[0], at[1], at[0] + CELL, at[1] + CELL
    sides = {
        (x + 1, y): f"M{right} {top}v{CELL}",
        (x, y + 1): f"M{left} {low}h{CELL}",
        (x - 1, y): f"M{left} {top}v{CELL}",
        (x, y - 1): f"M{left} {top}h{CELL}",
    }
    for beside, path in sides.items():
        other = cells.get(beside)
        if other is not None and beside < place:
            continue  # Drawn from the other side.
        if other is None or other.layers != cell.layers:
            yield f'<path d="{path}" stroke="#222" stroke-width="1.6"/>'
        elif other.reached != cell.reached:
            yield f'<path d="{path}" stroke="#222" stroke-width="0.5"/>'


def _key(placed: Placed, names: Sequence[str], corner: tuple[int, int]) -> Iterator[str]:
    """Yield the entries of the list of layers, each an element, in columns."""
    used = dict.fromkeys(names, 0)
    for name, copies in placed.copies.items():
        used[name] = len({core.place for layer in copies for core, _, _ in layer.pieces})
    required, occupied = len(placed.cores), len(placed.cores) + len(placed.idle)
    entries = [
        ("", f"{counted(required, 'core')} required, {occupied:,} occupied"),
        *((_color(n), f"{_short(name)}: {used[name]:,}") for n, name in enumerate(names)),
        ("url(#idle)", f"empty, but reached: {len(placed.idle):,}"),
        (ONLINE, "learning cores, not used"),
        ("", "thick line: another layer"),
        ("", "thin line: reached by other multicasts"),
    ]
    for n, (fill, text) in enumerate(entries):
        left, y = corner[0] + n // ENTRIES * KEY, corner[1] + n % ENTRIES * LINE
        box = f'<rect x="{left}" y="{y}" width="11" height="11" fill="{fill}" stroke="#555"/>'
        yield (box if fill else "") + _text(left + (18 if fill else 0), y + 10, text)


def _short(name: str) -> str:
    """Return a name that fits, without its middle: ends tell layers of one kind apart."""
    left, right = (NAME - 1) // 2, NAME // 2
    return name if len(name) <= NAME else f"{name[:left]}…{name[-right:]}"


def _text(x: int, y: int, text: str, bold: bool = False) -> str:
    weight = ' font-weight="bold" font-size="14"' if bold else ""
    return f'<text x="{x}" y="{y}"{weight} fill="#111">{escape(text)}</text>'
