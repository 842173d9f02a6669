"""Every golden case, compiled: its files, loaded and emulated, equal what PAIBox recorded.

The emulator gets a copy of the build from which the program was deleted. Cases that PAIBox itself
deploys wrongly are right here.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir.write import write
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from tests.golden.paibox_translate import chips, translate
from tests.golden.test_paibox import DEFECTS, FOLDERS, REFUSED

OPEN_ENDED = {"29_recurrent_pair"}
"""Loops whose recorded graph names no output."""

BUILT = [f for f in FOLDERS if f.name not in (*REFUSED, *OPEN_ENDED)]


def without_program(build: Path, copy: Path) -> Path:
    """Copy a build without the program and weights that it came from."""
    shutil.copytree(build, copy)
    for name in ("model.snn", "model.safetensors"):
        (copy / name).unlink(missing_ok=True)
    return copy


@pytest.mark.parametrize("folder", BUILT, ids=lambda folder: folder.name)
def test_compiled_files_do_what_paibox_recorded(folder: Path, tmp_path: Path) -> None:
    case = translate(folder)
    build = snnc.compile(case.module, target="paicore", **chips(folder))
    build.save(tmp_path / "build")
    files = without_program(tmp_path / "build", tmp_path / "files")
    emulated = Paicore().emulate(files).run(case.inputs, probe=tuple(case.expected))
    wanted = case.expected
    if folder.name in DEFECTS:
        # What PAIBox recorded is wrong there; the chip does what the reference says.
        wanted = Reference().prepare(case.module).run(case.inputs, probe=tuple(wanted)).trace
    for name, expected in wanted.items():
        actual = emulated.trace[name][:, : expected.shape[1]].reshape(expected.shape)
        assert np.array_equal(expected, actual), name
    assert write(build.placed, locs=False) == write(Paicore().load(files), locs=False)


def test_the_case_with_a_loop_is_built_when_an_output_is_named(tmp_path: Path) -> None:
    folder = next(f for f in FOLDERS if f.name == "29_recurrent_pair")
    case = translate(folder)
    named = {op.result.name: op.result for op in case.module.ops("neuron")}
    graph = case.module.graph
    looped = case.module.with_graph(
        type(graph)(graph.name, graph.inputs, graph.ops, (named["c"],), graph.loc)
    )
    snnc.compile(looped, target="paicore").save(tmp_path / "build")
    files = without_program(tmp_path / "build", tmp_path / "files")
    emulated = Paicore().emulate(files).run(case.inputs, probe=tuple(case.expected))
    for name, expected in case.expected.items():
        actual = emulated.trace[name][:, : expected.shape[1]].reshape(expected.shape)
        assert np.array_equal(expected, actual), name


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_built_is_refused_with_a_reason(name: str) -> None:
    folders = [f for f in FOLDERS if f.name == name]
    for folder in folders:
        with pytest.raises(SnncError) as error:
            translate(folder)
        assert REFUSED[name] in str(error.value)
