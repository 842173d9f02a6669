"""Recorded layers of BIDL (Lif, and LifPlus with every legal list of switches), step by step.

Equations of the front end are drawn as one graph per case, written, and emulated from the files'
records. SNNC_GOLDEN_LYNXI names another folder with `bidl_neurons.json` and `.npz`.
"""

import json
from functools import cache
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.frontends.bidl.equations import Readout, lif, lif_plus, switches
from snnc.ir import Builder
from snnc.targets.lynxi.artifact.assemble import to_artifact
from snnc.targets.lynxi.emulate import Emulator
from snnc.targets.lynxi.lowering.sketch import Sketch
from snnc.targets.lynxi.place import Place
from tests.golden.lynxi_terms import Term, Terms, per_channel
from tests.golden.test_lynxi import FOLDER

open_registry()
CASES = json.loads((FOLDER / "bidl_neurons.json").read_text())


@cache
def recorded():
    with np.load(FOLDER / "bidl_neurons.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def drawn(case, shape):
    """The graph of one layer: what it gives, and its states, as outputs."""
    b = Builder("layer", "snn")
    given = b.input("x", f"f32{list(shape[1:])}~")
    s = Sketch(b.finish(b.op("relu", given)), {"profile": "f32"})
    x = Term(s, s.call("data", s.take(given), dtype="float32"))
    plus = case["kind"] == "lifplus"
    chosen = switches(case["cfg"]) if plus else None
    starts = chosen.states if plus else {"v": 0.0}
    old = {n: Term(s, s.load(n, np.full(shape, v, np.float32))) for n, v in starts.items()}
    params = (
        dict(CASES["lifplus_params"])
        if plus
        else {k: case[k] for k in ("alpha", "beta", "theta", "v_0")}
    )
    for name, value in params.items():
        many = isinstance(value, list)
        params[name] = per_channel(s, name, value, len(shape)) if many else np.float32(value)
    norm = None
    if case.get("bn"):
        bn = case["bn"]
        held = [s.param(f"bn.{n}", np.asarray(bn[n])) for n in ("weight", "bias", "mean", "var")]
        norm = lambda t: Term(s, s.call("nn.batch_norm", t.value, *held, epsilon=bn["eps"]))  # noqa: E731
    # A case that does not say what its layer gives has the framework's default of LifPlus.
    said = (case.get("memb", 0), case.get("act", "tanh"))
    analog = case.get("mode", "analog" if plus else "spike") == "analog"
    out = Readout(*said) if analog else Readout()
    if plus:
        made, new = lif_plus(Terms(), x, old, params, chosen, norm, out)
    else:
        made, v = lif(Terms(), x, old["v"], params, norm, out)
        new = {"v": v}
    for name in starts:
        s.save(name, new[name].value)
    outputs = {"out": made, **{f"state.{n}": new[n] for n in starts}}
    pairs = [
        (SimpleNamespace(name=n, type=t.value.type.with_shape(shape[1:])), t.value)
        for n, t in outputs.items()
    ]
    return Place().run(s.finish_with(pairs, "main"), Context()), list(starts)


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: c["tag"])
def test_every_value_of_a_recorded_layer_is_equal_up_to_rounding(case):
    arrays, tag = recorded(), case["tag"]
    x = arrays.get(f"{tag}.x", arrays["lp.x"])
    module, states = drawn(case, x.shape[1:])
    assert sorted(case["states"]) == sorted(states)
    ran = Emulator.of(to_artifact(module)).run({"x": np.moveaxis(x, 0, 1)})
    for name in ("out", *states):
        expected = arrays[f"{tag}.{name}"][:, 0]
        actual = ran.outputs[name if name == "out" else f"state.{name}"][0]
        finite = np.isfinite(expected)
        scale = np.maximum(1.0, np.abs(expected[finite]))
        assert (np.abs(actual[finite] - expected[finite]) <= 1e-6 * scale).all(), name


def test_the_legal_lists_of_switches_are_405():
    legal = 0
    for config in product(range(3), (False, True), *[range(3)] * 4):
        try:
            switches(config)
        except SnncError as error:
            assert "bidl-neuron" == error.code  # noqa: PT017
            continue
        legal += 1
    assert 405 == legal


@pytest.mark.parametrize("config", [[0] * 5, [3, False, 0, 0, 0, 0], [1, False, 0, 0, 0, "x"]])
def test_other_lists_are_refused(config):
    with pytest.raises(SnncError) as found:
        switches(config)
    assert "bidl-neuron" == found.value.code
