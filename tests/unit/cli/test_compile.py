"""`snnc compile` and `snnc check`."""

import json

import pytest

from snnc.builtins import PLUGIN
from snnc.cli import failures


def manifest(folder):
    return json.loads((folder / "build" / "manifest.json").read_text())


def test_a_build_folder_is_written_and_told(folder, snnc):
    result = snnc("compile", "net.snn", "-t", "paicore", "-o", "build")
    assert result.exit_code == 0
    assert "@tiny for paicore" in result.stdout
    assert "wrote build:" in result.stdout
    assert manifest(folder)["target"] == "paicore"


def test_json_says_what_the_manifest_says(folder, snnc):
    told = snnc("compile", "net.snn", "-o", "build", "--json").json()
    assert told["resources"] == manifest(folder)["resources"]
    assert told["folder"] == "build"


def test_options_of_the_target_come_from_the_target(folder, snnc):
    result = snnc(
        *("compile", "net.snn", "-o", "build", "--format", "bin,npy", "--format", "txt"),
        *("--chip", "2,0", "--chip", "3,1", "--split", "chip", "--no-core-params"),
    )
    assert result.exit_code == 0, result.stderr
    options = manifest(folder)["options"]
    assert options["format"] == ["bin", "npy", "txt"]
    assert options["chip"] == [2, 0, 3, 1]
    assert options["split"] == "chip"
    assert options["core_params"] is False


def test_help_lists_the_options_of_the_target(snnc):
    shown = snnc("compile", "-t", "paicore", "--help").stdout
    assert "Options of target paicore:" in shown
    assert "--output-chip X,Y" in shown


def test_a_choice_that_is_none_is_usage(snnc):
    result = snnc("compile", "net.snn", "-o", "build", "--split", "cores")
    assert result.exit_code == failures.USAGE
    assert "'core'" in result.stderr


def test_unknown_targets_and_variants_are_usage(snnc):
    assert "did you mean 'paicore'" in snnc("compile", "net.snn", "-o", "b", "-t", "paicor").stderr
    assert snnc("compile", "net.snn", "-o", "b", "-t", "paicore:9").exit_code == failures.USAGE


def test_bits_without_use_are_refused(snnc):
    result = snnc("compile", "net.snn", "-o", "build", "--bits", "4")
    assert result.exit_code == failures.REFUSED
    assert "error[unused-option]" in result.stderr
    assert "error[unused-option]" in snnc("compile", "net.snn", "-o", "b", "--per", "layer").stderr


def test_bits_scales_and_calibration_reach_quantize(folder, snnc):
    text = (
        (folder / "net.snn").read_text().replace("int.", "snn.").replace("level int", "level snn")
    )
    for old, new in (("i8[", "f32["), ("i32[", "f32["), ("= 3}", "= 3.0}"), ("= 2}", "= 2.0}")):
        text = text.replace(old, new)
    (folder / "real.snn").write_text(text)
    result = snnc(
        *("compile", "real.snn", "-o", "build", "--bits", 4, "--per", "layer"),
        *("--calibrate", "x.npz"),
    )
    assert result.exit_code == 0, result.stderr
    assert "bits=4" in manifest(folder)["pipeline"]
    assert "per=layer" in manifest(folder)["pipeline"]
    assert snnc("check", "real.snn", "--bits", 4).exit_code == 0
    assert "error[unused-option]" in snnc("check", "net.snn", "--bits", 4).stderr


def test_no_shrink_leaves_shrinking_out(folder, snnc):
    snnc("compile", "net.snn", "-o", "build", "--no-shrink")
    assert "shrink" not in manifest(folder)["pipeline"]


def test_check_verifies_the_build_and_dump_writes_every_stage(folder, snnc):
    result = snnc("compile", "net.snn", "-o", "build", "--check", "--dump", "stages")
    assert result.exit_code == 0, result.stderr
    assert "verified" in result.stdout
    assert (folder / "stages" / "00-input.snn").is_file()


@pytest.mark.parametrize("dump", ["build", "build/stages", "./x/../build"])
def test_dumps_lie_beside_the_build(folder, snnc, dump):
    result = snnc("compile", "net.snn", "-o", "build", "--dump", dump)
    assert result.exit_code == failures.USAGE
    assert not (folder / "build").exists()


def test_a_folder_of_something_else_is_not_overwritten(folder, snnc):
    (folder / "build").mkdir()
    (folder / "build" / "mine.txt").write_text("mine")
    result = snnc("compile", "net.snn", "-o", "build")
    assert result.exit_code == failures.REFUSED
    assert (folder / "build" / "mine.txt").read_text() == "mine"


