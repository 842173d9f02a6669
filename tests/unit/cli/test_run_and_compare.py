"""`snnc run`, `verify`, `diff`, `eval`."""

import hashlib
import json

import numpy as np
import pytest

from snnc.cli import failures
from snnc.passes.accuracy import wilson


def arrays(path):
    with np.load(path) as found:
        return dict(found)


def test_engines_and_the_emulator_give_the_same_file(folder, build, snnc):
    for number, args in enumerate(
        [
            ("net.snn",),
            ("net.snn", "--engine", "reference"),
            ("net.snn", "--engine", "numpy"),
            ("build",),
            ("build", "--engine", "numpy"),
        ]
    ):
        result = snnc("run", *args, "-i", "x.npz", "-o", f"y{number}.npz")
        assert result.exit_code == 0, result.stderr
    files = [(folder / f"y{n}.npz").read_bytes() for n in range(5)]
    assert set(files) == {files[0]}


def test_processes_give_the_same_file(folder, build, snnc):
    for number, args in enumerate(
        [("--jobs", 2), ("--jobs", 2, "--engine", "reference"), ("--engine", "emulator")]
    ):
        result = snnc(
            "run", "build", "-i", "x.npz", "-o", f"y{number}.npz", *args, "--probe", "all"
        )
        assert result.exit_code == 0, result.stderr
    first, *others = (arrays(folder / f"y{n}.npz") for n in range(3))
    for other in others:
        shared = [name for name in first if name in other]
        assert "y" in shared
        assert all(np.array_equal(first[name], other[name]) for name in shared)


def test_random_encoders_draw_by_sample_in_any_number_of_processes(folder, snnc):
    text = (folder / "net.snn").read_text()
    text = text.replace("%x: u1[6]~", "%image: f32[6]").replace(
        "    %a =", "    %x = int.poisson %image {seed = 5} : (f32[6]) -> u1[6]~\n    %a ="
    )
    (folder / "rate.snn").write_text(text)
    np.savez(folder / "images.npz", image=np.full((7, 6), 0.5, np.float32))
    for jobs in (1, 2):
        result = snnc("run", "rate.snn", "-i", "images.npz", "-o", f"{jobs}.npz", "--jobs", jobs)
        assert result.exit_code == 0, result.stderr
    assert (folder / "1.npz").read_bytes() == (folder / "2.npz").read_bytes()


def test_probes_are_traced(folder, build, snnc):
    snnc("run", "build", "-i", "x.npz", "-o", "y.npz", "--probe", "hidden,hidden.v")
    assert list(arrays(folder / "y.npz")) == ["y", "hidden", "hidden.v"]
    snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--probe", "all")
    assert "y.v" in arrays(folder / "y.npz")
    wrong = snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--probe", "hiden")
    assert "error[unknown-probe]" in wrong.stderr


def test_the_emulator_needs_a_build(snnc):
    result = snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--engine", "emulator")
    assert "error[emulator-needs-build]" in result.stderr
    result = snnc("eval", "net.snn", "--data", "data.npz", "--engine", "emulator")
    assert "error[emulator-needs-build]" in result.stderr


def test_a_wrong_engine_is_usage(snnc):
    result = snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--engine", "numpi")
    assert result.exit_code == failures.USAGE
    assert "did you mean 'numpy'?" in result.stderr


def test_verify_finds_a_build_equal(build, snnc):
    result = snnc("verify", "build")
    assert result.exit_code == 0
    assert result.stdout.startswith("equal: ")
    told = snnc("verify", "build", "-i", "x.npz", "--json").json()
    assert told["equal"] is True
    assert told["samples"] == 3


def test_verify_shows_the_first_difference_with_status_3(folder, build, snnc):
    text = (folder / "net.snn").read_text().replace("threshold = 3", "threshold = 4")
    (folder / "other.snn").write_text(text)
    result = snnc("verify", "build", "-i", "x.npz", "--against", "other.snn")
    assert result.exit_code == failures.DIFFERENT
    for word in ("first tick", "layer", "%hidden", "sample", "neuron", "program", "build"):
        assert word in result.stdout
    told = snnc("verify", "build", "-i", "x.npz", "--against", "other.snn", "--json").json()
    assert told["equal"] is False
    assert set(told["difference"]) == {"tick", "value", "sample", "neuron", "left", "right"}


