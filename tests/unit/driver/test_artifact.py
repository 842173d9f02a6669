"""The folder of a build: its manifest, and what may be replaced."""

import json
import os

import numpy as np
import pytest

import snnc
from tests.unit.driver.conftest import contents, refused


def test_manifest_says_what_was_built(build, tmp_path):
    folder = build.save(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest == build.manifest
    assert {"speed": 3, "longest": 0, "fault": "", "for": "fun"} == manifest["options"]
    assert ("toy", "small", "toy-place") == tuple(
        manifest[k] for k in ("target", "variant", "pipeline")
    )
    assert {"x": {"type": "u1[4]~"}} == manifest["inputs"]
    assert {"README.md", "chip.safetensors", "chip.snn", "fault.txt", "model.snn"} == set(
        manifest["files"]
    )
    assert "nothing at all" in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", ["chip.snn", "README.md"])
def test_changed_or_missing_file_is_refused(build, toy, tmp_path, name):
    folder = build.save(tmp_path / "out")
    (folder / name).write_text("x")
    assert "build-corrupt" == refused(snnc.verify, folder, plugin=[toy]).code
    (folder / name).unlink()
    assert "build-corrupt" == refused(snnc.verify, folder, plugin=[toy]).code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "build-corrupt"),
        ("[]", "not-a-build"),
        ('{"schema": 99, "files": {}, "target": "toy", "tool": {}}', "build-too-new"),
        ('{"schema": 1, "files": []}', "build-corrupt"),
        ("[" * 100_000, "build-corrupt"),
    ],
)
def test_manifest_that_is_none_is_refused(build, toy, tmp_path, text, code):
    folder = build.save(tmp_path / "out")
    (folder / "manifest.json").write_text(text)
    assert code == refused(snnc.Build.open, folder, plugin=[toy]).code


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_ticks", -1), ("max_ticks", True), ("max_ticks", "8"), ("takes", [None]), ("name", 3)],
)
def test_a_manifest_with_a_value_of_another_kind_is_refused(build, toy, tmp_path, key, value):
    folder = build.save(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, key: value}))
    error = refused(snnc.Build.open, folder, plugin=[toy])
    assert "build-corrupt" == error.code
    assert key in str(error)


def test_a_manifest_without_its_longest_run_is_refused(build, toy, tmp_path):
    folder = build.save(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["max_ticks"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "build-corrupt" == refused(snnc.Build.open, folder, plugin=[toy]).code


def test_an_edited_manifest_is_refused_and_one_without_a_seal_is_older(build, toy, tmp_path):
    folder = build.save(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "max_ticks": 10**9}))
    error = refused(snnc.Build.open, folder, plugin=[toy])
    assert "build-corrupt" == error.code
    assert "manifest.json is not as it was written" in str(error)
    del manifest["seal"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert snnc.Build.open(folder, plugin=[toy]).verify()


def test_folder_without_a_manifest_is_no_build(tmp_path):
    assert "not-a-build" == refused(snnc.Build.open, tmp_path).code


def test_a_program_without_its_manifest_is_no_build_to_load(build, tmp_path):
    folder = build.save(tmp_path / "out")
    (folder / "manifest.json").unlink()
    error = refused(snnc.load, folder)
    assert "not-a-build" == error.code
    assert "manifest.json" in str(error)


def test_what_is_no_folder_is_no_build(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file", "missing"):
        error = refused(snnc.Build.open, tmp_path / name)
        assert "not-a-build" == error.code
        assert f"there is no folder {tmp_path / name}" in str(error)


def test_build_replaces_a_build(build, toy, module, tmp_path):
    folder = build.save(tmp_path / "out")
    snnc.compile(module, "toy:large", plugin=[toy]).save(folder)
    assert "large" == snnc.Build.open(folder, plugin=[toy]).manifest["variant"]
    assert ["out"] == [p.name for p in tmp_path.iterdir()]


def test_empty_folder_is_filled(build, tmp_path):
    (tmp_path / "out").mkdir()
    assert (build.save(tmp_path / "out") / "chip.snn").is_file()


def test_folder_with_files_of_the_user_is_left_alone(build, tmp_path):
    folder = tmp_path / "out"
    build.save(folder)
    (folder / "notes.txt").write_text("mine")
    found = refused(build.save, folder)
    assert "output-not-ours" == found.code
    assert "notes.txt" in found.message
    assert "mine" == (folder / "notes.txt").read_text()


def test_folder_with_the_manifest_of_another_program_is_left_alone(build, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "a web page"}')
    assert "output-not-ours" == refused(build.save, folder).code


def test_link_to_a_folder_is_filled_and_stays_a_link(build, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    build.save(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real" / "chip.snn").is_file()


def test_report_that_no_manifest_holds_is_refused(module, toy):
    found = refused(snnc.compile, module, "toy", plugin=[toy], fault="report")
    assert "report-not-plain" == found.code


def test_manifest_holds_numbers_of_numpy():
    from snnc.driver.artifact import to_json

    assert {"a": 1, "b": [1, 2]} == json.loads(to_json({"a": np.int64(1), "b": np.arange(1, 3)}))


def test_file_in_place_of_the_folder_is_left_alone(build, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "output-not-a-folder" == refused(build.save, tmp_path / "out").code


def test_full_disk_leaves_the_old_build(build, tmp_path, monkeypatch):
    folder = build.save(tmp_path / "out")
    before = contents(folder)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    assert "output-unwritable" == refused(build.save, folder).code
    assert before == contents(folder)
    assert ["out"] == [p.name for p in tmp_path.iterdir()]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_is_refused(build, tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert "output-unwritable" == refused(build.save, tmp_path / "out").code
    finally:
        tmp_path.chmod(0o700)


def test_folder_below_a_file_is_refused(build, tmp_path):
    (tmp_path / "file").write_text("")
    assert "output-unwritable" == refused(build.save, tmp_path / "file" / "out").code
