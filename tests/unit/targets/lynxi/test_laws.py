"""The laws of the target over random networks: the files say the program, and are judged right."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from snnc.diagnostics import SnncError
from snnc.ir.write import write
from tests.laws.effort import examples
from tests.laws.strategies import modules
from tests.unit.targets.lynxi.networks import TARGET, build

REFUSALS = {
    "output-is-input",
    "untimed-value",
    "unsupported-op",
    "count-too-large",
    "mixed-floats",
    "bias-in-sum",
}
RELAXED = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def obey(module, **options):
    try:
        made = build(module, **options)
    except SnncError as error:
        if error.code not in REFUSALS:
            raise
        return
    placed = made.placed
    assert [] == [str(d) for d in TARGET.check(placed).errors]
    with tempfile.TemporaryDirectory() as folder:
        TARGET.emit(placed, Path(folder), TARGET.Options())
        assert write(placed, locs=False) == write(TARGET.load(Path(folder)), locs=False)
    try:
        found = made.verify()
    except SnncError as error:
        if error.code != "overflow":
            raise
        return
    assert found, str(found)


@settings(RELAXED, max_examples=examples(12))
@given(modules("snn"))
def test_emulated_files_equal_the_reference(module):
    obey(module)


@settings(RELAXED, max_examples=examples(4))
@given(modules("snn"))
def test_emulated_files_equal_the_reference_in_float16(module):
    obey(module, profile="f16")
