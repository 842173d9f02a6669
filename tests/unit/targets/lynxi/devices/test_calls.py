"""The runtime's calls: streams, the event that holds a reset back, batches, kept states."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.devices.calls import drive, sequence
from snnc.targets.lynxi.emulate import Emulator
from tests.unit.targets.lynxi.networks import build, small, train


def program(batch=2):
    return Emulator.of(to_artifact(build(small(), batch=batch).placed))


def drawn(seed):
    """Choose who works next at random."""
    rng = np.random.default_rng(seed)
    return lambda actors: actors[rng.integers(len(actors))]


def test_a_sample_is_driven_by_the_calls_of_the_vendors_runtime_in_their_order():
    found = sequence(2, 2)
    assert ["memcpy", "model_reset", "model_send_input", "model_send_input"] == [
        c.name.removeprefix("lyn_").removesuffix("_async") for c in found["s"][:4]
    ]
    assert "lyn_stream_wait_event" == found["s"][5].name
    names = ["lyn_model_recv_output_async"] * 2 + ["lyn_record_event", "lyn_stream_add_callback"]
    assert names == [c.name for c in found["r"][:4]]


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_whoever_works_first_the_outputs_are_those_of_the_graph(batch, seed):
    emulator, x = program(batch), {"x": train((5, 6, 6))}
    outputs, log = drive(emulator, x, 6, drawn(seed))
    np.testing.assert_array_equal(emulator.run(x).outputs["digit"], outputs["digit"])
    turns = -(-5 // batch)
    assert turns == sum(c.name == "lyn_model_reset_async" for c in log)


def test_without_the_event_a_reset_comes_too_early():
    emulator, x = program(), {"x": np.ones((6, 6, 6), np.uint8)}
    expected = emulator.run(x).outputs["digit"]
    eager = lambda actors: "s" if "s" in actors else actors[0]  # noqa: E731
    held, _ = drive(emulator, x, 6, eager)
    early, _ = drive(emulator, x, 6, eager, wait=False)
    np.testing.assert_array_equal(expected, held["digit"])
    assert not np.array_equal(expected, early["digit"])


def test_states_that_are_kept_go_on_from_turn_to_turn():
    emulator, x = program(1), train((3, 4, 6))
    outputs, log = drive(emulator, {"x": x}, 4, reset="keep")
    joined = emulator.run({"x": x.reshape(1, 12, 6)}).outputs["digit"]
    np.testing.assert_array_equal(joined.reshape(3, 4, 3), outputs["digit"])
    assert "lyn_model_reset_async" not in {c.name for c in log}


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0), (1, 1, "never")])
def test_calls_that_cannot_be_are_refused(wrong):
    with pytest.raises(SnncError) as found:
        sequence(*wrong)
    assert "device-calls" == found.value.code
