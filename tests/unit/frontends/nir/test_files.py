"""Files that are damaged, wrong or hostile: an error with a place, never a traceback."""

import builtins
import contextlib
import sys

import h5py
import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.nir import Nir, storage

NODES = {
    "x": ("Input", {"shape": [2]}),
    "a": ("Affine", {"weight": np.ones((2, 2)), "bias": np.zeros(2)}),
    "y": ("Output", {"shape": [2]}),
}


@pytest.fixture
def edited(net):
    """Write a good file, change it with h5py, and give its path."""

    def make(change):
        path = net(NODES, "x>a a>y")
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def replaced(file, name, **how):
    del file[name]
    return file.create_dataset(name, **how)


def test_the_unchanged_file_is_good(edited, load):
    assert 1 == len(load(edited(lambda f: None)).graph.ops)


WRONG = {
    "no type": (lambda f: f.__delitem__("node/nodes/a/type"), "nir-node", "a"),
    "unknown type": (
        lambda f: replaced(f, "node/nodes/a/type", data="Afine"),
        "nir-node",
        "a",
    ),
    "type is a number": (lambda f: replaced(f, "node/nodes/a/type", data=3), "nir-dtype", "a/type"),
    "type is a list": (
        lambda f: replaced(f, "node/nodes/a/type", data=["Affine", "Affine"]),
        "nir-dtype",
        "a/type",
    ),
    "missing field": (lambda f: f.__delitem__("node/nodes/a/bias"), "nir-field", "a"),
    "unknown field": (
        lambda f: f.create_dataset("node/nodes/a/biass", data=1.0),
        "nir-field",
        "a",
    ),
    "field is a group": (
        lambda f: (f.__delitem__("node/nodes/a/bias"), f.create_group("node/nodes/a/bias")),
        "nir-field",
        "a",
    ),
    "field is empty": (
        lambda f: replaced(f, "node/nodes/a/bias", data=np.zeros((0,))),
        "nir-field",
        "a",
    ),
    "field is text": (
        lambda f: replaced(f, "node/nodes/a/bias", data="zero"),
        "nir-dtype",
        "a/bias",
    ),
    "field is complex": (
        lambda f: replaced(f, "node/nodes/a/bias", data=np.zeros(2, complex)),
        "nir-dtype",
        "a/bias",
    ),
    "field is null": (
        lambda f: replaced(f, "node/nodes/a/bias", data=h5py.Empty("f4")),
        "nir-dtype",
        "a/bias",
    ),
    "field holds references": (
        lambda f: replaced(f, "node/nodes/a/bias", shape=(2,), dtype=h5py.ref_dtype),
        "nir-dtype",
        "a/bias",
    ),
    "field holds lists": (
        lambda f: replaced(f, "node/nodes/a/bias", shape=(2,), dtype=h5py.vlen_dtype("f4")),
        "nir-dtype",
        "a/bias",
    ),
    "field has NaN": (
        lambda f: replaced(f, "node/nodes/a/bias", data=[0, np.nan]),
        "nir-value",
        "a",
    ),
    "shape has fractions": (
        lambda f: replaced(f, "node/nodes/x/shape", data=[2.5]),
        "nir-value",
        "x",
    ),
    "shape is huge": (
        lambda f: replaced(f, "node/nodes/x/shape", data=[1e300]),
        "nir-value",
        "x",
    ),
    "name with a slash": (
        lambda f: (
            f.create_group("node/nodes/b/c"),
            f["node/nodes/b/c"].create_dataset("type", data="Input"),
        ),
        "nir-node",
        "b",
    ),
    "node is a dataset": (
        lambda f: f.create_dataset("node/nodes/b", data=1),
        "nir-node",
        "b",
    ),
    "root is a node": (lambda f: replaced(f, "node/type", data="LIF"), "nir-node", "graph"),
    "no edges": (lambda f: f.__delitem__("node/edges"), "nir-field", "graph"),
    "no nodes": (lambda f: f.__delitem__("node/nodes"), "nir-field", "graph"),
    "edges are triples": (
        lambda f: replaced(f, "node/edges", data=np.array([["x", "a", "y"]], dtype="S1")),
        "nir-edge",
        "graph",
    ),
    "edges are numbers": (
        lambda f: replaced(f, "node/edges", data=np.zeros((1, 2))),
        "nir-dtype",
        "edges",
    ),
    "edges are not UTF-8": (
        lambda f: replaced(f, "node/edges", data=np.array([[b"\xff", b"a"]], dtype="S1")),
        "nir-dtype",
        "edges",
    ),
    "metadata is a dataset": (
        lambda f: f.create_dataset("node/metadata", data=1),
        "nir-field",
        "graph",
    ),
    "no graph": (lambda f: f.__delitem__("node"), "nir-unreadable", ""),
    "external link": (
        lambda f: f.__setitem__("node/nodes/b", h5py.ExternalLink("/etc/passwd", "/x")),
        "nir-link",
        "nodes/b",
    ),
    "soft link": (
        lambda f: f.__setitem__("node/nodes/b", h5py.SoftLink("/node/nodes/a")),
        "nir-link",
        "nodes/b",
    ),
    "loop of links": (
        lambda f: f.__setitem__("node/nodes/b", f["node"]),
        "nir-link",
        "nodes/b",
    ),
    "external values": (
        lambda f: (
            f.__delitem__("node/nodes/a/bias"),
            f.create_dataset(
                "node/nodes/a/bias", shape=(2,), dtype="f4", external=[("/etc/passwd", 0, 8)]
            ),
        ),
        "nir-link",
        "a/bias",
    ),
    "absurd size": (
        lambda f: replaced(
            f, "node/nodes/a/weight", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64)
        ),
        "nir-size",
        "a/weight",
    ),
    "never written": (
        lambda f: replaced(
            f, "node/nodes/a/weight", shape=(1 << 10, 1 << 10), dtype="f4", chunks=(64, 64)
        ),
        "nir-size",
        "a/weight",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_at_its_node(case, edited, refused):
    change, code, place = WRONG[case]
    found = refused(edited(change))
    assert code == found.code
    assert place in str(found.loc)
    assert found.loc.known


def test_an_unknown_type_suggests_the_nearest(edited, refused):
    assert "'Affine'" in refused(edited(WRONG["unknown type"][0])).help


def test_groups_without_end_are_refused(edited, refused):
    found = refused(edited(lambda f: f.create_group("node/nodes" + "/g" * 60)))
    assert "nir-link" == found.code


def test_many_arrays_that_are_too_large_together_are_refused(edited, refused, monkeypatch):
    monkeypatch.setattr(storage, "LARGEST", 64)
    assert "nir-size" == refused(edited(lambda f: None)).code


def test_long_texts_are_refused(edited, refused, monkeypatch):
    monkeypatch.setattr(storage, "LONGEST_TEXT", 3)
    assert "nir-size" == refused(edited(lambda f: None)).code


def test_a_compressed_array_is_no_bomb(edited, load):
    module = load(
        edited(
            lambda f: replaced(
                f, "node/nodes/a/weight", data=np.zeros((2, 2)), compression="gzip", shuffle=True
            )
        )
    )
    assert 1 == len(module.graph.ops)


def test_filters_upon_filters_are_a_bomb(tmp_path, net, refused):
    path = net(NODES, "x>a a>y")
    with h5py.File(path, "r+") as file:
        del file["node/nodes/a/weight"]
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk((1024, 1024))
        create.set_deflate(9)
        create.set_deflate(9)
        space = h5py.h5s.create_simple((1024, 1024))
        made = h5py.h5d.create(
            file["node/nodes/a"].id, b"weight", h5py.h5t.IEEE_F64LE, space, create
        )
        h5py.Dataset(made)[...] = np.zeros((1024, 1024))
    assert "nir-size" == refused(path).code


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\0" * 4096])
def test_what_is_no_hdf5_is_refused(data, tmp_path, refused):
    path = tmp_path / "net.nir"
    path.write_bytes(data)
    found = refused(path)
    assert ("nir-unreadable", str(path)) == (found.code, found.loc.file)


def test_a_file_cut_off_anywhere_is_refused(net, tmp_path):
    whole = net(NODES, "x>a a>y").read_bytes()
    path = tmp_path / "cut.nir"
    for size in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:size])
        with pytest.raises(SnncError) as caught:
            Nir().read(path, {})
        assert "nir-unreadable" == caught.value.code