def test_a_network_on_stdin_compiles(folder, snnc):
    result = snnc("compile", "-", "-o", "build", input=(folder / "net.snn").read_text())
    assert result.exit_code == 0, result.stderr


def test_check_says_what_fits_and_what_it_takes(snnc):
    result = snnc("check", "net.snn")
    assert result.exit_code == 0
    assert "2 cores" in result.stdout
    (found,) = snnc("check", "net.snn", "-t", "paicore", "--json").json()
    assert found["fits"] is True
    assert found["resources"]["cores"] == 2


def test_options_of_a_target_are_for_that_target_alone(folder, snnc):
    (folder / "other.py").write_text(
        "from attrs import frozen\n"
        "from snnc.extend.plugin import Plugin\n"
        "@frozen\n"
        "class Options:\n"
        "    group: str = 'both'\n"
        "class Other:\n"
        "    name, level, doc, Options = 'other', 'paicore', 'Another.', Options\n"
        "    def variants(self): return ()\n"
        "    def hardware(self, variant, options): return {}\n"
        "    def passes(self): return {}\n"
        "    def pipeline(self, options): return 'clean'\n"
        "plugin = Plugin(targets={'other': ':Other'})\n"
    )
    result = snnc("--plugin", "other.py", "check", "net.snn", "--split", "core", "--json")
    assert [found["target"] for found in result.json()] == [*PLUGIN.targets, "other"]
    told = {found["target"]: found for found in result.json()}
    assert (True, False) == (told["paicore"]["fits"], told["other"]["fits"])
    assert told["other"]["reasons"][0]["code"] == "pipeline-incomplete"
    assert result.exit_code == 0


def test_check_says_why_a_network_does_not_fit_with_status_4(folder, snnc):
    text = (folder / "net.snn").read_text()
    (folder / "sat.snn").write_text(
        text.replace("threshold = 3}", "threshold = 3, overflow = saturate}")
    )
    result = snnc("check", "sat.snn", "-t", "paicore", "--json")
    (found,) = result.json()
    assert result.exit_code == failures.UNFIT
    assert found["fits"] is False
    assert found["reasons"][0]["code"] == "unsupported-neuron"
    assert snnc("check", "sat.snn").exit_code == failures.UNFIT


def test_settings_give_defaults_that_the_command_line_overrides(folder, snnc):
    (folder / "snnc.toml").write_text('format = ["npy"]\nchip = "2,0"\n[run]\nticks = 4\n')
    snnc("compile", "net.snn", "-o", "build")
    assert manifest(folder)["options"]["format"] == ["npy"]
    assert manifest(folder)["options"]["chip"] == [2, 0]
    snnc("compile", "net.snn", "-o", "build", "--format", "txt")
    assert manifest(folder)["options"]["format"] == ["txt"]
    assert snnc("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--json").json()["values"]["y"][
        "shape"
    ] == [3, 4, 2]


def test_settings_stand_in_pyproject_too(folder, snnc):
    (folder / "pyproject.toml").write_text('[tool.snnc]\nsplit = "core"\n')
    snnc("compile", "net.snn", "-o", "build")
    assert manifest(folder)["options"]["split"] == "core"


def test_a_setting_that_is_no_option_is_refused_with_its_line(folder, snnc):
    (folder / "snnc.toml").write_text('# mine\nformt = ["npy"]\n')
    result = snnc("compile", "net.snn", "-o", "build")
    assert result.exit_code == failures.REFUSED
    assert "snnc.toml:2: error[unknown-setting]" in result.stderr
    assert "did you mean 'format'?" in result.stderr


@pytest.mark.parametrize(
    "args", [("check", "net.snn"), ("dump", "net.snn"), ("passes",), ("bench", "compile")]
)
def test_every_command_refuses_a_setting_that_nothing_has(folder, snnc, args):
    (folder / "snnc.toml").write_text('output-chip = "5,0"\nformt = ["npy"]\n')
    result = snnc(*args)
    assert result.exit_code == failures.REFUSED
    assert "snnc.toml:2: error[unknown-setting]: snnc.toml: neither" in result.stderr
    assert "did you mean 'format'?" in result.stderr


def test_settings_of_compile_and_of_any_target_are_known_to_all_commands(folder, snnc):
    (folder / "snnc.toml").write_text('bits = 4\nformat = ["npy"]\nmonitor = ["all"]\n')
    assert snnc("dump", "net.snn").exit_code == 0


