"""A second emulator of PAICORE's files, written from the fact sheet alone, for tests.

It reads the configuration frames and the vendor's JSON files, nothing of ours: what it says of a
build is what a host that was written for PAIBox's export would see of a chip. Nothing of the
product is imported, not even a table of positions.
"""

import json
from pathlib import Path

import numpy as np

MOST, TURN = 2**29 - 1, 2**30 - 1
REGISTER = (
    *(("weight", 2), ("lcn", 4), ("wide", 1), ("values", 1), ("dendrites", 13), ("pool", 1)),
    *(("start", 15), ("steps", 15), ("keeps", 1), ("target_lcn", 4), ("test_chip", 10)),
)
"""Fields of the core register with their bits, the most significant first (section 2)."""

RECORD = (
    *(("v", -30), ("cut", 5), ("random_weight", 1), ("leak", -30), ("random_leak", 1)),
    *(("reversal", 1), ("threshold", 29), ("negative", 29), ("floor", 1), ("mask", 5)),
    *(("late", 1), ("reset_to", -30), ("reset", 2), ("chip_y", 5), ("chip_x", 5), ("open_y", 5)),
    *(("open_x", 5), ("y", 5), ("x", 5), ("axon", 11), ("slot", 8)),
)
"""Fields of a neuron record with their bits, the least significant first (section 3); -: signed."""

EXTRA_ROW = (236, 341, 438, *[512] * 7)
"""Row of the weight memory where records beyond 512 begin, by weight code plus lcn."""


def wrapped(v):
    return np.where(v > MOST, v - TURN, np.where(v < -MOST - 1, v + TURN, v))


def record(number):
    found = {}
    for name, bits in RECORD:
        value = number & ((1 << abs(bits)) - 1)
        found[name] = value - (1 << -bits) if bits < 0 and value >> (-bits - 1) else value
        number >>= abs(bits)
    return found


