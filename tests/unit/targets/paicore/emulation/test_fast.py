"""The fast path of the emulator gives what the emulator gives, or leaves a build to it."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import snnc
from snnc.diagnostics import SnncError
from snnc.runtime.native.engine import NativeEngine
from snnc.runtime.numpy_engine import NumpyEngine
from snnc.targets.paicore.emit import emit
from snnc.targets.paicore.emulation.fast import FastProgram, emulate_on
from snnc.targets.paicore.emulation.lift import lift
from snnc.targets.paicore.emulation.program import Program
from snnc.targets.paicore.options import Options
from tests.golden.paibox_translate import translate
from tests.golden.run import case_folders
from tests.laws.networks import networks
from tests.laws.test_paicore import TARGET, lower
from tests.unit.targets.paicore.placed_modules import Placement, loop, tiny, wide

ENGINES = [NativeEngine(jobs=1), NumpyEngine()]


@pytest.fixture
def folder(tmp_path):
    def make(module):
        made = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        made.mkdir()
        emit(module, made, Options(chip=(0, 0, 0, 1)))
        return made

    return make


def spikes(*shape, rate=0.5, seed=0):
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.uint8)


def assert_equal(expected, actual, ticks=slice(None)):
    one, other = ({**r.outputs, **r.trace} for r in (expected, actual))
    for name, array in other.items():
        assert one[name].dtype == array.dtype, name
        np.testing.assert_array_equal(one[name][:, ticks], array, err_msg=name)


def check(folder, inputs, engines=ENGINES):
    """Compare whole runs and runs in two pieces; return whether the build was lifted."""
    expected = Program(folder).run(inputs, probe=("all",))
    ticks = next(iter(inputs.values())).shape[1]
    for engine in engines:
        run = emulate_on(folder, engine)
        if not isinstance(run, FastProgram):
            return False
        whole = run.run(inputs, probe=("all",))
        assert [*expected.outputs, *expected.trace] == [*whole.outputs, *whole.trace]
        assert_equal(expected, whole)
        cut = ticks // 3
        early = run.run({name: array[:, :cut] for name, array in inputs.items()})
        assert_equal(expected, early, slice(0, cut))
        late = {name: array[:, cut:] for name, array in inputs.items()}
        assert_equal(expected, run.run(late, state=early.state, probe=("all",)), slice(cut, None))
    return True


@pytest.mark.parametrize("make", [tiny, wide, loop])
def test_placed_modules_run_alike(folder, make):
    place = folder(make())
    shape = Program(place).system.inputs["x"].shape
    assert check(place, {"x": spikes(3, 300, *shape)})


def test_random_networks_run_alike():
    lifted = []

    @settings(
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        max_examples=6,
    )
    @given(networks())
    def law(case):
        _, placed = lower(case)
        options = TARGET.Options(chip=sum(case.chips, ()), output_chip=(9, 9))
        with tempfile.TemporaryDirectory() as place:
            TARGET.emit(placed, Path(place), options)
            lifted.append(check(Path(place), case.inputs))

    law()
    assert sum(lifted) > len(lifted) // 2


GOLDEN = Path(__file__).parents[4] / "golden" / "paibox"
QUICK = ("29_", "32_", "35_", "59_")
"""Layers that wait for each other in one core, delays of a whole buffer, sums that come round."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.name, marks=[] if path.name.startswith(QUICK) else [pytest.mark.slow])
        for path in case_folders(GOLDEN)
    ],
)
def test_golden_networks_run_alike(name, tmp_path):
    try:
        case = translate(GOLDEN / name)
        build = snnc.compile(case.module, "paicore")
    except SnncError:
        return
    build.save(tmp_path / "build")
    lifted = check(tmp_path / "build", build.trains(case.inputs), ENGINES[:1])
    assert lifted or name.startswith(("43_", "45_"))


