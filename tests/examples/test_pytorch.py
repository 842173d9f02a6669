"""Each framework's example compiles to PAICORE, verifies, and still tells digits apart."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

import snnc

ROOT = Path(__file__).resolve().parents[2]
LEAST = {"spikingjelly": 0.95, "sinabs": 0.95, "snntorch": 0.94, "norse": 0.91}


def example(framework):
    top = {"sinabs": "sinabs.layers", "norse": "norse.torch"}.get(framework, framework)
    pytest.importorskip(top, reason=f"{framework} is not installed")
    return importlib.import_module(f"examples.pytorch.{framework}_mnist")


@pytest.mark.parametrize("framework", LEAST)
def test_five_lines_make_a_verified_build(framework, tmp_path):
    example(framework)
    readme = (ROOT / "examples" / "pytorch" / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    assert 5 == len([line for line in program.splitlines() if line])
    program = program.replace("spikingjelly", framework)
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", path + program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("equal at every tick"), done.stderr
    assert (tmp_path / "build" / "manifest.json").is_file()


@pytest.mark.parametrize("framework", LEAST)
def test_the_build_tells_digits_apart(framework):
    pictures = importlib.import_module("examples.pytorch.pictures")
    compiled = snnc.compile(example(framework).build(), "paicore", bits=8)
    images, labels = pictures.test_pictures(200)
    source = compiled.module.graph.inputs[0]
    trains = pictures.trains(images).transpose(0, 1).numpy().astype("uint8")
    inputs = {source.name: trains.reshape(200, pictures.TICKS, *source.type.shape)}
    (out,) = snnc.run(compiled, inputs).outputs.values()
    assert (out.sum(axis=1).argmax(axis=1) == labels).mean() >= LEAST[framework]


@pytest.mark.parametrize("framework", LEAST)
def test_the_script_trains_and_saves_what_the_example_loads(framework, tmp_path, monkeypatch):
    example(framework)
    pictures = importlib.import_module("examples.pytorch.pictures")
    train = importlib.import_module("examples.pytorch.train")
    torch = importlib.import_module("torch")

    def labelled(folder, part):
        images, labels = pictures.test_pictures(400)
        return images, torch.from_numpy(labels.astype("int64"))

    monkeypatch.setattr(train, "labelled", labelled)
    monkeypatch.setattr(train, "HERE", tmp_path)
    monkeypatch.setattr(pictures, "HERE", tmp_path)
    train.train(framework, tmp_path, 1)
    assert example(framework).build()[0].training is False
