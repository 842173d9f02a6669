"""Proofs of width: what is proven never overflows, and simple proofs are as long as the truth."""

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.ir import Builder
from snnc.ir.types import I8, I32
from snnc.passes.width import max_ticks, proven_ticks
from snnc.runtime.reference import Reference

TICKS = 25


def layer(weights, element="u1", **attrs):
    w = np.asarray(weights)
    b = Builder("net", "int")
    x = b.input("x", f"{element}[{w.shape[1]}]~")
    current = b.op("linear", x, b.weight("w", w, I32))
    return b.finish(b.op("neuron", current, name="s", **attrs))


def proven(module):
    (neuron,) = module.ops("neuron")
    return proven_ticks(module, neuron)


def overflows_at(module, inputs, ticks):
    """Return the first tick at which a run stops, or None."""
    program = Reference().prepare(module)
    if _runs(program, {k: v[:, :ticks] for k, v in inputs.items()}):
        return None
    counts = range(1, ticks + 1)
    first = bisect_left(
        counts, True, key=lambda n: not _runs(program, {k: v[:, :n] for k, v in inputs.items()})
    )
    return counts[first] - 1


def _runs(program, inputs):
    try:
        program.run(inputs)
    except SnncError as error:
        return error.code != "overflow"
    return True


def adversaries(module, rng, ticks=TICKS):
    """All inputs at their greatest, those of one sign of weight, and random ones."""
    made = {}
    for value in module.graph.inputs:
        high, shape = value.type.element.high, value.type.shape
        signs = module.weights["w"].tensor.array()[:, : value.type.size]
        rows = [np.ones(value.type.size, bool)]
        rows += [side for row in signs[:3] for side in (row > 0, row < 0)]
        steady = np.array(rows, np.int64)[:, None, :] * high
        steady = np.repeat(steady, ticks, axis=1).reshape(len(rows), ticks, *shape)
        noise = rng.integers(0, high + 1, (4, ticks, *shape))
        made[value.name] = np.concatenate([steady, noise]).astype(value.type.element.storage)
    return made


