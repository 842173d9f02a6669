"""What README and docs show is what happens."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from snnc.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after cloning and typing in the network of the README.

    Of the 1,000 images it has 60, so that the commands take seconds.
    """
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples" / "mnist", place / "examples" / "mnist")
    images = place / "examples" / "mnist" / "test1000.npz"
    with np.load(images, allow_pickle=False) as file:
        few = {name: file[name][:60] for name in file.files}
    np.savez(images, **few)
    (place / "xor.snnl").write_text(blocks("snnl")[0])
    return place


def run(folder: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_of_the_readme_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    commands = [line[2:] for block in blocks("console") for line in block.splitlines()]
    assert len(commands) >= 7
    for command in commands:
        program, *arguments = command.split()
        assert program == "snnc"
        done = CliRunner().invoke(app, arguments)
        assert 0 == done.exit_code, done.output
        assert done.stdout


def test_the_ir_in_the_readme_is_what_dump_prints(folder: Path) -> None:
    shown = next(b for b in blocks("") if b.startswith("module @xor")).splitlines()[:-1]
    printed = run(folder, "-m", "snnc", "dump", "xor.snnl", "--no-locs").splitlines()
    assert printed[: len(shown)] == shown


def test_the_python_of_the_readme_runs(folder: Path) -> None:
    (program,) = blocks("python")
    printed = run(folder, "-c", program)
    assert "[7 2 1 0 4 1 4 9]" in printed
    assert "equal" in printed


def test_links_of_the_documents_lead_somewhere() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]:
        for link in re.findall(r"\]\(([^)#:]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_page_of_the_ops_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert made["page"]() == (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")
