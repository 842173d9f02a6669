"""NIR's own equations in time steps, and what the format leaves open."""

import numpy as np
import pytest

from snnc.frontends.nir import statement
from snnc.ir.write import write

IF = {"r": [1000.0], "v_threshold": [1.0]}
LIF = {"tau": [2e-3], "r": [2.0], "v_leak": [0.5], "v_threshold": [1.0], "v_reset": [0.25]}


def text(module):
    return write(module, locs=False)


def euler(x, dt, tau=2e-3, r=2.0, leak=0.5, threshold=1.0, reset=0.25):
    v, spikes = 0.0, []
    for step in x:
        v += dt / tau * (leak - v + r * step)
        spikes.append(int(v > threshold))
        v = reset if v > threshold else v
    return spikes


@pytest.mark.parametrize("dt", [5e-4, 1e-3])
def test_a_lif_is_integrated_by_euler_at_the_given_step(dt, chain, load, run):
    module = load(chain("LIF", LIF), profile="spec", dt=dt, input="f32")
    x = np.array([0.5, 0.25, 1.0, 2.0, 0.0, -1.0, 1.5, 1.5, 0.125, 3.0])
    wanted = euler(x, dt)
    assert 2 < sum(wanted) < 9
    assert wanted == run(module, x[:, None])[:, 0].tolist()


def test_exponential_integration_is_exact_for_a_constant_input(chain, load, run):
    fields = {"tau": [2e-3], "r": [1.0], "v_leak": [0.25]}
    module = load(
        chain("LI", fields), profile="spec", dt=1e-3, integrator="exponential", input="f32"
    )
    found = run(module, np.ones((6, 1)))[:, 0]
    wanted = 1.25 * (1 - np.exp(-np.arange(1, 7) * 0.5))
    assert np.abs(found - wanted).max() < 1e-6


def test_cuba_filters_the_weighted_input_and_then_the_potential(package_files, load, run):
    module = load(package_files / "spec_cubalif_1.0.8.nir", profile="spec", dt=1e-3, input="f32")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, 30).astype(float)
    i = v = 0.0
    wanted = []
    for step in x:
        i += 1e-3 / 2e-3 * (-i + 2.0 * step)
        v += 1e-3 / 4e-3 * (0.5 - v + i)
        wanted.append(int(v > 1))
        v = 0.25 if v > 1 else v
    assert 5 < sum(wanted) < 30
    assert wanted == run(module, x[:, None])[:, 0].tolist()


def test_cubali_shows_its_potential(package_files, load, run):
    module = load(package_files / "spec_cubali_1.0.8.nir", profile="spec", dt=1e-3, input="f32")
    i = v = 0.0
    wanted = []
    for _ in range(8):
        i += 0.5 * (-i + 2.0)
        v += 0.25 * (0.5 - v + i)
        wanted.append(v)
    assert np.abs(run(module, np.ones((8, 1)))[:, 0] - wanted).max() < 1e-6


def test_an_integrator_adds_up(package_files, load, run):
    module = load(package_files / "spec_i_1.0.8.nir", profile="spec", dt=1e-3, input="f32")
    assert [0.1, 0.2, 0.3] == pytest.approx(run(module, np.ones((3, 1)))[:, 0].tolist())


def test_a_threshold_has_no_memory_and_is_strict(package_files, load, run):
    module = load(package_files / "spec_threshold_1.0.8.nir", input="f32")
    x = [[0.5, 1.5], [0.75, 1.75], [0.0, 2.0], [0.5, 0.0]]
    assert [[0, 0], [1, 1], [0, 1], [0, 0]] == run(module, x).tolist()


def test_parameters_stay_one_per_neuron(chain, load, run):
    fields = {"r": [1.0, 2.0, 4.0], "v_threshold": [1.0, 1.0, 2.0], "v_reset": [0.0, 0.5, 0.0]}
    module = load(chain("IF", fields, shape=(3,)), profile="spec", dt=1.0)
    ones = np.ones((4, 3))
    v, wanted = np.zeros(3), []
    for _ in range(4):
        v = v + np.array([1.0, 2.0, 4.0])
        wanted.append((v > [1.0, 1.0, 2.0]).astype(int).tolist())
        v = np.where(v > [1.0, 1.0, 2.0], [0.0, 0.5, 0.0], v)
    assert wanted == run(module, ones).tolist()
    assert "gain = @n.gain" in text(module)


def test_one_value_stands_for_all_neurons(chain, load):
    fields = {"r": [1.0], "v_threshold": 1.0, "v_reset": [0.0, 0.0]}
    module = load(chain("IF", fields, shape=(2,)), profile="spec", dt=1.0)
    assert "snn.neuron %input {compare = gt, reset = hard}" in text(module)


@pytest.mark.parametrize(
    ("version", "reset"), [("0.2.0", "soft"), ("1.0.4", "soft"), ("1.0.6", "hard")]
)
def test_the_version_says_what_a_spike_without_v_reset_does(version, reset, chain, load):
    module = load(chain("IF", IF, version=version), profile="spec", dt=1e-3)
    assert reset == module.graph.ops[0]["reset"]
    said = "subtract the threshold" if reset == "soft" else "v_reset: 0"
    assert said in statement(module)[-1]


def test_without_a_version_the_reset_must_be_said(chain, load, refused):
    path = chain("IF", IF, version="")
    found = refused(path, profile="spec", dt=1e-3)
    assert ("nir-ambiguous", "n") == (found.code, found.loc.name)
    assert "soft" == load(path, profile="spec", dt=1e-3, reset="soft").graph.ops[0]["reset"]


def test_a_step_must_be_given_where_nothing_fixes_it(chain, refused):
    found = refused(chain("LIF", LIF), profile="spec")
    assert ("nir-dt", "n") == (found.code, found.loc.name)
    assert "dt=1e-4" in found.help