def random_attrs(rng):
    pick = rng.integers
    attrs = {
        "width": int(pick(6, 11)),
        "threshold": int(pick(1, 25)),
        "reset": str(rng.choice(["soft", "hard", "none"])),
        "memory": str(rng.choice(["keep", "keep", "keep", "clear"])),
    }
    if rng.random() < 0.4:
        attrs["reset_to"] = int(pick(-9, 9)) if attrs["reset"] == "hard" else 0
    if rng.random() < 0.3:
        attrs["reset_by"] = int(pick(0, 32))
    if rng.random() < 0.5:
        attrs |= {"leak": int(pick(-5, 6)), "leak_reversal": bool(rng.random() < 0.5)}
        attrs["leak_order"] = str(rng.choice(["before", "after"]))
    if rng.random() < 0.5:
        attrs |= {"negative": int(pick(0, 30))}
        attrs["negative_mode"] = str(rng.choice(["floor", "reset"]))
    if rng.random() < 0.4:
        attrs["floor"] = int(pick(-20, 4))
    if rng.random() < 0.4:
        attrs["initial"] = int(pick(-10, 10))
    if rng.random() < 0.3:
        attrs |= {"spike": "count", "max_count": int(pick(1, 5))}
    return attrs


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_adversary_overflows_within_the_proven_ticks(seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-6, 7, (4, 3))
    module = layer(weights, **random_attrs(rng))
    ticks = proven(module)
    found = overflows_at(module, adversaries(module, rng), TICKS)
    assert found is None or (ticks is not None and found >= ticks)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_least_width_that_is_proven_holds_for_every_input(seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-7, 8, (4, 2))
    attrs = random_attrs(rng)
    attrs |= {"threshold": int(rng.integers(1, 9)), "ticks": 5}
    for name in ("negative", "initial", "reset_to", "floor"):
        attrs |= {name: attrs[name] // 2} if name in attrs else {}
    least = next(w for w in range(6, 17) if proven(layer(weights, **attrs | {"width": w})) is None)
    # All inputs of two axons over five ticks.
    every = np.arange(4**5)[:, None] >> 2 * np.arange(5)[None, :]
    x = np.stack([every & 1, every >> 1 & 1], axis=-1).astype("uint8")
    assert overflows_at(layer(weights, **attrs | {"width": least}), {"x": x}, 5) is None


@pytest.mark.parametrize(
    ("weights", "attrs", "expected"),
    [
        # 3 per tick, none lost: after 42 ticks 126, and 129 > 127 in the 43rd.
        ([[1, 2, -9]], {"reset": "none", "threshold": 1, "floor": 0}, 42),
        # -9 per tick: -126 after 14, -135 in the 15th.
        ([[1, 2, -9]], {"reset": "hard", "threshold": 1}, 14),
        ([[1, 2, -9]], {"reset": "hard", "threshold": 1, "floor": 0}, None),
        ([[1, 2, -9]], {"reset": "hard", "threshold": 1, "negative": 20}, None),
        ([[3]], {"reset": "soft", "threshold": 3}, None),
        # A threshold out of reach only counts when it is reached.
        ([[1]], {"reset": "soft", "threshold": 127}, None),
        ([[128]], {"reset": "hard", "threshold": 1}, 0),
        ([[127]], {"reset": "hard", "threshold": 1}, None),
        ([[100]], {"memory": "clear", "threshold": 1}, None),
    ],
)
def test_a_proof_is_as_long_as_the_truth(weights, attrs, expected):
    module = layer(weights, width=8, **attrs)
    assert proven(module) == expected
    inputs = adversaries(module, np.random.default_rng(0), ticks=60)
    assert overflows_at(module, inputs, 60) == expected


AFTER = {"leak_order": "after"}


@pytest.mark.parametrize(
    ("weights", "attrs", "x"),
    [
        # A spike leaves 1 - 56 - 5, below the negative threshold, and the leak goes on.
        ([[1]], {"reset_by": 56, "negative": 0, "leak": -5, "threshold": 1, **AFTER}, [[1], [0]]),
        # A reversing leak carries 1 to -59.
        ([[1, -10]], {"threshold": 63, "leak": -60, "leak_reversal": True}, [[1, 0], [0, 1]]),
        # What falls below 0 is reset to 50.
        (
            [[20, -5]],
            {"threshold": 63, "reset": "hard", "reset_to": -50, "negative": 0}
            | {"negative_mode": "reset"},
            [[0, 1], [1, 0]],
        ),
        # At the negative threshold, but not below it, the leak takes another 10.
        ([[-20]], {"threshold": 1, "negative": 30, "leak": -10, **AFTER}, [[1], [0], [1]]),
    ],
)
def test_an_overflow_in_the_last_of_some_ticks_is_not_proven_absent(weights, attrs, x):
    module = layer(weights, width=7, **attrs)
    inputs = {"x": np.array([x], np.uint8)}
    assert overflows_at(module, inputs, len(x)) == len(x) - 1
    assert proven(module) in range(len(x))


def test_a_soft_reset_smaller_than_the_input_is_proven_up_to_one_threshold():
    # One of three stays behind at each tick, from 0 in truth and from threshold - 1 in the proof.
    module = layer([[3]], threshold=2, width=8)
    inputs = adversaries(module, np.random.default_rng(0), ticks=130)
    assert (proven(module), overflows_at(module, inputs, 130)) == (124, 125)


def test_wide_inputs_count_with_their_greatest_value():
    assert proven(layer([[1]], element="u8", reset="none", threshold=1, width=10)) == 2


def test_ticks_of_work_bound_what_must_be_proven():
    base = {"reset": "none", "threshold": 1, "width": 8}
    assert proven(layer([[1]], **base)) == 127
    assert proven(layer([[1]], ticks=127, **base)) is None
    assert proven(layer([[1]], first=10, **base)) == 137


def test_a_sum_beyond_i32_proves_nothing():
    assert proven(layer([[2**30, 2**30]], threshold=1, reset="hard")) == 0


def test_the_shortest_proof_holds_for_the_module():
    b = Builder("net", "int")
    x = b.input("x", "u1[1]~")
    w = b.weight("w", np.array([[1]]), I8)
    s = b.op("neuron", b.op("linear", x, w), threshold=1, reset="none", width=8)
    o = b.op("neuron", b.op("linear", s, w), threshold=1, reset="none", width=6)
    assert max_ticks(b.finish(o)) == 31


@pytest.mark.parametrize("overflow", ["wrap", "saturate", "wrap-paibox"])
def test_a_neuron_that_says_what_overflow_does_is_exact_for_ever(overflow):
    said = {"threshold": 1, "reset": "none", "width": 8, "overflow": overflow}
    assert max_ticks(layer([[100]], **said)) is None
    assert max_ticks(layer([[2**30, 2**30]], **{**said, "width": 32})) == 0


def chain(make):
    b = Builder("net", "int")
    x = b.input("x", "u1[2, 4, 4]~")
    current = make(b, x)
    return b.finish(b.op("neuron", current, threshold=1, reset="none", width=16, floor=0))


def test_a_convolution_counts_all_taps_of_a_channel():
    w = np.ones((3, 1, 2, 2), np.int64)
    w[2] = 3
    module = chain(
        lambda b, x: b.op("conv2d", x, b.weight("w", w[:2] * [[[[5]]], [[[-7]]]], I8), groups=2)
    )
    assert proven(module) == (2**15 - 1) // 20


def test_pools_branches_and_movements_add_up():
    def make(b, x):
        pooled = b.op("sum_pool2d", x, kernel=(2, 2))
        flat = b.op("reshape", b.op("permute", pooled, order=(1, 2, 0)), shape=(8,))
        w = np.arange(16).reshape(2, 8) - 8
        first = b.op("linear", flat, b.weight("w", w, I8))
        cut = b.op("slice", b.op("concat", flat, flat), start=7, stop=9)
        return b.op("sub", first, b.op("delay", cut, by=3))

    # Row 1 adds 4 * (0 + ... + 7), and the other branch can only take away.
    assert proven(chain(make)) == (2**15 - 1) // (4 * 28)


def test_grouped_bounds_follow_their_channels():
    def make(b, x):
        first = b.op("scale", x, b.weight("k", np.array([1, 10]), I8))
        w = np.array([[[[3]]], [[[5]]]])
        return b.op("conv_transpose2d", first, b.weight("w", w, I8), groups=2)

    assert proven(chain(make)) == (2**15 - 1) // 50


def test_a_loop_of_currents_is_not_proven():
    b = Builder("net", "int")
    x = b.input("x", "u1[1]~")
    later = b.forward("y", "i32[1]~")
    y = b.op("add", b.op("delay", later), x)
    b.bind(later, y)
    assert proven(b.finish(b.op("neuron", y, threshold=1))) == 0
