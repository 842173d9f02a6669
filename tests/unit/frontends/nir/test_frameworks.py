"""Networks of the installed frameworks, exported by themselves, do in snnc what they do there.

Needs torch, nir 1.0.6 or newer, nirtorch, and each framework for its own cases.
"""

import importlib

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
nir = pytest.importorskip("nir", reason="nir is not installed")

import snnc  # noqa: E402
from snnc.ir.write import write as text  # noqa: E402
from tests.unit.frontends.nir import exported  # noqa: E402
from tests.unit.frontends.nir.producers import CASES, export, write  # noqa: E402
from tests.unit.frontends.nir.recorded import compare, names  # noqa: E402

pytestmark = pytest.mark.skipif(
    tuple(map(int, nir.version.split(".")[:3])) < (1, 0, 6), reason="exporters need nir 1.0.6"
)

UNWRITABLE = ("norse_scalar", "rockpool_expsyntorch", "sinabs_scalar")
"""What nir itself does not write: parameters without axes, and those that are still trained."""


@pytest.fixture(params=CASES)
def name(request):
    producer = CASES[request.param].producer
    try:
        importlib.import_module(producer)
    except ImportError:
        pytest.skip(f"{producer} is not installed")
    return request.param


def test_every_layer_of_a_graph_gives_what_it_gives_in_its_framework(name, tmp_path):
    made, options = export(name), CASES[name].options
    module = snnc.load(made.graph, **{"profile": CASES[name].producer, **options})
    assert 0 == compare(module, made.x, made.layers).differing
    if name in UNWRITABLE:
        return
    write(made.graph, tmp_path / "main.nir")
    again = snnc.load(tmp_path / "main.nir", **{"profile": CASES[name].producer, **options})
    assert 0 == compare(again, made.x, made.layers).differing
    assert text(module, locs=False) == text(again, locs=False)


def test_the_archive_holds_every_case_that_nir_writes():
    assert exported.CASES is CASES
    assert {*CASES} - {*UNWRITABLE} <= {*names()}
