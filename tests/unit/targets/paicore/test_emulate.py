"""The emulator against recorded sequences, a hand-written neuron, and the rules of the buffer."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.targets.paicore import emulate
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.image import ChipImage, CoreImage
from snnc.targets.paicore.emulate import Machine, play
from snnc.targets.paicore.emulation.host import InputPort, OutputPort, Wiring

MAX = 2**29 - 1
HARD, SOFT, NONE = 0, 1, 2
RESET, SATURATE = 0, 1
OUT = (1, 0)


def spikes(core, axon, slot, mask=(0, 0)):
    return frames.spike_words((0, 0), core, mask, axon, slot)


def received(output):
    """(step, axon, slot, data) of each frame."""
    fields = frames.decode(frames.SPIKE, output.words[:, None])
    return list(
        zip(
            output.steps.tolist(),
            *(fields[name].tolist() for name in ("axon", "slot", "data")),
            strict=True,
        )
    )


def test_the_system_with_wide_axons_gives_the_recorded_frames(wide_image):
    i = np.arange(1200)
    values = ((i * i + np.arange(4)[:, None]) % 3 == 0).astype(np.uint8)[None]
    port = InputPort(
        name="x",
        chip=(0, 0),
        core=(0, 0),
        mask=(1, 1),
        extension=2,
        ticks=i // 1152,
        axons=i % 1152,
    )
    samples, words = Wiring((port,), ()).encode({"x": values}, 0, 4)
    machine = Machine(wide_image)
    machine.inject(words, samples)
    output = machine.step(4)
    assert np.bincount(output.steps).tolist() == [0, 36, 36, 12, 36]
    ordered = np.sort(output.words)
    first = [f"{int(w):016X}" for w in ordered[:3]]
    assert first == ["8080000000030001", "8080000000030101", "8080000000030301"]
    assert (
        hashlib.sha256(ordered.astype("<u8").tobytes()).hexdigest()
        == "53ebe88206a5bc553e3da6643eaa669cdec995dc00445aecbb2279f79e74cdca"
    )


def test_the_tiny_system_fires_when_its_layers_do(tiny_image):
    machine = Machine(tiny_image)
    machine.inject(spikes((0, 0), [1, 2] * 8, np.repeat(np.arange(8), 2)))
    assert received(machine.step(9)) == [(7, 0, 5, 1)]


def pair(simple_core, start, **source):
    """A core (0, 0) that relays axon 0 to core (0, 1), which relays it to the output chip."""
    first = simple_core((0, 0), [[1]], **({"chip_x": 0, "core_y": 1} | source))
    second = simple_core((0, 1), [[1]], register={"tick_start": start})
    return ChipImage((first, second))


@pytest.mark.parametrize(("start", "delay"), [(2, 1), (2, 3), (5, 1), (1, 2)])
def test_a_spike_is_read_at_the_local_step_its_delay_says(simple_core, start, delay):
    machine = Machine(pair(simple_core, start, tick=delay - 1))
    machine.inject(spikes((0, 0), 0, [0, 2]))
    expected = [(k + delay - 1 + start, 0, k + delay - 1, 1) for k in (0, 2)]
    assert expected == received(machine.step(12))


def test_a_reader_that_starts_with_its_source_sees_it_256_steps_later(simple_core):
    machine = Machine(pair(simple_core, 1))
    machine.inject(spikes((0, 0), 0, 0))
    assert received(machine.step(256)) == []
    assert received(machine.step(2)) == [(257, 0, 0, 1)]


def test_a_row_is_cleared_when_read_and_waits_when_not(simple_core):
    machine = Machine(ChipImage((simple_core((0, 0), [[1]]),)))
    machine.inject(spikes((0, 0), 0, 3))
    assert [row[0] for row in received(machine.step(3))] == []
    machine.inject(spikes((0, 0), 0, 1))
    assert [row[0] for row in received(machine.step(255))] == [4, 258]
    assert [row[0] for row in received(machine.step(300))] == []


def test_cores_start_and_stop_by_their_register(simple_core):
    core = simple_core((0, 0), [[0]], register={"tick_start": 3, "tick_count": 2}, leak=1)
    machine = Machine(ChipImage((core,)))
    assert received(machine.step(9)) == [(3, 0, 0, 1), (4, 0, 1, 1)]
    assert machine.potentials()[(0, 0), (0, 0)].tolist() == [[0]]


def test_a_core_with_start_zero_never_works(simple_core):
    core = simple_core((0, 0), [[1]], register={"tick_start": 0}, leak=5)
    machine = Machine(ChipImage((core,)))
    assert received(machine.step(9)) == []


def test_a_mask_reaches_every_core_that_differs_in_its_bits_only(simple_core):
    places = [(x, y) for x in range(6) for y in range(4)]
    cores = [simple_core(at, [[1]], axon=[x * 32 + y]) for at in places for x, y in [at]]
    idle = CoreImage.idle((0, 0), (6, 0))
    machine = Machine(ChipImage((*cores, idle)))
    machine.inject(spikes((1, 2), 0, 0, mask=(5, 1)))
    reached = {divmod(axon, 32) for _, axon, _, _ in received(machine.step())}
    assert reached == {(x, y) for x in (0, 1, 4, 5) for y in (2, 3)}


def test_frames_to_absent_cores_of_a_chip_are_dropped(simple_core):
    machine = Machine(ChipImage((simple_core((0, 0), [[1]], chip_x=0, core_x=9),)))
    machine.inject(np.append(spikes((5, 5), 0, 0), spikes((0, 0), 0, 0)))
    assert received(machine.step(3)) == []


def test_cores_of_several_chips_exchange_frames(simple_core):
    first = simple_core((0, 0), [[1]], chip_x=3, core_y=1)
    second = simple_core((0, 1), [[1]], chip=(3, 0), register={"tick_start": 2})
    machine = Machine(ChipImage((first, second)))
    machine.inject(spikes((0, 0), 0, 0))
    assert received(machine.step(3)) == [(2, 0, 0, 1)]


@pytest.mark.parametrize(
    "word",
    [
        frames.spike_words((9, 0), (0, 0), (0, 0), 0, 0),
        frames.spike_words((0, 0), (0, 0), (0, 0), 1152, 0),
        frames.spike_words((0, 0), (0, 0), (0, 0), 0, 0, 0),
        frames.spike_words((0, 0), (0, 0), (0, 0), 0, 0) | np.uint64(1 << 27),
        frames.sync_word((0, 0), 4),
        frames.plain_words(frames.Kind.SEED, (0, 0), (0, 0), 1),
    ],
)
def test_words_that_are_no_spikes_for_the_chips_are_refused(tiny_image, word):
    with pytest.raises(SnncError) as caught:
        Machine(tiny_image).inject(word)
    assert caught.value.code == "injected-frame"


def test_values_are_no_input_for_a_core_with_1_bit_input(tiny_image, simple_core):
    with pytest.raises(SnncError) as caught:
        Machine(tiny_image).inject(frames.spike_words((0, 0), (0, 0), (0, 0), 0, 0, 7))
    assert caught.value.code == "wide-frame"
    machine = Machine(pair(simple_core, 2, leak=200, reset_value=0))
    machine.step(2)


class PlainMachine:
    """The buffer rules of the chip by plain loops, for one sample."""

    def __init__(self, cores):
        self.cores = [core for core in cores if core.register.tick_start]
        self.weights = [core.weights.astype(np.int64) for core in self.cores]
        self.buffers = [np.zeros((256, 1152), dtype=np.int64) for _ in self.cores]
        self.potentials = [np.zeros(len(w), dtype=np.int64) for w in self.weights]
        self.done = 0

    def deliver(self, to, slot):
        for core, buffer in zip(self.cores, self.buffers, strict=True):
            x = (core.at[0] ^ to["core_x"]) & ~to["core_mask_x"]
            y = (core.at[1] ^ to["core_y"]) & ~to["core_mask_y"]
            if core.chip == (to["chip_x"], to["chip_y"]) and not x and not y:
                buffer[slot % 256, to["axon"]] = 1

    def step(self):
        self.done += 1
        emitted = []
        for number, core in enumerate(self.cores):
            r, to = core.register, core.neurons
            k = self.done - r.tick_start
            if k < 0 or (r.tick_count and k >= r.tick_count):
                continue
            rows = (r.extension * k + np.arange(r.extension)) % 256
            x = self.buffers[number][rows].reshape(-1)
            self.buffers[number][rows] = 0
            v = self.potentials[number] + self.weights[number] @ x
            fired = v >= to["threshold"]
            self.potentials[number] = np.where(fired, 0, v)
            for n in np.flatnonzero(fired):
                one = {name: int(values[n]) for name, values in to.items()}
                emitted.append((one, (one["tick"] + (k << r.target_lcn)) % 256))
        out = [(self.done, to["axon"], slot, 1) for to, slot in emitted if to["chip_x"] == 1]
        for to, slot in emitted:
            self.deliver(to, slot)
        return sorted(out)


def random_core(simple_core, rng, at):
    lcn, count = int(rng.integers(0, 3)), 3
    weights = np.zeros((count, 1152 << lcn), dtype=np.int8)
    for slot in range(1 << lcn):
        weights[:, 1152 * slot : 1152 * slot + 4] = rng.integers(-2, 4, (count, 4))
    return simple_core(
        at,
        weights,
        lcn=lcn,
        threshold=rng.integers(1, 4, count),
        chip_x=rng.integers(0, 2, count),
        core_x=rng.integers(0, 2, count) * [[1], [0]][rng.integers(0, 2)],
        core_y=rng.integers(0, 4, count),
        core_mask_x=rng.integers(0, 2, count),
        core_mask_y=rng.integers(0, 4, count),
        axon=rng.integers(0, 5, count),
        tick=rng.integers(0, 6, count),
        register={
            "tick_start": int(rng.integers(0, 4)),
            "tick_count": int(rng.choice([0, 0, 5])),
            "target_lcn": int(rng.integers(0, 3)),
        },
    )


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_machines_equal_plain_loops(simple_core, seed):
    rng = np.random.default_rng(seed)
    places = [(x, y) for x in range(2) for y in range(4)]
    cores = [random_core(simple_core, rng, at) for at in places]
    machine, plain = Machine(ChipImage(tuple(cores)), 2), PlainMachine(cores)
    for _ in range(8):
        for _ in range(int(rng.integers(0, 3))):
            core, mask = (int(rng.integers(2)), int(rng.integers(4))), tuple(rng.integers(0, 4, 2))
            axons, slots = rng.integers(0, 5, 6), rng.integers(0, 20, 6)
            words = spikes(core, axons, slots, (int(mask[0]) % 2, int(mask[1])))
            machine.inject(words, np.full(6, 1))
            for word in words:
                to = {
                    k: int(v[0]) for k, v in frames.decode(frames.SPIKE, word[None, None]).items()
                }
                plain.deliver(to, to["slot"])
        output = machine.step()
        assert plain.step() == sorted(
            row for row, sample in zip(received(output), output.samples, strict=True) if sample
        )
    potentials = machine.potentials()
    for core, expected in zip(plain.cores, plain.potentials, strict=True):
        assert potentials[core.chip, core.at][1].tolist() == expected.tolist()
        assert not potentials[core.chip, core.at][0].any()


def wide_output(simple_core, rng, threshold):
    """Inputs of 1500 on cores with two slots, feeding 5 neurons that use two output slots."""
    w1 = rng.integers(-6, 8, (8, 1500))
    w2 = rng.integers(-2, 5, (5, 8))
    hidden = simple_core(
        (0, 0),
        w1,
        weight_code=2,
        lcn=1,
        threshold=threshold,
        reset_mode=SOFT,
        chip_x=0,
        core_y=1,
        tick=[0, 1, 2, 3, 0, 1, 2, 3],
        register={"target_lcn": 2},
    )
    columns = np.arange(8) % 4 * 1152 + np.arange(8)
    second = np.zeros((5, 4 * 1152))
    second[:, columns] = w2
    last = simple_core(
        (0, 1),
        second,
        weight_code=2,
        lcn=2,
        threshold=3,
        leak=-1,
        axon=[0, 0, 1, 1, 2],
        tick=[0, 1, 0, 1, 0],
        register={"tick_start": 4, "target_lcn": 1},
    )
    wiring = Wiring(
        (
            InputPort(
                name="x",
                chip=(0, 0),
                core=(0, 0),
                extension=2,
                ticks=np.arange(1500) // 1152,
                axons=np.arange(1500) % 1152,
            ),
        ),
        (
            OutputPort(
                name="y",
                extension=2,
                ticks=np.array([0, 1, 0, 1, 0]),
                axons=np.array([0, 0, 1, 1, 2]),
                start=3,
            ),
        ),
    )
    return ChipImage((hidden, last)), wiring, w1, w2


def layer(weights, x, threshold, leak, soft):
    """Spikes (ticks, n) of an integrate-and-fire layer, in plain arithmetic."""
    v, out = np.zeros(len(weights), dtype=np.int64), []
    for row in x.astype(np.int64):
        v = v + weights @ row + leak
        fired = v >= threshold
        v = np.where(fired, v - threshold if soft else 0, v)
        out.append(fired)
    return np.array(out, dtype=np.uint8)


def test_long_runs_in_bursts_equal_the_network(simple_core):
    rng = np.random.default_rng(3)
    image, wiring, w1, w2 = wide_output(simple_core, rng, 10)
    x = (rng.random((3, 300, 1500)) < 0.02).astype(np.uint8)
    expected = [layer(w2, layer(w1, one, 10, 0, True), 3, -1, False) for one in x]
    played = play(image, wiring, {"x": x}, 300, record=True)
    assert sum(one.sum() for one in expected) > 100
    np.testing.assert_array_equal(np.array(expected), played.outputs["y"])
    hidden = np.array([layer(w1, one, 10, 0, True) for one in x])
    traced = played.traces[(0, 0), (0, 0)].outputs
    np.testing.assert_array_equal(hidden, traced[:, :300])


def test_chunks_of_samples_give_the_same(simple_core, monkeypatch):
    rng = np.random.default_rng(4)
    image, wiring, _, _ = wide_output(simple_core, rng, 30)
    x = (rng.random((5, 7, 1500)) < 0.05).astype(np.uint8)
    expected = play(image, wiring, {"x": x}, 7, record=True)
    monkeypatch.setattr(emulate, "_CHUNK_BYTES", 1)
    for chunk in (None, 2):
        found = play(image, wiring, {"x": x}, 7, record=True, chunk=chunk)
        np.testing.assert_array_equal(expected.outputs["y"], found.outputs["y"])
        for place, trace in expected.traces.items():
            np.testing.assert_array_equal(trace.potentials, found.traces[place].potentials)


def test_runs_need_matching_samples_and_ticks(simple_core):
    image, wiring, _, _ = wide_output(simple_core, np.random.default_rng(0), 9)
    for shape in [(2, 8, 1500), (2, 6, 1500)]:
        with pytest.raises(SnncError) as caught:
            play(image, wiring, {"x": np.zeros(shape, np.uint8)}, 7)
        assert caught.value.code == "input-shape"


def test_words_for_all_samples_equal_words_for_each(tiny_image):
    words = spikes((0, 0), [0, 2, 1], [0, 0, 1])
    machines = [Machine(tiny_image, 2), Machine(tiny_image, 2)]
    machines[0].inject(words)
    machines[1].inject(np.repeat(words, 2), np.tile([0, 1], 3))
    results = [machine.step(5) for machine in machines]
    assert results[0].words.tolist() == results[1].words.tolist()
    assert results[0].samples.tolist() == results[1].samples.tolist()


def test_no_samples_give_no_outputs(simple_core):
    image, wiring, _, _ = wide_output(simple_core, np.random.default_rng(0), 9)
    played = play(image, wiring, {"x": np.zeros((0, 4, 1500), np.uint8)}, 4)
    assert played.outputs["y"].shape == (0, 4, 5)
