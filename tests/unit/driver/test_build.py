import os
import subprocess
import sys

import numpy as np
import pytest

import snnc
from snnc.diagnostics import Diagnostics, SnncError
from snnc.ir import Builder
from snnc.ir.write import write
from tests.unit.driver.conftest import contents, network, refused


def test_build_runs_as_the_network_does(build, module, spikes):
    expected = snnc.run(module, spikes, engine="reference").outputs["y"]
    assert np.array_equal(expected, build.run(spikes).outputs["y"])
    assert expected.any()


def test_saved_build_opens_and_runs_the_same(build, module, toy, spikes, tmp_path):
    build.save(tmp_path / "out")
    again = snnc.Build.open(tmp_path / "out", plugin=[toy])
    assert np.array_equal(build.run(spikes).outputs["y"], again.run(spikes).outputs["y"])
    assert write(module, locs=False) == write(again.module, locs=False)
    ran = snnc.run(tmp_path / "out", {"x": spikes}, plugin=[toy])
    assert np.array_equal(build.run(spikes).outputs["y"], ran.outputs["y"])


def test_build_goes_on_after_another_one_has_replaced_it(build, toy, module, spikes, tmp_path):
    expected = build.run(spikes).outputs["y"]
    folder = build.save(tmp_path / "out")
    snnc.compile(module, "toy:large", plugin=[toy], speed=4).save(folder)
    build.save(tmp_path / "again")
    assert build.verify()
    assert np.array_equal(expected, build.run(spikes).outputs["y"])
    assert build.manifest == snnc.Build.open(tmp_path / "again", plugin=[toy]).manifest


def test_build_saved_twice_gives_files_of_their_own(build, tmp_path):
    first, second = build.save(tmp_path / "a"), build.save(tmp_path / "b")
    before = contents(second)
    assert before == contents(first)
    for path in first.iterdir():
        path.write_text("mine")
    assert before == contents(second)


@pytest.mark.parametrize("name", ["README.md", "manifest.json"])
def test_notes_in_a_saved_build_do_not_touch_the_build(build, tmp_path, name):
    folder = build.save(tmp_path / "out")
    before = contents(folder)
    (folder / name).write_text("mine")
    assert before == contents(build.save(tmp_path / "again"))


def test_build_whose_saved_files_were_written_into_is_refused(build, spikes, tmp_path):
    folder = build.save(tmp_path / "out")
    (folder / "chip.snn").write_text("x")
    for action in (build.verify, lambda: build.run(spikes), lambda: build.save(tmp_path / "b")):
        assert "build-corrupt" == refused(action).code


