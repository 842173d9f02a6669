from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir import Builder

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture
def toy():
    """The plugin file with a target and passes that break promises."""
    return TOY


def network(name="x", weights=None):
    """Two integer layers: 4 -> 3 -> 2."""
    b = Builder("net", "int", {"ticks": 8})
    x = b.input(name, "u1[4]~")
    first = np.array([[2, 1, 0, -1], [0, 3, 1, 0], [1, 1, 1, 1]]) if weights is None else weights
    h = b.op("neuron", b.op("linear", x, b.weight("a.w", first)), threshold=2, name="h")
    big = np.arange(6).reshape(2, 3) - 2
    y = b.op("neuron", b.op("linear", h, b.weight("b.w", big)), threshold=3, name="y")
    return b.finish(y)


@pytest.fixture
def module():
    return network()


@pytest.fixture
def spikes():
    return (np.random.default_rng(1).random((5, 8, 4)) < 0.5).astype(np.uint8)


@pytest.fixture
def build(module, toy):
    return snnc.compile(module, "toy", plugin=[toy])


def refused(action, *arguments, **options):
    with pytest.raises(SnncError) as caught:
        action(*arguments, **options)
    return caught.value.diagnostics[0]


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir())}
