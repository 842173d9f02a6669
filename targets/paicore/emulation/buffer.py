"""The state of emulated cores: input buffers, shared by cores that always hear the same frames.

All samples are held at once. A `Bank` is the input buffer of cores that lie in the same multicast
groups and keep the same time, so that each frame is written once for all of them. Rows exist only
while something waits in them, and only for axons with a weight, so memory follows the traffic.
"""

import copy
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.core import Coordinate, CoreImage
from snnc.targets.paicore.chip.frames import Ints, Kind
from snnc.targets.paicore.emulation.neuron import Neurons, Semantics
from snnc.targets.paicore.limits import LIMITS

Bytes = NDArray[np.uint8]
Place = tuple[Coordinate, Coordinate]

_DESTINATION = ("chip_x", "chip_y", "core_x", "core_y", "core_mask_x", "core_mask_y")
_FLOAT32_EXACT = 1 << 24


class Core:
    """Weights, neurons and destinations of one core; `number` is its rank in the machine.

    Sums are float32 products where no partial sum can reach 2^24, which makes them exact; else
    float64. A core that pools takes the largest value that has a weight instead.
    """

    def __init__(self, number: int, image: CoreImage, samples: int, semantics: Semantics) -> None:
        self.number = number
        self.place: Place = (image.chip, image.at)
        self.register = image.register
        weights = image.weights
        self.used = np.flatnonzero(weights.any(axis=0))
        bound = int(np.abs(weights.astype(np.int32)).sum(axis=1).max(initial=0))
        bound *= 255 if self.register.wide_input else 1
        precision = np.float32 if bound < _FLOAT32_EXACT else np.float64
        self.matrix = np.ascontiguousarray(weights[:, self.used].T, dtype=precision)
        # Value and first value of each neuron that has a weight, for the pooling ones.
        self.members = np.nonzero(weights[:, self.used])[1]
        self.sizes = np.count_nonzero(weights, axis=1)
        fields = image.neurons
        self.neurons = Neurons(fields, self.register, samples, semantics, str(self.place))
        self.tick = fields["tick"]
        self.axon = fields["axon"]
        destination = {name: fields[name] for name in _DESTINATION}
        self.bases = frames.encode(
            frames.SPIKE,
            destination | {"kind": Kind.SPIKE, "zero": 0, "axon": self.axon, "slot": 0, "data": 0},
        )[:, 0]
        keys = self.bases >> np.uint64(30)
        self.routes = {key: keys == key for key in dict.fromkeys(keys.tolist())}

    def __deepcopy__(self, memo: dict[int, object]) -> "Core":
        """Return a core of its own state; what never changes, the weights above all, is shared.

        A step gives the neurons new potentials and leaves the old array as it was.
        """
        made = copy.copy(self)
        made.neurons = copy.copy(self.neurons)
        return made

    def compute(self, row: Bytes | None) -> Bytes:
        """Do a step on the values of the used axons; return what each neuron sends."""
        if row is None:
            return self.neurons.update(np.int64(0))
        if self.register.max_pool:
            return self.neurons.update(self._largest(row))
        return self.neurons.update((row.astype(self.matrix.dtype) @ self.matrix).astype(np.int64))

    def _largest(self, row: Bytes) -> Ints:
        """Return the largest value under a weight of each neuron; 0 for those without weights."""
        found = np.zeros((len(row), len(self.sizes)), dtype=np.int64)
        some = np.flatnonzero(self.sizes)
        if some.size:
            starts = np.cumsum(self.sizes[some]) - self.sizes[some]
            found[:, some] = np.maximum.reduceat(row[:, self.members], starts, axis=1)
        return found

    def slots(self, local: int) -> Ints:
        """Return the time slot of each neuron's frame at a local step."""
        return (self.tick + (local << self.register.target_lcn)) % LIMITS.slots


