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
    assert "mean.tempAdd" in flags
    assert {"spike": 4, "analog": 7}[options["cmode"]] == len(flags)


def test_unknown_names_have_a_nearest_one():
    for code, name, options in (
        ("bidl-backbone", "SeqClif3Fc3DmItoot", {}),
        ("bidl-option", "SeqClif3Fc3DmItout", {"cmod": "spike"}),
        ("bidl-option", "SeqClif3Fc3DmItout", {"cmode": "spikes"}),
        ("bidl-option", "ResNetLifItout", {"depth": 11}),
        ("bidl-option", "ResNetLifItout", {"depth": 10, "split": [3, 3]}),
    ):
        with pytest.raises(SnncError) as found:
            backbone(name, **options)
        assert code == found.value.code


def test_a_configuration_compiles_without_being_run(tmp_path):
    path = tmp_path / "clif3fc3dm_itout-b16x1-dvsmnist.py"
    path.write_text(
        "model = dict(backbone=dict(type='SeqClif3Fc3DmItout', timestep=2, input_channels=1,"
        " h=8, w=8, nclass=3, cmode='spike'))\nepochs = 1\nlynxi_devices = [[0, 1], [2, 3]]\n"
    )
    module = snnc.load(path)
    assert ["f32[1, 8, 8]~"] == [str(v.type) for v in module.graph.inputs]
    assert (("epochs",), ((0, 1), (2, 3))) == (module.attrs["unused"], module.attrs["devices"])
    held = {w.tensor.digest: w.tensor.array() for w in module.weights.values()}
    assert (("epochs",), ((0, 1), (2, 3))) == tuple(
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
    name = "body.1.conv.weight"
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
    first.stem, second.fc = whole.stem, whole.fc
    first.blocks, second.blocks = whole.blocks[:2], whole.blocks[2:]
    x = torch.rand(2, 1, 1, 32, 32)
    with torch.no_grad():
        expected = [whole(x[t]).numpy() for t in range(2)]
        whole.reset()
        actual = [second(first(x[t])).numpy() for t in range(2)]
    np.testing.assert_array_equal(expected, actual)


def test_every_network_of_the_list_can_be_made():
    small = {"input_channels": 1, "nclass": 2}
    for name in BACKBONES:
        given = {"depth": 10, "base_channels": 4} if "ResNet" in name else {}
        assert not backbone(name, **small, **given).training
