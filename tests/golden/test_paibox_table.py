"""Every operator and mode of PAIBox 1.3, drawn at random and compared with PAIBox itself.

`paibox_table` has an entry for each; PAIBox builds and simulates the networks in an environment of
its own (SNNC_PAIBOX_PYTHON, or .venv-paibox). Of each network the reference equals the simulation
at every neuron, and the compiled files, emulated alone, equal the reference.
"""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import snnc
from snnc.frontends.paibox.objects import network_of
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from tests.golden.paibox_thaw import thaw
from tests.golden.paibox_translate import Case, compare
from tests.golden.run import difference
from tests.golden.test_paibox_builds import without_program
from tests.golden.test_paibox_objects import PYTHON, needs_paibox

HERE = Path(__file__).parent
DRAWS = 8
"""Networks of each entry: two of every way to draw weights, one that runs for 300 steps."""


def _decorated() -> dict[str, int]:
    """Return the entries of the table, read from its text because only PAIBox can import it."""
    found = {}
    for name in ("paibox_table.py", "paibox_table_bytes.py", "paibox_table_mixed.py"):
        pattern = r"^((?:@\w+\n)+)def (\w+)"
        for marks, entry in re.findall(pattern, (HERE / name).read_text(), re.MULTILINE):
            found[entry] = 1 if "@long" in marks else DRAWS
    return found


ENTRIES = _decorated()
NAMES = [f"{entry}.{draw}" for entry, count in ENTRIES.items() for draw in range(count)]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a folder with all networks of the table, as PAIBox builds and simulates them."""
    out = tmp_path_factory.mktemp("table")
    command = [PYTHON, str(HERE / "paibox_child.py"), str(out), *(f"table:{n}" for n in NAMES)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-2000:]
    return out


def case_of(folder: Path, name: str, simulated: bool) -> Case:
    """Return the case of what PAIBox's simulation shows, or of what the chip does."""
    top, arrays = thaw(folder, name)
    shown, given = (
        {key.removeprefix(word): v for key, v in arrays.items() if key.startswith(word)}
        for word in ("out_", "in_")
    )
    steps = len(next(iter(shown.values()))) if simulated else 0
    return compare(network_of(top, simulated=simulated), given, shown, steps)


def test_the_table_has_an_entry_for_every_class_of_paibox():
    """The names of the classes of PAIBox 1.3 (paicore.md, section 7) that make networks."""
    text = "".join((HERE / f"paibox_table{end}.py").read_text() for end in ("", "_bytes"))
    for wanted in (
        *("IF", "LIF", "TonicSpiking", "PhasicSpiking", "BypassNeuron", "StoreVoltageNeuron"),
        *("ANNNeuron", "ANNBypassNeuron", "OfflineNeuron", "FullConn", "MatMul2d", "Conv1d"),
        *("Conv2d", "ConvTranspose1d", "ConvTranspose2d", "BitwiseAND", "BitwiseOR"),
        *("BitwiseNOT", "BitwiseXOR", "SpikingAdd", "SpikingSub", "SpikingAvgPool1d"),
        *("SpikingAvgPool2d", "SpikingAvgPool1dWithV", "SpikingAvgPool2dWithV"),
        *("SpikingMaxPool1d", "SpikingMaxPool2d", "Linear", "MaxPool1d", "MaxPool2d"),
        *("AvgPool1d", "AvgPool2d", "Conv2dSemiFolded", "MaxPool2dSemiFolded"),
        *("AvgPool2dSemiFolded", "LinearSemiFolded"),
    ):
        assert re.search(rf"\b{wanted}\b", text), wanted


@needs_paibox
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_equals_paibox(table, name):
    case = case_of(table, name, simulated=True)
    assert case.expected
    assert "" == difference(case, Reference())


@needs_paibox
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_compiled_files_equal_the_reference_on_every_layer(table, name, tmp_path):
    case = case_of(table, name, simulated=False)
    build = snnc.compile(case.module, target="paicore")
    build.save(tmp_path / "build")
    placed = {op["of"] for op in build.placed.ops("layer")}
    layers = [op.result.name for op in case.module.ops("neuron") if op.result.name in placed]
    probes = [name + end for name in layers for end in ("", ".v")]
    assert {n.removesuffix(".v") for n in case.expected} <= set(layers)
    expected = Reference().prepare(case.module).run(case.inputs, probe=probes).trace
    files = without_program(tmp_path / "build", tmp_path / "files")
    actual = Paicore().emulate(files).run(case.inputs, probe=probes).trace
    for probe in probes:
        assert np.array_equal(expected[probe], actual[probe]), probe
