"""Presets behave as the worked sequences of PAIBox's neurons say."""

import math

import numpy as np
import pytest

MAX = 2**29 - 1
SEQUENCES = [
    # A preset, inputs, spikes and potentials (paicore.md, section 3.3).
    ("IF(3, reset_v=0)", [1, 1, 1, 5, -4, 2, 2], [0, 0, 1, 1, 0, 0, 0], [1, 2, 0, 0, -4, -2, 0]),
    (
        "IF(3)",
        [1, 1, 1, 5, -4, 2, 2, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 0, 0],
        [1, 2, 0, 2, -2, 0, 2, 2, 2],
    ),
    (
        "IF(3, neg_threshold=-2)",
        [-2, -1, -5, 4, 1, 0],
        [0, 0, 0, 0, 1, 0],
        [-2, -2, -2, 2, 0, 0],
    ),
    ("LIF(5, leak_v=-1)", [3, 3, 3, 0, 0, 10], [0, 0, 1, 0, 0, 1], [2, 4, 1, 0, -1, 3]),
    ("LIF(5, leak_v=-3, bias=2)", [3, 3, 3, 0, 0, 10], [0, 0, 1, 0, 0, 1], [2, 4, 1, 0, -1, 3]),
    (
        "LIF(5, leak_v=-1, reset_v=0, leak_order=after)",
        [3, 3, 3, 0],
        [0, 1, 0, 0],
        [2, 0, 2, 1],
    ),
    (
        "IF(4, reset_v=1, neg_threshold=2, negative_mode=reset)",
        [-2, -1, -5, 9, 1, 3],
        [0, 0, 0, 1, 0, 1],
        [-2, -1, -1, 1, 2, 1],
    ),
    (
        "IF(4, reset_v=1, neg_threshold=2)",
        [-2, -1, -5, 9, 1, 3],
        [0, 0, 0, 1, 0, 1],
        [-2, -2, -2, 1, 2, 1],
    ),
    ("TonicSpiking(3)", [1] * 10, [0, 0, 1] * 3 + [0], [1, 2, 0] * 3 + [1]),
    (
        "PhasicSpiking(3)",
        [0, 0] + [1] * 10,
        [0, 0, 0, 0, 1] + [0] * 7,
        [0, 0, 2, 4, -11] + [-10] * 7,
    ),
    ("Bypass()", [1, -3, 0, 2, 1], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0]),
    ("StoreVoltage(leak_v=1)", [3, -9, 0], [0, 0, 0], [4, -4, -3]),
    ("StoreVoltage(bias=2, leak_v=-1)", [3, -9, 0], [0, 0, 0], [4, -4, -3]),
    ("Always1()", [0, 0, 0, 0], [1, 0, 1, 0], None),
]


def integers(numbers):
    """Statements that make spike trains into the given input currents, and the trains."""
    numbers = np.asarray(numbers)
    planes = np.arange(12) < np.abs(numbers)[:, None]
    signs = np.concatenate([planes & (numbers > 0)[:, None], planes & (numbers < 0)[:, None]], 1)
    return signs.astype(np.uint8)


@pytest.mark.parametrize(("preset", "given", "spikes", "potentials"), SEQUENCES)
def test_an_integer_preset_follows_the_worked_sequence(
    body, run, preset, given, spikes, potentials
):
    call = preset.replace(")", ", potential=true)").replace("(, ", "(")
    module = body(
        f"s, v = x |> linear([join([1 for i in 0..12], [-1 for i in 0..12])]) |> {call}\n"
        "return s, v",
        "input x: u1[24]~",
    )
    s, v = run(module, x=integers(given))
    assert spikes == s[:, 0].tolist()
    if potentials is not None:
        assert potentials == v[:, 0].tolist()


def test_ann_gives_the_eight_bit_window(body, run):
    module = body("s = x |> one2one |> ANN(bias=5, bit_trunc=9) return s", "input x: i16[1]~")
    (s,) = run(module, x=np.array([100, 300, 600, -20, -5, -4], np.int16)[:, None])
    assert [52, 152, 255, 0, 0, 0] == s[:, 0].tolist()


def test_ann_bypass_is_the_identity_up_to_255(body, run):
    module = body("s = ANNBypass(one2one(x)) return s", "input x: i16[1]~")
    (s,) = run(module, x=np.array([0, 1, 200, 255, 300, -1], np.int16)[:, None])
    assert [0, 1, 200, 255, 255, 0] == s[:, 0].tolist()


def test_a_value_neuron_sends_its_potential(body, run):
    module = body("s = IF(one2one(x), 4, reset_v=0, spike=value) return s", "input x: i16[1]~")
    (s,) = run(module, x=np.array([1, 2, 3, 4, 5], np.int16)[:, None])
    assert [0, 0, 6, 4, 5] == s[:, 0].tolist()


