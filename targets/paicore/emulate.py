"""Runs configured cores as the chip does, many samples at a time.

The reference is the vendor's simulator as measured on its recorded systems; where the silicon may
differ, `Semantics` names the choice. The emulator reads images and frames only, so that it is a
witness independent of the compiler that wrote them.

One global step: every core that is active integrates the rows of its input buffer that belong to
its local step, clears them and updates its neurons; then all spikes are delivered. A frame replaces
what its (slot, axon) held, and a row that nobody reads stays until its slot comes round again.

Buffer rows exist only while something waits in them, and only for axons with a weight, so memory
follows the traffic. Sums are float32 products where no partial sum can reach 2^24, which makes
them exact, else float64.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore import frames
from snnc.targets.paicore.core import Coordinate, CoreImage
from snnc.targets.paicore.frames import Ints, Kind, Words
from snnc.targets.paicore.host import Bytes, Wiring
from snnc.targets.paicore.image import ChipImage
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neuron import Neurons, Semantics

__all__ = ["Machine", "Output", "Place", "Played", "Semantics", "Trace", "play"]

Place = tuple[Coordinate, Coordinate]

_DESTINATION = ("chip_x", "chip_y", "core_x", "core_y", "core_mask_x", "core_mask_y")
_FLOAT32_EXACT = 1 << 24
_CHUNK_BYTES = 1 << 28
_FRAME_BYTES = 64
_CORE_BYTES = 1 << 15


@frozen(eq=False)
class Trace:
    """What a core did at each of its local steps: arrays `(samples, local steps, neurons)`.

    `outputs` is what each neuron sent (0, 1, or an 8-bit value), `potentials` the state after it.
    """

    outputs: Bytes
    potentials: Ints


@frozen(eq=False)
class Output:
    """Frames that left for the output chip, by step and core: global step, sample, word of each."""

    steps: Ints
    samples: Ints
    words: Words


@frozen(eq=False)
class _Route:
    """Neurons of a core with one destination group."""

    neurons: NDArray[np.bool_]
    targets: "tuple[_Core, ...] | None"


class _Core:
    """The state of one core for all samples."""

    def __init__(self, image: CoreImage, samples: int, semantics: Semantics) -> None:
        register = image.register
        self.place = (image.chip, image.at)
        self.register = register
        self.samples = samples
        weights = image.weights
        used = np.flatnonzero(weights.any(axis=0))
        self.width = len(used)
        self.columns = np.full(weights.shape[1], -1, dtype=np.int64)
        self.columns[used] = np.arange(self.width)
        bound = int(np.abs(weights.astype(np.int64)).sum(axis=1).max(initial=0))
        precision = np.float32 if bound < _FLOAT32_EXACT else np.float64
        self.matrix = np.ascontiguousarray(weights[:, used].T, dtype=precision)
        self.rows: dict[int, Bytes] = {}
        self.turns = LIMITS.slots // register.extension
        fields = image.neurons
        self.neurons = Neurons(fields, register, samples, semantics, str(self.place))
        self.tick = fields["tick"]
        self.axon = fields["axon"]
        self.routes: tuple[_Route, ...] = ()
        self.bases = frames.encode(
            frames.SPIKE,
            {name: fields[name] for name in _DESTINATION}
            | {"kind": Kind.SPIKE, "zero": 0, "axon": fields["axon"], "slot": 0, "data": 0},
        )[:, 0]

    def local_step(self, step: int) -> int:
        """Return the local step at a global one, -1 where the core rests."""
        local = step - self.register.tick_start
        stopped = 0 < self.register.tick_count <= local
        return -1 if stopped or not self.register.tick_start or local < 0 else local

    def compute(self, local: int) -> Bytes:
        """Do a local step; return what each neuron sends, `(samples, neurons)`."""
        row = self.rows.pop(local % self.turns, None)
        if row is None:
            return self.neurons.update(np.int64(0))
        return self.neurons.update((row.astype(self.matrix.dtype) @ self.matrix).astype(np.int64))

    def write(self, samples: Ints, slots: Ints, axons: Ints, data: Bytes) -> None:
        """Put frames into the input buffer, a later one over an earlier one."""
        if data.size and data.max() > 1:
            raise fail(
                "wide-frame",
                f"chip and core {self.place} have 1-bit input and receive the value {data.max()}",
                help="send values only to cores with 8-bit input",
            )
        turns, block = np.divmod(slots, self.register.extension)
        columns = self.columns[block * LIMITS.axons + axons]
        known = columns >= 0
        if not known.all():
            samples, turns, columns = samples[known], turns[known], columns[known]
            data = data[known]
        if not len(turns):
            return
        if (turns[1:] < turns[:-1]).any():
            order = np.argsort(turns.astype(np.uint8), kind="stable")
            samples, turns, columns = samples[order], turns[order], columns[order]
            data = data[order]
        cuts = [0, *(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(turns)]
        for begin, end in pairwise(cuts):
            row = self._row(int(turns[begin]))
            row[samples[begin:end], columns[begin:end]] = data[begin:end]

    def _row(self, turn: int) -> Bytes:
        if turn not in self.rows:
            self.rows[turn] = np.zeros((self.samples, self.width), dtype=np.uint8)
        return self.rows[turn]


class Machine:
    """Independent copies of the configured chips, one per sample, from power-up on.

    Args:
        image: the configuration.
        samples: how many copies.
        semantics: choices where the silicon is not known.
        record: keep outputs and potentials of every core for `trace`.

    Raises:
        SnncError: `stochastic-neuron` if a record asks for random numbers and `semantics` refuses.
    """

    def __init__(
        self,
        image: ChipImage,
        samples: int = 1,
        semantics: Semantics | None = None,
        record: bool = False,
    ) -> None:
        self.image = image
        self.samples = samples
        self.done = 0
        chosen = semantics or Semantics()
        working = [c for c in image.cores if c.register.dendrites]
        self._cores = [_Core(core, samples, chosen) for core in working]
        self._chips = frozenset(image.chips)
        self._groups: dict[int, tuple[_Core, ...] | None] = {}
        for core in self._cores:
            keys = core.bases >> np.uint64(30)
            core.routes = tuple(
                _Route(keys == key, self._targets(int(key))) for key in dict.fromkeys(keys.tolist())
            )
        self._record = record
        self._traced: dict[Place, list[tuple[Bytes, Ints]]] = {c.place: [] for c in self._cores}

    def inject(self, words: Words, samples: Ints | None = None) -> None:
        """Put spike words into the input buffers, of all samples or of the sample of each word.

        Words are taken in order: of two to the same (slot, axon) the later one counts.

        Raises:
            SnncError: `injected-frame` for a word that is no spike for these chips.
        """
        if samples is None:
            samples = np.repeat(np.arange(self.samples), len(words))
            words = np.tile(words, self.samples)
        keys = words >> np.uint64(30)
        same = len(words) > 0 and bool((keys == keys[0]).all())
        for key in [int(keys[0])] if same else np.unique(keys).tolist():
            mine = slice(None) if same else keys == key
            self._inject_group(key, words[mine], samples[mine])

    def _inject_group(self, key: int, words: Words, samples: Ints) -> None:
        fields = frames.decode(frames.SPIKE, words[:, None], ("axon", "slot", "data", "zero"))
        targets = self._targets(key)
        bad = (fields["axon"] >= LIMITS.axons) | (fields["data"] == 0) | (fields["zero"] != 0)
        if targets is None or key >> 30 != Kind.SPIKE or bad.any():
            word = int(words[np.argmax(bad)])
            raise fail(
                "injected-frame",
                f"word {word:016X} is no spike frame for a chip of {sorted(self._chips)}",
                help="send spike frames, with data and a legal axon, to the configured chips",
            )
        order = np.argsort(fields["slot"].astype(np.uint8), kind="stable")
        slots, axons = fields["slot"][order], fields["axon"][order]
        data = fields["data"].astype(np.uint8)[order]
        for core in targets:
            core.write(samples[order], slots, axons, data)

    def step(self, count: int = 1) -> Output:
        """Run global steps; return the frames that left the chips."""
        sent: list[tuple[int, Ints, Words]] = []
        for _ in range(count):
            self.done += 1
            active = [(core, core.local_step(self.done)) for core in self._cores]
            results = [(core, k, core.compute(k)) for core, k in active if k >= 0]
            for core, local, data in results:
                if self._record:
                    self._traced[core.place].append((data, core.neurons.potentials.copy()))
                sent += [(self.done, *frame) for frame in _deliver(core, local, data)]
        steps = [np.full(len(words), step, dtype=np.int64) for step, _, words in sent]
        none = np.zeros(0, dtype=np.int64)
        return Output(
            np.concatenate([none, *steps]),
            np.concatenate([none, *(samples for _, samples, _ in sent)]),
            np.concatenate([none.view(np.uint64), *(words for _, _, words in sent)]),
        )

    def potentials(self) -> dict[Place, Ints]:
        """Return the membrane potentials `(samples, neurons)` of each core by (chip, core)."""
        return {core.place: core.neurons.potentials.copy() for core in self._cores}

    def trace(self) -> dict[Place, Trace]:
        """Return what was recorded, by (chip, core); empty unless `record`."""
        return {
            place: Trace(*(np.stack(one, axis=1) for one in zip(*steps, strict=True)))
            for place, steps in self._traced.items()
            if steps
        }

    def _targets(self, key: int) -> tuple[_Core, ...] | None:
        """Return the working cores of a group, a word's upper 34 bits; None for another chip."""
        if key not in self._groups:
            word = np.array([[key << 30]], dtype=np.uint64)
            to = {n: int(v[0]) for n, v in frames.decode(frames.HEADER, word).items()}
            chip = to["chip_x"], to["chip_y"]
            self._groups[key] = None
            if chip in self._chips:
                self._groups[key] = tuple(c for c in self._cores if _covers(to, chip, c.place))
        return self._groups[key]


