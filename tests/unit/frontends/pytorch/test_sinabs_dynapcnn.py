"""Networks of sinabs, from its own modules to the configuration that its builder gave."""

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
pytest.importorskip("sinabs.layers", reason="sinabs is not installed")

import sinabs
import sinabs.layers as sl
import torch
from torch import nn

import snnc
from tests.golden.dynapcnn_compare import differences
from tests.golden.dynapcnn_translate import case_folder, case_names

CASES = [n for n in case_names() if n[:2] in ("01", "02", "04", "06", "07", "08", "10", "15", "17")]
SHAPED = {
    "conv": nn.Conv2d,
    "linear": nn.Linear,
    "sumpool": sl.SumPool2d,
    "avgpool": nn.AvgPool2d,
    "flatten": nn.Flatten,
    "dropout": nn.Dropout,
    "identity": nn.Identity,
    "merge": sl.Merge,
}


def layer(op: str, args: dict[str, Any]) -> nn.Module:
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in args.items()}
    if op in ("bn1d", "bn2d"):
        # The vendor's folding leaves epsilon out.
        kind = nn.BatchNorm1d if op == "bn1d" else nn.BatchNorm2d
        return kind(given["num_features"], eps=0.0)
    if op in ("iaf", "relu"):
        low = given.get("min_v_mem", -1.0)
        return sl.IAFSqueeze(
            batch_size=1,
            spike_threshold=torch.tensor(given.get("spike_threshold", 1.0)),
            min_v_mem=None if low is None else torch.tensor(low),
        )
    return SHAPED[op](**given)


class Network(nn.Module):
    """A recorded case as layers of torch and sinabs."""

    def __init__(self, nodes: list[dict[str, Any]], weights: Any, spiking_output: bool) -> None:
        super().__init__()
        self.nodes = nodes
        self.used = {source for node in nodes for source in node["in"]}
        for node in nodes:
            setattr(self, node["name"], layer(node["op"], node["args"]))
        if spiking_output:
            self.spike_output = layer("iaf", {})
        state = self.state_dict()
        known = {k: torch.tensor(weights[k]) for k in weights.files if k in state}
        self.load_state_dict({**state, **known})

    def forward(self, input: torch.Tensor) -> Any:
        made = {"input": input}
        for node in self.nodes:
            made[node["name"]] = getattr(self, node["name"])(*(made[n] for n in node["in"]))
        ends = [made[node["name"]] for node in self.nodes if node["name"] not in self.used]
        if hasattr(self, "spike_output"):
            return self.spike_output(ends[0])
        return ends[0] if len(ends) == 1 else tuple(ends)


@pytest.mark.parametrize("name", CASES)
def test_a_network_of_sinabs_becomes_the_vendors_configuration(name: str) -> None:
    folder = case_folder(name)
    model, expected = (
        json.loads((folder / f"{n}.json").read_text()) for n in ("model", "expected")
    )
    weights = np.load(folder / "weights.npz")
    spiking = model.get("from_model", {}).get("add_spiking_output", False)
    network = Network(model["nodes"], weights, spiking).eval()
    raster = np.load(folder / "input.npz")["raster"][:3].astype(np.float32)
    build = snnc.compile(snnc.load(network, sample=torch.tensor(raster)), "dynapcnn")
    recorded = json.loads((folder / "config.speck2fmodule.json").read_text())
    written = set(expected["fields_written_by_sinabs"])
    assert [] == differences(recorded, build.config, written, True)


@pytest.fixture
def dvs_layer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The vendor's layer of the pixels, without the package around it, which wants the device."""
    folder = Path(sinabs.__file__).parent / "backend" / "dynapcnn"
    package = ModuleType("sinabs.backend.dynapcnn")
    package.__path__ = [str(folder)]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return import_module("sinabs.backend.dynapcnn.dvs_layer").DVSLayer


VIEWS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"pool": (2, 4)}, {"pooling": {"x": 4, "y": 2}, "cut": {"x": 5, "y": 15}}),
    (
        {"crop": ((2, 10), (4, 20))},
        {"origin": {"x": 4, "y": 2}, "cut": {"x": 19, "y": 9}, "merge": False},
    ),
    ({"merge_polarities": True}, {"merge": True}),
    ({"flip_x": True}, {"mirror": {"x": True, "y": False}}),
    (
        {"pool": (2, 2), "flip_y": True, "swap_xy": True, "crop": ((0, 12), (2, 12))},
        {"mirror": {"x": False, "y": True}, "mirror_diagonal": True, "origin": {"x": 2, "y": 0}},
    ),
]


@pytest.mark.parametrize(("options", "expected"), VIEWS)
def test_the_layer_of_the_pixels_becomes_the_pixel_block(
    dvs_layer: Any, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    features = 1 if "merge_polarities" in options else 2
    network = nn.Sequential(
        dvs_layer(input_shape=(32, 24), **options),
        nn.Conv2d(features, 3, 3, bias=False),
        layer("iaf", {}),
    )
    x = torch.randint(0, 2, (3, 2, 32, 24), generator=torch.Generator().manual_seed(1)).float()
    build = snnc.compile(snnc.load(network.eval(), sample=x), "dynapcnn", pixels=True)
    assert build.verify()
    found = build.config["dvs_layer"]
    assert expected == {key: found[key] for key in expected}
    assert found["destinations"][0]["enable"]