class Bank:
    """The input buffer of cores that are in the same groups and start and stop together."""

    def __init__(self, cores: Sequence[Core], samples: int) -> None:
        self.cores = tuple(cores)
        self.samples = samples
        self.register = cores[0].register
        self.turns = LIMITS.slots // self.register.extension
        self.used = np.unique(np.concatenate([core.used for core in cores]))
        self.columns = np.full(self.register.axons * self.register.extension, -1, dtype=np.int64)
        self.columns[self.used] = np.arange(len(self.used))
        self.rows: dict[int, Bytes] = {}
        self._selections = [
            None if len(core.used) == len(self.used) else self.columns[core.used] for core in cores
        ]

    def split(self, inside: Sequence[Core]) -> "tuple[Bank, Bank]":
        """Return the same buffer for some of the cores and for the others."""
        outside = [core for core in self.cores if core not in inside]
        parts = Bank(inside, self.samples), Bank(outside, self.samples)
        for part in parts:
            kept = self.columns[part.used]
            part.rows = {turn: row[:, kept] for turn, row in self.rows.items()}
        return parts

    def local_step(self, step: int) -> int:
        """Return the local step at a global one, -1 where the cores rest."""
        local = step - self.register.tick_start
        stopped = 0 < self.register.tick_count <= local
        return -1 if stopped or not self.register.tick_start or local < 0 else local

    def compute(self, local: int) -> list[tuple[Core, int, Bytes]]:
        """Do a local step of every core; return core, local step and what each neuron sends."""
        row = self.rows.pop(local % self.turns, None)
        return [
            (core, local, core.compute(row if row is None or chosen is None else row[:, chosen]))
            for core, chosen in zip(self.cores, self._selections, strict=True)
        ]

    def write(self, samples: Ints, slots: Ints, axons: Ints, data: Bytes) -> None:
        """Put frames into the buffer, a later one over an earlier one."""
        if data.max(initial=0) > 1 and not self.register.wide_input:
            raise fail(
                "wide-frame",
                f"chip and core {self.cores[0].place} have 1-bit input and receive the value "
                f"{data.max()}",
                help="send values only to cores with 8-bit input",
            )
        turns, block = np.divmod(slots, self.register.extension)
        columns = self.columns[block * self.register.axons + self._counted(axons)]
        known = columns >= 0
        if not known.all():
            samples, turns, columns = samples[known], turns[known], columns[known]
            data = data[known]
        if (turns[1:] < turns[:-1]).any():
            order = np.argsort(turns.astype(np.uint8), kind="stable")
            samples, turns, columns = samples[order], turns[order], columns[order]
            data = data[order]
        cuts = [*np.flatnonzero(np.diff(turns, prepend=-1)).tolist(), len(turns)]
        for begin, end in pairwise(cuts):
            row = self._row(int(turns[begin]))
            row[samples[begin:end], columns[begin:end]] = data[begin:end]

    def _counted(self, axons: Ints) -> Ints:
        """Return the axons that addresses name; 8-bit values lie eight addresses apart."""
        counted, rest = np.divmod(axons, self.register.axon_step)
        if rest.any():
            raise fail(
                "axon-address",
                f"chip and core {self.cores[0].place} have 8-bit input and receive a value at "
                f"axon address {axons[np.argmax(rest)]}, no multiple of {self.register.axon_step}",
                help="write the configuration anew with `snnc compile`",
            )
        return counted

    def _row(self, turn: int) -> Bytes:
        if turn not in self.rows:
            self.rows[turn] = np.zeros((self.samples, len(self.used)), dtype=np.uint8)
        return self.rows[turn]


class Groups:
    """The banks of a machine, and which of them each multicast group covers.

    A group is named by its key, the upper 34 bits of a frame. Banks are split when a group turns
    up that covers a part of them only.
    """

    def __init__(self, cores: Sequence[Core], chips: Sequence[Coordinate], samples: int) -> None:
        self._cores = tuple(cores)
        self._chips = {chip: number for number, chip in enumerate(chips)}
        places = [(self._chips[chip], x, y) for chip, (x, y) in (core.place for core in cores)]
        self._places = np.array(places, dtype=np.int64).reshape(-1, 3)
        keys = dict.fromkeys(key for core in cores for key in core.routes)
        self._coverage = {key: self._cover(key) for key in keys}
        self.banks = self._partition(samples)
        self._groups: dict[int, tuple[Bank, ...] | None] = {}

    def banks_of(self, key: int) -> tuple[Bank, ...] | None:
        """Return the banks of a group; None where it lies on another chip."""
        if key not in self._coverage:
            self._coverage[key] = self._cover(key)
            self._split(self._coverage[key])
        if key not in self._groups:
            covered = self._coverage[key]
            inside = (
                [] if covered is None else [b for b in self.banks if covered[b.cores[0].number]]
            )
            self._groups[key] = None if covered is None else tuple(inside)
        return self._groups[key]

    def _cover(self, key: int) -> NDArray[np.bool_] | None:
        word = np.array([[key << 30]], dtype=np.uint64)
        to = {name: int(v[0]) for name, v in frames.decode(frames.HEADER, word).items()}
        chip = self._chips.get((to["chip_x"], to["chip_y"]))
        if chip is None:
            return None
        differs = self._places ^ np.array([chip, to["core_x"], to["core_y"]])
        free = np.array([0, to["core_mask_x"], to["core_mask_y"]])
        return np.asarray(((differs & ~free) == 0).all(axis=1))

    def _partition(self, samples: int) -> list[Bank]:
        known = [covered for covered in self._coverage.values() if covered is not None]
        table = np.array(known, dtype=bool).reshape(-1, len(self._cores))
        alike: dict[tuple[Coordinate, int, int, int, bytes], list[Core]] = {}
        for core in self._cores:
            r = core.register
            time = (core.place[0], 2 * r.lcn + r.wide_input, r.tick_start, r.tick_count)
            alike.setdefault((*time, table[:, core.number].tobytes()), []).append(core)
        return [Bank(cores, samples) for cores in alike.values()]

    def _split(self, covered: NDArray[np.bool_] | None) -> None:
        if covered is None:
            return
        banks: list[Bank] = []
        for bank in self.banks:
            inside = [core for core in bank.cores if covered[core.number]]
            whole = len(inside) in (0, len(bank.cores))
            banks += [bank] if whole else bank.split(inside)
        if len(banks) > len(self.banks):
            self._groups.clear()
        self.banks = banks