def test_verify_points_at_the_file_of_the_build_not_of_its_copy(build, snnc):
    manifest = json.loads((build / "manifest.json").read_text())
    (build / "config_all.bin").write_bytes((build / "config_all.bin").read_bytes()[:-8])
    digest = hashlib.sha256((build / "config_all.bin").read_bytes()).hexdigest()
    manifest["files"]["config_all.bin"] = digest
    del manifest["seal"]
    (build / "manifest.json").write_text(json.dumps(manifest))
    assert snnc("verify", "build").stderr.startswith(
        "build/config_all.bin: error[config-truncated]"
    )


@pytest.mark.parametrize(
    "args",
    [["verify", "build"], ["run", "build", "-i", "x.npz", "-o", "y.npz"], ["inspect", "build"]],
)
def test_a_build_whose_manifest_was_edited_is_refused(args, build, snnc):
    path = build / "manifest.json"
    path.write_text(path.read_text().replace('"name": "tiny"', '"name": "huge"'))
    result = snnc(*args)
    assert 1 == result.exit_code
    assert "error[build-corrupt]: build/manifest.json is not as it was written" in result.stderr


@pytest.mark.parametrize("shape", [(0, 8, 6), (2, 0, 6)])
def test_verify_of_nothing_proves_nothing(folder, build, snnc, shape):
    np.savez(folder / "none.npz", x=np.zeros(shape, np.uint8))
    result = snnc("verify", "build", "-i", "none.npz")
    assert result.exit_code == failures.REFUSED
    assert "error[nothing-to-compare]" in result.stderr


def test_diff_of_a_network_and_its_build_is_empty(build, snnc):
    result = snnc("diff", "net.snn", "build", "-i", "x.npz")
    assert result.exit_code == 0
    assert result.stdout == "equal: 2 values at every tick: hidden, y\n"


def test_diff_shows_where_two_networks_part(folder, snnc):
    text = (folder / "net.snn").read_text().replace("threshold = 2", "threshold = 3")
    (folder / "other.snn").write_text(text)
    result = snnc("diff", "net.snn", "other.snn", "-i", "x.npz", "--json")
    assert result.exit_code == failures.DIFFERENT
    assert result.json()["difference"]["value"] == "y"
    only = snnc("diff", "net.snn", "other.snn", "-i", "x.npz", "--only", "hidden")
    assert only.exit_code == 0
    assert snnc("diff", "net.snn", "other.snn", "-i", "x.npz", "--only", "outputs").exit_code == 3
    assert snnc("diff", "net.snn", "net.snn", "-i", "x.npz", "--only", "all").exit_code == 0


def test_diff_of_two_files_of_values_needs_no_inputs(snnc):
    snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz")
    assert snnc("diff", "y.npz", "y.npz").stdout == "equal: 1 value at every tick: y\n"


def test_diff_of_values_of_other_names_tells_the_names_of_both(folder, snnc):
    np.savez(folder / "a.npz", a=np.ones((1, 2, 3), np.uint8))
    np.savez(folder / "b.npz", b=np.ones((1, 2, 3), np.uint8))
    told = snnc("diff", "a.npz", "b.npz")
    assert "error[nothing-to-compare]: a.npz has a; b.npz has b\n" in told.stderr


def test_diff_of_nothing_is_not_equal(folder, snnc):
    with np.load(folder / "x.npz") as archive:
        np.savez(folder / "none.npz", x=archive["x"][:, :0])
    told = snnc("diff", "net.snn", "net.snn", "-i", "none.npz")
    assert (1, True) == (told.exit_code, "error[nothing-to-compare]" in told.stderr)


def test_diff_says_what_it_lacks(snnc):
    assert "error[inputs-wanted]" in snnc("diff", "net.snn", "net.snn").stderr
    assert "error[stdin-once]" in snnc("diff", "-", "net.snn", "-i", "x.npz").stderr
    wrong = snnc("diff", "net.snn", "net.snn", "-i", "x.npz", "--only", "hiden")
    assert "did you mean 'hidden'?" in wrong.stderr