def _covers(to: Mapping[str, int], chip: Coordinate, place: Place) -> bool:
    x, y = place[1]
    outside = (x ^ to["core_x"]) & ~to["core_mask_x"] | (y ^ to["core_y"]) & ~to["core_mask_y"]
    return place[0] == chip and not outside


def _deliver(core: _Core, local: int, data: Bytes) -> list[tuple[Ints, Words]]:
    """Send what a core's neurons emitted; return samples and words of what leaves the chips."""
    leaving: list[tuple[Ints, Words]] = []
    samples, neurons = np.nonzero(data)
    if not len(samples):
        return leaving
    values = data[samples, neurons]
    slots = (core.tick + (local << core.register.target_lcn)) % LIMITS.slots
    for route in core.routes:
        mine = route.neurons[neurons] if len(core.routes) > 1 else slice(None)
        s, n, v = samples[mine], neurons[mine], values[mine]
        if route.targets is None:
            words = core.bases | slots.astype(np.uint64) << np.uint64(8)
            leaving.append((s, words[n] | v))
            continue
        for target in route.targets:
            target.write(s, slots[n], core.axon[n], v)
    return leaving


@frozen(eq=False)
class Played:
    """A run through the host's ports: outputs and, if recorded, the trace of each core."""

    outputs: dict[str, Bytes]
    traces: dict[Place, Trace]


