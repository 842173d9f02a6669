"""Files of each producer do what its layer does: the table of voltages that was measured there.

Input .6 .4 .5 1 2.7 0 -3 .9 .2 1, decay .5 where leaky; potentials after the tick, as the framework
shows them.
"""

import numpy as np
import pytest

from snnc.frontends.nir import statement

X = np.array([0.6, 0.4, 0.5, 1.0, 2.7, 0.0, -3.0, 0.9, 0.2, 1.0], dtype=np.float32)[:, None]

MEASURED = {
    "snntorch_leaky_1.0.8": (
        [0.6, 0.7, 0.85, 1.425, 2.4125, 0.2062, -2.8969, -0.5484, -0.0742, 0.9629],
        {3: 1, 4: 1},
    ),
    "snntorch_synaptic_1.0.8": (
        [0.6, 1.0, 1.35, 1.1, 2.9625, 2.1875, -2.0531, -1.2, -0.4867, 0.8133],
        {2: 1, 3: 1, 4: 1, 5: 1},
    ),
    "spikingjelly_if_1.0.8": (
        [0.6, 0.0, 0.5, 0.0, 0.0, 0.0, -3.0, -2.1, -1.9, -0.9],
        {1: 1, 3: 1, 4: 1},
    ),
    "spikingjelly_lif_1.0.8": (
        [0.3, 0.35, 0.425, 0.7125, 0.0, 0.0, -1.5, -0.3, -0.05, 0.475],
        {4: 1},
    ),
    "spikingjelly_lif_plain_1.0.8": (
        [0.6, 0.7, 0.85, 0.0, 0.0, 0.0, -3.0, -0.6, -0.1, 0.95],
        {3: 1, 4: 1},
    ),
    "norse_lifbox_1.0.8": (
        [0.3, 0.35, 0.425, 0.7125, 0.0, 0.0, -1.5, -0.3, -0.05, 0.475],
        {4: 1},
    ),
    "norse_iaf_1.0.8": (
        [0.6, 1.0, 0.0, 1.0, 0.0, 0.0, -3.0, -2.1, -1.9, -0.9],
        {2: 1, 4: 1},
    ),
    "norse_lifcell_1.0.8": (
        [0.3, 0.5, 0.675, 0.0, 0.0, 0.8531, -0.6469, -0.4102, -0.1484, 0.4541],
        {3: 1, 4: 1},
    ),
    "sinabs_lif_1.0.4": ([0.3, 0.35, 0.425, 0.7125, 0.7062, 0.3531, -1.3234], {4: 1}),
}
"""Potentials and spikes, as measured in the frameworks themselves."""


def potentials(module, run, x):
    return run(module, x, probe=f"{module.graph.outputs[0].name}.v")


@pytest.mark.parametrize("name", MEASURED)
def test_a_layer_has_the_potentials_and_spikes_of_its_framework(name, package_files, load, run):
    wanted, spikes = MEASURED[name]
    module = load(package_files / f"{name}.nir", profile=name.partition("_")[0], input="f32")
    v = potentials(module, run, X)[: len(wanted), 0]
    assert np.abs(v - wanted).max() < 6e-5
    found = run(module, X)[: len(wanted), 0]
    assert {t: n for t, n in enumerate(found.tolist()) if n} == spikes


def test_snntorch_resets_at_once_to_zero_where_that_is_said(package_files, load, run):
    module = load(
        package_files / "snntorch_leaky_1.0.8.nir", input="f32", reset="hard", reset_time="now"
    )
    wanted = [0.6, 0.7, 0.85, 0.0, 0.0, 0.0, -3.0, -0.6, -0.1, 0.95]
    assert np.abs(potentials(module, run, X)[:, 0] - wanted).max() < 6e-5


def test_sinabs_iaf_counts_the_spikes_of_summed_windows(package_files, load, run):
    module = load(package_files / "sinabs_iaf_1.0.4.nir", input="f32")
    x = np.zeros((10, 1, 2, 2), np.float32)
    x[:, 0, 1, 0] = X[:, 0]
    assert {1: 1, 3: 1, 4: 3} == {t: int(n) for t, n in enumerate(run(module, x).reshape(-1)) if n}
    wanted = [0.6, 0.0, 0.5, 0.5, 0.2, 0.2, -2.8, -1.9, -1.7, -0.7]
    assert np.abs(potentials(module, run, x).reshape(-1) - wanted).max() < 1e-6


