"""The judge: a placed module against the rules of the chip, one by one.

It knows the limits and nothing of how a placer decides, so it accepts any legal placement and
finds what a wrong one breaks. Each rule has a code of its own; the numbers are in the message.
Rules about where spikes go are in `routes.py`.
"""

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import Diagnostics, SnncError
from snnc.ir.graph import Module
from snnc.ir.weights import Array, check_tensor
from snnc.targets.paicore.chip.frames import Ints
from snnc.targets.paicore.chip.geometry import capacity
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.ops import WEIGHTS
from snnc.targets.paicore.placed import Core, Idle, Layer, Placed, read_placed
from snnc.targets.paicore.rules.routes import EXTENSIONS, check_inputs, check_outputs, check_routes
from snnc.targets.paicore.rules.twins import check_twins

_TOP = LIMITS.potential_max
_ADDRESS = LIMITS.side * LIMITS.side - 1
RANGES = {
    "threshold": (0, _TOP),
    "negative": (0, _TOP),
    "leak": (-_TOP - 1, _TOP),
    "reset_to": (-_TOP - 1, _TOP),
    "reset": (0, LIMITS.max_reset_mode),
    "negative_mode": (0, 1),
    "leak_after": (0, 1),
    "leak_reversal": (0, 1),
    "truncate": (0, LIMITS.max_truncation),
    "chip": (0, _ADDRESS),
    "core": (0, _ADDRESS),
    "mask": (0, _ADDRESS),
    "axon": (0, LIMITS.axons - 1),
    "slot": (0, LIMITS.slots - 1),
}
"""Legal values of each column of the neuron records (paicore.md, section 3)."""

DESTINATION = ("chip", "core", "mask", "axon", "slot")

MODE = ("wide", "values", "keep", "pool")
"""What all cores of a layer do alike, for it decides what their neurons mean."""

_HELP = "this is no placement that `place` gives; compile the network anew"


def check(module: Module) -> Diagnostics:
    """Return all violations of the chip's rules in a placed module.

    A module that is no well-formed placed program gives `placed-malformed` alone; destinations are
    judged only where registers and records are legal.
    """
    found = Diagnostics()
    try:
        placed = read_placed(module)
    except SnncError as error:
        found.items += error.diagnostics
        return found
    _check_places(placed, found)
    for core in placed.cores:
        _check_register(core, found)
    _check_rows(placed, found)
    _check_records(placed, found)
    for name, copies in placed.copies.items():
        _check_copies(placed, name, copies, found)
    if not found.errors:
        reached = check_routes(placed, found)
        check_inputs(placed, found)
        check_outputs(placed, found)
        for core in placed.cores:
            _check_weights(placed, core, reached[core.place], found)
    if not found.errors:
        check_twins(placed, found)
    return found


def name_of(core: Core | Idle) -> str:
    """Return how messages call a core."""
    return f"chip {core.chip} core {core.at}"


def _check_places(placed: Placed, found: Diagnostics) -> None:
    seen: dict[object, str] = {}
    both: tuple[Core | Idle, ...] = (*placed.cores, *placed.idle)
    for core in both:
        numbers = (*core.chip, *core.at, *core.test_chip)
        if any(not 0 <= n < LIMITS.side for n in numbers):
            found.error(
                "core-place",
                f"{name_of(core)} (test chip {core.test_chip}) lies outside the "
                f"{LIMITS.side} x {LIMITS.side} grid",
                core.op.loc,
                help=_HELP,
            )
        elif LIMITS.is_online(*core.at):
            message = f"{name_of(core)} is a learning core, from {LIMITS.online_from} on"
            found.error("core-online", message, core.op.loc, help=_HELP)
        kind = "idle" if isinstance(core, Idle) else "used"
        if core.place in seen:
            message = f"{name_of(core)} is both {seen[core.place]} and {kind}"
            found.error("core-twice", message, core.op.loc, help=_HELP)
        seen[core.place] = kind
        if core.test_chip in placed.chips:
            message = f"{name_of(core)} sends its output to chip {core.test_chip}, which is in use"
            found.error("output-chip", message, core.op.loc, help="choose another --output-chip")


def _check_register(core: Core, found: Diagnostics) -> None:
    problems = {
        "core-bits": ("bits", LIMITS.weight_bits),
        "core-extension": ("extension", EXTENSIONS),
        "core-target-extension": ("target_extension", EXTENSIONS),
        "core-start": ("start", range(LIMITS.max_tick + 1)),
        "core-ticks": ("ticks", range(LIMITS.max_tick + 1)),
    }
    legal = True
    for code, (attr, allowed) in problems.items():
        if core[attr] not in allowed:
            legal = False
            among = f"{allowed[0]} to {allowed[-1]}"
            message = f"{name_of(core)}: {attr} = {core[attr]} is not among {among}"
            found.error(code, message, core.op.loc, help=_HELP)
    if core["first"] < 0 or (core["start"] and core.begin < 0):
        message = f"{name_of(core)}: start {core['start']} is too early for first {core['first']}"
        found.error("core-first", message, core.op.loc, help=_HELP)
    if (core["wide"] and core["keep"]) or (core["pool"] and not (core["wide"] and core["values"])):
        what = "pools" if core["pool"] else "takes values"
        what += " and keeps potentials" if core["keep"] else " spikes"
        message = f"{name_of(core)} {what}, which is no mode of the chip"
        found.error("core-mode", message, core.op.loc, help=_HELP)
    if not legal:
        return
    most = capacity(core.wide, core["bits"], core["extension"])
    if core.count > most:
        kind = "takes values" if core.wide else "takes spikes"
        found.error(
            "core-capacity",
            f"{name_of(core)}: {core.count} neurons x {core['bits']} bits x extension "
            f"{core['extension']}, a core that {kind} holds {most} of them",
            core.op.loc,
            help=_HELP,
        )


