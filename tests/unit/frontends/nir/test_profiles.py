"""Which producer is recognized, and what is asked where it could be two."""

import numpy as np
import pytest

from snnc.frontends.nir import statement
from snnc.frontends.nir.profiles import PROFILES

DETECTED = {
    "snntorch_leaky_1.0.8": 1e-4,
    "snntorch_synaptic_1.0.8": 1e-4,
    "snntorch_rleaky_1.0.8": 1e-4,
    "spikingjelly_if_1.0.8": 1e-4,
    "spikingjelly_lif_plain_1.0.8": 1e-4,
    "spikingjelly_cubalif_1.0.8": 1e-4,
    "sinabs_iaf_1.0.4": 1.0,
    "sinabs_lif_1.0.4": 1.0,
    "sinabs_expleak_1.0.4": 1.0,
    "rockpool_liftorch_1.0.8": 0.01,
    "rockpool_lifneurontorch_1.0.8": 0.01,
    "rockpool_expsyntorch_1.0.8": 0.01,
}
UNCLEAR = {
    "spikingjelly_lif_1.0.8": ("norse", "spikingjelly", "spec"),
    "norse_lifbox_1.0.8": ("norse", "spec"),
    "norse_lifcell_1.0.8": ("norse", "spec"),
    "norse_iaf_1.0.8": ("sinabs", "norse", "spec"),
    "norse_li_1.0.8": ("norse", "spec"),
    "spec_if_0.2.0": ("spec",),
    "spec_if_1.0.8": ("spec",),
    "spec_lif_1.0.8": ("spikingjelly", "spec"),
}
LIF = {"tau": [2e-3], "r": [2.0], "v_leak": [0.5], "v_threshold": [1.0], "v_reset": [0.25]}


@pytest.mark.parametrize("name", DETECTED)
def test_a_producer_is_recognized_by_what_only_it_writes(name, package_files, load):
    said = load(package_files / f"{name}.nir").attrs["nir"]
    assert (name.partition("_")[0], DETECTED[name]) == (said["profile"], said["dt"])


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_could_be_two_is_asked(name, package_files, refused):
    found = refused(package_files / f"{name}.nir")
    assert "nir-profile" == found.code
    assert found.loc.known
    assert all(f"profile={p}" in found.help for p in UNCLEAR[name])
    assert not any(f"profile={p} " in f"{found.help} " for p in set(PROFILES) - {*UNCLEAR[name]})


def test_graphs_without_neurons_mean_the_same_to_all(package_files, load):
    assert "spec" == load(package_files / "spec_conv2d_1.0.8.nir").attrs["nir"]["profile"]


@pytest.mark.parametrize("key", ["producer", "framework"])
def test_metadata_may_name_the_producer(key, net, load):
    nodes = {"x": ("Input", {"shape": [1]}), "n": ("LIF", LIF), "y": ("Output", {})}
    path = net(nodes, "x>n n>y", metadata={key: "SpikingJelly"})
    assert "spikingjelly" == load(path).attrs["nir"]["profile"]


def test_spikingjelly_gives_its_step_away(chain, load):
    fields = {"r": np.array([1 / 2e-3]), "v_threshold": [1.0], "v_reset": [0.0]}
    module = load(chain("IF", fields), profile="spikingjelly")
    assert 2e-3 == module.attrs["nir"]["dt"]
    assert "gain" not in module.graph.ops[0].attrs


def test_an_option_replaces_one_convention(chain, load):
    op = load(chain("LIF", LIF), profile="spec", dt=1e-3, compare="ge", spike="count").graph.ops[0]
    assert ("ge", "count", 2**31 - 1) == (op["compare"], op["spike"], op["max_count"])


def test_the_statement_says_what_was_assumed_and_nothing_that_was_said(package_files, load):
    path = package_files / "snntorch_leaky_1.0.8.nir"
    lines = statement(load(path))
    assert lines[0].startswith("NIR 1.0.8 read as profile snntorch (r dt / tau = 1 at dt = 0.0001")
    assert "inputs are u1 (input=u1 or input=f32)" == lines[1]
    assert any("reset_mechanism: subtract" in line for line in lines)
    assert not any("AvgPool2d" in line for line in lines)
    assert not any("reset_mechanism" in line for line in statement(load(path, reset="hard")))


def test_other_modules_have_nothing_to_state(load, package_files):
    from snnc.ir.build import Builder

    b = Builder("m", "snn")
    assert () == statement(b.finish(b.op("relu", b.input("x", "f32[2]~"))))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"profile": "snntoch"}, "bad-option"),
        ({"profil": "spec"}, "unknown-option"),
        ({"reset": "never"}, "bad-option"),
        ({"input": "i8"}, "bad-option"),
        ({"dt": "fast"}, "bad-option"),
    ],
)
def test_options_are_checked(options, code, package_files, refused):
    assert code == refused(package_files / "snntorch_leaky_1.0.8.nir", **options).code


def test_a_step_that_was_neither_said_nor_found_is_an_assumption(package_files, load):
    path = package_files / "spikingjelly_lif_1.0.8.nir"
    assert any("dt: 1e-4" in line for line in statement(load(path, profile="spikingjelly")))
    given = load(path, profile="spikingjelly", dt=1e-4)
    assert not any("dt: 1e-4" in line for line in statement(given))
    found = load(package_files / "spikingjelly_if_1.0.8.nir")
    assert not any("dt: 1e-4" in line for line in statement(found))
