"""Words to and from a board: inputs of a sample, its outputs, potentials read back.

One sample at a time: the words that make the cores forget, then burst after burst the spikes and a
sync for each chip. Frames that come back carry slots modulo 256, so more than one burst can only be
told apart if the frames of each are kept apart.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import fail
from snnc.targets.paicore.artifact.wiring import System, read_system
from snnc.targets.paicore.chip.core import CoreImage
from snnc.targets.paicore.chip.frames import Ints, Kind, Words
from snnc.targets.paicore.emulation.host import decode_reads, init_words, read_requests
from snnc.targets.paicore.emulation.program import check_inputs


def encode_bursts(
    folder: Path, inputs: Mapping[str, NDArray[Any]], ticks: int | None = None
) -> list[Words]:
    """Return what to send for one sample, an array per burst; the first one begins with the reset.

    `inputs` are trains `(1, ticks, *shape)` by name.

    Raises:
        SnncError: `one-sample` for more samples, else as `program.check_inputs`.
    """
    system = read_system(folder)
    trains, samples, count = check_inputs(system, inputs, ticks, None)
    if samples != 1:
        raise fail(
            "one-sample",
            f"{samples} samples were given, a board runs one at a time",
            help="cut the inputs to one sample, x[0:1]",
        )
    used = [core for core in system.image.cores if core.register.dendrites]
    bursts = system.wiring.board_words(trains, count, system.chips)
    reset = np.concatenate(init_words(used))
    return [np.concatenate([reset, *bursts[:1]]), *bursts[1:]]


def encode(folder: Path, inputs: Mapping[str, NDArray[Any]], ticks: int | None = None) -> Words:
    """Return all words of `encode_bursts` in one array."""
    return np.concatenate(encode_bursts(folder, inputs, ticks))


def decode(
    folder: Path, frames: Words | Sequence[Words], ticks: int
) -> dict[str, NDArray[np.uint8]]:
    """Return outputs `(1, ticks, *shape)` by name from the frames that came back for one sample.

    `frames` is one array, or one per burst. Words that are no spikes (0, all ones, other kinds) are
    left out, as boards send them as padding.

    Raises:
        SnncError: `burst-count` unless there is one array per burst that `ticks` take;
            `output-frame` for a spike that this build cannot send.
    """
    system = read_system(folder)
    given = [frames] if isinstance(frames, np.ndarray) else list(frames)
    count = system.wiring.burst_count(ticks)
    if len(given) != count:
        raise fail(
            "burst-count",
            f"{ticks} ticks take {count} bursts, frames of {len(given)} were given",
            help="keep the frames of each burst apart, one array for each",
        )
    bursts = system.wiring.bursts(ticks)
    into = {
        name: np.zeros((1, ticks, kind.size), np.uint8) for name, kind in system.outputs.items()
    }
    for words, (done, steps) in zip(given, bursts, strict=True):
        spikes = words[words >> np.uint64(60) == Kind.SPIKE]
        nobody = np.zeros(len(spikes), dtype=np.int64)
        system.wiring.decode(nobody, spikes, done, steps, into)
    return {n: a.reshape(1, ticks, *system.outputs[n].shape) for n, a in into.items()}


def requests(folder: Path) -> list[Words]:
    """Return the words that ask for neuron records, an array per core that keeps potentials."""
    return [read_requests(core) for core in _keeping(read_system(folder))]


def _keeping(system: System) -> list[CoreImage]:
    """Return the used cores that keep potentials, in text order."""
    cores = system.image.cores
    return [core for core in cores if core.register.dendrites and core.register.keep_potential]


def potentials(folder: Path, answers: Sequence[Sequence[Words]]) -> dict[str, Ints]:
    """Return the potentials of each layer that keeps them, `int64[shape]`, as `NAME.v`.

    `answers` holds, for each array of `requests`, the answer to each of its words.

    Raises:
        SnncError: `read-answer` if the answers don't belong to the requests.
    """
    system = read_system(folder)
    used = _keeping(system)
    if len(answers) != len(used):
        raise fail(
            "read-answer",
            f"answers of {len(answers)} cores, {len(used)} were asked",
            help="give the answers core by core, in the order of the requests",
        )
    read = {
        (core.chip, core.at): decode_reads(core, given)
        for core, given in zip(used, answers, strict=True)
    }
    kept = [n for n, (first, *_) in system.layers.items() if first.pieces[0][0]["keep"]]
    return {f"{name}.v": _gather(system, name, read) for name in kept}


def _gather(system: System, name: str, read: Mapping[Any, Ints]) -> Ints:
    layer = system.layers[name][0]
    parts = [read[core.place][first:last] for core, first, last in layer.pieces]
    made = np.zeros(layer.size, dtype=np.int64)
    made[layer.elements] = np.concatenate(parts)
    return layer.worth(made.reshape(layer.shape))
