"""The Lynxi target from the command line: compile, run, verify, inspect, disassemble."""

import re

import numpy as np
import pytest
from attrs import evolve

from snnc.cli.commands import inspect
from snnc.ir.write import write
from tests.unit.targets.lynxi.networks import small

INFORMATIONS = """\
######## model informations ########
batchsize: 28
inputnum: 1
inputshape: [[1, 6]]
inputdatalen: 24
inputdatatype: lyn_data_type_t.DT_FLOAT
outputnum: 1
outputshape: [[1, 3]]
outputdatalen: 12
outputdatatype: lyn_data_type_t.DT_FLOAT
####################################
"""


@pytest.fixture
def graph(folder, snnc):
    """A build of a small network of real numbers."""
    (folder / "real.snn").write_text(write(small()))
    found = snnc("compile", "real.snn", "-t", "lynxi", "-o", "graph", "--batch", "28", "--check")
    assert 0 == found.exit_code, found.stderr
    return folder / "graph"


def test_a_build_is_verified_and_run(graph, snnc):
    said = snnc("verify", graph)
    assert 0 == said.exit_code
    assert "2 spike trains and potentials of 2 layers, " in said.stdout
    assert said.stdout.endswith(" real values\n")
    assert 0 == snnc("run", graph, "-i", "x.npz", "-o", "y.npz", "--probe", "hidden.v").exit_code
    made = np.load("y.npz")
    assert (3, 8, 3) == made["digit"].shape
    assert (3, 8, 5) == made["hidden.v"].shape


def test_inspect_prints_what_the_vendors_runtime_prints(graph, snnc):
    assert snnc("inspect", graph).stdout.startswith(INFORMATIONS)
    states = snnc("inspect", graph, "--json").json()["states"]
    assert ["digit.v", "hidden.v"] == [row["flag"] for row in states]
    assert [(0, 12), (12, 20)] == [(row["addr"], row["size"]) for row in states]


def test_disassemble_prints_the_graph_as_a_module_that_compiles_again(graph, snnc, folder):
    text = snnc("disassemble", graph).stdout
    assert "lynxi.annotation.load" in text
    (folder / "again.snn").write_text(text)
    assert 0 == snnc("compile", "again.snn", "-t", "lynxi", "-o", "again").exit_code
    assert 0 == snnc("verify", "again").exit_code
    first, second = ((folder / b / "Net_0/graph.relay").read_text() for b in ("graph", "again"))
    assert first == second


def test_the_first_line_of_the_readme_says_who_makes_binaries(graph):
    assert (graph / "README.md").read_text().startswith("Only the vendor's compiler makes chip")


def test_a_batch_that_the_tool_chain_lacks_does_not_fit(graph, snnc):
    found = snnc("compile", "real.snn", "-t", "lynxi", "-o", "no", "--batch", "5")
    assert (4, True) == (found.exit_code, "batch-size" in found.stderr)


def test_a_matrix_of_devices_gives_what_the_build_gives_and_is_timed(graph, snnc, folder):
    args = ("--times", "2", "--cut", "hidden", "--step", "0.5,0.5", "-i", "x.npz")
    found = snnc("matrix", graph, *args, "-o", "gantt.svg", "--json")
    assert 0 == found.exit_code, found.stderr
    assert (True, 8, 6.0, 2.0) == tuple(
        found.json()[k] for k in ("equal", "ticks", "latency", "period")
    )
    text = (folder / "gantt.svg").read_text()
    assert text.startswith("<svg")
    assert 4 == text.count("device (")
    assert "(1, 1)" in snnc("matrix", graph, *args).stdout


