"""The host's side of a run: values to work frames, work frames to values, init and test reads.

A run of any length is cut into bursts. In each, the host sends the spikes of some ticks, then a
sync that lets the chips run as many steps, then takes the output frames. A core reads 256 / L rows
of its input buffer before the slots repeat, so a burst is short enough that no row is written
before its previous use was read, and no two output frames of a burst share a slot.

Arrays of values are `(samples, ticks, elements)`, uint8; frames of many samples come as two arrays,
the sample and the word of each.
"""

from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from snnc.diagnostics import SnncError, fail, nearest
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.core import Coordinate, CoreImage
from snnc.targets.paicore.chip.frames import Ints, Kind, Words
from snnc.targets.paicore.limits import LIMITS

Bytes = NDArray[np.uint8]
_SAME = attrs.cmp_using(eq=np.array_equal)
Each = tuple[int | Ints, int | Ints]
"""A coordinate x, y, the same for all elements or one for each."""


@frozen(kw_only=True)
class InputPort:
    """How one input value reaches one multicast group of cores.

    `ticks` (time slot at local step 0) and `axons` have one entry per element; so may the x and y
    of `core` and `mask`. `extension` is the
    axon extension L of the cores; `start` the tick at which they start, `first` the first tick
    whose input they read, so their register holds 1 + start + first. `wide` cores take values up to
    255, others spikes. `name` may occur in several ports.
    """

    name: str
    chip: Coordinate
    core: Each = field(eq=_SAME)
    mask: Each = field(default=(0, 0), eq=_SAME)
    extension: int
    ticks: Ints = field(eq=_SAME, repr=False)
    axons: Ints = field(eq=_SAME, repr=False)
    start: int = 0
    first: int = 0
    wide: bool = False

    @property
    def burst_steps(self) -> int:
        """Ticks that the host may be ahead of the cores without overwriting unread rows."""
        delay = int(self.ticks.max(initial=0)) // self.extension
        return LIMITS.slots // self.extension - self.start - delay


@frozen(kw_only=True)
class OutputPort:
    """How one output value arrives: frames to `core` of the output chip.

    `extension` is the slots per step of the sending cores (1 << target_lcn): element e comes in
    slot `ticks[e] + step * extension`, so `ticks` must be less. `start` and `first` are those of
    the sending cores, whose register holds 1 + start + first.
    """

    name: str
    chip: Coordinate = LIMITS.output_chip
    core: Coordinate = LIMITS.output_core
    extension: int = 1
    ticks: Ints = field(eq=_SAME, repr=False)
    axons: Ints = field(eq=_SAME, repr=False)
    start: int = 0
    first: int = 0
    elements: NDArray[np.intp] = field(init=False, eq=False, repr=False)

    @elements.default
    def _invert(self) -> NDArray[np.intp]:
        """Return the element of each (slot of a step, axon), -1 where there is none."""
        table = np.full((self.extension, LIMITS.axons), -1, dtype=np.intp)
        if self.ticks.max(initial=0) >= self.extension:
            raise fail(
                "output-ambiguous",
                f"output {self.name!r} uses {self.ticks.max() + 1} slots per step, its cores "
                f"advance by {self.extension}: frames of different steps look alike",
                help="set the target lcn of its cores to at least the slots per step",
            )
        table[self.ticks, self.axons] = np.arange(len(self.ticks))
        return table

    @property
    def burst_steps(self) -> int:
        """Steps after which the slots of output frames repeat."""
        return LIMITS.slots // self.extension


