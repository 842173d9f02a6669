"""Modules of one step with explicit state become load/save graphs, as the vendor prints them."""

import re
import uuid
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.targets.lynxi.limits import LIMITS

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from examples.lynxi import tutorial  # noqa: E402

ROOT = Path(__file__).resolve().parents[4]
PRINTED = (ROOT / "tests/golden/lynxi/tutorial.relay").read_text()


def plain(text):
    """A graph without its section and without the serial numbers of its ops."""
    return re.sub(r"(lyn_\w+_\d+)_\d+\(", r"\1(", text.partition("\n#[metadata]")[0])


def printed(module, **options):
    build = snnc.compile(module, target="lynxi", **options)
    return (build._files / "Net_0/graph.relay").read_text(), build


@pytest.mark.parametrize("make", [tutorial.build, tutorial.off_chip])
def test_the_tutorials_network_prints_as_in_the_tutorial(make):
    text, build = printed(snnc.load(make()), batch=28)
    assert plain(PRINTED) == plain(text)
    states = [f"states_mem_{n}" for n in (3, 2, 1)]
    assert states == [op["flag"] for op in build.placed.ops("annotation.load")]
    assert build.verify()


def code_blocks():
    """The Python blocks of the tutorial, where it lies beside the repository."""
    found = sorted((ROOT.parent / "shared/seeds").glob("002_*.txt"))
    if not found:
        pytest.skip("the tutorial does not lie beside the repository")
    return re.findall(r"```python\n(.*?)```", found[0].read_text(), re.DOTALL)


@pytest.mark.parametrize("on_apu", [True, False])
@pytest.mark.parametrize("spikes", ["torch.gt", "Spike_Act_with_Surrogate_Gradient.apply"])
def test_the_tutorials_own_text_is_taken_as_it_is(on_apu, spikes):
    blocks = code_blocks()
    model = next(b for b in blocks if "def forward(self, x)" in b and b.startswith("import torch"))
    wrapper = next(b for b in blocks if b.startswith("class lynchip_state_wrapper"))
    names = {"__name__": "snn_model", "uuid1": uuid.uuid1}
    exec(compile(model + wrapper, "snn_model.py", "exec"), names)
    act = eval(spikes, {"torch": torch, **names})
    network = names["Spiking_Network_1step"](10, 28, 512, 0.4, 0.8, act, on_apu).eval()
    text, build = printed(snnc.load((network, torch.full((1, 1, 28, 28), 0.5))))
    assert plain(PRINTED) == plain(text)
    assert build.verify()


class Leaky(nn.Module):
    """One step over a buffer of its own."""

    one_step = True

    def __init__(self):
        super().__init__()
        self.register_buffer("v", torch.full((1, 3), 0.25))
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        v = self.v * 0.5 + self.fc(x)
        spikes = (v >= 0.3).float()
        self.v = v - spikes * 0.3
        return spikes, v


class Flagged(nn.Module):
    """One step whose states have flags; the vendor's functions are not imported."""

    def __init__(self, fault=""):
        super().__init__()
        self.id, self.conv, self.fault = uuid.uuid1(), nn.Conv2d(1, 2, 3, padding=1), fault
        self.norm, self.pool = nn.BatchNorm2d(2), nn.MaxPool2d(2)

    def forward(self, x):
        u = self.pool(self.norm(self.conv(x)))
        v = load(torch.tensor(0.0), f"v{self.id}", init_zero_use_data=u)  # noqa: F821
        u = u + v
        fired = (u > 0.5).to(u.dtype)
        kept = 0.3 * ((1 - fired) * u)
        if self.fault == "load":
            load(v, f"v{self.id}")  # noqa: F821
        if self.fault != "none":
            save(kept[:, :1] if self.fault == "shape" else kept, f"v{self.id}")  # noqa: F821
        if self.fault == "save":
            save(kept, f"v{self.id}")  # noqa: F821
        if self.fault == "other":
            save(kept, "other")  # noqa: F821
        return torch.tanh(u).mean(dim=(2, 3)), fired


