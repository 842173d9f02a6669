"""The rules of the translation hold for random clocks: late starts, stops, cycles, long delays.

A small simulator keeps PAIBox's registers of 256 slots as they are described; the translated
module has only delays.
"""

import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnc.runtime.reference import Reference
from tests.golden.paibox_translate import SLOTS, Case, Network, Node, translate, translate_network
from tests.golden.run import difference, outcome
from tests.golden.test_paibox import folder

PARAMS = {
    "pos_threshold": 2,
    "reset_mode": "MODE_LINEAR",
    "reset_v": 0,
    "leak_v": 0,
    "leak_comparison": "LEAK_BEFORE_COMP",
    "leak_direction": "MODE_FORWARD",
    "neg_threshold": 5,
    "neg_thres_mode": "MODE_SATURATION",
    "init_v": 0,
}


@st.composite
def networks(draw):
    """Return a network of a few nodes with random clocks, records still empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = draw(st.sampled_from([12, 40, 280, 560]))
    count = draw(st.integers(1, 4))
    nodes, edges, tensors = {}, [], {}
    for number in range(count):
        ends = st.sampled_from([0, 0, 3, 20, 270, 300])
        delays = st.sampled_from([1, 1, 2, 5, 200, 256, 257, 300])
        params = PARAMS | {
            "delay": draw(delays),
            "tick_wait_start": draw(st.sampled_from([1, 1, 2, 3, 4, 9])),
            "tick_wait_end": draw(ends),
        }
        nodes[f"n{number}"] = Node(f"n{number}", (3,), params)
    for target in nodes:
        for source in draw(st.lists(st.sampled_from(["i", *nodes]), min_size=1, max_size=3)):
            name = f"e{len(edges)}"
            tensors[name] = rng.integers(-2, 4, (3, 3)).astype(np.int8)
            edges.append({"id": name, "src": source, "dst": target, "connectivity": name})
    train = (rng.random((steps, 3)) < 0.4).astype(np.uint8)
    return Network(
        "random", steps, {"i": train}, nodes, (), tuple(edges), tuple(nodes), tensors, {}
    )


def simulate(network):
    """Return what PAIBox records: spikes and potentials of every node at every step."""
    slots = {name: np.zeros((SLOTS, 3), dtype=np.uint8) for name in network.nodes}
    v = {name: np.zeros(3, dtype=np.int64) for name in network.nodes}
    records = {f"{kind}__{name}": [] for name in network.nodes for kind in ("spike", "v")}
    for t in range(1, network.steps + 1):
        x = {name: np.zeros(3, dtype=np.int64) for name in network.nodes}
        for edge in network.edges:
            node = network.nodes[edge["dst"]]
            source = slots.get(edge["src"])
            seen = (
                network.inputs["i"][t - 1] if source is None else source[(t - node.start) % SLOTS]
            )
            x[node.name] += seen.astype(np.int64) @ network.tensors[edge["connectivity"]]
        for name, node in network.nodes.items():
            spikes = np.zeros(3, dtype=np.uint8)
            if t >= node.start and (not node.end or t <= node.end):
                u = v[name] + x[name]
                spikes = (u >= 2).astype(np.uint8)
                v[name] = np.where(spikes, u - 2, np.maximum(u, -5))
                slots[name][(t - node.start + node.params["delay"] - 1) % SLOTS] = spikes
            records[f"spike__{name}"].append(spikes)
            records[f"v__{name}"].append(v[name])
    return {name: np.array(rows) for name, rows in records.items()}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_the_module_equals_the_registers(network):
    network.expected.update(simulate(network))
    assert "" == difference(Case(*translate_network(network)), Reference())


AUTHORED = ["01_fc_if_soft_int8", "26_residual_add", "14_conv2d_stride_pad", "12_conv1d_stride_pad"]


@pytest.mark.parametrize("name", AUTHORED)
@pytest.mark.parametrize("lowered", [True, False])
def test_edges_without_a_matrix_follow_what_was_authored(name, lowered, tmp_path):
    case = tmp_path / name
    shutil.copytree(folder(name), case)
    description = json.loads((case / "lowered.json").read_text())
    for edge in description["edges"]:
        del edge["connectivity"]
    (case / "lowered.json").write_text(json.dumps(description))
    if not lowered:
        (case / "lowered.json").unlink()
    assert "equal" == outcome(case, Reference())[0]


def test_a_node_that_never_starts_is_left_out(tmp_path):
    case = tmp_path / "idle"
    shutil.copytree(folder("06_fc_int8"), case)
    description = json.loads((case / "lowered.json").read_text())
    last = description["outputs"][0]
    for node in description["nodes"]:
        if node["id"] == last:
            node["params"]["tick_wait_start"] = 0
    (case / "lowered.json").write_text(json.dumps(description))
    records = dict(np.load(case / "expected.npz"))
    for kind in ("spike", "v"):
        records[f"{kind}__{last}"] = np.zeros_like(records[f"{kind}__{last}"])
    np.savez(case / "expected.npz", **records)
    names = [op.result.name for op in translate(case).module.ops("neuron")]
    assert last not in names
    assert "equal" == outcome(case, Reference())[0]
