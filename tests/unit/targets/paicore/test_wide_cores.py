"""Cores with 8-bit input: their frames byte for byte, and what they do, against a plain sum."""

import hashlib

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.core import CoreImage, Register
from snnc.targets.paicore.chip.image import ChipImage, parse
from snnc.targets.paicore.emulate import Machine, play
from snnc.targets.paicore.emulation.host import InputPort, OutputPort, Wiring

VECTOR_C = "e563fa055f5efa90691ba12cae00e4a8190e35a2e149e7c7d4bdac16df9c23c3"
C_INPUT = "804896ab6d5cda4d568187f4c28068eda9620d4e675a4cf60c9c325eea98c22f"
C_OUTPUT = "489fc27f6d657cf218706dfbe5365969b568c781a972b1282a1d190b36181e10"
ANN = {"wide_input": 1, "wide_output": 1, "keep_potential": 0}


def sha(words):
    return hashlib.sha256(np.sort(words).astype("<u8").tobytes()).hexdigest()


def wide_core(weights, *, code=3, lcn=0, at=(0, 0), register=None, **fields):
    """Return a core of `weights` (neuron, axon); its neurons send to the output chip."""
    weights = np.asarray(weights)
    given = {"weight_code": code, "lcn": lcn, "tick_start": 1, **ANN, **(register or {})}
    count = len(weights)
    made = Register(**given, dendrites=count << code + lcn)
    padded = np.zeros((count, made.extension * made.axons), np.int8)
    padded[:, : weights.shape[1]] = weights
    record = {f.name: 0 for f in frames.RECORD.fields}
    element = np.arange(count)
    record |= {"threshold": 1, "negative_threshold": 2**29 - 1, "chip_x": 1, "truncation": 8}
    record |= {"axon": element % 1152, "tick": element // 1152, "floor": 1, "reset_mode": 1}
    return CoreImage.build((0, 0), at, made, record | fields, padded)


def truncated(v, bits):
    """The 8-bit output of a potential, bit by bit."""
    low = v << 8 - bits if bits < 8 else v >> bits - 8
    return np.where(v >= 1, np.where(v >> bits > 0, 255, 0 if bits == 0 else low & 255), 0)


def ran(core, x, extension=1, sends=1):
    """Run values `(samples, ticks, n)` through a core."""
    element = np.arange(x.shape[2])
    slot, axon = np.divmod(element, 144)
    into = InputPort(
        name="x",
        chip=(0, 0),
        core=core.at,
        extension=extension,
        ticks=slot,
        axons=8 * axon,
        wide=True,
    )
    neuron = np.arange(core.register.neurons)
    out = OutputPort(name="y", extension=sends, ticks=neuron // 1152, axons=neuron % 1152)
    played = play(ChipImage((core,)), Wiring((into,), (out,)), {"x": x}, x.shape[1])
    return played.outputs["y"]


@pytest.fixture(scope="module")
def vector_c():
    i, j = np.meshgrid(np.arange(20), np.arange(600), indexing="ij")
    weights = ((5 * i + 3 * j) % 16 - 8).T
    # As the vendor writes it: resets softly, no floor but the saturating one, threshold 1.
    return wide_core(weights, code=2, leak=np.arange(600) - 300, truncation=11)


def test_vector_c_has_the_recorded_bytes(vector_c):
    words = ChipImage((vector_c,)).words()
    assert (10265, 0x2000000000000800) == (len(words), int(words[6]))
    assert (0x3000000000001ECC, 0x300000001B600144) == (int(words[2055]), int(words[9940]))
    assert VECTOR_C == hashlib.sha256(words.astype("<u8").tobytes()).hexdigest()


def test_vector_c_is_read_back(vector_c):
    assert ChipImage((vector_c,)) == parse(ChipImage((vector_c,)).words())


def test_vector_c_sends_the_recorded_frames(vector_c):
    element, tick = np.meshgrid(np.arange(20), np.arange(4))
    x = ((37 * element + 11 * tick) % 256).astype(np.uint8)[None]
    port = InputPort(
        name="x",
        chip=(0, 0),
        core=(0, 0),
        extension=1,
        ticks=np.zeros(20, int),
        axons=8 * np.arange(20),
        wide=True,
    )
    words = Wiring((port,), ()).encode({"x": x}, 0, 4)[1]
    assert (79, C_INPUT) == (len(words), sha(words))
    machine = Machine(ChipImage((vector_c,)))
    machine.inject(words)
    sent = machine.step(4)
    assert (553, C_OUTPUT) == (len(sent.words), sha(sent.words))
    sums = np.bincount(sent.steps, (sent.words & np.uint64(255)).astype(int))
    assert [22175, 21297, 20463, 19536] == sums[1:].astype(int).tolist()


@pytest.mark.parametrize(
    ("code", "lcn", "count"),
    [(0, 0, 1888), (1, 0, 1364), (2, 0, 876), (3, 0, 512), (3, 1, 256), (2, 3, 128), (3, 6, 8)],
)
def test_a_full_core_does_what_its_weights_say(code, lcn, count):
    rng = np.random.default_rng(code + 10 * lcn)
    low, high = [(0, 1), (-2, 1), (-8, 7), (-128, 127)][code]
    weights = rng.integers(low, high + 1, (count, 144 << lcn))
    x = rng.integers(0, 256, (2, 3, 144 << lcn)).astype(np.uint8)
    sends = 1 if count <= 1152 else 2
    core = wide_core(
        weights,
        code=code,
        lcn=lcn,
        truncation=14,
        register={"target_lcn": sends - 1},
        leak=rng.integers(-500, 500, count),
    )
    sums = x.astype(np.int64) @ weights.T + core.neurons["leak"]
    assert (truncated(sums, 14) == ran(core, x, 1 << lcn, sends)).all()
    again = parse(ChipImage((core,)).words())
    assert ChipImage((core,)) == again
    assert (core.weights == again.cores[0].weights).all()


@pytest.mark.parametrize("bits", [0, 4, 8, 9, 12, 17, 29])
def test_values_are_cut_where_the_record_says(bits):
    weights = np.diag([1, 2, -3, 127])
    x = np.arange(64, dtype=np.uint8).reshape(1, 16, 4) * np.uint8(4)
    sums = x.astype(np.int64) @ weights.T
    assert (truncated(sums, bits) == ran(wide_core(weights, truncation=bits), x)).all()


def test_pooling_takes_the_largest_value_that_has_a_weight():
    weights = np.array([[1, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]])
    x = np.array([[[7, 200, 9, 255], [0, 0, 0, 0], [255, 1, 2, 3]]], np.uint8)
    found = ran(wide_core(weights, code=0, register={"max_pool": 1}), x)
    assert [[9, 255, 0], [0, 0, 0], [255, 3, 0]] == found[0].tolist()


def test_values_may_be_cut_to_spikes():
    core = wide_core([[1, -1]], threshold=10, register={"wide_output": 0})
    x = np.array([[[30, 20], [30, 21], [255, 0]]], np.uint8)
    assert [[1], [0], [1]] == ran(core, x)[0].tolist()


def refusal(action):
    with pytest.raises(SnncError) as caught:
        action()
    return caught.value.code


def test_a_value_between_axons_is_refused():
    machine = Machine(ChipImage((wide_core([[1]]),)))
    word = frames.spike_words((0, 0), (0, 0), (0, 0), 4, 0, 9)
    assert "axon-address" == refusal(lambda: machine.inject(word))


def test_more_neurons_than_the_vendor_allows_are_refused():
    assert "config-register" == refusal(lambda: wide_core(np.zeros((877, 1)), code=2))


def test_bits_between_far_records_are_refused(vector_c):
    words = ChipImage((vector_c,)).words().copy()
    words[9940 + 18] |= np.uint64(1 << 63)
    assert "config-stray-bits" == refusal(lambda: parse(words))


def test_weights_beyond_the_last_neuron_are_refused(vector_c):
    words = ChipImage((vector_c,)).words().copy()
    words[9939] |= np.uint64(1 << 63)
    assert "config-stray-bits" == refusal(lambda: parse(words))
