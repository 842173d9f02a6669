"""The collector of file tests: what a failure shows, and what --update does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
TEXT = """module @m level int {
  graph @main(%x: u1[2]~) -> (u1[2]~) {
    %y = int.delay %x {by = 1} : u1[2]~ -> u1[2]~
    return %y
  }
}
"""
OUT = """module @m level int version 1 {
  graph @main(%x: u1[2]~) -> (u1[2]~) {
    %y = int.delay %x : (u1[2]~) -> u1[2]~
    return %y
  }
}
"""


@pytest.fixture
def folder(tmp_path):
    tests = tmp_path / "root" / "tests"
    (tests / "filetests").mkdir(parents=True)
    shutil.copy(CONFTEST, tests / "conftest.py")
    return tests


def run(folder, source, *arguments):
    """Run one file test; return the exit status and what pytest prints."""
    (folder / "filetests" / "case.snn").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    quick = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=folder, env=quick, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_the_expected_output_passes(folder):
    assert run(folder, f"// RUN:\n{TEXT}\n// ---- out\n{OUT}")[0] == 0


def test_other_output_fails_with_a_diff(folder):
    wrong = OUT.replace("%y = int.delay %x :", "%y = int.delay %x {by = 1} :")
    status, shown = run(folder, f"// RUN:\n{TEXT}\n// ---- out\n{wrong}")
    assert status == 1
    assert "-    %y = int.delay %x {by = 1} : (u1[2]~) -> u1[2]~" in shown
    assert "+    %y = int.delay %x : (u1[2]~) -> u1[2]~" in shown


def test_update_writes_what_came_out(folder):
    assert run(folder, f"// RUN:\n{TEXT}", "--update")[0] == 0
    assert (folder / "filetests" / "case.snn").read_text() == f"// RUN:\n{TEXT}\n// ---- out\n{OUT}"


def test_errors_must_be_those_expected(folder):
    bad = TEXT.replace("u1[2]~\n    return", "u1[2]~ // error: unknown-op: dilay\n    return")
    assert run(folder, f"// RUN:\n{bad.replace('int.delay', 'int.dilay')}")[0] == 0
    status, shown = run(folder, f"// RUN:\n{bad.replace('int.delay', 'int.dealy')}")
    assert status == 1
    assert "missing    line 4: unknown-op: dilay" in shown
    assert "unexpected line 4: unknown-op: there is no op 'int.dealy'" in shown
