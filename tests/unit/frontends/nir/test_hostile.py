"""Files made to harm: what they declare, link to or hide costs an error, not memory or time."""

import contextlib

import h5py
import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.nir import Nir

CONV = {
    "weight": np.ones((2, 1, 3, 3)),
    "bias": np.zeros(2),
    "stride": np.array([1, 1]),
    "padding": np.array([0, 0]),
    "dilation": np.array([1, 1]),
    "groups": np.array(1),
    "input_shape": np.array([8, 8]),
}
POOL = {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]}
FLAT = {"start_dim": np.array(0), "end_dim": np.array(-1), "input_type": np.array([2, 3, 3])}
LIF = {"tau": [2e-3], "r": [2.0], "v_leak": [0.5], "v_threshold": [1.0], "v_reset": [0.25]}
NODES = {
    "x": ("Input", {"shape": np.array([1, 8, 8])}),
    "conv": ("Conv2d", CONV),
    "pool": ("SumPool2d", {k: np.array(v) for k, v in POOL.items()}),
    "flat": ("Flatten", FLAT),
    "delay": ("Delay", {"delay": np.array([1e-3])}),
    "lif": ("LIF", {k: np.array(v) for k, v in LIF.items()}),
    "y": ("Output", {"shape": np.array([18])}),
}
EDGES = "x>conv conv>pool pool>flat flat>delay delay>lif lif>y"
WORST = (0, -1, 3, 2**31 - 1, 2**63 - 1, 1e-30, 1e300, np.inf)


@pytest.fixture
def edited(net):
    """Write a good file, change it with h5py, and give its path."""

    def make(change):
        path = net(NODES, EDGES)
        with h5py.File(path, "r+", libver="latest") as file:
            change(file)
        return path

    return make


def test_the_unchanged_file_is_good(edited, load):
    module = load(edited(lambda f: None), profile="spec", dt=1e-3)
    assert (18,) == module.graph.outputs[0].type.shape


def test_attributes_are_not_read_however_large(edited, load):
    def attach(file):
        group = file["node"].create_group("metadata")
        group.attrs["junk"] = np.zeros(1 << 20)
        for k in range(1000):
            group.attrs[f"a{k}"] = k

    assert load(edited(attach), profile="spec", dt=1e-3).graph.ops


def virtual(file):
    layout = h5py.VirtualLayout(shape=(2,), dtype="f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(2,))
    del file["node/nodes/conv/bias"]
    file.create_virtual_dataset("node/nodes/conv/bias", layout)


def unknown_filter(file):
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_chunk((2,))
    create.set_filter(32123, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    del file["node/nodes/conv/bias"]
    space = h5py.h5s.create_simple((2,))
    node = file["node/nodes/conv"].id
    made = h5py.h5d.create(node, b"bias", h5py.h5t.IEEE_F64LE, space, create)
    made.write_direct_chunk((0,), b"\0" * 16, 0)


def fixed_text(file):
    del file["node/nodes/conv/type"]
    file.create_dataset("node/nodes/conv/type", shape=(), dtype="S268435456")


def many_texts(file):
    del file["node/edges"]
    shape, text = (1 << 27, 2), h5py.string_dtype()
    file.create_dataset("node/edges", shape=shape, dtype=text, chunks=(1 << 10, 2))


def shared(file):
    del file["node/nodes/conv/weight"]
    big = file.create_dataset("node/nodes/conv/weight", data=np.zeros(1 << 22), compression=9)
    for k in range(64):
        file[f"node/nodes/copy{k}/type"] = "Scale"
        file[f"node/nodes/copy{k}/scale"] = big


def named_type(file):
    file["node/nodes/t"] = np.dtype("f4")


def compound(file):
    del file["node/nodes/conv/bias"]
    data = np.zeros(2, np.dtype([("a", "f4"), ("b", "i4")]))
    file.create_dataset("node/nodes/conv/bias", data=data)


def dangling(file):
    file["node/nodes/z"] = h5py.SoftLink("/nowhere")


HARMFUL = {
    "values in other files": (virtual, "nir-link"),
    "a filter nobody has": (unknown_filter, "nir-unreadable"),
    "a text of 256 MB that is not there": (fixed_text, "nir-size"),
    "a hundred million texts": (many_texts, "nir-size"),
    "one array linked 65 times": (shared, "nir-size"),
    "a type as a node": (named_type, "nir-dtype"),
    "records as numbers": (compound, "nir-dtype"),
    "a link to nothing": (dangling, "nir-link"),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_what_is_hidden_in_hdf5_is_refused(case, edited, refused):
    change, code = HARMFUL[case]
    assert code == refused(edited(change), profile="spec", dt=1e-3).code


NUMBERS = [(n, k) for n, (_, fields) in NODES.items() for k in fields if k != "weight"]


@pytest.mark.parametrize(("node", "key"), NUMBERS)
def test_absurd_numbers_in_a_field_give_an_error_or_a_network(node, key, net):
    whole = NODES[node][1][key]
    for worst in WORST:
        changed = np.array(whole, dtype=np.float64)
        changed.reshape(-1)[0] = worst
        nodes = {**NODES, node: (NODES[node][0], {**NODES[node][1], key: changed})}
        with contextlib.suppress(SnncError):
            Nir().read(net(nodes, EDGES), {"profile": "spec", "dt": 1e-3})


@pytest.mark.parametrize(("node", "key"), NUMBERS)
@pytest.mark.parametrize("shape", [(0,), (1, 1, 1, 1, 1), (4096,)])
def test_fields_of_other_shapes_give_an_error_or_a_network(node, key, shape, net):
    changed = {**NODES[node][1], key: np.ones(shape)}
    with contextlib.suppress(SnncError):
        nodes = {**NODES, node: (NODES[node][0], changed)}
        Nir().read(net(nodes, EDGES), {"profile": "spec", "dt": 1e-3})