def _check_rows(placed: Placed, found: Diagnostics) -> None:
    """Every row of the tables belongs to one core, in order, and to one place of one layer."""
    row = 0
    for core in placed.cores:
        if core.row != row:
            message = f"{name_of(core)} begins at row {core.row}, rows up to {row} are taken"
            found.error("neuron-rows", message, core.op.loc, help=_HELP)
        row = core.row + core.count
    total = len(placed.tables["core"])
    if row != total:
        message = f"the tables have {total} rows, the cores {row}"
        found.error("neuron-rows", message, placed.module.loc, help=_HELP)
    held = np.zeros(total, dtype=np.int64)
    for layer in placed.layers:
        for core, first, last in layer.pieces:
            held[core.row + first : core.row + last] += 1
    odd = np.flatnonzero(held != 1)
    if odd.size:
        found.error(
            "layer-rows",
            f"{odd.size} neuron records belong to no layer or to several, row {odd[0]} to "
            f"{held[odd[0]]}",
            placed.module.loc,
            help=_HELP,
        )


def _check_records(placed: Placed, found: Diagnostics) -> None:
    for name, (low, high) in RANGES.items():
        values = placed.tables[name]
        bad = np.flatnonzero((values < low) | (values > high))
        if bad.size:
            found.error(
                "record-range",
                f"{name} of {bad.size} neuron records is not within {low}..{high}, in row {bad[0]} "
                f"it is {values[bad[0]]}",
                placed.module.loc,
                help=_HELP,
            )


def _check_copies(placed: Placed, name: str, copies: list[Layer], found: Diagnostics) -> None:
    """All copies of a layer are the same neurons at the same ticks, numbered from 0."""
    loc = copies[0].op.loc
    if sorted(layer.copy for layer in copies) != list(range(len(copies))):
        numbers = ", ".join(str(layer.copy) for layer in copies)
        found.error("layer-copy", f"%{name} has the copies {numbers}", loc, help=_HELP)
    if len({layer.shape for layer in copies}) > 1:
        found.error("layer-shape", f"the copies of %{name} have different shapes", loc, help=_HELP)
        return
    times = {(c["first"], c["ticks"]) for layer in copies for c, _, _ in layer.pieces}
    begins = {tuple({c["start"] for c, _, _ in layer.pieces}) for layer in copies}
    if len(times) > 1 or any(len(starts) > 1 for starts in begins):
        message = f"the cores of %{name} work at different ticks: first, ticks {sorted(times)}"
        found.error("layer-timing", message, loc, help=_HELP)
    modes = {tuple(c[n] for n in MODE) for layer in copies for c, _, _ in layer.pieces}
    if len(modes) > 1:
        message = f"the cores of %{name} differ in {', '.join(MODE)}: {sorted(modes)}"
        found.error("layer-mode", message, loc, help=_HELP)
    if len(copies) == 1:
        return
    first = copies[0].rows()
    for number, other in enumerate(copies[1:], 1):
        rows, same = other.rows(), first[other.neurons]
        for column in (n for n in placed.tables if n not in DESTINATION):
            bad = np.flatnonzero(placed.tables[column][same] != placed.tables[column][rows])
            if bad.size:
                message = f"copy {number} of %{name} differs in {column}, at neuron {bad[0]}"
                found.error("copy-differs", message, loc, help=_HELP)


def _check_weights(placed: Placed, core: Core, reached: Ints, found: Diagnostics) -> None:
    """Weights are of the core's width and stand only where a spike can arrive."""
    given = placed.module.symbol_type(core.weights)
    width, columns = core["bits"], core.axons * core["extension"]
    if given.shape != (core.count, columns):
        message = f"{name_of(core)}: weights {given}, expected {[core.count, columns]}"
        found.error("weight-shape", message, core.op.loc, help=_HELP)
        return
    if str(given.element) != WEIGHTS[width]:
        message = f"{name_of(core)}: weights are {given.element}, the register says {width} bits"
        found.error("weight-width", message, core.op.loc, help=_HELP)
        return
    try:
        check_tensor(placed.module.weights[core.weights.name].tensor, core.op.loc, name_of(core))
    except SnncError as error:
        found.items += error.diagnostics
    array = placed.module.tensor(core.weights)
    unused = np.ones(columns, dtype=bool)
    unused[reached] = False
    stray = np.flatnonzero(unused & _any_row(array))
    if stray.size:
        found.error(
            "weight-unreached",
            f"{name_of(core)}: {stray.size} axons have weights but no source, such as axon "
            f"{stray[0] % core.axons} of slot {stray[0] // core.axons}",
            core.op.loc,
            help=_HELP,
        )


def _any_row(array: Array) -> NDArray[np.bool_]:
    """Return for each column of a matrix of bytes whether any row has a number there."""
    # Eight columns at a time; the width of a core is a multiple of eight.
    words = np.bitwise_or.reduce(array.view(np.uint64), axis=0)
    return np.asarray(words.view(np.uint8) != 0)