@pytest.mark.parametrize("kind", ["complex128", "datetime64[s]", "U3"])
def test_diff_refuses_what_no_value_is(folder, snnc, kind):
    np.savez(folder / "odd.npz", y=np.zeros((1, 2, 2)).astype(kind))
    result = snnc("diff", "odd.npz", "odd.npz")
    assert result.exit_code == failures.REFUSED
    assert "error[values-unreadable]: odd.npz: 'y' holds" in result.stderr


def test_eval_counts_what_is_right(folder, snnc):
    snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz")
    sums = arrays(folder / "y.npz")["y"].sum(axis=1)
    expected = int((sums.argmax(axis=1) == [0, 1, 0]).sum())
    told = snnc("eval", "net.snn", "--data", "data.npz", "--json").json()
    assert (told["correct"], told["samples"]) == (expected, 3)
    assert told["spikes_per_sample"] == {"y": int(sums.sum()) / 3}
    assert told["interval_95"] == list(wilson(expected, 3))


def test_eval_of_a_build_does_not_depend_on_batches_or_processes(build, snnc):
    keys = ("correct", "ties", "samples", "spikes_per_sample")
    told = [
        snnc("eval", "build", "--data", "data.npz", "--json", "--activity", *args).json()
        for args in [(), ("--batch", 1), ("--batch", 2, "--jobs", 2), ("--engine", "reference")]
    ]
    shown = [{key: one[key] for key in keys} for one in told]
    assert shown == [shown[0]] * 4
    assert list(shown[0]["spikes_per_sample"]) == ["hidden", "y"]


def test_random_encoders_draw_by_sample_whatever_the_batch(folder, snnc):
    text = (folder / "net.snn").read_text()
    text = text.replace("%x: u1[6]~", "%image: f32[6]").replace(
        "    %a =", "    %x = int.poisson %image {seed = 5} : (f32[6]) -> u1[6]~\n    %a ="
    )
    (folder / "rate.snn").write_text(text)
    images = np.random.default_rng(2).integers(0, 256, (7, 6), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.zeros(7, np.int64))
    args = ("eval", "--data", "images.npz", "--scale", 255, "--json", "--activity")
    snnc("compile", "rate.snn", "-o", "rate")
    told = [
        snnc(*args, source, "--batch", size).json()["spikes_per_sample"]
        for source in ("rate.snn", "rate")
        for size in (1, 3, 100)
    ]
    assert told == [told[0]] * 6
    assert "error[data-scale]" in snnc("eval", "rate.snn", "--data", "images.npz").stderr
    chosen = snnc("encode", "rate", "-i", "images.npz", "--sample", 2, "-o", "in.bin")
    assert "error[unknown-value]" in chosen.stderr or chosen.exit_code == 1


def test_eval_refuses_data_that_do_not_fit(folder, snnc):
    x = np.zeros((3, 8, 6), np.uint8)
    np.savez(folder / "none.npz", x=x)
    assert "error[data-labels]" in snnc("eval", "net.snn", "--data", "none.npz").stderr
    np.savez(folder / "far.npz", x=x, labels=[0, 1, 2])
    assert "has 2 elements" in snnc("eval", "net.snn", "--data", "far.npz").stderr
    np.savez(folder / "few.npz", x=x, labels=[0, 1])
    assert "2 labels" in snnc("eval", "net.snn", "--data", "few.npz").stderr
    np.savez(folder / "name.npz", z=x, labels=[0, 1, 1])
    assert "error[data-names]" in snnc("eval", "net.snn", "--data", "name.npz").stderr
    assert "error[data-scale]" in snnc("eval", "net.snn", "--data", "data.npz", "--scale", 2).stderr
    wrong = snnc("eval", "net.snn", "--data", "data.npz", "--read", "z")
    assert "error[which-output]" in wrong.stderr


def test_eval_limits_the_samples(snnc):
    told = snnc("eval", "net.snn", "--data", "data.npz", "--limit", 2, "--json").json()
    assert told["samples"] == 2
    shown = snnc("eval", "net.snn", "--data", "data.npz", "--limit", 2).stdout
    assert "95 % interval" in shown


@pytest.mark.parametrize(("correct", "samples"), [(0, 10), (10, 10), (50, 100)])
def test_the_interval_holds_the_proportion(correct, samples):
    low, high = wilson(correct, samples)
    assert 0 <= low <= correct / samples <= high <= 1
