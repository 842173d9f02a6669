"""Commands and Python of the pages run as they stand, on networks that a reader may have."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import snnc
from snnc.cli.app import app
from snnc.ir.write import write

ROOT = Path(__file__).resolve().parents[2]
MNIST = ROOT / "examples" / "mnist"
FEW = 12
"""Of the 1,000 images those that commands get, so that they take seconds."""

SMALL = """ticks 8
network small {
  input image: f32[6]
  y = poisson(image, seed=1) |> linear([[0.5, 0.25, -0.5, 0.75, 0.1, 1.0]]) |> IF(threshold=1)
  return y
}
"""


def blocks(page: str, kind: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [content for name, content in found if name == kind]


def commands(page: str) -> list[list[str]]:
    """Return the words of all lines of a page that call snnc, but for the name of the program."""
    lines = "".join(blocks(page, "")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("snnc ")]


def run(words: list[str]) -> str:
    done = CliRunner().invoke(app, words)
    assert 0 == done.exit_code, f"{shlex.join(words)}\n{done.output}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network in all forms that pages name, and with images for it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(MNIST / "mnist_mlp.safetensors", "mnist_mlp.safetensors")
    shutil.copy(MNIST / "mlp.snnl", "net.snnl")
    Path("net.py").write_text('import snnc\n\n\ndef build():\n    return snnc.load("net.snnl")\n')
    run(["dump", "net.snnl", "-o", "net.snn"])
    with np.load(MNIST / "test1000.npz", allow_pickle=False) as archive:
        images, labels = archive["images"][:FEW], archive["labels"][:FEW]
    np.savez("test.npz", images=images, labels=labels)
    np.savez("x.npz", image=images / np.float32(255), labels=labels.astype(np.int64))
    return tmp_path


def test_the_commands_of_the_page_on_paicore(folder: Path) -> None:
    (profile,) = blocks("docs/paicore.md", "toml")
    Path("profile.toml").write_text(profile)
    printed = [run(words) for words in commands("docs/paicore.md")]
    assert 6 == len(printed)
    assert "wrote build.svg" in printed[-2]
    assert "an estimate from below" in printed[-1]


def test_the_python_of_the_page_on_paicore(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/paicore.md").read_text(encoding="utf-8")
    (program,) = blocks("docs/paicore.md", "python")
    exec(compile(program, "docs/paicore.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert "prints `{}` and `{}`".format(*lines) in page


def test_the_network_of_the_page_on_paicore(folder: Path) -> None:
    (network,) = blocks("docs/paicore.md", "snnl")
    Path("net.snnl").write_text(network)
    run(["compile", "net.snnl", "-t", "paicore", "-o", "build"])


def test_the_commands_of_the_page_on_quantization(folder: Path) -> None:
    np.savez("x.npz", image=np.random.default_rng(0).random((FEW, 6), np.float32))
    found = commands("docs/quantize.md")
    assert len(found) >= 4
    for words in found:
        leaky = "subtractive-leak" in words[-1]
        Path("net.snnl").write_text(SMALL.replace("IF(", "LIF(decay=0.9, ") if leaky else SMALL)
        printed = run(words)
        assert "latency of y" in printed
        assert ("quantized with bits 4" in printed) == ("--report" in words)


def test_the_python_of_the_page_on_engines(folder: Path) -> None:
    pytest.importorskip("llvmlite")
    (program,) = blocks("docs/engine.md", "python")
    build = snnc.Builder("net", "int")
    current = build.op(
        "linear", build.input("x", "u1[3]~"), build.weight("w", np.eye(3, dtype=np.int8))
    )
    space = {
        "module": build.finish(build.op("neuron", current, name="y", threshold=1)),
        "spikes": np.ones((1, 2, 3), np.uint8),
    }
    exec(compile(program, "docs/engine.md", "exec"), space)
    assert {"y", "y.v"} <= set(space["result"].trace)  # type: ignore[attr-defined]


def test_the_python_of_the_page_on_nir(folder: Path) -> None:
    pytest.importorskip("h5py")
    loads, saves, signals = blocks("docs/nir.md", "python")
    space = {
        "snnc": snnc,
        "net": snnc.compile("net.snnl", bits=8).module,
        "spikes": np.ones((2, 4, 3), np.uint8),
        "potentials": np.ones((2, 4, 3), np.float32),
    }
    exec(compile(saves, "docs/nir.md", "exec"), space)
    assert write(space["net"]) == write(snnc.load("net.nir"))
    _, _, named = (line for line in loads.splitlines() if line)
    exec(compile(named, "docs/nir.md", "exec"), space)
    reading, writing = signals.rstrip().rsplit("\n", 1)
    imports, reading = reading.split("\n", 1)
    for part in (imports, writing, reading):
        exec(compile(part, "docs/nir.md", "exec"), space)


def test_the_commands_of_the_network_of_the_guide(folder: Path) -> None:
    pytest.importorskip("llvmlite")
    shutil.copytree(ROOT / "examples" / "dynapcnn", "examples/dynapcnn")
    Path("examples/mnist").mkdir()
    shutil.copy("test.npz", "examples/mnist/test1000.npz")
    with np.load("x.npz") as archive:
        np.savez("X.npz", image=archive["image"][:, None])
    made, other = [], ("sinabs_mnist.py", "nir_mnist.py")
    for words in commands("examples/dynapcnn/README.md"):
        if not any(name in " ".join(words) for name in other):
            made.append(run(words))
        if words[0] == "encode":
            # What the device would do between the two commands.
            run(["run", "chip", "--events", "in.npy", "-o", "out.npy", "--semantics", "event"])
    assert 7 == len(made)
    assert "%digit" in made[-1]