class Core:
    """One core as its frames say it, and its state."""

    def __init__(self):
        self.records, self.rows, self.register = {}, {}, {}

    def finish(self):
        register = self.register
        self.slots, planes = 1 << register["lcn"], 1 << register["weight"]
        copies = self.slots * planes
        self.count = register["dendrites"] // copies if register["start"] else 0
        self.axons, self.step = (144 if register["wide"] else 1152), 0
        self.buffer = np.zeros((256, self.axons), np.int64)
        if not self.count:
            return
        memory = np.zeros((max(self.rows) + 1, 18), "<u8")
        memory[list(self.rows)] = list(self.rows.values())
        bits = np.unpackbits(memory.view(np.uint8).reshape(-1), bitorder="little")
        dendrites = bits.reshape(-1, self.axons)[: self.count * copies]
        places = 1 << np.arange(planes)
        places[-1] *= -1 if planes > 1 else 1
        shaped = dendrites.reshape(self.count, self.slots, planes, -1).astype(np.int64)
        self.weights = np.einsum("ijka,k->ija", shaped, places).reshape(self.count, -1)
        found = [self._record(n, copies) for n in range(self.count)]
        self.p = {name: np.array([r[name] for r in found], np.int64) for name in found[0]}
        self.v = self.p["v"]

    def _record(self, number, copies):
        if not self.register["wide"]:
            return record(self.records[number * copies])
        if number < 512:
            return record(self.records[number])
        row = self.rows[EXTRA_ROW[copies.bit_length() - 1] + (number - 512) // 5]
        return record(int.from_bytes(row.tobytes(), "little") >> 214 * ((number - 512) % 5))

    def tick(self, now):
        """Return (fields of the frame without its value, value) of all that is sent in a step."""
        r, p = self.register, self.p if self.count else {}
        if not self.count or now < r["start"] or 0 < r["steps"] <= self.step:
            return []
        rows = (self.slots * self.step + np.arange(self.slots)) % 256
        x = self.buffer[rows].reshape(-1)
        self.buffer[rows] = 0
        current = np.where(self.weights != 0, x, 0).max(1) if r["pool"] else self.weights @ x
        charged = wrapped((self.v if r["keeps"] else 0) + current)
        away = np.where(p["reversal"] & r["keeps"], np.sign(charged), 1)
        v = wrapped(charged + away * p["leak"])
        compared = np.where(p["late"], charged, v)
        fires = compared >= p["threshold"]
        below = ~fires & (compared < -p["negative"])
        fired = np.choose(p["reset"], [p["reset_to"], v - p["threshold"], v])
        passed = np.choose(p["reset"], [-p["reset_to"], v + p["negative"], v])
        passed = np.where(p["floor"], -p["negative"], passed)
        self.v = np.where(fires, fired, np.where(below, passed, v))
        sent = fires * (self._bits(v) if r["values"] else 1)
        slot = (p["slot"] + (self.step << r["target_lcn"])) % 256
        self.step += 1
        names = ("chip_x", "chip_y", "x", "y", "open_x", "open_y", "axon")
        return [
            (*(int(p[name][n]) for name in names), int(slot[n]), int(sent[n]))
            for n in np.flatnonzero(sent)
        ]

    def _bits(self, v):
        cut = self.p["cut"]
        low = np.where(cut < 8, v << np.maximum(8 - cut, 0), v >> np.maximum(cut - 8, 0)) & 255
        return np.where(v >> cut > 0, 255, np.where(cut == 0, 0, low))


def parsed(words):
    """Return the cores of a configuration by chip and core address."""
    cores, at = {}, 0
    numbers = words.tolist()
    while at < len(numbers):
        head = numbers[at]
        core, kind, n = cores.setdefault(head >> 40 & 0xFFFFF, Core()), head >> 60, head & 0x7FFFF
        first = head >> 20 & 0x3FF
        if kind == 1:
            payload = sum((numbers[at + n] & 2**30 - 1) << (60 - 30 * n) for n in range(3)) >> 23
            for name, bits in reversed(REGISTER):
                core.register[name], payload = payload & ((1 << bits) - 1), payload >> bits
        elif kind == 2:
            for m in range(n // 4):
                four = numbers[at + 1 + 4 * m : at + 5 + 4 * m]
                core.records[first + m] = sum(word << 64 * k for k, word in enumerate(four))
        elif kind == 3:
            held = words[at + 1 : at + 1 + n].reshape(-1, 18)
            core.rows |= {first + m: row for m, row in enumerate(held)}
        at += 3 if kind < 2 else 1 + n
    for core in cores.values():
        core.finish()
    return cores


class Witness:
    """A build as the vendor's files describe it."""

    def __init__(self, folder):
        self.cores = parsed(np.fromfile(folder / "config_all.bin", "<u8"))
        names = ("input_proj_info", "output_dest_info", "core_params")
        texts = ((Path(folder) / f"{name}.json").read_text() for name in names)
        self.sources, self.results, self.params = map(json.loads, texts)

    def deliver(self, chip_x, chip_y, x, y, open_x, open_y, axon, slot, value):
        for core_x in (n for n in range(32) if (n ^ x) | open_x == open_x):
            for core_y in (n for n in range(32) if (n ^ y) | open_y == open_y):
                core = self.cores.get(chip_x << 15 | chip_y << 10 | core_x << 5 | core_y)
                if core is not None:
                    core.buffer[slot, axon // 8 if core.register["wide"] else axon] = value

    def feed(self, inputs, tick):
        """Send what the host sends for a tick: `(ticks, elements)` by name."""
        for name, way in self.sources.items():
            values, first = inputs[name.split("#")[0]], way.get("first", 0)
            if not first <= tick < len(values):
                continue
            for n in np.flatnonzero(values[tick]).tolist():
                at = [way[f"addr_{key}"] for key in ("core_x", "core_y", "core_x_ex", "core_y_ex")]
                at = [part[n] if isinstance(part, list) else part for part in at]
                slot = (way["tick_relative"][n] + (tick - first) * way["lcn"]) % 256
                place = (way["addr_chip_x"], way["addr_chip_y"], *at, way["addr_axon"][n])
                self.deliver(*place, slot, int(values[tick][n]))

    def run(self, inputs, ticks):
        """Return what comes back, `(ticks, elements)` by name, in steps of the cores that send."""
        chips, where, found = {key >> 10 for key in self.cores}, {}, {}
        for name, pieces in self.results.items():
            key, piece = next(iter(pieces.items()))
            core = next(c[key] for c in self.params.values() if key in c)
            ends = [
                1152 * slot + axon
                for part in pieces.values()
                for slot, axon in zip(part["tick_relative"], part["addr_axon"], strict=True)
            ]
            found[name] = np.zeros((ticks, max(ends) + 1), np.int64)
            place = tuple(piece[f"addr_{n}"] for n in ("chip_x", "chip_y", "core_x", "core_y"))
            where[place] = name, core["target_lcn"]
        last = max(c.register["start"] for c in self.cores.values())
        for now in range(ticks + last):
            self.feed(inputs, now)
            sent = [(c, frame) for c in self.cores.values() for frame in c.tick(now + 1)]
            for core, frame in sent:
                if frame[0] << 5 | frame[1] in chips:
                    self.deliver(*frame)
                elif core.step <= ticks:
                    name, lcn = where[frame[:4]]
                    block = (frame[7] - (core.step - 1 << lcn)) % 256
                    found[name][core.step - 1, 1152 * block + frame[6]] = frame[8]
        return found