def test_sinabs_expleak_shows_its_potential(package_files, load, run):
    module = load(package_files / "sinabs_expleak_1.0.4.nir", input="f32")
    v, wanted = 0.0, []
    for x in X[:, 0].tolist():
        v = 0.5 * v + x
        wanted.append(v)
    assert np.abs(run(module, X)[:, 0] - wanted).max() < 1e-6


def test_norse_li_box_leaks_towards_its_rest(package_files, load, run):
    module = load(package_files / "norse_li_1.0.8.nir", profile="norse", input="f32")
    v, wanted = 0.0, []
    for x in X[:, 0].tolist():
        v += 1e-3 * 500 * (0 - v + x)
        wanted.append(v)
    assert np.abs(run(module, X)[:, 0] - wanted).max() < 1e-6


def rockpool_lif(synapse):
    """LIFTorch (with synapse) and LIFNeuronTorch as Rockpool 3.1 steps them."""
    decay, i, v, found = np.exp(-0.01 / 0.02), 0.0, 0.0, []
    for x in X[:, 0].tolist():
        i = decay * (i + x) if synapse else x
        v = decay * v + i
        spikes = int(v // 1.0) if v >= 1 else 0
        v -= spikes
        found.append((v, spikes))
    return found


@pytest.mark.parametrize(("name", "synapse"), [("liftorch", True), ("lifneurontorch", False)])
def test_rockpool_counts_and_subtracts(name, synapse, package_files, load, run):
    module = load(package_files / f"rockpool_{name}_1.0.8.nir", input="f32")
    wanted = rockpool_lif(synapse)
    assert np.abs(potentials(module, run, X)[:, 0] - [v for v, _ in wanted]).max() < 1e-6
    assert [s for _, s in wanted] == run(module, X)[:, 0].tolist()


def test_rockpool_exp_syn_decays_its_input_too(package_files, load, run):
    module = load(package_files / "rockpool_expsyntorch_1.0.8.nir", input="f32")
    i, wanted = 0.0, []
    for x in X[:, 0].tolist():
        i = np.exp(-0.5) * (i + x)
        wanted.append(i)
    assert np.abs(run(module, X)[:, 0] - wanted).max() < 1e-6


def test_rockpool_states_batch_and_time_before_the_sample(package_files, load):
    module = load(package_files / "rockpool_liftorch_1.0.8.nir")
    assert "u1[1]~" == str(module.graph.inputs[0].type)
    assert any("batch and time" in line for line in statement(module))


def test_spikingjelly_cuba_decays_both_and_fires_at_the_threshold(package_files, load, run):
    module = load(package_files / "spikingjelly_cubalif_1.0.8.nir", input="f32")
    i, v, spikes, wanted = 0.0, 0.0, [], []
    for x in X[:, 0].tolist():
        i = 0.5 * i + x
        v = 0.75 * v + i
        spikes.append(int(v >= 1))
        v = 0.0 if v >= 1 else v
        wanted.append(v)
    assert np.abs(potentials(module, run, X)[:, 0] - wanted).max() < 1e-5
    assert spikes == run(module, X)[:, 0].tolist()


def test_a_recurrent_layer_of_snntorch_reads_its_spikes_one_tick_late(package_files, load, run):
    module = load(package_files / "snntorch_rleaky_1.0.8.nir", input="f32")
    assert any("rleaky.w_rec reads rleaky.lif one tick late" in n for n in statement(module))
    rng = np.random.default_rng(3)
    x = rng.integers(0, 8, (20, 3)).astype(np.float64) / 8
    w, b = np.array([[0.0, 1.0], [0.5, 0.0]]), np.array([0.25, 0.0])
    fc = np.array([[1, 0, 0.5], [0, 1, 0.25]])
    v, s, wanted = np.zeros(2), np.zeros(2), []
    for step in x:
        v = 0.9 * v + fc @ step + w @ s + b - s
        s = (v > 1).astype(float)
        wanted.append(s.tolist())
    assert sum(map(sum, wanted)) > 10
    assert wanted == run(module, x).tolist()
