"""NIR files written by hand with h5py, those of the nir package, and running what is read."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.nir import Nir
from snnc.ir.verify import verify
from snnc.runtime.reference import Reference

collect_ignore = ["data/make.py", "producers.py", "exported.py"]  # need nir and torch

FIXTURES = Path(__file__).parent / "data" / "fixtures.zip"


@pytest.fixture(scope="session")
def package_files(tmp_path_factory):
    """Folder with the files that the nir package wrote (see data/make.py)."""
    folder = tmp_path_factory.mktemp("nir")
    with zipfile.ZipFile(FIXTURES) as archive:
        archive.extractall(folder)
    return folder


def fill(group, tree):
    """Write a nested mapping as groups and datasets."""
    for key, value in tree.items():
        if isinstance(value, dict):
            fill(group.create_group(key), value)
        elif isinstance(value, str):
            group.create_dataset(key, data=value, dtype=h5py.string_dtype())
        else:
            group.create_dataset(key, data=value)


def _write(path, nodes, edges, version="1.0.8", metadata=None):
    """Write a NIR file; edges are `a>b` words, nodes are (type, fields)."""
    pairs = [tuple(e.split(">")) for e in edges.split()] if isinstance(edges, str) else edges
    with h5py.File(path, "w") as file:
        if version:
            file.create_dataset("version", data=version, dtype=h5py.string_dtype())
        node = file.create_group("node")
        fill(node, graph_tree(nodes))
        node.create_dataset(
            "edges", data=np.array(pairs, dtype=object).reshape(-1, 2), dtype=h5py.string_dtype()
        )
        if metadata:
            fill(node.create_group("metadata"), metadata)
    return path


def graph_tree(nodes):
    return {"type": "NIRGraph", "nodes": {k: node_tree(*v) for k, v in nodes.items()}}


def node_tree(kind, fields):
    return {
        "type": kind,
        **{k: np.asarray(v) if not isinstance(v, (str, dict)) else v for k, v in fields.items()},
    }


@pytest.fixture
def net(tmp_path):
    """Write nodes and edges as a file: net({"x": ("Input", {...})}, "x>y", version="1.0.8")."""

    def make(nodes, edges, **more):
        return _write(tmp_path / "net.nir", nodes, edges, **more)

    return make


@pytest.fixture
def chain(net):
    """Write Input -> node -> Output; shape defaults to that of one value."""

    def make(kind, fields, shape=(1,), **more):
        nodes = {
            "input": ("Input", {"shape": np.array(shape)}),
            "n": (kind, fields),
            "output": ("Output", {}),
        }
        return net(nodes, "input>n n>output", **more)

    return make


@pytest.fixture(scope="session")
def load():
    """Read and verify a file."""

    def read(path, **options):
        module = Nir().read(path, options)
        verify(module).check()
        return module

    return read


@pytest.fixture(scope="session")
def refused():
    """The diagnostic of a file that must be refused."""

    def read(path, **options):
        with pytest.raises(SnncError) as caught:
            Nir().read(path, options)
        return caught.value.diagnostics[0]

    return read


@pytest.fixture(scope="session")
def run():
    """Run one sample `(ticks, *shape)`; returns the first output, or a probed value."""

    def go(module, x, probe=""):
        name = module.graph.inputs[0].name
        type = module.graph.inputs[0].type
        batch = {name: np.asarray(x, dtype=type.element.storage)[None]}
        result = Reference().prepare(module).run(batch, probe=(probe,) if probe else ())
        found = result.trace[probe] if probe else result.outputs[module.graph.outputs[0].name]
        return found[0]

    return go
