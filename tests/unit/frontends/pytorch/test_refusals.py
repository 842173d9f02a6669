"""What is not exact is refused, with the module's path, the user's line and a way out."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
snn = pytest.importorskip("snntorch", reason="snntorch is not installed")

from torch import nn  # noqa: E402

import snnc  # noqa: E402
from snnc.diagnostics import SnncError  # noqa: E402
from tests.unit.frontends.pytorch.agreement import refused, torch, values  # noqa: E402


def leaky():
    return snn.Leaky(beta=0.9, init_hidden=True)


class Written(nn.Module):
    """A network whose forward is given by the test."""

    def __init__(self, function):
        super().__init__()
        self.fc, self.lif, self.function = nn.Linear(4, 4), leaky(), function
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.function(self, x)


def written(function):
    return Written(function).eval()


def test_softmax_attention_is_refused_at_its_line():
    def forward(self, x):
        y = self.lif(self.fc(x))
        return torch.softmax(y, dim=-1)

    found = refused("unsupported-function", written(forward), values(2, 4))
    assert "softmax attention has no form" in found.message
    line = Path(__file__).read_text(encoding="utf-8").splitlines()[found.loc.line - 1]
    assert "return torch.softmax(y, dim=-1)" == line.strip()


def test_products_of_values_are_refused():
    found = refused(
        "unsupported-function", written(lambda self, x: self.lif(self.fc(x)) * x), values(2, 4)
    )
    assert "a product of two values" in found.message


def test_data_dependent_control_flow_is_refused():
    def forward(self, x):
        y = self.lif(self.fc(x))
        return y if y.sum() > 1 else x

    found = refused("unsupported-network", written(forward), values(2, 4))
    assert "control flow and shapes that depend on data" in found.help


def test_a_network_in_training_mode_is_refused():
    found = refused("training-mode", nn.Sequential(nn.Linear(4, 4), leaky()), values(2, 4))
    assert "call network.eval()" in found.help


def test_a_single_layer_in_training_mode_is_named():
    network = written(lambda self, x: self.lif(self.drop(x)))
    network.drop.train()
    assert (
        "drop (Dropout) is in training mode"
        in refused("training-mode", network, values(2, 4)).message
    )


@pytest.mark.parametrize("sample", [values(2, 5), values(2, 2, 3)])
def test_a_sample_of_the_wrong_shape_is_refused(sample):
    found = refused("sample-shape", nn.Sequential(nn.Linear(4, 4), leaky()).eval(), sample)
    assert "of the network does not run on the sample" in found.message


def test_a_sample_without_a_batch_axis_is_refused():
    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    found = refused("sample-shape", network, values(4))
    assert "sample[None]" in found.help


@pytest.mark.parametrize("sample", ["nowhere.npy", None])
def test_a_missing_sample_is_an_error(sample):
    refused("sample-missing", nn.Sequential(nn.Linear(4, 4), leaky()).eval(), sample)


@pytest.mark.parametrize("sample", [["a"], torch.full((2, 4), torch.nan), torch.zeros(0, 4)])
def test_a_sample_that_is_no_numbers_is_refused(sample):
    refused("sample-type", nn.Sequential(nn.Linear(4, 4), leaky()).eval(), sample)


def test_an_input_stated_to_be_spikes_must_be():
    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    refused("sample-type", network, values(2, 4), input="spikes")


def test_an_unknown_option_is_refused_with_the_nearest():
    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    found = refused("unknown-option", network, values(2, 4), single_crosing=True)
    assert "single-crossing" in found.help


def test_a_layer_used_twice_is_refused():
    network = written(lambda self, x: self.lif(self.fc(self.lif(self.fc(x)))))
    found = refused("unsupported-function", network, values(2, 4))
    assert "a layer of its own" in found.help


class Uneven(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 4), snn.Leaky(beta=0.9)

    def forward(self, x):
        mem, out = self.lif.init_leaky(), []
        for step in range(5):
            y = self.fc(x[step])
            spk, mem = self.lif(y * 2 if step == 3 else y, mem)
            out.append(spk)
        return torch.stack(out)


def test_a_loop_that_does_something_else_at_one_tick_is_refused():
    found = refused("unsupported-network", Uneven().eval(), values(5, 2, 4))
    assert "forward treats tick 3 otherwise than tick 4 at lif" in found.message


def test_the_self_check_names_the_first_difference_and_can_be_passed_over():
    lif = snn.Leaky(beta=0.9, init_hidden=True, spike_grad=lambda x: (x > -0.5).float())
    network = nn.Sequential(nn.Linear(4, 4), lif).eval()
    network[0].weight.data.fill_(0.2)
    found = refused("torch-differs", network, torch.ones(2, 4))
    assert "at tick 0 of input 0: torch gives 1, the lowering 0" in found.message
    assert "1" == found.loc.name
    assert snnc.load(network, sample=torch.ones(2, 4), allow_mismatch=True).graph.ops


def test_checkpoints_are_read_without_running_what_they_hold(tmp_path):
    from safetensors.torch import save_file

    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    other = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    torch.save(other.state_dict(), tmp_path / "a.pkl")
    state = {k: v.clone() for k, v in other.state_dict().items() if v.numel()}
    save_file(state, str(tmp_path / "a.safetensors"))
    for name in ("a.pkl", "a.safetensors"):
        module = snnc.load(network, sample=values(2, 4), checkpoint=str(tmp_path / name))
        symbol = next(iter(module.graph.ops)).symbols[0]
        assert (other[0].weight.detach().numpy() == module.tensor(symbol)).all()


class Evil:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.pkl", "w.bin"])
def test_checkpoints_with_objects_are_refused(name, tmp_path, capsys):
    torch.save({"a": Evil()}, tmp_path / name)
    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    refused("weights-unsafe", network, values(2, 4), checkpoint=str(tmp_path / name))
    assert "" == capsys.readouterr().out


def test_weights_that_do_not_fit_are_listed(tmp_path):
    torch.save({"0.weight": torch.zeros(3, 4), "extra": torch.zeros(1)}, tmp_path / "w.pt")
    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    found = refused("weights-mismatch", network, values(2, 4), checkpoint=str(tmp_path / "w.pt"))
    assert "unknown: extra" in found.notes
    assert any("0.weight is [3, 4], not [4, 4]" in n for n in found.notes)


def test_a_program_with_nothing_that_spikes_and_garbage_are_told_apart(tmp_path):
    (tmp_path / "x.pt2").write_bytes(b"no program")
    with pytest.raises(SnncError) as caught:
        snnc.load(str(tmp_path / "x.pt2"))
    assert "program-unreadable" == caught.value.code


def test_an_exported_program_is_read(tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    x = values(2, 1, 6, 6)
    torch.export.save(torch.export.export(network, (x,)), str(tmp_path / "x.pt2"))
    module = snnc.load(str(tmp_path / "x.pt2"))
    assert ["conv2d", "relu", "reshape", "linear"] == [op.kind for op in module.graph.ops]
    ours = snnc.run(module, {"x" if "x" in names(module) else names(module)[0]: x.numpy()[:, None]})
    (value,) = ours.outputs.values()
    assert abs(network(x).detach().numpy() - value[:, 0]).max() < 1e-5


def names(module):
    return [v.name for v in module.graph.inputs]


def test_a_file_gives_network_and_sample(tmp_path):
    (tmp_path / "model.py").write_text(
        "import torch, snntorch as snn\n"
        "def build():\n"
        "    torch.manual_seed(0)\n"
        "    net = torch.nn.Sequential(torch.nn.Linear(4, 3),"
        " snn.Leaky(beta=0.9, init_hidden=True))\n"
        "    return net.eval(), torch.ones(2, 4)\n"
    )
    module = snnc.load(f"{tmp_path / 'model.py'}:build")
    assert "(u1[4]~)" == f"({module.graph.inputs[0].type})"


def test_no_framework_is_imported_by_ours():
    import subprocess

    code = (
        "import sys, torch, snnc\n"
        "n = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval()\n"
        "snnc.load(n, sample=torch.ones(2, 4))\n"
        "print([m for m in ('sinabs','snntorch','spikingjelly','norse') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_a_subclass_that_changes_an_inherited_method_is_refused():
    class Other(snn.Leaky):
        def fire(self, mem):
            return (mem > 0.5).float()

    found = refused(
        "unsupported-layer", nn.Sequential(Other(beta=0.9, init_hidden=True)).eval(), values(2, 4)
    )
    assert "its own fire, whose meaning is not known" in found.message


def test_a_subclass_that_only_sets_parameters_is_read():
    class Mine(snn.Leaky):
        """Leaky as this project uses it."""

        def __init__(self):
            super().__init__(beta=0.75, init_hidden=True)

    module = snnc.load(nn.Sequential(Mine()).eval(), sample=values(2, 4))
    assert 0.75 == module.graph.ops[0]["decay"]


def test_networks_of_double_precision_are_refused():
    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval().double()
    found = refused("unsupported-network", network, values(2, 4))
    assert "0.weight is float64" in found.message


def test_without_an_engine_nothing_is_read_unless_unchecked():
    from snnc.frontends.pytorch import Torch

    network = nn.Sequential(nn.Linear(4, 4), leaky()).eval()
    with pytest.raises(SnncError) as caught:
        Torch().read(network, {"sample": values(2, 4)})
    assert "no-engine" == caught.value.code
    assert Torch().read(network, {"sample": values(2, 4), "check": False}).graph.ops


@pytest.mark.parametrize("reset", [{}, {"reset_mechanism": "zero", "reset_delay": False}])
@pytest.mark.parametrize("ours", [False, True])
def test_a_potential_at_the_threshold_within_rounding_is_listed_as_a_tie(reset, ours):
    lif = snn.Leaky(beta=0.9, init_hidden=True, **reset)
    network = nn.Sequential(nn.Linear(64, 1, bias=False), lif).eval()
    x = torch.ones(2, 64)
    for seed in range(50):
        torch.manual_seed(seed)
        network[0].weight.data = torch.rand(1, 64)
        exact = float(np.float32(network[0].weight.data.double().sum()))
        theirs = float(network[0](x)[0, 0].detach())
        if exact != theirs and (exact > theirs) == ours:
            break
    network[1].threshold = torch.tensor(min(exact, theirs))
    module = snnc.load(network, sample=x)
    assert any("|v - threshold| / threshold" in tie for tie in module.attrs["ties"])


def test_options_of_the_command_line_are_texts():
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    module = snnc.load(network, sample=values(2, 4), convert="true", floor="-2", encode="direct")
    neuron = next(op for op in module.graph.ops if op.kind == "neuron")
    assert -2.0 == neuron["floor"]
    assert "bad-option" == refused("bad-option", network, values(2, 4), floor="low").code
