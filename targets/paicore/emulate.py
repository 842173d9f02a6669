"""Runs configured cores as the chip does, many samples at a time.

The reference is the vendor's simulator as measured on its recorded systems; where the silicon may
differ, `Semantics` names the choice. The emulator reads images and frames only, so that it is a
witness independent of the compiler that wrote them.

One global step: every core that is active integrates the rows of its input buffer that belong to
its local step, clears them and updates its neurons; then all spikes are delivered. A frame replaces
what its (slot, axon) held, and a row that nobody reads stays until its slot comes round again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.frames import Ints, Kind, Words
from snnc.targets.paicore.chip.image import ChipImage
from snnc.targets.paicore.emulation.buffer import Bytes, Core, Groups, Place
from snnc.targets.paicore.emulation.host import Wiring
from snnc.targets.paicore.emulation.neuron import Semantics
from snnc.targets.paicore.limits import LIMITS

__all__ = ["Machine", "Output", "Place", "Played", "Semantics", "Trace", "play"]

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
        self._cores = [Core(k, core, samples, chosen) for k, core in enumerate(working)]
        self._groups = Groups(self._cores, image.chips, samples)
        self._record = record
        self._traced: dict[Place, list[tuple[Bytes, Ints]]] = {c.place: [] for c in self._cores}

    def inject(self, words: Words, samples: Ints | None = None) -> None:
        """Put spike words into the input buffers, of all samples or of the sample of each word.

        Each puts a 1 where it goes, so their order does not matter.

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
        banks = self._groups.banks_of(key)
        bad = (fields["axon"] >= LIMITS.axons) | (fields["data"] == 0) | (fields["zero"] != 0)
        if banks is None or key >> 30 != Kind.SPIKE or bad.any():
            word = int(words[np.argmax(bad)])
            raise fail(
                "injected-frame",
                f"word {word:016X} is no spike frame for a chip of {sorted(self.image.chips)}",
                help="send spike frames, with data and a legal axon, to the configured chips",
            )
        order = np.argsort(fields["slot"].astype(np.uint8), kind="stable")
        slots, axons = fields["slot"][order], fields["axon"][order]
        data = fields["data"].astype(np.uint8)[order]
        for bank in banks:
            bank.write(samples[order], slots, axons, data)

    def step(self, count: int = 1) -> Output:
        """Run global steps; return the frames that left the chips."""
        sent: list[tuple[int, Ints, Words]] = []
        for _ in range(count):
            self.done += 1
            active = [(bank, bank.local_step(self.done)) for bank in self._groups.banks]
            results = [result for bank, k in active if k >= 0 for result in bank.compute(k)]
            for core, local, data in sorted(results, key=lambda result: result[0].number):
                if self._record:
                    self._traced[core.place].append((data, core.neurons.potentials.copy()))
                sent += [(self.done, *frame) for frame in self._deliver(core, local, data)]
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

    def _deliver(self, core: Core, local: int, data: Bytes) -> list[tuple[Ints, Words]]:
        """Send what a core's neurons emitted; return samples and words of what leaves the chips."""
        leaving: list[tuple[Ints, Words]] = []
        samples, neurons = np.nonzero(data)
        if not len(samples):
            return leaving
        values = data[samples, neurons]
        slots = core.slots(local)
        for key, chosen in core.routes.items():
            mine = chosen[neurons] if len(core.routes) > 1 else slice(None)
            s, n, v = samples[mine], neurons[mine], values[mine]
            banks = self._groups.banks_of(key)
            if banks is None:
                words = core.bases | slots.astype(np.uint64) << np.uint64(8)
                leaving.append((s, words[n] | v))
                continue
            for bank in banks:
                bank.write(s, slots[n], core.axon[n], v)
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
