"""`reuse`: a build is kept only where compiling would make the same; the reason is told."""

import json

import numpy as np
import pytest

import snnc
from snnc.diagnostics import Diagnostics, SnncError
from snnc.driver import reuse
from snnc.driver.artifact import sealed
from snnc.ir.build import Builder


def network(threshold=1.0, scale=1.0):
    b = Builder("net", "snn", {"ticks": 4})
    w = b.weight("w", (scale * np.arange(-3, 9).reshape(3, 4) / 4).astype(np.float32))
    x = b.op("linear", b.input("x", "u1[4]~"), w)
    return b.finish(b.op("neuron", x, threshold=threshold, name="y"))


@pytest.fixture
def folder(tmp_path):
    """A saved build of the network for lynxi."""
    snnc.compile(network(), "lynxi").save(tmp_path / "build")
    return tmp_path / "build"


def again(folder, module=None, **options):
    """Return (build, what was told) of compiling once more."""
    found = Diagnostics()
    target = options.pop("target", "lynxi")
    made = snnc.compile(module or network(), target, reuse=folder, diagnostics=found, **options)
    told = [d for d in found if d.code == "compiled-anew"]
    assert (made.folder == folder) == (not told)
    return made, "".join(d.message for d in told)


def test_a_build_of_all_the_same_is_kept(folder, monkeypatch):
    monkeypatch.setattr("snnc.driver.compilation.run_stages", lambda *args: pytest.fail("ran"))
    made, told = again(folder)
    assert ("", folder) == (told, made.folder)
    x = np.ones((2, 4, 4), np.uint8)
    assert np.array_equal(made.run(x).outputs["y"], snnc.run(network(), x).outputs["y"])


def test_other_data_of_rates_are_another_build(tmp_path):
    x = np.ones((1, 4, 4), np.uint8)
    snnc.compile(network(), "paicore", rates=x).save(tmp_path / "build")
    folder, given = tmp_path / "build", {"target": "paicore"}
    assert "" == again(folder, rates={"x": x}, **given)[1]
    assert "it differs in data of rates" in again(folder, **given)[1]
    assert "it differs in data of rates" in again(folder, rates=x[:, :2], **given)[1]


def test_places_in_the_source_do_not_count(folder, tmp_path):
    from snnc.ir.write import write

    (tmp_path / "moved.snn").write_text("\n\n" + write(network(), locs=False))
    assert "" == again(folder, tmp_path / "moved.snn")[1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"module": network(threshold=2.0)}, "it differs in network"),
        ({"module": network(scale=2.0)}, "it differs in network"),
        ({"batch": 4}, "it differs in option batch (1, not 4)"),
        (
            {"profile": "f16"},
            "it differs in option profile (f32, not f16), pipeline (split-bias,legalise,place, "
            "not halve,split-bias,legalise,place)",
        ),
        ({"pipeline": "clean,@lynxi"}, "it differs in pipeline"),
        ({"calibrate": {"x": np.ones((1, 4, 4), np.uint8)}}, "it differs in calibration data"),
        ({"target": "paicore"}, "it is for lynxi, not for paicore"),
        ({"check": True}, "check needs the passes to run"),
    ],
)
def test_what_differs_is_told_and_made_anew(folder, change, reason):
    made, told = again(folder, **change)
    assert told.startswith(f"{folder} is not kept: ")
    assert reason in told
    assert made.folder is None


def test_calibration_data_are_compared_by_their_values(tmp_path):
    data = np.ones((2, 4, 4), np.uint8)
    options = {"target": "dynapcnn", "scale": "data"}
    b = Builder("net", "snn", {"ticks": 4})
    w = b.weight("w", (np.arange(-6, 12).reshape(1, 2, 3, 3) / 4).astype(np.float32))
    x = b.op("conv2d", b.input("x", "u1[2, 4, 4]~"), w)
    module = b.finish(b.op("neuron", x, threshold=1.0, floor=-1.0, name="y"))
    data = np.ones((2, 4, 2, 4, 4), np.uint8)
    place = tmp_path / "build"
    snnc.compile(module, calibrate=data, **options).save(place)
    assert "" == again(place, module, calibrate={"x": data.copy()}, **options)[1]
    data[0, 0, 0, 0, 0] = 0
    told = again(place, module, calibrate=data, **options)[1]
    assert told.endswith("it differs in calibration data")


def test_another_version_of_snnc_makes_it_anew(folder, monkeypatch):
    monkeypatch.setattr(snnc, "__version__", "9.9.9")
    told = again(folder)[1]
    assert told.endswith(f"it differs in version of snnc ({old(folder)}, not 9.9.9)")