@frozen
class Wiring:
    """All ports of a system."""

    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]

    @property
    def burst_steps(self) -> int:
        """Longest burst that every port allows.

        Raises:
            SnncError: `burst-impossible` if the start and delay of a port leave no room.
        """
        ports: list[InputPort | OutputPort] = [*self.inputs, *self.outputs]
        for port in ports:
            if port.burst_steps < 1:
                raise fail(
                    "burst-impossible",
                    f"{port.name!r} would overwrite unread rows: its cores are "
                    f"{1 - port.burst_steps} ticks too late for a buffer of "
                    f"{LIMITS.slots // port.extension} ticks",
                    help="start the cores earlier or shorten the delay of the input",
                )
        return min((port.burst_steps for port in ports), default=LIMITS.slots)

    def steps(self, ticks: int) -> int:
        """Return the steps the chips must run so that every output has `ticks` ticks."""
        return ticks + max((port.start for port in self.outputs), default=0)

    def burst_count(self, ticks: int) -> int:
        """Return how many bursts a run of `ticks` ticks takes, without going through them."""
        return -(-self.steps(ticks) // self.burst_steps)

    def bursts(self, ticks: int) -> Iterator[tuple[int, int]]:
        """Yield (steps done before, steps) of each burst of a run of `ticks` ticks."""
        total = self.steps(ticks)
        longest = self.burst_steps
        for done in range(0, total, longest):
            yield done, min(longest, total - done)

    def encode(self, values: Mapping[str, Bytes], done: int, steps: int) -> tuple[Ints, Words]:
        """Return the samples and the spike words to send before a burst.

        `values` are the whole inputs by name, `(samples, ticks, elements)`; the burst takes ticks
        `done` to `done + steps`. Order: port, sample, tick, element.
        """
        missing = [port.name for port in self.inputs if port.name not in values]
        if missing:
            raise fail(
                "input-missing",
                f"no values for input {missing[0]!r}",
                help=nearest(missing[0], list(values)),
            )
        parts = [_encode_port(port, values[port.name], done, steps) for port in self.inputs]
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.uint64)
        samples, words = zip(*parts, strict=True)
        return np.concatenate(samples), np.concatenate(words)

    def decode(
        self, samples: Ints, words: Words, done: int, steps: int, into: Mapping[str, Bytes]
    ) -> None:
        """Write the output frames of a burst into arrays `(samples, ticks, elements)` by name.

        Frames of steps beyond the last tick are left out.

        Raises:
            SnncError: `output-frame` for a frame that no neuron can have sent in this burst.
        """
        known = np.zeros(len(words), dtype=bool)
        for port in self.outputs:
            base = frames.spike_words(port.chip, port.core, (0, 0), 0, 0, 0)[0]
            mine = (words ^ base) >> np.uint64(30) == 0
            known |= mine
            _decode_port(port, samples[mine], words[mine], done, steps, into[port.name])
        if not known.all():
            word = int(words[np.argmin(known)])
            raise _odd_frame(word, "it is addressed to no output of this system")

    def board_words(
        self, values: Mapping[str, Bytes], ticks: int, chips: Sequence[Coordinate]
    ) -> list[Words]:
        """Return what to send for one sample: for each burst its spikes, then the syncs."""
        return [
            np.concatenate([self.encode(values, done, steps)[1], sync_words(chips, steps)])
            for done, steps in self.bursts(ticks)
        ]


def _encode_port(port: InputPort, values: Bytes, done: int, steps: int) -> tuple[Ints, Words]:
    if values.ndim != 3 or values.shape[2] != len(port.axons):
        raise fail(
            "input-shape",
            f"input {port.name!r} has shape {values.shape}, expected (samples, ticks, "
            f"{len(port.axons)})",
            help="give one row of elements per sample and tick",
        )
    begin = max(done, port.first)
    cut = values[:, begin : done + steps]
    most = 255 if port.wide else 1
    if cut.dtype.kind not in "biu" or cut.max(initial=0) > most or cut.min(initial=0) < 0:
        raise fail(
            "input-value",
            f"input {port.name!r} has values {cut.min()}..{cut.max()} of type {cut.dtype}, "
            f"cores take integers of 0..{most}",
            help="scale the values first" if port.wide else "encode the values as spikes first",
        )
    samples, ticks, elements = np.nonzero(cut)
    slots = port.ticks[elements] + (ticks + (begin - port.first)) * port.extension
    base = frames.spike_words(port.chip, port.core, port.mask, port.axons, 0, 0)
    words = base[elements] | (slots % LIMITS.slots).astype(np.uint64) << np.uint64(8)
    words |= cut[samples, ticks, elements].astype(np.uint64)
    return samples.astype(np.int64), words


def _decode_port(
    port: OutputPort, samples: Ints, words: Words, done: int, steps: int, into: Bytes
) -> None:
    fields = frames.decode(frames.SPIKE, words[:, None], ("axon", "slot", "data", "zero"))
    before = port.start + port.first
    lowest = max(0, done - before)
    turn, block = np.divmod(fields["slot"], port.extension)
    step = lowest + (turn - lowest) % port.burst_steps
    inside = fields["axon"] < LIMITS.axons
    element = port.elements[block, np.where(inside, fields["axon"], 0)]
    bad = ~inside | (element < 0) | (fields["zero"] != 0) | (step >= done + steps - before)
    if bad.any():
        word = int(words[np.argmax(bad)])
        message = f"output {port.name!r} has no such element in steps {done + 1}..{done + steps}"
        raise _odd_frame(word, message)
    tick = step + port.first
    kept = tick < into.shape[1]
    into[samples[kept], tick[kept], element[kept]] = fields["data"][kept]


