import numpy as np
import pytest

from snnc.driver import run_pipeline
from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.ir.write import write
from snnc.passes.clean import Clean


def cleaned(b, *outputs):
    return run_pipeline(b.finish(*outputs), "clean", check=True)


def kinds(module):
    return [op.kind for op in module.graph.ops]


@pytest.fixture(params=["snn", "int"])
def b(request):
    return Builder("net", request.param)


def test_dead_ops_go_and_unused_inputs_stay(b):
    x, unused = b.input("x", "u1[4]~"), b.input("unused", "u1[2]~")
    b.op("neuron", b.op("delay", unused), threshold=1)
    module = cleaned(b, b.op("neuron", x, threshold=1, name="y"))
    assert ["neuron"] == kinds(module)
    assert ["x", "unused"] == [v.name for v in module.graph.inputs]


def test_moves_that_move_nothing_go(b):
    x = b.input("x", "u1[2, 3]~")
    same = b.op("slice", b.op("reshape", x, shape=(2, 3)), axis=1, start=0, stop=3)
    same = b.op("concat", b.op("permute", same, order=(0, 1)))
    assert ["neuron"] == kinds(cleaned(b, b.op("neuron", same, threshold=1)))


def test_sum_of_one_value_stays_where_it_widens_the_type():
    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    assert ["add", "neuron"] == kinds(cleaned(b, b.op("neuron", b.op("add", x), threshold=1)))


def test_delays_in_a_row_add_up(b):
    x = b.input("x", "u1[2]~")
    late = b.op("delay", b.op("delay", b.op("delay", x, by=2), by=3), by=4)
    module = cleaned(b, b.op("neuron", late, threshold=1))
    assert [9] == [op["by"] for op in module.ops("delay")]


def test_delay_that_others_read_stays_beside_the_joined_one(b):
    x = b.input("x", "u1[2]~")
    first = b.op("delay", x, by=2)
    second = b.op("delay", first, by=3)
    module = cleaned(b, b.op("neuron", b.op("add", first, second), threshold=1))
    assert [2, 5] == [op["by"] for op in module.ops("delay")]


def test_reshapes_permutes_and_slices_in_a_row_become_one(b):
    x = b.input("x", "u1[2, 3, 4]~")
    a = b.op("reshape", b.op("reshape", x, shape=(6, 4)), shape=(24,))
    c = b.op("permute", b.op("permute", x, order=(2, 0, 1)), order=(1, 0, 2))
    d = b.op("slice", b.op("slice", x, axis=2, start=1, stop=4), axis=2, start=1, stop=3)
    outputs = [b.op("neuron", v, threshold=1) for v in (a, c, d)]
    module = cleaned(b, *outputs)
    assert ["neuron", "neuron", "neuron", "permute", "reshape", "slice"] == sorted(kinds(module))
    assert [(0, 2, 1)] == [tuple(op["order"]) for op in module.ops("permute")]
    assert [(2, 4)] == [(op["start"], op["stop"]) for op in module.ops("slice")]


def test_slices_along_different_axes_stay(b):
    x = b.input("x", "u1[4, 4]~")
    cut = b.op("slice", b.op("slice", x, axis=0, start=1, stop=4), axis=1, start=1, stop=3)
    assert ["slice", "slice", "neuron"] == kinds(cleaned(b, b.op("neuron", cut, threshold=1)))


def test_permutations_that_undo_each_other_go(b):
    x = b.input("x", "u1[2, 3, 4]~")
    same = b.op("permute", b.op("permute", x, order=(2, 0, 1)), order=(1, 2, 0))
    assert ["neuron"] == kinds(cleaned(b, b.op("neuron", same, threshold=1)))


