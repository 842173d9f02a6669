"""The page of the language and the examples are true."""

import re
from pathlib import Path

import numpy as np
import pytest

from snnc.frontends.dsl import Dsl, read_text
from snnc.frontends.dsl.functions import FUNCTIONS
from snnc.frontends.dsl.interpret import library
from snnc.frontends.dsl.layers import ALIASES, SPECIAL, op_names
from snnc.frontends.dsl.neurons import PRESETS
from snnc.ir.verify import verify
from snnc.runtime.reference import Reference

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```snnl\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_examples():
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_compiles_and_runs(text):
    module = read_text(text, "example.snnl", ROOT / "examples" / "mnist")
    verify(module).check()
    rng = np.random.default_rng(0)
    inputs = {}
    for value in module.graph.inputs:
        size = (1, 4, *value.type.shape) if value.type.timed else (1, *value.type.shape)
        inputs[value.name] = rng.integers(0, 2, size).astype(value.type.element.storage)
    result = Reference().prepare(module).run(inputs, ticks=4)
    assert [(1, 4, *o.type.shape) for o in module.graph.outputs] == [
        result.outputs[o.name].shape for o in module.graph.outputs
    ]


def test_the_page_names_everything_that_can_be_called():
    names = {*FUNCTIONS, *SPECIAL, *ALIASES, *PRESETS, *op_names(), *(n.name for n in library())}
    assert [] == sorted(n for n in names if not re.search(rf"(?<!\w){n}(?!\w)", PAGE))


def test_the_first_example_is_the_file_it_names():
    text = (ROOT / "examples" / "mnist" / "mlp.snnl").read_text(encoding="utf-8")
    body = text[text.index("ticks 16") :]
    assert any(body in example for example in EXAMPLES)


@pytest.mark.parametrize(("name", "shape"), [("mlp", (28, 28)), ("conv", (1, 28, 28))])
def test_an_mnist_network_reads_digits(name, shape):
    module = Dsl().read(ROOT / "examples" / "mnist" / f"{name}.snnl", {})
    data = np.load(ROOT / "examples" / "mnist" / "test1000.npz")
    images = (data["images"][:10] / np.float32(255)).reshape(10, *shape)
    result = Reference().prepare(module).run({"image": images}, ticks=module.attrs["ticks"])
    guess = result.outputs["digit"].sum(1, dtype=np.int64).argmax(1)
    assert data["labels"][:10].tolist() == guess.tolist()
