import numpy as np
import pytest

import snnc
from snnc.diagnostics import Diagnostics, SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.read import load
from snnc.ir.write import write


def refused(action, *arguments, **options):
    with pytest.raises(SnncError) as caught:
        action(*arguments, **options)
    return caught.value.diagnostics[0]


def run(module, text, toy, **options):
    return snnc.run_pipeline(module, text, plugin=[toy], **options)


def test_empty_pipeline_gives_the_module_back(module):
    assert module is snnc.run_pipeline(module, "")


def test_target_adds_its_passes_and_its_preset(module, toy):
    assert write(module) == write(run(module, "@toy,toy-place", toy, target="toy:large"))


def test_pass_of_a_target_needs_the_target(module, toy):
    found = refused(run, module, "toy-place", toy)
    assert "unknown-pass" == found.code
    assert "-t toy" in found.help


def test_unknown_pass_points_into_the_text(module, toy):
    found = refused(run, module, "clean,quantise", toy)
    assert ("unknown-pass", 7) == (found.code, found.loc.column)
    assert "did you mean 'quantize'?" == found.help


@pytest.mark.parametrize("target", ["nix", "toy:nix"])
def test_unknown_target_or_variant_is_refused(module, toy, target):
    assert refused(run, module, "", toy, target=target).code in (
        "unknown-target",
        "unknown-variant",
    )


def test_levels_are_checked_before_anything_runs(module, toy):
    found = refused(run, module, "crash,fold-norm", toy)
    assert "pass-level" == found.code
    assert "fold-norm reads level snn" in found.message


def test_missing_quantize_is_suggested(toy):
    b = Builder("n", "snn")
    x = b.input("x", "f32[2]~")
    module = b.finish(b.op("neuron", x))
    assert "such as quantize" in refused(run, module, "elsewhere", toy).help


@pytest.mark.parametrize("name", ["nothing", "spoil", "elsewhere"])
def test_pass_that_leaves_no_valid_module_is_named(module, toy, name):
    found = refused(run, module, f"keep,{name}", toy)
    assert "pass-broke-module" == found.code
    assert name in found.message
    assert "toy.py" in found.message


def test_pass_of_a_plugin_that_raises_is_named_with_its_line(module, toy):
    found = refused(run, module, "crash", toy)
    assert ("plugin-failed", str(toy)) == (found.code, found.loc.file)
    lines = toy.read_text().splitlines()
    assert "no_such_attribute" in lines[found.loc.line - 1]


def test_module_that_is_not_valid_does_not_start(module, toy):
    from attrs import evolve

    broken = module.with_graph(evolve(module.graph, outputs=()))
    assert "no-outputs" == refused(run, broken, "keep", toy).code


@pytest.mark.parametrize("name", ["keep", "late", "blur", "clean", "infer"])
def test_kept_promises_pass_the_check(module, toy, name):
    run(module, name, toy, check=True)


@pytest.mark.parametrize("name", ["lie", "late-lie"])
def test_broken_promise_is_found_with_pass_tick_value_and_neuron(module, toy, name):
    found = refused(run, module, f"keep,{name},keep", toy, check=True)
    assert "pass-not-exact" == found.code
    assert f"pass {name} " in found.message
    assert "%y[" in found.message
    assert "at tick" in found.message


def test_broken_promise_is_not_found_without_check(module, toy):
    run(module, "lie", toy)


def test_pass_that_renames_an_input_breaks_its_promise(module, toy):
    found = refused(run, module, "rename", toy, check=True)
    assert "pass-changed-interface" == found.code


def test_pass_after_which_a_run_fails_breaks_its_promise(toy):
    b = Builder("n", "int")
    x = b.input("x", "u1[2]~")
    module = b.finish(b.op("neuron", x, threshold=100, width=8, overflow="wrap"))
    from snnc.driver.exactness import check_exactness
    from snnc.extend.passes import Exactness
    from snnc.ir.rewrite import rebuild
    from snnc.runtime.reference import Reference

    after = rebuild(
        module, lambda op, b: b.copy(op, overflow="error", width=4, threshold=7, reset="none")
    )
    sides = (module, after, Reference(), Diagnostics())
    found = refused(check_exactness, "p", Exactness.EXACT, *sides)
    assert "pass-not-exact" == found.code


def test_check_says_where_no_input_could_be_tried(toy):
    b = Builder("n", "int")
    x = b.input("x", "u1[2]~")
    options = {"threshold": 127, "reset": "none", "leak": 100, "width": 8, "overflow": "error"}
    module = b.finish(b.op("neuron", x, **options))
    context = Context(diagnostics=Diagnostics())
    run(module, "keep", toy, context=context, check=True)
    (found,) = context.diagnostics
    assert "pass-untried" == found.code
    assert "the module before pass keep refuses every input that is tried" in found.message


def test_context_collects_reports_and_warnings(module, toy):
    context = Context(diagnostics=Diagnostics())
    run(module, "blur{by=2}", toy, context=context)
    assert {"blurred": 2} == context.report
    assert ["blurred"] == [d.code for d in context.diagnostics]


def test_dumps_are_numbered_and_each_reads_back(toy, tmp_path):
    from tests.unit.driver.conftest import network

    module = network(weights=np.arange(12).reshape(3, 4) % 5)
    large = Builder("wide", "int")
    x = large.input("x", "u1[20]~")
    w = large.weight("w", np.arange(100).reshape(5, 20) % 7)
    wide = large.finish(large.op("neuron", large.op("linear", x, w), threshold=9))
    for net in (module, wide):
        folder = tmp_path / net.name
        last = run(net, "clean,blur,clean", toy, dump=folder)
        stems = sorted(p.stem for p in folder.glob("*.snn"))
        assert ["00-input", "01-clean", "02-blur", "03-clean-2"] == stems
        assert write(last, locs=False) == write(load(folder / "03-clean-2.snn"), locs=False)
    assert (tmp_path / "wide" / "weights.safetensors").is_file()


def test_dump_survives_a_pass_that_fails(module, toy, tmp_path):
    refused(run, module, "keep,crash", toy, dump=tmp_path / "d")
    assert ["00-input.snn", "01-keep.snn"] == sorted(p.name for p in (tmp_path / "d").iterdir())


def test_dump_into_a_file_is_refused(module, toy, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    assert "output-unwritable" == refused(run, module, "keep", toy, dump=path).code


def test_dump_into_a_build_is_refused_before_anything_is_written(module, toy, tmp_path):
    import snnc

    build = snnc.compile(module, "toy", plugin=[toy]).save(tmp_path / "build")
    there = sorted(build.rglob("*"))
    for folder in (build, build / "stages"):
        found = refused(snnc.compile, module, "toy", plugin=[toy], dump=folder)
        assert "dump-in-build" == found.code
    assert there == sorted(build.rglob("*"))


def test_engine_that_cannot_run_a_level_is_refused(module, toy):
    from snnc.builtins import open_registry
    from snnc.driver.engines import pick_engine

    class Placed:
        level = "paicore"

    assert "engine-level" == refused(pick_engine, open_registry(), "reference", Placed()).code
