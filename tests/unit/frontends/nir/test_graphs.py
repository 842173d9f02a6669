"""Edges: sums, nested graphs, loops, ports that are missing."""

from itertools import pairwise

import numpy as np
import pytest

from snnc.frontends.nir import statement

IF = {"r": [1.0], "v_threshold": [0.5], "v_reset": [0.0]}
PORTS = {"x": ("Input", {"shape": [1]}), "y": ("Output", {"shape": [1]})}
AT = {"profile": "spec", "dt": 1.0}


def scale(by):
    return "Scale", {"scale": [float(by)]}


def nested(nodes, pairs):
    members = {k: {"type": kind, **fields} for k, (kind, fields) in nodes.items()}
    return "NIRGraph", {"nodes": members, "edges": np.array(pairs, dtype="S10").reshape(-1, 2)}


def test_edges_into_one_node_add_up(net, load, run):
    nodes = {**PORTS, "a": scale(2), "b": scale(3), "c": scale(1)}
    module = load(net(nodes, "x>a x>b a>c b>c x>c c>y"), input="f32")
    assert [[6.0], [12.0]] == run(module, [[1], [2]]).tolist()


def test_an_output_adds_up_too(net, load, run):
    module = load(net({**PORTS, "a": scale(2)}, "x>a a>y x>y"), input="f32")
    assert [[3.0]] == run(module, [[1]]).tolist()


def test_outputs_come_in_the_order_of_the_file(net, load):
    nodes = {"x": PORTS["x"], "b": scale(2), "a": scale(3), "y1": PORTS["y"], "y0": PORTS["y"]}
    module = load(net(nodes, "x>b x>a a>y0 b>y1"))
    assert ["a", "b"] == [v.name for v in module.graph.outputs]


def test_every_op_has_the_place_of_its_node(net, load):
    module = load(net({**PORTS, "a": scale(2), "n": ("IF", IF)}, "x>a a>n n>y"), **AT)
    assert ["a", "n"] == [op.loc.name for op in module.graph.ops]


def test_nested_graphs_are_laid_flat(net, load, run):
    inner = nested({**PORTS, "s": scale(3)}, [("x", "s"), ("s", "y")])
    outer = nested({**PORTS, "g": inner}, [("x", "g"), ("g", "y")])
    module = load(net({**PORTS, "a": outer, "b": scale(2)}, "x>a a>b b>y"), input="f32")
    assert ["a.g.s", "b"] == [op.result.name for op in module.graph.ops]
    assert [[6.0]] == run(module, [[1]]).tolist()


def test_a_nested_graph_of_two_inputs_cannot_be_named_by_an_edge(net, refused):
    ports = {"x": PORTS["x"], "z": PORTS["x"], "y": PORTS["y"], "s": scale(1)}
    inner = nested(ports, [("x", "s"), ("z", "s"), ("s", "y")])
    found = refused(net({**PORTS, "a": inner}, "x>a a>y"))
    assert ("nir-ambiguous", "a") == (found.code, found.loc.name)
    assert "x, z" in found.message


def test_a_loop_is_read_one_tick_late(net, load, run):
    nodes = {**PORTS, "n": ("I", {"r": [1.0]}), "w": scale(2)}
    module = load(net(nodes, "x>n n>w w>n n>y"), input="f32", **AT)
    v, wanted = 0.0, []
    for x in (1.0, 0.0, 0.0, 1.0):
        v = v + x + 2 * v
        wanted.append(v)
    assert wanted == run(module, [[1], [0], [0], [1]])[:, 0].tolist()
    assert any("w reads n one tick late" in line for line in statement(module))


def test_a_bias_in_a_loop_acts_from_the_first_tick(net, load, run):
    affine = ("Affine", {"weight": [[0.0]], "bias": [1.0]})
    nodes = {**PORTS, "n": ("I", {"r": [1.0]}), "w": affine}
    module = load(net(nodes, "x>n n>w w>n n>y"), input="f32", **AT)
    assert [1.0, 2.0] == run(module, [[0], [0]])[:, 0].tolist()


def test_a_neuron_may_read_itself(net, load, run):
    module = load(net({**PORTS, "n": ("I", {"r": [1.0]})}, "x>n n>n n>y"), input="f32", **AT)
    assert [1.0, 2.0, 4.0] == run(module, [[1], [0], [0]])[:, 0].tolist()


def test_feedback_over_two_neurons_takes_one_tick(net, load):
    nodes = {**PORTS, "a": ("IF", IF), "b": ("IF", IF), "f": scale(1), "g": scale(1)}
    module = load(net(nodes, "x>a a>f f>b b>g g>a b>y"), **AT)
    assert [("b.late", 1)] == [
        (o.result.name, o["by"]) for o in module.graph.ops if o.kind == "delay"
    ]