def steps(network, x):
    """What a module of buffers gives step by step."""
    with torch.no_grad():
        made = [network(torch.from_numpy(x[:, t])) for t in range(x.shape[1])]
    return [np.stack([m[n].numpy()[0] for m in made]) for n in range(len(made[0]))]


def test_buffers_that_forward_assigns_are_states():
    torch.manual_seed(1)
    network, x = Leaky().eval(), np.random.default_rng(0).random((1, 12, 4), dtype=np.float32)
    module = snnc.load((network, torch.zeros(1, 4)))
    assert ["x"] == [v.name for v in module.graph.inputs]
    assert ["u1[3]~", "f32[3]~"] == [str(v.type) for v in module.graph.outputs]
    made = snnc.compile(module, target="lynxi")
    ran = made.run(x)
    spikes, v = steps(network, x)
    np.testing.assert_array_equal(spikes, ran.outputs["out0"][0])
    np.testing.assert_allclose(v, ran.outputs["out1"][0], rtol=1e-5, atol=1e-6)
    assert made.verify()


def test_flags_are_named_without_what_changes_from_run_to_run():
    texts = []
    for _ in range(2):
        torch.manual_seed(2)
        text, build = printed(snnc.load((Flagged().eval(), torch.ones(1, 1, 6, 6))))
        texts.append(text)
        assert build.verify()
    assert texts[0] == texts[1]
    assert '"flag": "v.0"' in texts[0]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("load", "state-twice"),
        ("save", "state-twice"),
        ("none", "state-unsaved"),
        ("other", "state-unloaded"),
        ("shape", "state-shape"),
    ],
)
def test_states_without_their_pair_are_refused(fault, code):
    with pytest.raises(SnncError) as found:
        snnc.load((Flagged(fault).eval(), torch.ones(1, 1, 6, 6)))
    assert code == found.value.code
    lines = Path(__file__).read_text().splitlines()
    told = lines[found.value.diagnostics[0].loc.line - 1]
    assert ("load(" if fault in ("load", "none") else "save(") in told


class Placed(nn.Module):
    """A state that says where it lies; load and save may say more than they mean."""

    def __init__(self, load=(), save=(), draw=None):
        super().__init__()
        self.loading, self.saving, self.draw = dict(load), dict(save), draw

    def forward(self, x):
        if self.draw is not None:
            x = x + rand(x[0, 0], x.size(), 0x4000, mode=self.draw).float()  # noqa: F821
        v = load_kernel(torch.zeros(1, 3), "v", **self.loading) + x  # noqa: F821
        save_kernel(v, "v", **self.saving)  # noqa: F821
        return v


def test_places_of_states_reach_the_graph_and_the_script():
    place = {"mode": 1, "uselookup": True}
    module = snnc.load((Placed(place, place, "FOLLOW_SEED").eval(), torch.ones(1, 3)))
    build = snnc.compile(module, target="lynxi")
    for kind in ("load", "save"):
        (op,) = build.placed.ops(f"annotation.{kind}")
        assert (1, 1) == (op["mode"], op["uselookup"])
    (draw,) = build.placed.ops("lyn_random_data")
    assert 1 == draw["mode"]
    assert 1 == build.placed.attrs["version"]
    script = (build._files / "deploy.py").read_text()
    assert 2 == script.count(", 'v', uselookup=1, mode=1)")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"load": {"mode": 2}}, "state-place"),
        ({"save": {"uselookup": True}}, "state-place"),
        ({"load": {"mode": 3}}, "state-place"),
        ({"load": {"offset": 1}, "save": {"offset": 1}}, "state-place"),
        ({"save": {"step": 2}}, "state-place"),
        ({"save": {"isOutput": True}}, "state-place"),
        ({"load": {"is_init": False, "shape": (1, 3)}}, "state-image"),
        ({"draw": "HARD"}, "random-mode"),
    ],
)
def test_places_that_mean_nothing_are_refused(options, code):
    with pytest.raises(SnncError) as found:
        snnc.load((Placed(**options).eval(), torch.ones(1, 3)))
    assert code == found.value.code


