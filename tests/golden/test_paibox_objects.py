"""Networks built with PAIBox itself, handed to the front end as their class paths and attributes.

`paibox_objects/` holds networks of every kind of synapse and module, written by `paibox_child.py`
with what PAIBox's simulation shows of them. Where PAIBox is installed in an environment of its own
(SNNC_PAIBOX_PYTHON, or .venv-paibox), the slow tests write them anew, and rebuild all golden cases.
"""

import json
import os
import subprocess
from pathlib import Path

import attrs
import numpy as np
import pytest

import snnc
from snnc.diagnostics import SnncError
from snnc.frontends.paibox.objects import network_of
from snnc.runtime.reference import Reference
from snnc.targets.paicore import Paicore
from tests.golden.paibox_thaw import thaw
from tests.golden.paibox_translate import Case, compare, records, trains
from tests.golden.run import difference
from tests.golden.test_paibox import DEFECTS, FOLDERS, REFUSED

HERE = Path(__file__).parent
ZOO = ("logic", "pools", "pools1d", "synapses", "nested", "streamed", "averaged", "padded", "bytes")
RANDOM = {"random": 60, "spiking": 120, "graded": 60}
"""Numbers of random networks that PAIBox builds and simulates."""
PYTHON = os.environ.get("SNNC_PAIBOX_PYTHON", str(HERE.parents[1] / ".venv-paibox/bin/python"))

needs_paibox = pytest.mark.skipif(not Path(PYTHON).exists(), reason="PAIBox is not installed")


def zoo_case(folder: Path, name: str) -> Case:
    top, arrays = thaw(folder, name)
    shown, given = (
        {key.removeprefix(word): v for key, v in arrays.items() if key.startswith(word)}
        for word in ("out_", "in_")
    )
    steps = len(next(iter(shown.values())))
    return compare(network_of(top, simulated=True), given, shown, steps)


@pytest.mark.parametrize("name", ZOO)
def test_objects_do_what_paibox_simulates(name):
    case = zoo_case(HERE / "paibox_objects", name)
    assert any(record.any() for record in case.expected.values())
    assert "" == difference(case, Reference())


def test_a_network_object_is_a_source_like_any_other():
    top, arrays = thaw(HERE / "paibox_objects", "nested")
    ran = snnc.run(snnc.load(top), arrays["in_i"][None])
    assert np.array_equal(arrays["out_spike__many.1"][3:], ran.outputs["many.1"][0, :-3])


def test_the_objects_are_left_as_they_were():
    top, _ = thaw(HERE / "paibox_objects", "logic")
    before = json.dumps({k: sorted(vars(v)) for k, v in vars(top).items() if hasattr(v, "name")})
    snnc.load(top)
    after = json.dumps({k: sorted(vars(v)) for k, v in vars(top).items() if hasattr(v, "name")})
    assert before == after


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """Return a folder with all networks as PAIBox builds them now."""
    out = tmp_path_factory.mktemp("objects")
    cases = [str(folder) for folder in FOLDERS] + [f"zoo:{name}" for name in ZOO]
    cases += [f"{kind}:{seed}" for kind in RANDOM for seed in range(RANDOM[kind])]
    command = [PYTHON, str(HERE / "paibox_child.py"), str(out), *cases]
    subprocess.run(command, check=True, capture_output=True)
    return out


@needs_paibox
@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_the_recorded_networks_are_what_paibox_builds(rebuilt, name):
    expected = zoo_case(HERE / "paibox_objects", name).expected
    actual = zoo_case(rebuilt, name).expected
    assert list(expected) == list(actual)
    assert all(np.array_equal(expected[key], actual[key]) for key in expected)
    assert "" == difference(zoo_case(rebuilt, name), Reference())


@needs_paibox
@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_golden_cases_rebuilt_as_objects_equal_the_record(rebuilt, folder):
    if folder.name == "69_pin_chip0":
        with pytest.raises(RuntimeError, match="target_chip"):
            thaw(rebuilt, folder.name)
        return
    top, _ = thaw(rebuilt, folder.name)
    if folder.name in REFUSED:
        with pytest.raises(SnncError, match=REFUSED[folder.name]):
            network_of(top)
        return
    steps = json.loads((folder / "net.json").read_text())["T"]
    case = compare(network_of(top, simulated=True), trains(folder), records(folder), steps)
    assert DEFECTS.get(folder.name, "") == difference(case, Reference())


@needs_paibox
@pytest.mark.slow
@pytest.mark.parametrize("name", [f"{k}{seed}" for k in RANDOM for seed in range(RANDOM[k])])
def test_random_networks_do_what_paibox_simulates(rebuilt, name):
    assert "" == difference(zoo_case(rebuilt, name), Reference())


COMPILED = [f"graded{seed}" for seed in range(60)] + [f"spiking{seed}" for seed in range(40)]


@needs_paibox
@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
def test_files_of_random_networks_do_what_paibox_simulates(rebuilt, name, tmp_path):
    case = zoo_case(rebuilt, name)
    build = snnc.compile(case.module, target="paicore")
    build.save(tmp_path / "build")
    placed = {op["of"] for op in build.placed.ops("layer")}
    probes = [n for n in case.expected if n.removesuffix(".v") in placed]
    trace = Paicore().emulate(tmp_path / "build").run(case.inputs, probe=probes).trace
    for probe in probes:
        expected = case.expected[probe]
        assert np.array_equal(
            expected, trace[probe][:, : expected.shape[1]].reshape(expected.shape)
        )


SOURCE = """
import numpy as np
import paibox as pb

class Net(pb.Network):
    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.image = pb.InputProj(pb.simulator.PoissonEncoder(seed=1), shape_out=(1, 8, 8))
        self.c1 = pb.IF((4, 6, 6), 6, 0)
        self.k1 = pb.Conv2d(self.image, self.c1, rng.integers(-4, 6, (4, 1, 3, 3)).astype(np.int8))
        self.p1 = pb.SpikingMaxPool2d(self.c1, 2, tick_wait_start=2)
        self.fc = pb.LIF(10, 9, 0, bias=-1, tick_wait_start=3)
        self.w = pb.FullConn(self.p1, self.fc, rng.integers(-4, 6, (36, 10)).astype(np.int8))

def build():
    return Net()
"""


@needs_paibox
@pytest.mark.slow
def test_a_file_that_builds_with_paibox_is_compiled_where_paibox_is(tmp_path):
    (tmp_path / "net.py").write_text(SOURCE)
    packages = Path(attrs.__file__).parents[1]
    path = os.pathsep.join([str(HERE.parents[1]), str(packages)])
    command = [PYTHON, "-m", "snnc", "compile", "net.py:build", "-t", "paicore", "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    assert snnc.verify(tmp_path / "out")