def heavy(**neuron):
    """Neurons whose potentials leave 30 bits at once: a leak as large as the level allows."""
    b = Placement("heavy")
    x = b.input("x", "u1[2]~")
    b.neurons(2, chip=32, core=0, axon=np.arange(2), **neuron)
    core = b.core([[127, 0], [-128, 127]], b.arrive(x, "x.0", (0, 0)), at=(0, 0))
    return b.finish(b.output(b.layer("y", core)))


@pytest.mark.parametrize("leak_after", [0, 1])
@pytest.mark.parametrize("leak", [2**29 - 1, -(2**29)])
@pytest.mark.parametrize("reset", [0, 1, 2])
@pytest.mark.parametrize("mode", [0, 1])
def test_potentials_that_come_round_are_the_emulators(folder, leak, reset, mode, leak_after):
    place = folder(
        heavy(
            leak=leak,
            reset=reset,
            negative_mode=mode,
            leak_after=leak_after,
            threshold=2**29 - 1,
            negative=[2**29 - 1, 2**28],
            reset_to=-(2**29),
        )
    )
    lifted = check(place, {"x": spikes(2, 40, 2)})
    left_alone = (reset == 1 and leak_after and (leak > 0 or not mode)) or (reset, mode) == (0, 0)
    assert lifted is not left_alone


def test_a_core_that_never_starts_says_nothing(folder):
    b = Placement()
    x = b.input("x", "u1[1]~")
    b.neurons(1)
    core = b.core([[1]], b.arrive(x, "x.0", (0, 0)), at=(0, 0), start=0)
    assert check(folder(b.finish(b.output(b.layer("y", core)))), {"x": spikes(1, 5, 1)})


def test_late_neurons_that_stop_keep_their_potential(folder):
    b = Placement("late", ticks=9)
    x = b.input("x", "u1[1]~")
    b.neurons(1, threshold=100)
    x0 = b.arrive(x, "x.0", (0, 0), first=3)
    core = b.core([[1]], x0, at=(0, 0), first=3, start=4, ticks=4)
    assert check(folder(b.finish(b.output(b.layer("y", core)))), {"x": spikes(1, 9, 1, rate=1)})


def test_an_input_that_is_cut_off_is_left_to_the_emulator(folder):
    """The host drops tick 2, which a core that begins at tick 3 would read one tick late."""
    b = Placement("cut")
    x = b.input("x", "u1[1]~")
    b.neurons(1, threshold=100)
    x0 = b.arrive(x, "x.0", (0, 0), first=3, slot=1)
    core = b.core([[1]], x0, at=(0, 0), first=3, start=4)
    assert not check(folder(b.finish(b.output(b.layer("y", core)))), {"x": spikes(1, 9, 1, rate=1)})


def test_networks_without_inputs_are_left_to_the_emulator(folder):
    b = Placement("alone", ticks=4)
    b.neurons(1, leak=1)
    core = b.core([[0]], at=(0, 0))
    place = folder(b.finish(b.output(b.layer("y", core))))
    assert lift(Program(place).system) is None


def test_empty_batches_and_runs_have_the_emulators_shapes(folder):
    run = emulate_on(folder(tiny()), NativeEngine())
    for samples, ticks in ((0, 5), (2, 0)):
        result = run.run({"x": np.zeros((samples, ticks, 3), np.uint8)}, probe=("all",))
        assert (samples, ticks, 2) == result.outputs["y"].shape
        assert (samples, ticks, 2) == result.trace["h.v"].shape


def test_a_state_of_another_program_is_refused(folder):
    place = folder(tiny())
    run, other = emulate_on(place, NativeEngine()), Program(place)
    x = {"x": spikes(1, 5, 3)}
    for state in (other.run(x).state, emulate_on(place, NativeEngine()).run(x).state, 7):
        with pytest.raises(SnncError) as caught:
            run.run(x, state=state)
        assert "bad-state" == caught.value.code
