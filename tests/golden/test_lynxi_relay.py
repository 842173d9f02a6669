"""Emitted graphs under a real Relay: parsed, typed, built with LLVM, and run against our emulator.

SNNC_RELAY_PYTHON names a Python with `tvm.relay` (hhb-tvm 3.2.3 has wheels for Python 3.10, 3.8).
Without it these tests are skipped; `lynxi/relay.json` is what they found when they last ran. LLVM
may fuse products and sums, so potentials are compared up to rounding, spikes exactly.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from snnc.ir import Builder
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.artifact.records import LOAD, RANDOM
from snnc.targets.lynxi.artifact.strict import opened, plain_name, strict, tables
from snnc.targets.lynxi.artifact.text import write
from snnc.targets.lynxi.emulate import Emulator
from tests.golden.test_lynxi import FOLDER, HERE, tutorial
from tests.unit.targets.lynxi.networks import build, small

PYTHON = os.environ.get("SNNC_RELAY_PYTHON", "")
needed = pytest.mark.skipif(not PYTHON, reason="SNNC_RELAY_PYTHON names no Python with Relay")
RECORDED = json.loads((HERE / "relay.json").read_text())


def convolutions():
    """Convolutions, pools, a norm, a join, a ring, a filter, two outputs: most of the ops."""
    rng = np.random.default_rng(0)
    b = Builder("conv", "snn")
    w = b.weight("c.w", rng.normal(size=(4, 2, 3, 3)).astype(np.float32))
    bias = b.weight("c.b", rng.normal(size=4).astype(np.float32))
    c = b.op("conv2d", b.input("x", "u1[2, 8, 8]~"), w, bias, padding=(1, 1))
    s = b.op("neuron", c, name="s", threshold=0.5, reset="soft", leak=0.1, floor=-1.0)
    parts = [b.op(f"{kind}_pool2d", s, kernel=(2, 2)) for kind in ("avg", "sum")]
    k = b.op("concat", b.op("add", *parts), b.op("relu", parts[1]))
    f = b.op("reshape", b.op("delay", k, by=3), shape=(128,))
    i = b.op("linear", f, b.weight("l.w", rng.normal(size=(5, 128)).astype(np.float32)))
    numbers = {"mean": 0.1, "variance": 2, "gamma": 1, "beta": 0}
    norm = [b.weight(n, np.full(5, v, np.float32)) for n, v in numbers.items()]
    o = b.op("neuron", b.op("batch_norm", i, *norm), name="o", filter="after", filter_decay=0.5)
    return b.finish(o, b.op("max_pool2d", s, kernel=(2, 2)))


def turned():
    """A transposed convolution with groups."""
    b = Builder("turned", "snn")
    w = b.weight("w", np.random.default_rng(4).normal(size=(2, 3, 3, 2)).astype(np.float32))
    options = {"stride": (2, 2), "padding": (1, 0), "output_padding": (1, 0)}
    c = b.op("conv_transpose2d", b.input("x", "u1[2, 8, 8]~"), w, **options)
    return b.finish(b.op("neuron", c, name="o", threshold=0.5))


def artifacts():
    found = {"tutorial": tutorial("f32")}
    found |= {"layers": to_artifact(build(small()).placed)}
    found |= {"convolutions": to_artifact(build(convolutions()).placed)}
    return found | {"turned": to_artifact(build(turned()).placed)}


def feeds(artifact, graph, inputs, draws):
    """What the opened graph is given, by parameter: with ticks for what changes."""
    made = {plain_name(n): a for n, a in artifact.params.items()}
    for port in artifact.inputs:
        array = inputs[port.name].astype(port.dtype)
        made[port.param] = array[:, :, None]
    for number, (index, _) in enumerate(artifact.graph.of(RANDOM)):
        made[f"draws_{number}"] = draws[index].astype(np.float16)
    for number, (_, binding) in enumerate(artifact.graph.of(LOAD)):
        made[f"state_{number}"] = np.zeros(binding.type.shape, np.float32)
    return {n: a for n, a in made.items() if n in graph.params}


def given(artifact):
    """Inputs and draws of a few ticks."""
    rng = np.random.default_rng(1)
    if artifact.name != "tutorial":
        one = (6,) if artifact.name == "small" else (2, 8, 8)
        shape = (2, 12, *one)
        return {"x": (rng.random(shape) < 0.4).astype(np.uint8)}, {}
    with np.load(FOLDER / "golden64.npz", allow_pickle=False) as golden:
        images = golden["images_u8"][:2].astype(np.float32) / np.float32(255)
        draws = np.moveaxis(golden["rand_u11"][:, :2], 0, 1).reshape(2, -1, 1, 1, 28, 28) / 2048
    still = np.broadcast_to(images.reshape(2, 1, 1, 28, 28), (2, draws.shape[1], 1, 28, 28))
    return {"image": still}, {37: draws}


@needed
@pytest.mark.parametrize("name", ["tutorial", "layers", "convolutions", "turned"])
def test_a_real_relay_takes_the_graph_and_gives_its_spikes(name, tmp_path):
    artifact = artifacts()[name]
    inputs, draws = given(artifact)
    plain = opened(artifact.graph)
    (tmp_path / "strict.txt").write_text(strict(artifact.graph))
    (tmp_path / "tables.json").write_text(json.dumps(tables(artifact.graph)))
    constants = [{"shape": c.shape, "dtype": c.dtype.name} for c in artifact.graph.constants]
    (tmp_path / "constants.json").write_text(json.dumps(constants))
    header = '#[version = "0.0.5"]\n'
    (tmp_path / "opened.txt").write_text(header + write(plain, section=False).lstrip())
    np.savez(tmp_path / "feeds.npz", **feeds(artifact, plain, inputs, draws))
    child = Path(__file__).parent / "lynxi_relay.py"
    done = subprocess.run([PYTHON, child, tmp_path], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr[-2000:]
    assert RECORDED[name] == json.loads(done.stdout.splitlines()[-1])["calls"]
    ran = Emulator.of(artifact).run(inputs, draws=draws)
    with np.load(tmp_path / "results.npz") as results:
        for number, port in enumerate(artifact.outputs):
            expected = ran.outputs[port.name]
            actual = results[f"out_{number}"].reshape(expected.shape)
            np.testing.assert_array_equal(expected, actual)
        last = [results[f"state_{n}"][:, -1] for n in range(len(list(artifact.graph.of(LOAD))))]
    for (index, _), actual in zip(artifact.graph.of(LOAD), last, strict=True):
        held = ran.state.held[str(artifact.graph.attrs_of(artifact.graph.bindings[index])["flag"])]
        np.testing.assert_allclose(held, actual, rtol=1e-5, atol=1e-5)


def test_the_strict_dialect_has_a_version_and_no_names_with_dots():
    text = strict(tutorial("f32").graph)
    assert text.startswith('#[version = "0.0.5"]\ndef @main(%vth: Tensor[(1), float32]')
    assert "%linear_1_weight" in text
    assert "indices" not in text
    assert 7 == len(tables(tutorial("f32").graph)) == text.count("meta[DictAttrs]")


def test_an_opened_graph_has_nothing_of_the_vendors():
    for artifact in artifacts().values():
        text = write(opened(artifact.graph), section=False)
        assert "lyn_" not in text
        assert "annotation" not in text
        assert "meta[" not in text
