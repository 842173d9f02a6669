"""When the values of semi-folded modules count: carried to graph_info.json as PAIBox writes it."""

import json

import numpy as np
import pytest
from attrs import evolve

import snnc
from snnc.diagnostics import SnncError
from snnc.frontends.paibox.modules import Flow, FunctionalModule, Operand, lower
from snnc.frontends.paibox.network import Input, Network
from snnc.frontends.paibox.translate import translate


def streamed(*kinds):
    """Return a network of semi-folded modules in a row, each two steps after the one before."""
    populations, synapses = [], []
    last = Operand("i", (2, 8), Flow())
    for number, (kind, args) in enumerate(kinds):
        name, start = f"n{number}", 1 + 2 * number
        made = lower(FunctionalModule(kind, name, (last,), {**args, "tick_wait_start": start}))
        populations += made.populations
        synapses += made.synapses
        last = Operand(name, made.populations[-1].shape, made.flow)
    return Network("net", (Input("i", (2, 8)),), tuple(populations), tuple(synapses))


CONV = ("Conv2dSemiFolded", {"kernel": np.ones((2, 2, 3, 3), np.int8)})
POOL = ("MaxPool2dSemiFolded", {"kernel_size": 2})
LINEAR = ("LinearSemiFolded", {"out_features": 5, "weights": np.ones((18, 5), np.int8)})


def summary(network, folder):
    snnc.compile(translate(network), "paicore").save(folder)
    return json.loads((folder / "graph_info.json").read_text())


def test_the_first_output_that_counts_is_the_one_that_paibox_names(tmp_path):
    """Of paicore.md, section 7.4: convolution (2, 1, 6), pool (3, 2, 3), linear (7, 1, 1)."""
    found = summary(streamed(CONV, POOL, LINEAR), tmp_path / "build")
    assert 6 + 7 == found["inherent_timestep"]
    flow = {"t_1st_vld": 13, "interval": 1, "n_vld": 1, "is_local_time": False}
    assert {"n2": flow} == found["output_flow_format"]


def test_columns_of_a_map_come_in_steps(tmp_path):
    found = summary(streamed(CONV, POOL), tmp_path / "build")
    flow = {"t_1st_vld": 4 + 3, "interval": 2, "n_vld": 3, "is_local_time": False}
    assert {"n1": flow} == found["output_flow_format"]


@pytest.mark.parametrize("flows", [3, {"n0": 1}, {"n0": (1, 2)}, {"n0": (1, 2, 0.5)}])
def test_flows_that_are_none_are_refused(flows, tmp_path):
    module = translate(streamed(CONV))
    with pytest.raises(SnncError) as caught:
        snnc.compile(evolve(module, attrs={"flows": flows}), "paicore").save(tmp_path / "build")
    assert "placed-malformed" == caught.value.code


def test_other_networks_say_nothing_of_flows():
    inputs, module = (2, 8), FunctionalModule("BitwiseNOT", "n", (Operand("i", (2, 8)),), {})
    made = lower(module)
    network = Network("net", (Input("i", inputs),), made.populations, made.synapses)
    assert {} == translate(network).attrs