def _odd_frame(word: int, why: str) -> SnncError:
    return fail(
        "output-frame",
        f"output frame {word:016X}: {why}",
        help="decode with the build that was loaded, from its first step on",
    )


def sync_words(chips: Sequence[Coordinate], steps: int) -> Words:
    """Return a sync word of `steps` steps for each chip."""
    return np.concatenate([frames.sync_word(chip, steps) for chip in chips])


def init_words(cores: Sequence[CoreImage], redundant: bool = True) -> tuple[Words, Words]:
    """Return the two arrays that make cores forget their potentials, to be sent in order.

    An init frame follows the first seed word of each core, or, not redundant, of the last core of
    each chip. The second array completes the seeds and sends each core an empty spike; this is what
    the vendor's board code sends.
    """
    seeds = [frames.seed_words(core.chip, core.at, core.seed) for core in cores]
    last = {core.chip: number for number, core in enumerate(cores)}
    first: list[Words] = []
    for number, core in enumerate(cores):
        first.append(seeds[number][:1])
        if redundant or number == last[core.chip]:
            first.append(frames.init_word(core.chip))
    spikes = [frames.spike_words(c.chip, c.at, (0, 0), 0, 0, 0) for c in cores]
    rest = [*(seed[1:] for seed in seeds), *spikes]
    none = np.zeros(0, dtype=np.uint64)
    return np.concatenate([none, *first]), np.concatenate([none, *rest])


def read_requests(core: CoreImage, contiguous: bool = False) -> Words:
    """Return the words that ask a core for the records of all its neurons.

    One request per neuron, or few `contiguous` ones. A contiguous read skips the second address it
    covers (chip erratum, vendor note), so neurons without copies need a request for neuron 1 alone.
    """
    repeat, count = core.register.copies, core.register.neurons
    size = frames.RECORD_WORDS
    if not contiguous or count < 2:
        starts: Sequence[int] | Ints = np.arange(count, dtype=np.int64) * repeat
        lengths: Sequence[int] | int = size
    elif repeat == 1:
        starts, lengths = [0, 1], [size * (count - 1), size]
    else:
        starts, lengths = [0], [size * repeat * count]
    return frames.package_word(Kind.TEST_NEURONS, core.chip, core.at, starts, lengths, request=True)


def decode_reads(core: CoreImage, answers: Sequence[Words], contiguous: bool = False) -> Ints:
    """Return the membrane potentials, `int64[neurons]`, from the answers to `read_requests`.

    Each answer is a package header with its data; one more word at its end is dropped.

    Raises:
        SnncError: `read-answer` if the answers don't belong to the requests.
    """
    requests = read_requests(core, contiguous)
    if len(answers) != len(requests):
        raise _odd_answer(f"{len(answers)} answers to {len(requests)} requests")
    bodies = [_answer_body(core, int(r), a) for r, a in zip(requests, answers, strict=True)]
    repeat, count = core.register.copies, core.register.neurons
    if not contiguous or count < 2:
        records = np.concatenate([np.zeros((0, frames.RECORD_WORDS), np.uint64), *bodies])
    elif repeat == 1:
        records = np.insert(bodies[0], 1, bodies[1][0], axis=0)
    else:
        addresses = np.arange(count) * repeat
        records = bodies[0][np.where(addresses > 0, addresses - 1, 0)]
    return frames.decode(frames.RECORD, records, ("potential",))["potential"]


def _answer_body(core: CoreImage, request: int, answer: Words) -> Words:
    asked = frames.decode(frames.PACKAGE, np.array([[request]], dtype=np.uint64))
    expected = int(asked["count"][0])
    head = frames.decode(frames.PACKAGE, answer[:1, None])
    place = {**frames.address(core.register.test_chip, core.at), "kind": Kind.TEST_NEURONS}
    place |= {"request": 0, "start": int(asked["start"][0]), "count": expected}
    odd = [name for name, value in place.items() if len(answer) == 0 or head[name][0] != value]
    if odd:
        raise _odd_answer(f"the header of an answer differs in {', '.join(odd)}")
    if len(answer) - 1 not in (expected, expected + 1):
        raise _odd_answer(f"an answer has {len(answer) - 1} data words, expected {expected}")
    return answer[1 : 1 + expected].reshape(-1, frames.RECORD_WORDS)


def _odd_answer(message: str) -> SnncError:
    return fail(
        "read-answer",
        message,
        help="collect one answer per request, in the order of the requests",
    )
