"""The repository keeps the shape that its documents promise."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from snnc.ir import level
from snnc.runtime.semantics import has_meaning

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("frontends", "passes", "runtime", "targets")
SOURCES = sorted(
    path
    for folder in ("snnc", *LAYERS)
    for path in (ROOT / folder).rglob("*.py")
    if not any(parent.is_symlink() for parent in path.parents)
)
RAISED = re.compile(
    r"\b(?:fail|error|refuse|malformed|wrong|violation|raise_error)\(\s*\n?\s*\"([a-z0-9]+(?:-[a-z0-9]+)+)\""
)


def settings() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_layers_are_linked_below_the_package() -> None:
    for layer in LAYERS:
        link = ROOT / "snnc" / layer
        assert link.is_symlink()
        assert str(link.readlink()) == f"../{layer}"


def test_the_package_list_names_every_folder_with_python_files() -> None:
    found = {"snnc"}
    for path in SOURCES:
        relative = path.parent.relative_to(ROOT)
        found.add(
            ".".join(relative.parts if relative.parts[0] == "snnc" else ("snnc", *relative.parts))
        )
    listed = settings()["tool"]["setuptools"]["packages"]  # type: ignore[index]
    assert sorted(found) == sorted(listed)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("name", ["snn", "int"])
def test_every_op_has_a_meaning(name: str) -> None:
    assert [] == [op for op in level(name).ops if not has_meaning(op)]


def test_every_error_code_is_provoked_by_a_test() -> None:
    codes = {code for path in SOURCES for code in RAISED.findall(path.read_text())}
    assert len(codes) > 50
    tests = "\n".join(
        path.read_text(errors="ignore")
        for path in sorted((ROOT / "tests").rglob("*"))
        if path.suffix in (".py", ".snn", ".snnl") and path.name != "test_layout.py"
    )
    assert [] == sorted(code for code in codes if code not in tests)


def test_no_file_of_the_repository_is_above_20_megabytes() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = [name for name in listed.stdout.decode().split("\0") if name]
    assert [] == [n for n in names if (ROOT / n).is_file() and (ROOT / n).stat().st_size > 20e6]