def test_mask_becomes_zeros_in_the_weights(b):
    x = b.input("x", "u1[3]~")
    w = b.weight("w", np.array([[1, 2, 3], [4, 5, 6]], dtype=np.int8 if b.level == "int" else "f4"))
    mask = b.weight("mask", np.array([[1, 0, 1], [0, 1, 0]], dtype=bool))
    module = cleaned(b, b.op("neuron", b.op("masked_linear", x, w, mask), threshold=2))
    (linear,) = module.ops("linear")
    assert [[1, 0, 3], [0, 5, 0]] == module.tensor(linear.symbols[0]).tolist()
    assert ["w"] == list(module.weights)


def test_equal_work_is_done_once(b):
    x = b.input("x", "u1[3]~")
    array = np.array([[1, 2, 3]], dtype=np.int8 if b.level == "int" else "f4")
    spikes = [
        b.op("neuron", b.op("linear", x, b.weight(name, array)), threshold=2) for name in "ab"
    ]
    module = cleaned(b, b.op("neuron", b.op("add", *spikes), threshold=2))
    assert ["linear", "neuron", "add", "neuron"] == kinds(module)


def test_neurons_with_other_parameters_are_not_the_same(b):
    x = b.input("x", "u1[3]~")
    spikes = [b.op("neuron", x, threshold=1, first=first) for first in (0, 1)]
    module = cleaned(b, b.op("neuron", b.op("add", *spikes), threshold=2))
    assert ["neuron", "neuron", "add", "neuron"] == kinds(module)


def test_outputs_keep_their_names(b):
    x = b.input("x", "u1[3]~")
    s = b.op("neuron", x, threshold=1, name="s")
    same = b.op("reshape", s, shape=(3,), name="same")
    again = b.op("neuron", x, threshold=1, name="again")
    module = cleaned(b, s, same, again)
    assert ["s", "same", "again"] == [v.name for v in module.graph.outputs]


def test_loops_stay_loops(b):
    x = b.input("x", "u1[3]~")
    later = b.forward("s", "u1[3]~")
    back = b.op("delay", b.op("delay", later, by=1), by=2)
    s = b.op("neuron", b.op("add", x, back), threshold=1, name="s")
    b.bind(later, s)
    module = cleaned(b, s)
    assert [3] == [op["by"] for op in module.ops("delay")]
    assert ["delay", "add", "neuron"] == kinds(module)


def test_loop_of_nothing_but_delays_settles(b):
    x = b.input("x", "u1[3]~")
    later = b.forward("d", "u1[3]~")
    d = b.op("delay", b.op("delay", later, by=1), by=1, name="d")
    b.bind(later, d)
    cleaned(b, b.op("neuron", b.op("add", x, d), threshold=1))


def test_cleaning_twice_changes_nothing(b):
    x = b.input("x", "u1[2, 3]~")
    y = b.op("reshape", b.op("delay", b.op("delay", x)), shape=(6,))
    once = cleaned(b, b.op("neuron", y, threshold=1))
    assert write(once) == write(Clean().run(once, Context()))


def test_location_of_joined_delays_names_both():
    from snnc.diagnostics import at

    b = Builder("net", "int")
    x = b.input("x", "u1[2]~")
    first = b.op("delay", x, loc=at("net.py", 3))
    second = b.op("delay", first, loc=at("net.py", 4))
    module = cleaned(b, b.op("neuron", second, threshold=1))
    assert "net.py:3, net.py:4" == str(next(module.ops("delay")).loc)


def test_placed_module_is_refused():
    from snnc.diagnostics import SnncError

    class Placed:
        level, loc = "paicore", Builder("n", "int").loc

    with pytest.raises(SnncError, match="pass-level"):
        Clean().run(Placed(), Context())


def test_rules_that_never_settle_are_a_defect_that_is_told(monkeypatch):
    from snnc.diagnostics import SnncError

    b = Builder("net", "int")
    module = b.finish(b.op("neuron", b.input("x", "u1[2]~"), threshold=1))
    monkeypatch.setattr("snnc.passes.clean._wiring", lambda module: object())
    with pytest.raises(SnncError, match="clean-diverges"):
        Clean().run(module, Context())
