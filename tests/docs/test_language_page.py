"""docs/language.md: its networks are read, and the error that it shows is what is printed."""

import re
import shutil
from pathlib import Path

import pytest

import snnc
from snnc.diagnostics import SnncError, render

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(
    r"^```(\w*)\n(.*?)^```$", (ROOT / "docs" / "language.md").read_text(), re.DOTALL | re.MULTILINE
)
NETWORKS = [text for kind, text in BLOCKS if kind == "snnl"]


@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_every_network_of_the_page_is_read(number, tmp_path):
    shutil.copy(ROOT / "examples" / "mnist" / "mnist_mlp.safetensors", tmp_path)
    (tmp_path / "net.snnl").write_text(NETWORKS[number])
    assert snnc.load(tmp_path / "net.snnl").graph.outputs


def test_the_error_of_the_page_is_the_one_that_is_printed(tmp_path, monkeypatch):
    (shown,) = (text for _, text in BLOCKS if text.startswith("net.snnl:"))
    monkeypatch.chdir(tmp_path)
    line = shown.splitlines()[1].removeprefix("  ")
    Path("net.snnl").write_text(f"network main {{\n  input x: u1[4]~\n{line}\n  return y\n}}\n")
    with pytest.raises(SnncError) as caught:
        snnc.load("net.snnl")
    assert shown.strip() == render(caught.value.diagnostics[0])