def test_loops_within_loops_take_a_tick_each(net, load):
    nodes = {**PORTS, "a": ("IF", IF), "b": ("IF", IF)}
    module = load(net(nodes, "x>a a>b b>a b>b b>y"), **AT)
    late = [line for line in statement(module) if "late" in line]
    assert [
        "assumed a reads b one tick late (a loop)",
        "assumed b reads b one tick late (a loop)",
    ] == late


def test_a_delay_in_a_loop_is_all_its_delay(net, load, run):
    nodes = {**PORTS, "n": ("I", {"r": [1.0]}), "d": ("Delay", {"delay": [2.0]})}
    module = load(net(nodes, "x>n n>d d>n n>y"), input="f32", **AT)
    v = [1.0, 1.0, 2.0, 3.0]
    assert v == run(module, [[1], [0], [0], [0]])[:, 0].tolist()
    assert ["d"] == [op.result.name for op in module.graph.ops if op.kind == "delay"]


def test_a_loop_entered_at_two_nodes_is_ambiguous_without_a_delay(net, load, refused):
    nodes = {**PORTS, "a": ("IF", IF), "b": ("IF", IF)}
    found = refused(net(nodes, "x>a x>b a>b b>a a>y"), **AT)
    assert "nir-ambiguous" == found.code
    assert "Delay" in found.help
    nodes["d"] = ("Delay", {"delay": [1.0]})
    load(net(nodes, "x>a x>b a>b b>d d>a a>y"), **AT)


@pytest.mark.parametrize("edges", ["x>a a>b b>a b>y", "x>a a>a a>b b>y"])
def test_a_loop_without_state_is_refused(edges, net, refused):
    found = refused(net({**PORTS, "a": scale(1), "b": scale(1)}, edges), **AT)
    assert ("nir-loop", "a") == (found.code, found.loc.name)


def test_a_loop_that_no_input_reaches_is_refused(net, refused):
    nodes = {**PORTS, "a": ("IF", IF), "b": scale(1), "c": scale(1)}
    found = refused(net(nodes, "x>c c>y a>b b>a b>c"), **AT)
    assert ("nir-loop", "a") == (found.code, found.loc.name)


def test_missing_ports_are_added_and_said(net, load):
    nodes = {"fc": ("Linear", {"weight": np.ones((2, 3))}), "s": ("Scale", {"scale": [1.0]})}
    module = load(net(nodes, "fc>s"))
    assert "input_fc" == module.graph.inputs[0].name
    assert (3,) == module.graph.inputs[0].type.shape
    lines = "\n".join(statement(module))
    assert "input_fc was added" in lines
    assert "output_s was added" in lines


def test_a_first_node_of_unknown_shape_needs_an_input(net, refused):
    pool = {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]}
    found = refused(net({"p": ("SumPool2d", pool), "y": ("Output", {})}, "p>y"))
    assert ("nir-shape", "p") == (found.code, found.loc.name)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ("x>a a>y a>z", "'z'"),
        ("x>a a>y x>a", "stands twice"),
        ("x>a a>x a>y", "enters an Input"),
        ("x>a a>y y>a", "leaves an Output"),
        ("a>y", "nothing reads"),
    ],
)
def test_edges_that_mean_nothing_are_refused(edges, words, net, refused):
    found = refused(net({**PORTS, "a": scale(1)}, edges))
    assert "nir-edge" == found.code
    assert words in found.message
    assert found.loc.known


def test_an_empty_graph_is_refused(net, refused):
    assert "nir-edge" == refused(net({}, "")).code


def test_values_of_different_shapes_do_not_add_up(net, refused):
    nodes = {**PORTS, "w": ("Linear", {"weight": np.ones((2, 1))}), "s": scale(1)}
    found = refused(net(nodes, "x>w w>s x>s s>y"))
    assert ("nir-shape", "s") == (found.code, found.loc.name)


def test_long_chains_are_read(load):
    names = ["x", *(f"s{k:04}" for k in range(2000)), "y"]
    nodes = {n: {"type": "Scale", "scale": np.array([1.0])} for n in names[1:-1]}
    nodes |= {n: {"type": t, "shape": np.array([1])} for n, t in (("x", "Input"), ("y", "Output"))}
    tree = {"type": "NIRGraph", "nodes": nodes, "edges": list(pairwise(names))}
    graph = type("NIRGraph", (), {"__module__": "nir", "to_dict": lambda self: tree})
    assert 2000 == len(load(graph()).graph.ops)


def test_an_input_may_be_an_output_and_a_layer_two(net, load, run):
    nodes = {**PORTS, "z": PORTS["y"], "w": PORTS["y"], "a": scale(2)}
    module = load(net(nodes, "x>a a>y a>z x>w"), input="f32")
    assert ["x", "a", "a"] == [v.name for v in module.graph.outputs]
    assert [[3.0]] == run(module, [[3]]).tolist()