def test_a_heap_of_texts_that_leads_nowhere_is_refused(net, refused):
    """HDF5 itself would follow the empty object for ever."""
    path = net(NODES, "x>a a>y")
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    first = int.from_bytes(data[heap + 24 : heap + 32], "little")
    second = heap + 32 + (first + 7) // 8 * 8
    data[second : second + 16] = bytes(16)
    path.write_bytes(bytes(data))
    assert "nir-unreadable" == refused(path).code
    path.write_bytes(bytes(data[: heap + 8]) + b"\xff" * 7 + bytes(data[heap + 15 :]))
    assert "nir-unreadable" == refused(path).code


def test_a_text_longer_than_the_file_is_refused(net, refused):
    path = net(NODES, "x>a a>y")
    with h5py.File(path) as file:
        place = file["node/nodes/a/type"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[place : place + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(bytes(data))
    found = refused(path)
    assert ("nir-size", "/node/nodes/a/type") == (found.code, found.loc.name)


def test_a_file_with_flipped_bytes_gives_an_error_or_a_network(net, tmp_path):
    whole = net(NODES, "x>a a>y").read_bytes()
    path, rng = tmp_path / "flipped.nir", np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(whole), 4):
            data[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(data))
        with contextlib.suppress(SnncError):
            Nir().read(path, {"profile": "spec"})


def test_without_h5py_the_extra_is_named(net, refused, monkeypatch):
    path, usual = net(NODES, "x>a a>y"), builtins.__import__

    def without(name, *rest, **more):
        if name == "h5py":
            raise ImportError(name)
        return usual(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "h5py")
    monkeypatch.setattr(builtins, "__import__", without)
    found = refused(path)
    assert ("missing-package", "pip install snnc[nir]") == (found.code, found.help)


def test_a_graph_object_of_the_package_is_accepted_by_its_class(load):
    class Graph:
        def to_dict(self):
            ports = {
                k: {"type": t, "shape": np.array([2])} for k, t in (("x", "Input"), ("y", "Output"))
            }
            scale = {"type": "Scale", "scale": np.array([2.0, 3.0]), "metadata": {}}
            return {
                "type": "NIRGraph",
                "nodes": {**ports, "s": scale},
                "edges": [("x", "s"), ("s", "y")],
                "metadata": {},
            }

    NIRGraph = type("NIRGraph", (Graph,), {"__module__": "nir.ir.graph"})
    assert Nir().accepts(NIRGraph())
    assert not Nir().accepts(Graph())
    assert ["s"] == [op.result.name for op in load(NIRGraph()).graph.ops]


def test_a_graph_object_of_strange_values_is_refused(refused):
    class Graph:
        def to_dict(self):
            return {"type": "NIRGraph", "nodes": {"x": {"type": object()}}, "edges": []}

    assert "nir-dtype" == refused(Graph()).code
