"""Checkpoints and samples that are damaged, or hold something else, are refused without a word."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

from torch import nn

import snnc
from snnc.diagnostics import SnncError
from snnc.frontends.pytorch.weights import load_weights
from tests.unit.frontends.pytorch.agreement import torch


def refused(path):
    """Return the diagnostic for a checkpoint; nothing may be warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SnncError) as caught:
            load_weights(nn.Linear(4, 2), path)
    return caught.value.diagnostics[0]


def outcome(path):
    """Return the code of the diagnostic, or that the weights were taken."""
    try:
        load_weights(nn.Linear(4, 2), path)
    except SnncError as error:
        return error.code
    return "taken"


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_objects_in_any_form_of_pickle_are_refused_quietly(tmp_path, protocol):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"weight": pytest.Module}, protocol))
    assert "weights-unsafe" == refused(tmp_path / "w.pkl").code


def test_a_damaged_checkpoint_is_refused_wherever_it_is_cut_or_changed(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(nn.Linear(4, 2).state_dict(), path)
    whole, draw = path.read_bytes(), np.random.default_rng(5)
    for at in draw.integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(draw.integers(8))
        for data in (whole[:at], bytes(changed)):
            path.write_bytes(data)
            assert outcome(path) in ("weights-unsafe", "weights-mismatch", "taken")


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"weight": torch.zeros(2, 4), "bias": "text"}, "'bias', a str"),
        ({1: torch.zeros(2), 2: 3}, "1, a Tensor, and 1 more"),
        ([torch.zeros(2)], "a list"),
    ],
)
def test_what_is_no_tensor_by_name_is_named(tmp_path, held, told):
    torch.save(held, tmp_path / "w.pth")
    found = refused(tmp_path / "w.pth")
    assert "weights-mismatch" == found.code
    assert f"w.pth holds {told}, not tensors by name" in found.message


def test_tensors_that_torch_does_not_take_are_refused(tmp_path):
    state = {"weight": torch.zeros(2, 4).to_sparse(), "bias": torch.zeros(2)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(SnncError) as caught:
        load_weights(nn.Linear(4, 2), tmp_path / "w.pth")
    assert "weights-mismatch" == caught.value.code


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_weights_are_found_in_what_training_scripts_save(tmp_path, key, prefix):
    network = nn.Linear(4, 2)
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    held = {key: state, "optimizer": {"state": {}, "param_groups": []}, "epoch": 3}
    torch.save(held, tmp_path / "w.pth")
    loaded = load_weights(nn.Linear(4, 2), tmp_path / "w.pth")
    assert torch.equal(network.weight, loaded.weight)


@pytest.mark.parametrize(("held", "own"), [((64, 4), (0,)), ((0,), (2, 4))])
def test_potentials_that_a_run_left_are_no_weights(tmp_path, held, own):
    def made(size):
        network = nn.Linear(4, 2)
        network.register_buffer("v_mem", torch.ones(size))
        return network

    torch.save(made(held).state_dict(), tmp_path / "w.pth")
    assert torch.equal(torch.ones(own), load_weights(made(own), tmp_path / "w.pth").v_mem)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_damaged_sample_is_refused(tmp_path, name):
    path = tmp_path / name
    with open(path, "wb") as stream:
        (np.save if name == "x.npy" else np.savez)(stream, np.zeros((2, 4), np.float32))
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"text", pickle.dumps([1])):
        path.write_bytes(data)
        with pytest.raises(SnncError) as caught:
            snnc.load(nn.Sequential(nn.Linear(4, 2)).eval(), sample=str(path))
        assert "sample-type" == caught.value.code
        assert "allow_pickle" not in str(caught.value)
