"""Values to frames and back, burst by burst; init and test-read words."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.frames import Kind
from snnc.targets.paicore.chip.image import CoreImage
from snnc.targets.paicore.emulation import host
from snnc.targets.paicore.emulation.host import InputPort, OutputPort, Wiring


def hexes(words):
    return [f"{int(w):016X}" for w in words]


def input_port(count, **changes):
    settings = {
        "name": "x",
        "chip": (0, 0),
        "core": (0, 0),
        "extension": 1,
        "ticks": np.zeros(count, dtype=np.int64),
        "axons": np.arange(count),
    }
    return InputPort(**(settings | changes))


def output_port(count, **changes):
    settings = {"name": "y", "ticks": np.zeros(count, dtype=np.int64), "axons": np.arange(count)}
    return OutputPort(**(settings | changes))


def slots(words):
    return frames.decode(frames.SPIKE, words[:, None])["slot"].tolist()


def refusal(action, *arguments, **keywords):
    with pytest.raises(SnncError) as caught:
        action(*arguments, **keywords)
    return caught.value.code


def test_input_words_match_the_recorded_ones():
    i = np.arange(1200)
    values = ((i * i + np.arange(4)[:, None]) % 3 == 0).astype(np.uint8)[None]
    port = input_port(1200, mask=(1, 1), extension=2, ticks=i // 1152, axons=i % 1152)
    samples, words = Wiring((port,), ()).encode({"x": values}, 0, 4)
    assert len(words) == 1600
    assert not samples.any()
    assert hexes(words[[0, -1]]) == ["8000000840000001", "80000008402D0701"]
    digest = hashlib.sha256(np.sort(words).astype("<u8").tobytes()).hexdigest()
    assert digest == "6a6268d2c7c2c8fd3c4ffa4d945a7fc7f4b05eb26aac18fe3b6d8edd7ce1b4bd"


def test_slots_advance_by_the_axon_extension():
    port = input_port(3, extension=2, ticks=np.array([0, 0, 1]), axons=np.array([0, 1, 0]))
    _, words = Wiring((port,), ()).encode({"x": np.ones((1, 3, 3), np.uint8)}, 0, 3)
    assert slots(words) == [0, 0, 1, 2, 2, 3, 4, 4, 5]


def test_slots_turn_over_after_256():
    _, words = Wiring((input_port(1),), ()).encode({"x": np.ones((1, 300, 1), np.uint8)}, 254, 4)
    assert slots(words) == [254, 255, 0, 1]


def test_ticks_before_the_first_are_not_sent():
    port = input_port(1, first=2)
    _, words = Wiring((port,), ()).encode({"x": np.ones((1, 5, 1), np.uint8)}, 0, 5)
    assert slots(words) == [0, 1, 2]


def test_samples_are_named_beside_the_words():
    values = np.zeros((3, 2, 4), dtype=np.uint8)
    values[0, 1, 3] = values[2, 0, 1] = 1
    samples, words = Wiring((input_port(4),), ()).encode({"x": values}, 0, 2)
    assert samples.tolist() == [0, 2]
    assert hexes(words) == ["8000000000030101", "8000000000010001"]


def test_values_that_are_no_spikes_are_refused():
    wiring = Wiring((input_port(2),), ())
    assert refusal(wiring.encode, {"x": np.full((1, 1, 2), 2, np.uint8)}, 0, 1) == "input-value"
    assert refusal(wiring.encode, {"x": np.full((1, 1, 2), 0.5)}, 0, 1) == "input-value"
    assert refusal(wiring.encode, {"x": np.zeros((1, 1, 3), np.uint8)}, 0, 1) == "input-shape"
    assert refusal(wiring.encode, {"z": np.zeros((1, 1, 2), np.uint8)}, 0, 1) == "input-missing"


def test_bursts_keep_within_the_input_buffer():
    assert Wiring((input_port(1, extension=4),), ()).burst_steps == 64
    late = input_port(1, extension=4, start=3, ticks=np.array([9]))
    assert Wiring((late,), ()).burst_steps == 64 - 3 - 2
    assert Wiring((), (output_port(1, extension=2),)).burst_steps == 128
    wiring = Wiring((input_port(1, extension=4),), (output_port(1, start=5),))
    assert list(wiring.bursts(100)) == [(0, 64), (64, 41)]


def test_a_port_without_room_for_one_tick_is_refused():
    wiring = Wiring((input_port(1, extension=64, start=4),), ())
    assert refusal(lambda: wiring.burst_steps) == "burst-impossible"


@given(data=st.data())
def test_decoding_inverts_what_cores_send(data):
    extension = data.draw(st.sampled_from([1, 2, 4]))
    start, first = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 3))
    ticks = data.draw(st.sampled_from([1, 60, 300]))
    count = 3 * extension
    port = output_port(
        count,
        extension=extension,
        start=start,
        first=first,
        ticks=np.arange(count) % extension,
        axons=np.arange(count) // extension,
    )
    seed = data.draw(st.integers(0, 99))
    expected = np.random.default_rng(seed).integers(0, 2, (2, ticks, count), np.uint8)
    expected[:, :first] = 0
    wiring = Wiring((), (port,))
    found = np.zeros_like(expected)
    for done, steps in wiring.bursts(ticks):
        s, t, e = np.nonzero(expected)
        now = (t + start >= done) & (t + start < done + steps)
        s, t, e = s[now], t[now], e[now]
        slot = (port.ticks[e] + (t - first) * extension) % 256
        words = frames.spike_words((1, 0), (0, 0), (0, 0), port.axons[e], slot)
        wiring.decode(s, words, done, steps, {"y": found})
    np.testing.assert_array_equal(expected, found)


def test_outputs_whose_steps_look_alike_are_refused():
    assert refusal(output_port, 2, ticks=np.array([0, 1])) == "output-ambiguous"


@pytest.mark.parametrize(
    "word",
    [
        frames.spike_words((1, 0), (0, 1), (0, 0), 0, 0),
        frames.spike_words((1, 0), (0, 0), (0, 0), 2, 0),
        frames.spike_words((1, 0), (0, 0), (0, 0), 2000, 0),
        frames.spike_words((1, 0), (0, 0), (0, 0), 0, 9),
        np.array([0], dtype=np.uint64),
    ],
)
def test_frames_that_no_neuron_can_have_sent_are_refused(word):
    wiring = Wiring((), (output_port(2),))
    into = {"y": np.zeros((1, 9, 2), np.uint8)}
    assert refusal(wiring.decode, np.zeros(1, np.int64), word, 0, 9, into) == "output-frame"


def test_a_board_gets_spikes_then_a_sync_in_each_burst():
    wiring = Wiring((input_port(1, extension=64),), (output_port(1),))
    parts = wiring.board_words({"x": np.ones((1, 6, 1), np.uint8)}, 6, [(0, 0)])
    assert [slots(part[:-1]) for part in parts] == [[0, 64, 128, 192], [0, 64]]
    assert hexes(part[-1] for part in parts) == ["9000000000000004", "9000000000000002"]


def test_init_words_match_the_recorded_ones():
    cores = [CoreImage.idle((0, 0), at) for at in [(0, 0), (0, 1)]]
    second = ["0" * 16] * 2 + ["0000010000000000"] * 2 + ["8000000000000000", "8000010000000000"]
    seed, init = ["0000000000000000", "0000010000000000"], "B000000000000000"
    first, rest = host.init_words(cores)
    assert hexes(rest) == second
    assert hexes(first) == [seed[0], init, seed[1], init]
    first, _ = host.init_words(cores, redundant=False)
    assert hexes(first) == [*seed, init]


def test_read_requests_match_the_recorded_ones(simple_core):
    core = simple_core((0, 1), np.zeros((3, 1)), weight_code=1)
    assert hexes(host.read_requests(core)) == [
        "6000010000080004",
        "6000010000280004",
        "6000010000480004",
    ]


@pytest.mark.parametrize("weight_code", [0, 1, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("trailing", [0, 1])
def test_potentials_are_read_around_the_chips_erratum(
    simple_core, weight_code, count, contiguous, trailing
):
    core = simple_core((3, 4), np.zeros((count, 1)), weight_code=weight_code)
    expected = np.arange(count) * 1000 - 1500
    records = core.records.copy()
    records[:, 0] |= expected.astype(np.uint64) & np.uint64(2**30 - 1)
    memory = np.repeat(records, core.register.repeat, axis=0)
    memory = np.concatenate([memory, memory])
    answers = []
    for request in host.read_requests(core, contiguous):
        ask = frames.decode(frames.PACKAGE, np.array([[request]], np.uint64))
        start, size = int(ask["start"][0]), int(ask["count"][0])
        addresses = start + np.arange(size // 4 + 1)
        addresses = np.delete(addresses, 1)
        head = frames.package_word(Kind.TEST_NEURONS, (1, 0), (3, 4), start, size)
        body = memory[addresses].ravel()[:size]
        answers.append(np.concatenate([head, body, np.zeros(trailing, np.uint64)]))
    assert host.decode_reads(core, answers, contiguous).tolist() == expected.tolist()


def test_answers_that_belong_to_no_request_are_refused(simple_core):
    core = simple_core((0, 0), np.zeros((1, 1)))
    head = frames.package_word(Kind.TEST_NEURONS, (1, 0), (0, 0), 0, 4)
    body = np.zeros(4, np.uint64)
    good = np.concatenate([head, body])
    assert host.decode_reads(core, [good]).tolist() == [0]
    for answers in ([], [good[:-1]], [body], [good[:0]], [np.append(good, [body[:2]])]):
        assert refusal(host.decode_reads, core, answers) == "read-answer"
