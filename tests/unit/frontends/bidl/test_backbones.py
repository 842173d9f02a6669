"""Networks of BIDL written anew: captured, emulated, and compared with torch step by step."""

import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.ir.read import read
from snnc.ir.write import write

torch = pytest.importorskip("torch")

from snnc.frontends.bidl.backbones import BACKBONES, backbone  # noqa: E402

SMALL = {"timestep": 3, "input_channels": 1, "h": 8, "w": 8, "nclass": 4}


def settled(network):
    """The network with statistics of norms that let neurons fire."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if hasattr(module, "running_mean"):
            shape = module.running_mean.shape
            module.running_mean.copy_(torch.rand(shape, generator=generator) * 0.2 - 0.3)
            module.running_var.copy_(torch.rand(shape, generator=generator) * 0.2 + 0.2)
    return network


def compared(network, x, tolerance=1e-4):
    """Run the emulator and torch step by step on one sample; return the build."""
    module = snnc.load((network, torch.zeros(1, *x.shape[2:])))
    build = snnc.compile(module, target="lynxi")
    ran = build.run(x).outputs["out"][0]
    network.reset()
    with torch.no_grad():
        expected = [network(torch.from_numpy(x[:, t])).numpy()[0] for t in range(x.shape[1])]
    np.testing.assert_allclose(np.stack(expected), ran, rtol=tolerance, atol=tolerance)
    return build


@pytest.mark.parametrize(
    "options",
    [
        {"cmode": "spike", "soma_params": "channel_share"},
        {"cmode": "analog", "neuron": "lifplus", "neuron_config": [1, False, 0, 0, 0, 0]},
    ],
)
def test_a_sequence_gives_what_torch_gives(options):
    torch.manual_seed(4)
    network = settled(backbone("SeqClif3Fc3DmItout", **SMALL, **options))
    x = np.random.default_rng(5).random((1, 3, 1, 8, 8), dtype=np.float32)
    build = compared(network, x)
    flags = [op["flag"] for op in build.placed.ops("annotation.load")]
    assert ["tempAdd", "clif1"] == [flags[0], flags[1].partition(".")[0]]
    assert {"spike": 4, "analog": 7}[options["cmode"]] == len(flags)


def test_unknown_names_have_a_nearest_one():
    for code, name, options in (
        ("bidl-backbone", "SeqClif3Fc3DmItoot", {}),
        ("bidl-option", "SeqClif3Fc3DmItout", {"cmod": "spike"}),
        ("bidl-option", "SeqClif3Fc3DmItout", {"cmode": "spikes"}),
        ("bidl-option", "ResNetLifItout", {"depth": 11}),
        ("bidl-option", "ResNetLifItout", {"depth": 10, "split": [3, 3]}),
        ("bidl-backbone", 3, {}),
        ("bidl-backbone", [], {}),
        ("bidl-option", "SeqClif3Fc3DmItout", {**SMALL, "h": -8}),
        ("bidl-option", "SeqClif3Fc3DmItout", {**SMALL, "nclass": "x"}),
        ("bidl-option", "SeqClif3Fc3DmItout", {**SMALL, "w": None}),
    ):
        with pytest.raises(SnncError) as found:
            backbone(name, **options)
        assert code == found.value.code


def test_a_configuration_compiles_without_being_run(tmp_path):
    path = tmp_path / "clif3fc3dm_itout-b16x1-dvsmnist.py"
    path.write_text(
        "model = dict(backbone=dict(type='SeqClif3Fc3DmItout', timestep=2, input_channels=1,"
        " h=8, w=8, nclass=3, cmode='spike'))\nlog_level = 'INFO'\n"
        "lynxi_devices = [[0, 1], [2, 3]]\n"
    )
    module = snnc.load(path)
    assert ["f32[1, 8, 8]~"] == [str(v.type) for v in module.graph.inputs]
    assert (("log_level",), ((0, 1), (2, 3))) == (module.attrs["unused"], module.attrs["devices"])
    held = {w.tensor.digest: w.tensor.array() for w in module.weights.values()}
    assert (("log_level",), ((0, 1), (2, 3))) == tuple(
        read(write(module), weights=held).attrs[name] for name in ("unused", "devices")
    )


def test_the_checkpoint_of_a_configuration_may_hold_a_whole_classifier(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(
        "model = dict(backbone=dict(type='SeqClif3Flif2DgItout', timestep=2, input_channels=1,"
        " h=8, w=8, nclass=3))\n"
    )
    torch.manual_seed(8)
    network = backbone("SeqClif3Flif2DgItout", timestep=2, input_channels=1, h=8, w=8, nclass=3)
    state = {f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "latest.pkl")
    module = snnc.load(path, checkpoint=str(tmp_path / "latest.pkl"))
    name = "clif1.p0.weight"
    held = module.weights[name].tensor.array()
    np.testing.assert_array_equal(network.state_dict()[name].numpy(), held)


def test_two_slices_of_a_residual_network_give_what_the_whole_gives():
    torch.manual_seed(6)
    options = {"depth": 10, "input_channels": 1, "stem_channels": 4, "base_channels": 4}
    whole = settled(backbone("ResNetLifItout", **options, nclass=3, timestep=2))
    first, second = (
        backbone("ResNetLifItout_MP", **options, nclass=3, timestep=2, split=s)
        for s in ([0, 2], [2, 4])
    )
    for part in (first, second):
        part.load_state_dict(whole.state_dict())
    x = torch.rand(2, 1, 1, 32, 32)
    with torch.no_grad():
        expected = [whole(x[t]).numpy() for t in range(2)]
        actual = [second(first(x[t])).numpy() for t in range(2)]
    np.testing.assert_array_equal(expected, actual)


TINY = {"input_channels": 1, "nclass": 2, "timestep": 2}
RES = {"depth": 10, "stem_channels": 4, "base_channels": 4}
SIDES = {"SeqClif3": 8, "SeqClifplus3": 8, "SeqClif5": 64, "SeqClifplus5": 64, "SeqClif7": 128}
SIDES |= {"VGG7": 64, "ResNet": 32, "Attention": 64}
INNER = sorted(n for n in BACKBONES if n.endswith("It") or n in ("ResNetLif", "AttentionVGGNet"))
OUTER = sorted(n for n in BACKBONES if n not in INNER and "FastText" not in n)


def tiny(name, **options):
    """A small network of a name, and the side of its input."""
    side = next(s for stem, s in SIDES.items() if name.startswith(stem))
    given = {**TINY, **(RES if "ResNet" in name else {}), "h": side, "w": side, **options}
    torch.manual_seed(7)
    return settled(backbone(name, **given)), side


@pytest.mark.parametrize("name", OUTER)
def test_every_network_with_the_loop_outside_gives_what_torch_gives(name):
    network, side = tiny(name)
    compared(network, np.random.default_rng(1).random((1, 2, 1, side, side), dtype=np.float32))


@pytest.mark.parametrize("name", INNER)
def test_every_network_with_the_loop_inside_gives_what_torch_gives(name):
    network, side = tiny(name)
    x = np.random.default_rng(2).random((2, 1, 1, side, side), dtype=np.float32)
    module = snnc.load((network, torch.from_numpy(x)))
    assert [f"f32[2, 1, {side}, {side}]~"] == [str(v.type) for v in module.graph.inputs]
    build = snnc.compile(module, target="lynxi")
    assert not list(build.placed.ops("annotation.load"))
    ran = build.run(x[None, None, :, 0]).outputs["out"][0, 0]
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.from_numpy(x))[0], ran, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("amode", ["mean", "sum", "pick"])
def test_steps_inside_are_joined_as_asked(amode):
    network, side = tiny("SeqClif3Fc3DmIt", amode=amode, cmode="analog", timestep=3)
    x = np.random.default_rng(2).random((3, 1, 1, side, side), dtype=np.float32)
    build = snnc.compile(snnc.load((network, torch.from_numpy(x))), target="lynxi")
    assert build.verify()
    ran = build.run(x[None, None, :, 0]).outputs["out"][0, 0]
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.from_numpy(x))[0], ran, rtol=1e-4, atol=1e-4)


def test_the_loop_inside_is_the_loop_outside():
    inner, side = tiny("SeqClif7Fc1DgIt")
    outer, _ = tiny("SeqClif7Fc1DgItout")
    outer.load_state_dict(inner.state_dict())
    x = torch.rand(2, 1, 1, side, side)
    with torch.no_grad():
        maps = [outer.flat(_through(outer, x[t])) for t in range(2)]
        expected = outer.fc(torch.stack(maps).mean(dim=0))
        torch.testing.assert_close(expected, inner(x), rtol=1e-5, atol=1e-5)


def _through(network, x):
    for n in range(1, 8):
        x = getattr(network, f"clif{n}")(x)
    return x


SLOW = [pytest.param(d, marks=pytest.mark.slow) for d in (34, 101, 152)]


@pytest.mark.parametrize("depth", [18, 50, *SLOW])
def test_residual_networks_of_every_depth_give_what_torch_gives(depth):
    network, side = tiny("ResNetLifItout", depth=depth, soma_params="channel_share")
    x = np.random.default_rng(1).random((1, 1, 1, side, side), dtype=np.float32)
    build = compared(network, x)
    blocks = {18: 16, 34: 32, 50: 48, 101: 99, 152: 150}[depth]
    assert blocks + 2 == len(list(build.placed.ops("annotation.load")))


@pytest.mark.parametrize("name", ["FastTextItout", "FastTextlifplusItout"])
def test_words_of_a_text_are_rows_with_one_1(name):
    torch.manual_seed(3)
    network = settled(backbone(name, vocab_size=9, embedding_dim=4, hidden_dim=5, timestep=3))
    x = np.eye(9, dtype=np.float32)[[2, 4, 4]][None]
    compared(network, x)


def test_names_of_parameters_are_those_of_the_framework():
    """What a checkpoint of BIDL calls them, layer by layer."""
    names = set(tiny("SeqClif3Fc3DmItout")[0].state_dict())
    assert {"clif1.p0.weight", "clif2.lif.alpha", "clif3.lif.norm.running_var"} < names
    assert {"head.0.weight", "head.4.bias"} < names
    names = set(tiny("ResNetLif", depth=50)[0].state_dict())
    assert {"conv.module.0.weight", "lif.lif.theta", "layer1.0.lif3.lif.v_0"} < names
    assert {"layer2.0.downsample.module.1.bias", "layer4.2.conv3.module.1.weight"} < names
    names = set(tiny("SeqClifplus3Flifplus2DgItout")[0].state_dict())
    assert {"norm.weight", "clif1.lifplus.epsilon", "flif2.lifplus.tau_recip"} < names
    assert not any(n.endswith((".v_theta", ".v_g", ".epsilon_w")) for n in names)
    names = set(tiny("AttentionVGGNet")[0].state_dict())
    assert {"conv8.lif.lif.beta", "twa1.sharedMLP.2.weight", "tcja.conv_c.weight"} < names


def test_means_and_deviations_of_a_configuration_scale_the_input():
    network, side = tiny("ResNetLifReluItout", norm={"mean": [0.25], "std": [2.0]})
    compared(network, np.random.default_rng(1).random((1, 2, 1, side, side), dtype=np.float32))


@pytest.mark.parametrize("mode", ["spike", "analog"])
def test_the_fused_ops_of_the_chip_give_what_single_ones_give(mode):
    network, side = tiny("VGG7_SNN", cmode=mode)
    x = np.random.default_rng(1).random((1, 2, 1, side, side), dtype=np.float32)
    plain, fused = (
        snnc.compile(snnc.load((network, torch.zeros(1, 1, side, side)), fit=f), target="lynxi")
        for f in (False, True)
    )
    assert 7 == len(list(fused.placed.ops("resetwithdecay")))
    assert (7 if mode == "spike" else 0) == len(list(fused.placed.ops("cmpandfire")))
    np.testing.assert_array_equal(plain.run(x).outputs["out"], fused.run(x).outputs["out"])
    assert fused.verify()


def test_fused_ops_take_no_numbers_per_channel():
    network, side = tiny("SeqClif3Fc3DmItout", soma_params="channel_share")
    with pytest.raises(SnncError) as found:
        snnc.load((network, torch.zeros(1, 1, side, side)), fit=True)
    assert "unsupported-function" == found.value.code
