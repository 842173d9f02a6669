"""What snnc writes, the nir package reads: graphs, integer weights, and data."""

import numpy as np
import pytest
from click.testing import CliRunner

nir = pytest.importorskip("nir", reason="nir is not installed")

import snnc  # noqa: E402
from snnc.cli.app import app  # noqa: E402
from snnc.frontends.nir import read_data, save, save_data  # noqa: E402
from snnc.ir.write import write  # noqa: E402
from tests.unit.frontends.nir.recorded import names, recorded  # noqa: E402


def test_a_quantized_network_is_read_by_the_package_and_comes_back(tmp_path, request):
    network = request.config.rootpath / "examples" / "mnist" / "mlp.snnl"
    path = tmp_path / "q.nir"
    words = ["dump", str(network), "--level", "int", "--to", str(path)]
    assert 0 == CliRunner().invoke(app, words).exit_code
    graph = nir.read(path)
    module = snnc.load(path)
    kinds = sorted(type(node).__name__ for node in graph.nodes.values())
    assert ["Flatten", "IF", "IF", "Input", "Linear", "Linear", "Output"] == kinds
    weights = [n.weight for n in graph.nodes.values() if type(n).__name__ == "Linear"]
    assert {"int8"} == {str(w.dtype) for w in weights}
    again = tmp_path / "again.nir"
    save(module, again)
    assert path.read_bytes() == again.read_bytes()
    assert "int" == module.level


@pytest.mark.parametrize("name", names())
def test_every_export_written_again_is_read_by_the_package(name, tmp_path):
    case = recorded(name, tmp_path)
    module = snnc.load(case.path, **{"profile": case.producer, **case.options})
    words = {k: v for k, v in case.options.items() if k != "profile"}
    save(module, tmp_path / "again.nir", case.producer, dt=module.attrs["nir"]["dt"], **words)
    graph = nir.read(tmp_path / "again.nir")
    neurons = {op.results[-1].name for op in module.graph.ops if op.kind == "neuron"}
    assert neurons <= {*graph.nodes}
    assert write(module) == write(snnc.load(tmp_path / "again.nir"))


def test_data_goes_to_the_package_and_back(tmp_path):
    spikes = (np.arange(84).reshape(2, 7, 6) % 5 == 0).astype(np.uint8)
    save_data({"lif": spikes, "lif.v": spikes * np.float32(0.5)}, tmp_path / "d.nir", dt=1e-3)
    node = nir.read_data(tmp_path / "d.nir").nodes["lif"].observables
    assert (node["spikes"].data == spikes.astype(bool)).all()
    assert (node["voltages"].data == spikes * 0.5).all()
    grid = node["spikes"]
    many = {"spikes": grid.to_event(20, 5e-4), "voltages": node["voltages"]}
    nir.write_data(tmp_path / "e.nir", nir.NIRGraphData({"lif": nir.NIRNodeData(many)}))
    found = read_data(tmp_path / "e.nir", dt=1e-3)
    assert (found.arrays["lif"] == spikes).all()
    assert (found.arrays["lif.v"] == spikes * 0.5).all()