def test_a_matrix_takes_the_inputs_of_a_network_whose_encoder_runs_on_the_host(folder, snnc):
    (folder / "still.snnl").write_text(
        "ticks 8\nnetwork still {\n  input image: f32[3]\n  spikes = poisson(image, seed=1)\n"
        "  first = IF(spikes * 1.5, threshold=1.0)\n  return first\n}\n"
    )
    made = snnc("compile", "still.snnl", "-t", "lynxi", "-o", "still", "--check")
    assert 0 == made.exit_code, made.stderr
    np.savez(folder / "image.npz", image=np.full((2, 3), 0.5, np.float32))
    found = snnc("matrix", "still", "--times", "2", "-i", "image.npz", "--json")
    assert (True, 8) == (found.json()["equal"], found.json()["ticks"])
    args = ("matrix", "still", "--times", "2", "-i", "image.npz", "--json", "--ticks", "5")
    assert (True, 5) == tuple(snnc(*args).json()[k] for k in ("equal", "ticks"))


def test_a_matrix_runs_as_long_as_it_is_told(graph, snnc):
    args = ("matrix", graph, "--times", "2", "--json")
    assert [10, 12] == [snnc(*args, *more).json()["ticks"] for more in ((), ("--ticks", 12))]
    refused = snnc(*args, "--ticks", 12, "-i", "x.npz")
    assert (1, True) == (refused.exit_code, "12" in refused.stderr)


def test_a_matrix_that_cannot_be_is_refused(graph, snnc):
    assert "device-matrix" in snnc("matrix", graph, "--times", "99", "-i", "x.npz").stderr
    assert "did you mean 'hidden'?" in snnc("matrix", graph, "--cut", "hiden").stderr
    told = snnc("matrix", graph, "--cut", "nowhere").stderr
    assert "error[slice-cut]" in told
    places = re.search(r"it can be cut at (.*)", told)[1].split(", ")
    assert "hidden" in places
    for place in places:
        assert 0 == snnc("matrix", graph, "--cut", place).exit_code
    assert 2 == snnc("matrix", graph, "--step", "1,2").exit_code
    for shape in ((0, 4, 6), (2, 0, 6)):
        np.savez("none.npz", x=np.zeros(shape, np.uint8))
        assert "nothing-to-compare" in snnc("matrix", graph, "-i", "none.npz").stderr
        assert "nothing-to-compare" in snnc("verify", graph, "-i", "none.npz").stderr
    snnc("compile", "net.snn", "-o", "cores")
    assert "no-matrix" in snnc("matrix", "cores").stderr


def test_the_devices_of_a_configuration_are_the_matrix(folder, snnc):
    told = {"devices": ((0, 1), (4, 5), (2, 3)), "cuts": ("hidden",)}
    (folder / "told.snn").write_text(write(evolve(small(), attrs=told)))
    assert 0 == snnc("compile", "told.snn", "-t", "lynxi", "-o", "told").exit_code
    found = snnc("matrix", "told").stdout
    assert re.search(r"devices +3 x 2", found)
    assert "(1, 0) device 4" in found
    assert "(2, 1) device 3" in found
    chosen = snnc("matrix", "told", "--times", "2", "--cut", "hidden", "--json")
    assert "2 x 2" == chosen.json()["devices"]
    told["cuts"] = ()
    (folder / "told.snn").write_text(write(evolve(small(), attrs=told)))
    assert 0 == snnc("compile", "told.snn", "-t", "lynxi", "-o", "told").exit_code
    assert "lynxi_devices has 2 columns" in snnc("matrix", "told").stderr
    assert 0 == snnc("matrix", "told", "--cut", "hidden").exit_code


def test_integers_are_refused_with_the_way_out(snnc):
    found = snnc("compile", "net.snn", "-t", "lynxi", "-o", "no")
    assert (1, True) == (found.exit_code, "before quantize" in found.stderr)


def test_inspect_tells_the_elements_of_all_tensors_where_they_differ(capsys):
    kinds = ["lyn_data_type_t.DT_FLOAT", "lyn_data_type_t.DT_UINT8"]
    inspect._informations({"inputdatatype": kinds, "states": []}, False)
    assert f"inputdatatype: {kinds}\n" in capsys.readouterr().out
