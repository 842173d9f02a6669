"""What `verify` compares, and what it says."""

import json

import numpy as np

import snnc
from snnc.ir import Builder
from tests.unit.driver.conftest import network, refused


def test_real_network_is_compared_by_its_spikes(build, spikes):
    b = Builder("net", "snn")
    x = b.input("x", "u1[4]~")
    first = np.array([[2, 1, 0, -1], [0, 3, 1, 0], [1, 1, 1, 1]]) / 2
    current = b.op("linear", x, b.weight("a.w", first), name="linear")
    h = b.op("neuron", current, threshold=1.0, name="h")
    big = np.arange(6).reshape(2, 3) - 2.0
    real = b.finish(
        b.op("neuron", b.op("linear", h, b.weight("b.w", big)), threshold=3.0, name="y")
    )
    found = build.verify(spikes, real)
    assert found
    assert {"x", "h", "y"} == set(found.compared)


def test_fresh_build_verifies_every_value(build, tmp_path):
    found = build.verify()
    assert found
    assert {"y", "h", "h.v", "y.v"} <= set(found.compared)
    assert found.samples >= 5
    assert "equal" in str(found)


def test_verification_names_the_first_difference(build, toy, tmp_path, spikes):
    folder = build.save(tmp_path / "out")
    other = network(weights=np.zeros((3, 4), dtype=int))
    found = snnc.verify(folder, spikes, against=other, plugin=[toy])
    assert not found
    assert found.difference.name == "linear"
    assert "different on input 'given'" in str(found)


def test_verification_does_not_read_the_program(build, toy, tmp_path):
    """The emulated copy has no model.snn: a chip that differs from it is found out."""
    folder = build.save(tmp_path / "out")
    chip = folder / "chip.snn"
    chip.write_text(chip.read_text().replace("threshold = 3", "threshold = 1"))
    manifest = json.loads((folder / "manifest.json").read_text())
    from snnc.driver.artifact import digest, sealed

    manifest["files"]["chip.snn"] = digest(chip)
    del manifest["seal"]
    (folder / "manifest.json").write_text(sealed(manifest))
    assert not snnc.verify(folder, plugin=[toy])


def test_network_without_the_outputs_of_the_build_is_refused(build, toy, tmp_path):
    b = Builder("other", "int")
    other = b.finish(b.op("neuron", b.input("x", "u1[4]~"), threshold=1, name="z"))
    folder = build.save(tmp_path / "out")
    assert "output-missing" == refused(snnc.verify, folder, against=other, plugin=[toy]).code


def test_network_without_the_inputs_of_the_build_is_refused(build, toy, tmp_path):
    folder = build.save(tmp_path / "out")
    other = network("z")
    assert "target-inputs" == refused(snnc.verify, folder, against=other, plugin=[toy]).code


def test_build_without_its_program_verifies_against_the_network(build, toy, module, tmp_path):
    folder = build.save(tmp_path / "out")
    (folder / "model.snn").unlink()
    assert snnc.verify(folder, against=module, plugin=[toy])
    assert "build-without-program" == refused(snnc.verify, folder, plugin=[toy]).code


def test_verification_in_small_batches_counts_samples_from_the_first(
    build, spikes, monkeypatch, module
):
    monkeypatch.setattr("snnc.driver.verification.ELEMENTS", 1)
    found = build.verify(spikes)
    assert (5, 40) == (found.samples, found.ticks)
    other = network(weights=np.array([[2, 1, 0, -1], [0, 3, 1, 0], [1, 1, 2, 1]]))
    spikes[:3, :, 2] = 0
    assert 3 == build.verify(spikes, other).difference.sample