@pytest.mark.parametrize("dt", [0.0, -1.0])
def test_a_step_is_positive(dt, chain, refused):
    assert "nir-dt" == refused(chain("LIF", LIF), profile="spec", dt=dt).code


def test_a_step_longer_than_the_time_constant_is_refused(chain, load, refused):
    found = refused(chain("LIF", LIF), profile="spec", dt=3e-3)
    assert ("nir-value", "n") == (found.code, found.loc.name)
    load(chain("LIF", LIF), profile="spec", dt=3e-3, integrator="exponential")


def test_a_leak_that_never_decays_is_written_as_infinity_by_snntorch(chain, load):
    endless = np.array([np.inf], np.float32)
    fields = {"tau": endless, "r": endless, "v_leak": [0.0], "v_threshold": [1.0]}
    module = load(chain("LIF", fields), profile="snntorch")
    assert "{compare = gt, reset_time = after}" in text(module)


@pytest.mark.parametrize(
    ("field", "value"),
    [("tau", [0.0]), ("tau", [-1.0]), ("r", [np.nan]), ("r", [np.inf]), ("v_threshold", [np.inf])],
)
def test_values_that_make_no_neuron_are_refused(field, value, chain, refused):
    found = refused(chain("LIF", {**LIF, field: value}), profile="spec", dt=1e-3)
    assert ("nir-value", "n") == (found.code, found.loc.name)
    assert field in found.message


def test_a_profile_must_fit_the_ratios_of_the_file(chain, refused):
    found = refused(chain("LIF", {**LIF, "v_reset": [0.0]}), profile="snntorch")
    assert ("nir-profile", "n") == (found.code, found.loc.name)
    assert "r dt / tau" in found.message


def test_a_reset_value_contradicts_subtraction(chain, refused):
    fields = {**LIF, "tau": [2e-4], "v_leak": [0.0]}
    found = refused(chain("LIF", fields), profile="snntorch")
    assert "nir-profile" == found.code
    assert "reset=hard" in found.help


def test_delays_become_ticks(package_files, load, run):
    module = load(package_files / "spec_delay_1.0.8.nir", profile="spec", dt=1e-3)
    x = np.zeros((6, 2))
    x[0] = 1
    x[2] = 1
    wanted = np.zeros((6, 2))
    wanted[[1, 3], 0] = 1
    wanted[[3, 5], 1] = 1
    assert wanted.tolist() == run(module, x).tolist()


def test_equal_delays_are_one_op_and_none_is_none(chain, load):
    module = load(chain("Delay", {"delay": [2e-3, 2e-3]}, shape=(2,)), profile="spec", dt=1e-3)
    assert [("delay", 2)] == [(op.kind, op["by"]) for op in module.graph.ops]
    assert () == load(chain("Delay", {"delay": [0.0]}), profile="spec").graph.ops


@pytest.mark.parametrize("delay", [1.5e-3, -1e-3, np.inf])
def test_a_delay_between_ticks_is_refused(delay, chain, refused):
    found = refused(chain("Delay", {"delay": [delay]}), profile="spec", dt=1e-3)
    assert ("nir-dt", "n") == (found.code, found.loc.name)


def test_a_delay_needs_a_step(chain, refused):
    assert "nir-dt" == refused(chain("Delay", {"delay": [1e-3]}), profile="spec").code


def test_delays_of_too_many_lengths_are_refused(chain, refused):
    path = chain("Delay", {"delay": np.arange(300.0)}, shape=(300,))
    assert "nir-unsupported" == refused(path, profile="spec", dt=1.0).code


def test_a_field_is_not_repeated_for_an_absurd_input(chain, refused):
    fields = {"r": np.ones((1, 2)), "v_threshold": np.ones((1, 2)), "v_reset": np.zeros((1, 2))}
    found = refused(chain("IF", fields, shape=(1 << 30, 2)), profile="spec", dt=1.0)
    assert ("nir-size", "n") == (found.code, found.loc.name)


def test_numbers_beyond_float32_are_refused(chain, refused):
    found = refused(chain("IF", {**IF, "r": [1e300], "v_reset": [0.0]}), profile="spec", dt=1.0)
    assert ("nir-value", "n") == (found.code, found.loc.name)


@pytest.mark.parametrize(
    ("options", "initial"),
    [
        ({"profile": "spec"}, 0.0),
        ({"profile": "spec", "initial": "leak"}, 0.5),
        ({"profile": "spec", "initial": "reset"}, 0.25),
        ({"profile": "spikingjelly"}, 0.25),
    ],
)
def test_the_potential_begins_where_the_profile_says(options, initial, chain, load):
    fields = {"tau": [2e-3], "r": [1.0], "v_leak": [0.5], "v_threshold": [1.0], "v_reset": [0.25]}
    module = load(chain("LIF", fields), dt=1e-3, **options)
    assert initial == module.graph.ops[0]["initial"]


def test_a_graph_means_the_same_whichever_version_of_nir_wrote_it(package_files, load):
    def text(name, version):
        module = load(package_files / f"spec_{name}_{version}.nir", profile="spec", dt=1e-3)
        return write(module, locs=False).partition("graph @main")[2]

    for name in ("affine", "conv2d", "flatten", "if", "lif", "same", "sumpool2d"):
        first = "0.2.0" if (package_files / f"spec_{name}_0.2.0.nir").exists() else "1.0.3"
        older, newer = (first, "1.0.3", "1.0.4"), ("1.0.6", "1.0.7", "1.0.8")
        assert 1 == len({text(name, v) for v in older})
        assert 1 == len({text(name, v) for v in newer})
        assert (name in ("if", "lif")) == (text(name, "1.0.4") != text(name, "1.0.8"))