def test_build_is_copied_where_files_cannot_be_linked(build, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    folder = build.save(tmp_path / "out")
    (folder / "chip.snn").write_text("x")
    assert build.verify()
    assert ["out"] == [p.name for p in tmp_path.iterdir()]


def test_two_compilations_give_the_same_bytes(module, toy, tmp_path):
    for name in ("a", "b"):
        snnc.compile(module, "toy:large", plugin=[toy], speed=4).save(tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_bytes_do_not_depend_on_the_hash_seed(tmp_path):
    source = tmp_path / "net.snn"
    source.write_text(write(network(), locs=False))
    script = "import sys, snnc; snnc.compile(sys.argv[1], 'paicore').save(sys.argv[2])"
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script, str(source), str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_build_does_not_say_where_it_was_compiled(toy, tmp_path):
    source = tmp_path / "deep" / "net.snn"
    source.parent.mkdir()
    source.write_text(write(network(), locs=False))
    snnc.compile(source, "toy", plugin=[toy]).save(tmp_path / "out")
    assert not any(str(tmp_path).encode() in data for data in contents(tmp_path / "out").values())
    assert b"net.snn" in (tmp_path / "out" / "model.snn").read_bytes()


def test_options_of_the_target_are_typed(module, toy):
    found = refused(snnc.compile, module, "toy", plugin=[toy], sped=1)
    assert ("unknown-option", "did you mean 'speed'?") == (found.code, found.help)
    found = refused(snnc.compile, module, "toy", plugin=[toy], speed="fast")
    assert "bad-option" == found.code


def test_program_is_the_module_after_the_last_approximation(module, toy):
    diagnostics = Diagnostics()
    build = snnc.compile(
        module, "toy", plugin=[toy], pipeline="clean,blur,clean,@toy", diagnostics=diagnostics
    )
    assert [3, 4] == [op["threshold"] for op in build.module.ops("neuron")]
    assert {"blurred": 1} == build.manifest["report"]
    assert ["blurred"] == [d.code for d in diagnostics]
    assert build.verify()


def test_run_beyond_what_is_exact_is_refused(module, toy, spikes):
    build = snnc.compile(module, "toy", plugin=[toy], longest=10)
    first = build.run(spikes)
    found = refused(build.run, spikes, state=first.state)
    assert "run-too-long" == found.code
    assert "16 ticks" in found.message
    assert build.verify()


def test_calibration_that_no_pass_reads_is_refused(module, toy, spikes):
    found = refused(snnc.compile, module, "toy", plugin=[toy], calibrate=spikes)
    assert "unused-option" == found.code


def test_bits_without_a_quantize_have_no_use(module, toy):
    assert "unused-option" == refused(snnc.compile, module, "toy", plugin=[toy], bits=4).code


def test_pipeline_that_stops_short_is_refused(module):
    found = refused(snnc.compile, module, "paicore", pipeline="clean")
    assert "pipeline-incomplete" == found.code


def test_what_the_judge_refuses_does_not_fit(toy):
    with pytest.raises(SnncError) as caught:
        snnc.compile(network("huge"), "toy", plugin=[toy])
    assert ("toy-full", 4) == (caught.value.code, caught.value.exit_status)


def test_check_verifies_the_build(module, toy):
    snnc.compile(module, "toy", plugin=[toy], check=True)
    with pytest.raises(SnncError) as caught:
        snnc.compile(module, "toy", plugin=[toy], check=True, fault="emit")
    assert ("build-differs", 3) == (caught.value.code, caught.value.exit_status)


def test_target_of_a_plugin_that_raises_is_named_with_its_line(module, toy, spikes):
    found = refused(snnc.compile, module, "toy", plugin=[toy], fault="raise")
    assert ("plugin-failed", str(toy)) == (found.code, found.loc.file)
    assert "ZeroDivisionError: in the toy" in found.message
    build = snnc.compile(module, "toy", plugin=[toy], fault="run")
    assert "plugin-failed" == refused(build.run, spikes).code


def test_nothing_half_written_stays_behind_a_target_that_fails(module, toy, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    refused(snnc.compile, module, "toy", plugin=[toy], fault="raise")
    assert [] == list(tmp_path.iterdir())


def test_encoders_run_on_the_host(toy):
    b = Builder("net", "int", {"ticks": 10})
    image = b.input("image", "f32[3]")
    s = b.op("poisson", image, seed=3, name="s")
    y = b.op(
        "neuron", b.op("linear", s, b.weight("w", np.ones((2, 3), int))), threshold=2, name="y"
    )
    build = snnc.compile(b.finish(y), "toy", plugin=[toy])
    given = np.full((4, 3), 0.5, np.float32)
    expected = snnc.run(build.module, given, ticks=10, engine="reference").outputs["y"]
    assert np.array_equal(expected, build.run(given, ticks=10).outputs["y"])
    assert build.verify(given)
    assert build.verify()


def test_samples_in_parts_give_what_the_whole_gives(toy):
    b = Builder("net", "int", {"ticks": 10})
    s = b.op("poisson", b.input("image", "f32[3]"), seed=3)
    y = b.op(
        "neuron", b.op("linear", s, b.weight("w", np.ones((2, 3), int))), threshold=2, name="y"
    )
    build = snnc.compile(b.finish(y), "toy", plugin=[toy])
    images = np.full((5, 3), 0.5, np.float32)
    whole = build.run(images, ticks=10).outputs["y"]
    cuts = ((0, 2), (2, 5))
    for what in (build, build.module):
        parts = [
            snnc.run(what, images[a:b], ticks=10, first_sample=a).outputs["y"] for a, b in cuts
        ]
        assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole[2:], build.run(images[2:], ticks=10).outputs["y"])


def test_run_goes_on_where_it_stopped_encoders_included(toy):
    b = Builder("net", "int")
    s = b.op("poisson", b.input("image", "f32[3]"), seed=3)
    y = b.op(
        "neuron", b.op("linear", s, b.weight("w", np.ones((2, 3), int))), threshold=2, name="y"
    )
    build = snnc.compile(b.finish(y), "toy", plugin=[toy])
    image = np.full((4, 3), 0.4, np.float32)
    whole = build.run(image, ticks=9).outputs["y"]
    first = build.run(image, ticks=4)
    second = build.run(image, ticks=5, state=first.state)
    parts = np.concatenate([first.outputs["y"], second.outputs["y"]], axis=1)
    assert np.array_equal(whole, parts)


def test_one_array_for_several_inputs_is_refused(toy):
    b = Builder("net", "int")
    x, z = b.input("x", "u1[2]~"), b.input("z", "u1[2]~")
    module = b.finish(b.op("neuron", b.op("add", x, z), threshold=1))
    found = refused(snnc.run, module, np.zeros((1, 2, 2), np.uint8), engine="reference")
    assert "input-names" == found.code


@pytest.mark.parametrize("kind", ["frames", "config"])
def test_what_a_target_does_not_have_is_refused(build, kind):
    assert f"no-{kind}" == refused(lambda: getattr(build, kind)).code


def test_target_without_a_board_refuses_to_encode_and_decode(build, spikes):
    assert "no-encode" == refused(build.encode, spikes).code
    assert "no-decode" == refused(build.decode, None, 1).code


def test_words_for_a_board_are_those_of_the_target(module, spikes):
    build = snnc.compile(module, "paicore")
    words = build.encode(spikes[:1])
    assert np.uint64 == words.dtype


def test_build_is_shown_short_and_as_a_table(build):
    assert "<snnc build @net for toy: neurons 3>" == repr(build)
    assert "toy-place" in build._repr_html_()