def test_a_table_is_for_its_own_command_only(folder, snnc):
    (folder / "snnc.toml").write_text("[compile]\nbits = 4\n")
    result = snnc("bench", "compile", "--case", "none")
    assert (failures.USAGE, False) == (result.exit_code, "unknown-setting" in result.stderr)


def test_settings_that_cannot_be_read_are_refused(folder, snnc):
    (folder / "snnc.toml").write_text("a = \n")
    assert "error[settings-unreadable]" in snnc("passes").stderr
    (folder / "snnc.toml").write_text("plugin = 3\n")
    assert "error[bad-setting]" in snnc("passes").stderr
    (folder / "snnc.toml").write_text("[complie]\n")
    assert "did you mean 'compile'?" in snnc("passes").stderr


def test_a_pyproject_of_others_that_is_broken_is_not_our_business(folder, snnc):
    (folder / "pyproject.toml").write_text("a = \n")
    assert snnc("passes").exit_code == 0


def test_a_network_that_may_overflow_at_once_does_not_fit(folder, snnc):
    text = (folder / "net.snn").read_text()
    (folder / "net.snn").write_text(
        text.replace("{threshold = 2}", "{threshold = 2, leak = 536870911}")
    )
    result = snnc("compile", "net.snn", "-o", "never")
    assert result.exit_code == failures.UNFIT
    assert "error[never-exact]" in result.stderr
    assert not (folder / "never").exists()


def test_a_setting_of_the_target_that_names_none_is_usage(folder, snnc):
    for target in ("3", "[3]", "true"):
        (folder / "snnc.toml").write_text(f"target = {target}\n")
        result = snnc("check", "net.snn")
        assert result.exit_code == failures.USAGE
        assert "there is no" in result.stderr


def test_a_build_of_all_the_same_is_kept_and_said_so(folder, build, snnc):
    before = {p: p.stat().st_mtime_ns for p in build.rglob("*")}
    kept = snnc("compile", "net.snn", "-o", "build", "--use-legacy")
    assert (0, "") == (kept.exit_code, kept.stderr)
    assert "kept build: " in kept.stdout
    assert before == {p: p.stat().st_mtime_ns for p in build.rglob("*")}
    told = snnc("compile", "net.snn", "-o", "build", "--use-legacy", "--json").json()
    assert told["kept"] is True
    assert manifest(folder)["files"] == told["files"]


def test_a_build_that_is_not_kept_is_made_anew_and_the_reason_told(folder, build, snnc):
    text = (folder / "net.snn").read_text()
    (folder / "net.snn").write_text(text.replace("threshold = 3", "threshold = 2"))
    made = snnc("compile", "net.snn", "-o", "build", "--use-legacy", "--json")
    assert made.json()["kept"] is False
    assert "note[compiled-anew]: build is not kept: it differs in network" in made.stderr
    fresh = snnc("compile", "net.snn", "-o", "fresh")
    assert "wrote fresh: " in fresh.stdout
    names = sorted(manifest(folder)["files"])
    for name in names:
        assert (folder / "fresh" / name).read_bytes() == (folder / "build" / name).read_bytes()
    assert "kept" not in snnc("compile", "net.snn", "-o", "build", "--json").json()


def test_a_spoiled_build_is_made_anew(folder, build, snnc):
    frames = next(build.glob("*.bin"))
    frames.write_bytes(frames.read_bytes()[:-8])
    made = snnc("compile", "net.snn", "-o", "build", "--use-legacy")
    assert f"{frames.name} is not the file that was built" in made.stderr
    assert 0 == snnc("verify", "build").exit_code


def test_rates_place_by_data(folder, snnc):
    import numpy as np

    from snnc.driver import load

    values = {
        v.name: np.ones((2, 5, *v.type.shape), np.uint8) for v in load("net.snn").graph.inputs
    }
    np.savez("x.npz", **values)
    assert 0 == snnc("compile", "net.snn", "-o", "build", "--rates", "x.npz").exit_code
    found = manifest(folder)["rates"]
    snnc("compile", "net.snn", "-o", "build", "--rates", "x.npz", "--rates-limit", "1")
    assert found != manifest(folder)["rates"] is not None
    result = snnc("compile", "net.snn", "-o", "build", "--rates-limit", "1")
    assert "--rates-limit has no use without --rates" in result.stderr
