"""Words to a board and back, played against the emulated chips."""

import hashlib

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.targets.paicore.artifact.files import read_image
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.frames import Kind
from snnc.targets.paicore.emit import emit
from snnc.targets.paicore.emulate import Machine
from snnc.targets.paicore.emulation import board
from snnc.targets.paicore.emulation.program import Program
from snnc.targets.paicore.options import Options
from tests.unit.targets.paicore.placed_modules import loop, tiny, wide


@pytest.fixture
def folder(tmp_path):
    def make(module):
        emit(module, tmp_path, Options(chip=(0, 0, 0, 1)))
        return tmp_path

    return make


def answered(machine, words):
    """Return what the chips send back for the spikes and the sync of one burst."""
    kinds = words >> np.uint64(60)
    data = words & np.uint64(255)
    machine.inject(words[(kinds == Kind.SPIKE) & (data > 0)])
    steps = int(words[-1]) & (1 << 30) - 1
    return machine.step(steps).words


def spikes(*shape):
    return (np.random.default_rng(5).random(shape) < 0.6).astype(np.uint8)


@pytest.mark.parametrize("ticks", [1, 20, 700])
@pytest.mark.parametrize("make", [tiny, loop])
def test_a_board_gives_what_the_program_says(folder, make, ticks):
    place = folder(make())
    run = Program(place)
    x = spikes(1, ticks, *run.system.inputs["x"].shape)
    machine = Machine(read_image(place))
    back = [answered(machine, words) for words in board.encode_bursts(place, {"x": x})]
    found = board.decode(place, back, ticks)
    for name, values in run.run({"x": x}).outputs.items():
        np.testing.assert_array_equal(values, found[name])


def test_the_words_are_reset_spikes_and_sync(folder):
    """The input words of paicore.md, section 14 B, between the reset and the sync."""
    place = folder(wide())
    i, t = np.arange(1200), np.arange(1, 5)[:, None]
    x = ((i * i + t) % 3 == 1).astype(np.uint8).reshape(1, 4, 30, 40)
    words = board.encode(place, {"x": x})
    sent = words[(words >> np.uint64(60) == Kind.SPIKE) & (words & np.uint64(255) > 0)]
    assert 1600 == len(sent)
    digest = hashlib.sha256(np.sort(sent).astype("<u8").tobytes()).hexdigest()
    assert "6a6268d2c7c2c8fd3c4ffa4d945a7fc7f4b05eb26aac18fe3b6d8edd7ce1b4bd" == digest
    assert int(frames.sync_word((0, 0), 4)[0]) == int(words[-1])
    assert int(frames.init_word((0, 0))[0]) in words[:6].tolist()


def test_padding_of_a_board_is_left_out(folder):
    place = folder(tiny())
    x = np.ones((1, 3, 3), np.uint8)
    back = answered(Machine(read_image(place)), board.encode(place, {"x": x}))
    padded = np.concatenate([back, np.array([0, 2**64 - 1], dtype=np.uint64)])
    expected = Program(place).run({"x": x}).outputs["y"]
    np.testing.assert_array_equal(expected, board.decode(place, padded, 3)["y"])


def test_potentials_are_read_back_by_layer(folder):
    place = folder(loop())
    x = spikes(1, 20, 4)
    image = read_image(place)
    machine = Machine(image)
    for words in board.encode_bursts(place, {"x": x}):
        answered(machine, words)
    potentials = machine.potentials()
    answers = []
    for asked, core in zip(board.requests(place), image.cores, strict=True):
        held = potentials[core.chip, core.at][0]
        records = frames.encode_records({**core.neurons, "potential": held})
        head = asked ^ frames.package_word(Kind.TEST_NEURONS, core.chip, core.at, 0, 0)
        back = frames.package_word(Kind.TEST_NEURONS, (1, 0), core.at, 0, 0)
        head = head & np.uint64((1 << 30) - 1) & ~np.uint64(1 << 19) | back
        answers.append([np.concatenate([h[None], r]) for h, r in zip(head, records, strict=True)])
    found = board.potentials(place, answers)
    trace = Program(place).run({"x": spikes(1, 20, 4)}, probe=("a.v",)).trace
    np.testing.assert_array_equal(potentials[(0, 0), (0, 2)][0], found["a.v"])
    assert found["a.v"].shape == trace["a.v"].shape[2:]


def test_what_does_not_fit_is_refused(folder):
    place = folder(tiny())
    x = np.ones((2, 300, 3), np.uint8)
    for code, action in (
        ("one-sample", lambda: board.encode(place, {"x": x})),
        ("burst-count", lambda: board.decode(place, np.zeros(0, np.uint64), 300)),
        ("burst-count", lambda: board.decode(place, np.zeros(0, np.uint64), 10**12)),
        ("read-answer", lambda: board.potentials(place, [])),
        ("output-frame", lambda: board.decode(place, np.array([0x8880000000000001], "u8"), 3)),
    ):
        with pytest.raises(SnncError) as caught:
            action()
        assert code == caught.value.code
