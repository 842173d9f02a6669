"""Each framework's example compiles to PAICORE, verifies, and still tells digits apart."""

import importlib

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

import snnc

LEAST = {"spikingjelly": 0.9, "sinabs": 0.9, "snntorch": 0.9, "norse": 0.8}


@pytest.mark.parametrize("framework", LEAST)
def test_the_example_becomes_a_verified_build(framework):
    top = {"sinabs": "sinabs.layers", "norse": "norse.torch"}.get(framework, framework)
    pytest.importorskip(top, reason=f"{framework} is not installed")
    example = importlib.import_module(f"examples.pytorch.{framework}_mnist")
    pictures = importlib.import_module("examples.pytorch.pictures")
    compiled = snnc.compile(example.build(), "paicore", bits=8)
    assert compiled.verify()
    x, labels = pictures.trains(100)
    inputs = x.transpose(0, 1).numpy().astype("uint8")
    (out,) = snnc.run(compiled, {compiled.module.graph.inputs[0].name: inputs}).outputs.values()
    assert (out.sum(axis=1).argmax(axis=1) == labels).mean() >= LEAST[framework]
