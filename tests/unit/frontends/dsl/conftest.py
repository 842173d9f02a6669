"""Building and running small networks from text."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.dsl import read_text
from snnc.ir.verify import verify
from snnc.runtime.reference import Reference


def _refused(text, folder=None, **options):
    """The first diagnostic of a text that must be refused."""
    with pytest.raises(SnncError) as caught:
        read_text(text, "net.snnl", folder, options)
    return caught.value.diagnostics[0]


def _body(text, inputs="input x: u1[2]~"):
    """The module of a main network with one input and the given statements."""
    module = read_text(f"network main {{ {inputs}\n{text} }}", "net.snnl")
    verify(module).check()
    return module


def _run(module, ticks=None, **inputs):
    """Output arrays `(ticks, *shape)` of one sample, in the order of the graph."""
    batch = {name: np.asarray(x)[None] for name, x in inputs.items()}
    result = Reference().prepare(module).run(batch, ticks=ticks)
    return [result.outputs[o.name][0] for o in module.graph.outputs]


@pytest.fixture(scope="session")
def refused():
    return _refused


@pytest.fixture(scope="session")
def body():
    return _body


@pytest.fixture(scope="session")
def run():
    return _run