def old(folder):
    return json.loads((folder / "manifest.json").read_text())["tool"]["version"]


def test_dumps_need_the_passes_to_run(folder, tmp_path):
    told = again(folder, dump=tmp_path / "dumps")[1]
    assert told.endswith("dump needs the passes to run")
    assert list((tmp_path / "dumps").iterdir())


def edited(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: edited(f / "Net_0/graph.relay", "0", "1"), "graph.relay is not the file"),
        (lambda f: (f / "Net_0/graph.relay").unlink(), "lacks Net_0/graph.relay"),
        (lambda f: (f / "model.snn").unlink(), "lacks model.snn"),
        (lambda f: (f / "README.md").unlink(), "lacks README.md"),
        (lambda f: (f / "manifest.json").unlink(), "holds no manifest.json"),
        (lambda f: edited(f / "manifest.json", "{", "["), "manifest.json"),
        (lambda f: edited(f / "manifest.json", '"states": 1', '"states": 2'), "not as it was"),
        (lambda f: edited(f / "manifest.json", '"seal"', '"soul"'), "not as it was written"),
        (lambda f: edited(f / "manifest.json", '"states": 1', '"states": NaN'), "manifest"),
        (lambda f: edited(f / "manifest.json", '"states": 1', '"states":  1'), "not as it was"),
        (lambda f: (f / "notes.txt").write_text("mine"), "holds notes.txt, which the build"),
        (lambda f: (f / "Net_0" / "more").write_text(""), "holds Net_0/more, which the build"),
    ],
)
def test_a_folder_that_is_not_whole_and_untouched_is_never_kept(folder, spoil, reason):
    spoil(folder)
    made, told = again(folder)
    assert reason in told
    assert made.folder is None


def test_an_older_manifest_that_does_not_say_all_is_not_kept(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["seal"], manifest["calibration"]
    (folder / "manifest.json").write_text(sealed(manifest))
    assert again(folder)[1].endswith("it differs in calibration data")


def test_a_folder_that_cannot_be_read_is_told(folder, monkeypatch):
    def refused(path, manifest):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reuse, "check_files", refused)
    assert again(folder)[1].endswith("cannot be read: Permission denied")


def test_no_folder_and_a_file_in_its_place_are_told(tmp_path):
    assert "there is no" in again(tmp_path / "none")[1]
    (tmp_path / "file").write_text("")
    assert "file" in again(tmp_path / "file")[1]


PLUGIN = '''
from attrs import frozen
from snnc.extend.passes import Exactness
from snnc.extend.plugin import Plugin

@frozen
class Same:
    """Changes nothing."""
    name, level, to, exactness = "same", "any", None, Exactness.EXACT

    def run(self, module, context):
        return module

plugin = Plugin(passes={"same": "same:Same"})
'''


def test_a_build_in_which_a_plugin_takes_part_is_never_kept(tmp_path):
    (tmp_path / "same.py").write_text(PLUGIN)
    options = {"pipeline": "same,@lynxi", "plugin": [tmp_path / "same.py"]}
    snnc.compile(network(), "lynxi", **options).save(tmp_path / "build")
    told = again(tmp_path / "build", **options)[1]
    assert "same of plugin" in told
    assert told.endswith("takes part, and may have changed")


def test_a_plugin_that_takes_no_part_does_not_matter(folder, tmp_path):
    (tmp_path / "same.py").write_text(PLUGIN)
    assert "" == again(folder, plugin=[tmp_path / "same.py"])[1]


def test_code_that_an_option_brings_in_is_told(monkeypatch, folder):
    monkeypatch.setattr(
        "snnc.targets.lynxi.Lynxi.code", lambda self, options: "mine.py:change", raising=False
    )
    assert again(folder)[1].endswith("mine.py:change takes part, and may have changed")


def test_what_is_refused_is_refused_whatever_stands_there(folder):
    with pytest.raises(SnncError) as caught:
        snnc.compile(network(), "lynxi", reuse=folder, batch=3)
    assert "batch" in str(caught.value)


def test_arrays_are_told_apart_by_name_element_and_shape():
    one = np.arange(4, dtype=np.uint8)
    same = [{"a": one}, {"a": one.copy()}]
    others = [{"b": one}, {"a": one.reshape(2, 2)}, {"a": one.view(np.int8)}, {"a": one, "b": one}]
    digests = [reuse._arrays_digest(arrays) for arrays in (*same, *others)]
    assert digests[0] == digests[1]
    assert 5 == len(set(digests))