def play(
    image: ChipImage,
    wiring: Wiring,
    values: Mapping[str, Bytes],
    ticks: int,
    *,
    semantics: Semantics | None = None,
    record: bool = False,
    chunk: int | None = None,
) -> Played:
    """Run input values through the system as a host does, in bursts.

    `values` are arrays `(samples, ticks, elements)` of 0 and 1 by input name, the outputs likewise
    by output name. Samples are run `chunk` at a time, by default as many as keep the buffers within
    about 256 MiB.

    Raises:
        SnncError: whatever `Machine` and `Wiring` refuse.
    """
    samples = _sample_count(values, ticks)
    size = chunk or max(1, _CHUNK_BYTES // _sample_bytes(image, wiring, ticks))
    parts = [
        _play_chunk(
            Machine(image, min(size, samples - begin), semantics, record),
            wiring,
            {name: array[begin : begin + size] for name, array in values.items()},
            ticks,
        )
        for begin in range(0, max(samples, 1), size)
    ]
    return Played(
        {name: np.concatenate([p.outputs[name] for p in parts]) for name in parts[0].outputs},
        {place: _join([p.traces[place] for p in parts]) for place in parts[0].traces},
    )


def _sample_count(values: Mapping[str, Bytes], ticks: int) -> int:
    """Return the samples of all inputs; one where there is no input."""
    shapes = {name: array.shape[:2] for name, array in values.items()}
    counts = {shape[:1] for shape in shapes.values()} or {(1,)}
    if len(counts) > 1 or any(shape[1:] != (ticks,) for shape in shapes.values()):
        raise fail(
            "input-shape",
            f"inputs have these samples and ticks: {shapes}; expected {ticks} ticks and the same "
            "samples",
            help="give every input as many samples, and the ticks of the run",
        )
    return int(counts.pop()[0])


def _join(traces: Sequence[Trace]) -> Trace:
    outputs = np.concatenate([trace.outputs for trace in traces])
    return Trace(outputs, np.concatenate([trace.potentials for trace in traces]))


def _sample_bytes(image: ChipImage, wiring: Wiring, ticks: int) -> int:
    """Return about how much memory a sample takes: waiting rows, and frames of a full burst."""
    steps = min(ticks, wiring.burst_steps)
    rows = sum(c.register.extension for c in image.cores if c.register.dendrites) * LIMITS.axons
    elements = sum(len(port.axons) for port in wiring.inputs)
    return steps * (rows + elements * _FRAME_BYTES) + (1 + len(image.cores)) * _CORE_BYTES


def _play_chunk(
    machine: Machine, wiring: Wiring, values: Mapping[str, Bytes], ticks: int
) -> Played:
    outputs = {
        port.name: np.zeros((machine.samples, ticks, len(port.axons)), dtype=np.uint8)
        for port in wiring.outputs
    }
    for done, steps in wiring.bursts(ticks):
        samples, words = wiring.encode(values, done, steps)
        machine.inject(words, samples)
        output = machine.step(steps)
        wiring.decode(output.samples, output.words, done, steps, outputs)
    return Played(outputs, machine.trace())