@pytest.mark.parametrize(
    ("preset", "attrs"),
    [
        ("IF(7)", {"threshold": 7, "negative": MAX, "width": 30}),
        (
            "IF(7, reset_v=2, neg_threshold=-3)",
            {"threshold": 7, "reset": "hard", "reset_to": 2, "negative": 3, "width": 30},
        ),
        (
            "TonicSpiking(3)",
            {
                "threshold": 3,
                "reset": "hard",
                "negative": MAX,
                "negative_mode": "reset",
                "width": 30,
            },
        ),
        (
            "PhasicSpiking(3)",
            {
                "threshold": 6,
                "reset": "hard",
                "reset_to": -11,
                "leak": 1,
                "leak_reversal": True,
                "negative": 10,
                "width": 30,
            },
        ),
        (
            "Bypass()",
            {
                "threshold": 1,
                "reset": "hard",
                "negative": 0,
                "negative_mode": "reset",
                "width": 30,
            },
        ),
        (
            "StoreVoltage()",
            {
                "threshold": MAX,
                "reset": "none",
                "negative": MAX,
                "negative_mode": "reset",
                "width": 30,
            },
        ),
        (
            "Always1()",
            {
                "threshold": 0,
                "reset": "hard",
                "reset_to": 1,
                "leak": MAX,
                "negative": 0,
                "width": 30,
                "overflow": "wrap-paibox",
            },
        ),
        (
            "ANN(bit_trunc=9)",
            {
                "threshold": 1,
                "negative": MAX,
                "spike": "value",
                "truncate": 9,
                "memory": "clear",
                "width": 30,
            },
        ),
        (
            "ANNBypass(truncate=10)",
            {
                "threshold": 1,
                "negative": MAX,
                "spike": "value",
                "truncate": 10,
                "memory": "clear",
                "width": 30,
            },
        ),
        ("IF(7, width=16, overflow=saturate, first=2, ticks=5)", None),
    ],
)
def test_a_preset_sets_the_registers_of_paibox(body, preset, attrs):
    module = body(f"return x |> {preset}")
    found = dict(module.graph.ops[-1].attrs)
    if attrs is None:
        attrs = {
            "threshold": 7,
            "width": 16,
            "overflow": "saturate",
            "first": 2,
            "ticks": 5,
        }
    assert attrs == found


def test_a_leak_per_neuron_is_the_sum_of_leak_and_bias(body):
    module = body("return LIF(x, 7, leak_v=-1, bias=[2, 3])")
    op = module.graph.ops[-1]
    assert [1, 2] == module.tensor(op["leak"]).tolist()


def test_tau_is_the_time_constant_of_an_exponential(body):
    module = body("return LIF(x, threshold=0.5, tau=2)")
    assert {"threshold": 0.5, "decay": math.exp(-0.5)} == dict(module.graph.ops[-1].attrs)


def test_tau_and_decay_exclude_each_other(refused):
    text = "network main { input x: u1[2]~ return LIF(x, 0.5, tau=2, decay=0.5) }"
    assert ("duplicate-argument", 39) == (refused(text).code, refused(text).loc.column)


def test_tau_above_zero(refused):
    text = "network main { input x: u1[2]~ return LIF(x, 0.5, tau=[2, 0]) }"
    assert refused(text).code == "bad-neuron"


def test_a_real_preset_floors_at_the_negative_threshold(body, run):
    module = body("s, v = IF(-1.5 * x, 1, neg_threshold=2, potential=true) return v")
    (v,) = run(module, x=np.ones((3, 2), np.uint8))
    assert [-1.5, -2.0, -2.0] == v[:, 0].tolist()


@pytest.mark.parametrize("real", [False, True])
def test_library_networks_compute_their_truth_tables_at_both_levels(body, run, real):
    unit = "1.0" if real else "1"
    module = body(
        f"a = {unit} * x |> Bypass() "
        "return bitwise_and(a, y), bitwise_or(a, y), bitwise_xor(a, y), bitwise_not(a)",
        "input x, y: u1[1]~",
    )
    x, y = np.array([[0, 0, 1, 1, 1, 0], [0, 1, 0, 1, 1, 1]], np.uint8)
    found = [o[:, 0].tolist() for o in run(module, x=x[:, None], y=y[:, None])]
    assert ("snn" if real else "int") == module.level
    assert [(x & y).tolist(), (x | y).tolist(), (x ^ y).tolist(), (1 - x).tolist()] == found


def test_spiking_pools_are_or_and_majority(body, run):
    module = body(
        "return spiking_max_pool2d(x, 2), spiking_avg_pool2d(x, 2), spiking_avg_pool2d(x, 2, "
        "threshold=4)",
        "input x: u1[1, 2, 2]~",
    )
    x = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]], np.uint8)
    found = [o.reshape(-1).tolist() for o in run(module, x=x.reshape(5, 1, 2, 2))]
    assert [[0, 1, 1, 1, 1], [0, 0, 1, 1, 0], [0, 0, 0, 1, 0]] == found