def test_the_vendors_own_library_of_ops_is_refused():
    from snnc.frontends.bidl import fit

    fit.ops()
    with pytest.raises(SnncError) as found:
        fit.declare.__wrapped__()
    assert "vendor-ops" == found.value.code


def test_fused_ops_reset_what_is_far_below_as_the_chip_does():
    class Fused(nn.Module):
        one_step = True

        def forward(self, x):
            ops = torch.ops.custom
            return ops.cmpandfire(x, 0.5), ops.resetwithdecay(x, 0.5, 0.25, 0.5, 0.125)

    from snnc.frontends.bidl import fit

    fit.ops()
    assert LIMITS.fit_lowest == fit.LOWEST
    x = np.array([[[-101, -100, -99.5, 0.5, 0.75, 1e9]]], np.float32)
    build = snnc.compile(snnc.load((Fused().eval(), torch.zeros(1, 6))), target="lynxi")
    ran = build.run(x).outputs
    np.testing.assert_array_equal([0, 0, 0, 0, 1, 1], ran["out0"][0, 0])
    rest = [0.25, 0.25, -99.5, 0.5, 0.25, 0.25]
    np.testing.assert_array_equal(np.float32(rest) * 0.5 + 0.125, ran["out1"][0, 0])
    assert build.verify()
    assert (
        "torch.ops.custom.resetwithdecay(data_0, 0.5, 0.25, 0.5, 0.125)"
        in (build._files / "deploy.py").read_text()
    )


def test_two_states_of_one_name_are_refused():
    class Twice(Leaky):
        def forward(self, x):
            kept = load(torch.zeros(1, 3), "v") + super().forward(x)[1]  # noqa: F821
            save(kept, "v")  # noqa: F821
            return kept

    with pytest.raises(SnncError) as found:
        snnc.load((Twice().eval(), torch.zeros(1, 4)))
    assert "state-twice" == found.value.code


def test_a_graph_that_is_not_placed_runs_on_the_reference():
    module = snnc.load((Leaky().eval(), torch.zeros(1, 4)))
    x = np.random.default_rng(0).random((1, 5, 4), dtype=np.float32)
    ran = snnc.run(module, {"x": x}, probe=("data_0",))
    build = snnc.compile(module, target="lynxi")
    np.testing.assert_array_equal(build.run(x).outputs["out1"], ran.outputs["out1"])


def test_a_module_in_training_and_a_batch_are_refused():
    for network, sample, code in (
        (Flagged(), torch.ones(1, 1, 6, 6), "training-mode"),
        (Flagged().eval(), torch.ones(2, 1, 6, 6), "sample-shape"),
        (Flagged().eval(), torch.ones(1, 1, 1, 1), "unsupported-network"),
        (Flagged().eval(), None, "sample-missing"),
    ):
        with pytest.raises(SnncError) as found:
            snnc.load((network, sample) if sample is not None else network)
        assert code == found.value.code


class Odd(nn.Module):
    one_step = True

    def forward(self, x):
        return torch.cumsum(x, dim=1)


def test_a_function_without_a_form_is_refused_with_its_line():
    with pytest.raises(SnncError) as found:
        snnc.load((Odd().eval(), torch.ones(1, 4)))
    assert "unsupported-function" == found.value.code
    assert f"{Path(__file__).name}:" in str(found.value)


def test_load_and_save_need_a_capture():
    from snnc.frontends.bidl.state import load

    with pytest.raises(SnncError) as found:
        load(torch.zeros(1), "v")
    assert "no-capture" == found.value.code
