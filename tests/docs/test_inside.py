"""docs/paicore-inside.md, the map of the target's files, names what there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "targets" / "paicore"
PAGE = (ROOT / "docs" / "paicore-inside.md").read_text(encoding="utf-8")
JUDGE = (
    "check",
    "rules/routes",
    "rules/twins",
    "placed",
    "emulate",
    "emulation/buffer",
    "emulation/neuron",
)


def test_every_file_has_a_room_and_every_room_a_file() -> None:
    rooms = PAGE[PAGE.index("## Rooms") : PAGE.index("## What has to agree")]
    named = set(re.findall(r"`((?:\w+/)?\w+\.py)`", rooms))
    files = {path.relative_to(HOME).as_posix() for path in HOME.rglob("*.py")}
    assert {f for f in files if not f.endswith("/__init__.py")} == named


@pytest.mark.parametrize("name", JUDGE)
def test_judge_and_emulator_know_nothing_of_the_placer(name: str) -> None:
    text = (HOME / f"{name}.py").read_text(encoding="utf-8")
    imported = set(re.findall(r"from snnc\.targets\.paicore\.([\w.]+) import", text))
    assert [] == [
        m
        for m in sorted(imported)
        if m in ("group", "place") or m.startswith(("mapping", "placing", "tiling"))
    ]


def test_names_on_the_page_are_names_of_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in HOME.rglob("*.py"))
    for name in re.findall(r"`([A-Z]\w+)(?:\.\w+)?`", PAGE):
        if name != "PASS":
            assert re.search(rf"\b{name}\b", code), name
