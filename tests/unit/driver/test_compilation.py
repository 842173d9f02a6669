"""`snnc.compile`: where its arguments go, and the passes that its options change."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir import Builder
from tests.unit.driver.test_sources import DECLARING


def refused(*args, **options):
    with pytest.raises(SnncError) as caught:
        snnc.compile(*args, **options)
    return caught.value.diagnostics[0]


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.py"
    path.write_text(DECLARING)
    return path


@pytest.fixture
def real():
    """Two layers of real numbers: 4 -> 3."""
    b = Builder("real", "snn", {"ticks": 8})
    x = b.input("x", "u1[4]~")
    w = b.weight("w", np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    return b.finish(b.op("neuron", b.op("linear", x, w), threshold=1.0, name="y"))


def test_sample_and_target_stand_by_position_or_by_name(pairs, toy):
    plugin = [pairs, toy]
    same = [
        snnc.compile({}, [1, 2], target="toy", plugin=plugin),
        snnc.compile({}, "toy", [1, 2], plugin=plugin),
        snnc.compile({}, "toy", sample=[1, 2], plugin=plugin),
        snnc.compile({}, target="toy", sample=[1, 2], plugin=plugin),
    ]
    assert [(2,)] * 4 == [build.module.graph.inputs[0].type.shape for build in same]


def test_two_targets_or_samples_are_refused(module):
    assert "bad-call" == refused(module, "paicore", target="paicore").code
    assert "bad-call" == refused(module, [1], sample=[2]).code


def test_options_go_to_the_target_and_to_the_front_end(pairs, toy):
    build = snnc.compile({}, "toy", [1], plugin=[pairs, toy], ticks=5, speed=2)
    assert 5 == build.module.attrs["ticks"]
    assert 2 == build.manifest["options"]["speed"]


def test_an_option_of_neither_is_refused_with_the_nearest_of_both(pairs, toy):
    found = refused({}, "toy", [1], plugin=[pairs, toy], tiks=5)
    assert "neither target toy nor front end pairs has an option 'tiks'" == found.message
    assert "did you mean 'ticks'?" == found.help
    assert "did you mean 'speed'?" == refused({}, "toy", [1], plugin=[pairs, toy], sped=5).help


def test_bits_and_per_reach_each_quantize(real):
    build = snnc.compile(real, bits=4, per="layer")
    assert "bits=4" in build.manifest["pipeline"]
    assert "per=layer" in build.manifest["pipeline"]


def test_what_the_pipeline_says_itself_is_not_changed(real):
    pipeline = "quantize{per=channel},@paicore"
    found = refused(real, pipeline=pipeline, per="layer")
    assert "unused-option" == found.code
    assert "per=channel" in found.help
    assert "bits=2" in snnc.compile(real, pipeline=pipeline, bits=2).manifest["pipeline"]


def test_without_shrink_no_weights_are_shrunk(module, toy):
    assert "shrink" in snnc.compile(module).manifest["pipeline"]
    assert "shrink" not in snnc.compile(module, shrink=False).manifest["pipeline"]
    assert "unused-option" == refused(module, "toy", plugin=[toy], shrink=False).code


def test_a_target_of_real_numbers_refuses_integers_with_the_reason(module):
    found = refused(module, "dynapcnn")
    assert "target-level" == found.code
    assert "takes networks of level snn, and this one is at int" in found.message


def test_progress_names_each_pass_and_counts_to_the_end(real):
    told = []
    snnc.compile(
        real,
        calibrate=np.eye(4, dtype=np.uint8)[None],
        check=True,
        progress=lambda *t: told.append(t),
    )
    names = [what for what, _, _ in told]
    assert {"clean", "quantize", "place", "writing files", "verifying"} <= set(names)
    assert any(name.startswith("quantize, run ") for name in names)
    done, total = told[-1][1:]
    assert (done + 1, total) == (total, told[0][2])
    assert sorted(d for _, d, _ in told) == [d for _, d, _ in told]


def test_options_of_passes_reach_them_by_name(real):
    build = snnc.compile(real, passes={"quantize": {"scale": "max", "bits": 2}})
    assert "bits=2" in build.manifest["pipeline"]
    assert "scale=max" in build.manifest["pipeline"]
    assert "unused-option" == refused(real, passes={"quantise": {"scale": "max"}}).code
    assert "unused-option" == refused(real, bits=4, passes={"quantize": {"bits": 2}}).code
    assert "unknown-option" == refused(real, passes={"quantize": {"scal": "max"}}).code


def test_a_file_of_the_language_tells_its_parameters(tmp_path):
    path = tmp_path / "net.snnl"
    path.write_text(
        "network net(size=3) {\n  input x: u1[size]~\n  return IF(x, threshold=1, reset_v=0)\n}\n"
    )
    assert (5,) == snnc.compile(path, size=5).module.graph.inputs[0].type.shape
    found = refused(path, sise=5)
    assert "neither target paicore nor front end dsl has an option 'sise'" == found.message
    assert "did you mean 'size'?" == found.help
    assert "did you mean 'format'?" == refused(path, fromat="bin").help
    with pytest.raises(SnncError, match="net has no parameter 'sample'"):
        snnc.load(path, sample="s.npy")
