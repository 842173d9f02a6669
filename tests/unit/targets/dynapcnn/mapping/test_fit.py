"""What is said of a network that does not fit: a table, and what would help; on every device."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snnc.cli.app import app
from snnc.diagnostics import SnncError
from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.ir.write import save
from tests.unit.targets.dynapcnn.networks import compiled, neuron, one_layer, small, weights


def advice(module: Module, device: str = "speck2fmodule") -> tuple[str, tuple[str, ...]]:
    with pytest.raises(SnncError) as refused:
        compiled(module, device)
    first = refused.value.diagnostics[0]
    return first.help, first.notes


def test_too_many_neurons_name_stride_pooling_and_channels() -> None:
    help, notes = advice(one_layer("u8[2, 64, 64]~", 32, 3, padding=(1, 1)))
    assert "%y fits with a stride of [2, 2], or pooling by 2 before it" in help
    assert "at most 16 output channels" in help
    assert "0 %y (1024/131072/0): N N N N N N N N N" in notes


def test_a_large_kernel_names_input_channels_and_pooling() -> None:
    help, _ = advice(one_layer("u8[512, 8, 8]~", 16, 8))
    assert "pooling by 4 before it" in help
    assert "at most 2 output channels, or at most 64 input channels" in help


def test_layers_that_share_too_few_cores_name_what_frees_one() -> None:
    b = Builder("crowd", "snn")
    x = b.input("x", "u8[64, 3, 3]~")
    for n in range(3):
        made = b.op("conv2d", x, b.weight(f"w{n}", weights(n, 64, 64, 3, 3)), padding=(1, 1))
        x = neuron(b, made, f"s{n}")
    help, notes = advice(b.finish(x))
    assert "%s0 fits with at most 32 output channels, or at most 32 input channels" in help
    assert "1 %s1 (65536/1024/0): K K K K K fits fits K K" in notes


def check(module: Module, folder: Path, *args: str) -> Any:
    save(module, folder / "net.snn")
    return CliRunner().invoke(app, ["check", str(folder / "net.snn"), *args])


def test_check_asks_all_devices_at_once(tmp_path: Path) -> None:
    result = check(small(), tmp_path, "-t", "dynapcnn:all", "--json")
    found = json.loads(result.stdout)
    assert 7 == len(found)
    assert all(verdict["fits"] for verdict in found)
    assert "dynapcnn:speck2cmini" in [verdict["target"] for verdict in found]


def test_devices_with_the_same_memories_are_explained_once(tmp_path: Path) -> None:
    result = check(
        one_layer("u8[2, 64, 64]~", 32, 3, padding=(1, 1)), tmp_path, "-t", "dynapcnn:all"
    )
    assert 4 == result.exit_code
    assert 2 == (result.stdout + result.stderr).count("K, N, B:")


def test_targets_tells_the_vendors_names_and_memories() -> None:
    result = CliRunner().invoke(app, ["targets", "dynapcnn", "--json"])
    devices = json.loads(result.stdout)["hardware"]["devices"]
    assert "Speck2fModuleDevKit" == devices["speck2fmodule"]["vendor_device"]
    assert "Speck2eTestBoard" == devices["speck2e"]["vendor_device"]
    assert [16384, 32768, 32768, 65536, 16384] == devices["speck2cmini"]["kernel"]
    assert 5 == devices["speck2cmini"]["cores"]
