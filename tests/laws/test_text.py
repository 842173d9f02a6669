"""The laws of the text form, over random modules of both levels that the IR brings."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.ir import Builder, level
from snnc.ir.read import read
from snnc.ir.verify import verify
from snnc.ir.write import arrays_by_digest, write
from tests.laws.effort import examples
from tests.laws.strategies import modules, spikes

LEVELS = st.sampled_from(["snn", "int"])
MODULES = LEVELS.flatmap(lambda level: modules(level, encoders=True))
relaxed = settings(
    max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck)
)


@relaxed
@given(MODULES)
def test_reading_what_was_written_gives_the_module_back(module):
    text = write(module)
    again = read(text, weights=arrays_by_digest(module))
    assert text == write(again)
    for name, weight in module.weights.items():
        assert weight.tensor.digest == again.weights[name].tensor.digest


@relaxed
@given(MODULES)
def test_without_locations_the_text_is_a_fixpoint_too(module):
    text = write(module, locs=False)
    again = read(text, weights=arrays_by_digest(module))
    assert text == write(again, locs=False)


@relaxed
@given(MODULES)
def test_random_modules_are_valid(module):
    assert [] == [str(d) for d in verify(module)]


@relaxed
@given(st.data())
def test_inputs_have_samples_ticks_and_the_shape_of_each_value(data):
    module = data.draw(MODULES)
    given = data.draw(spikes(module, samples=3, ticks=5))
    for value in module.graph.inputs:
        lead = (3, 5) if value.type.timed else (3,)
        assert (*lead, *value.type.shape) == given[value.name].shape
        assert value.type.element.storage == given[value.name].dtype


@relaxed
@given(st.text(max_size=40), st.integers(0, 400), st.integers(0, 60))
def test_any_text_is_read_or_refused_with_a_diagnostic(inserted, place, removed):
    text = write(_sample())
    broken = text[:place] + inserted + text[place + removed :]
    with suppress(SnncError):
        assert read(broken, "broken.snn").graph.ops is not None


def _sample():
    build = Builder("m", "int", {"ticks": 4})
    x = build.input("x", "u1[2]~")
    w = build.weight("w", np.array([[1, 2], [3, 4]], np.int8))
    return build.finish(build.op("neuron", build.op("linear", x, w), threshold=3))


@pytest.mark.parametrize("name", ["snn", "int"])
def test_every_op_of_a_level_is_drawn_where_it_is_asked_for(name):
    kinds = {op.partition(".")[2] for op in level(name).ops}
    encoders = {"poisson", "latency", "periodic", "direct"}
    assert [] == [kind for kind in sorted(kinds - encoders) if not _drawn(name, kind)]


def _drawn(name, kind):
    seen = []
    ranks = {"1d": (2,), "2d": (3,)}.get(kind[-2:], (1, 2, 3))

    @settings(relaxed, max_examples=10, derandomize=True, database=None)
    @given(modules(name, kinds=(kind,), ranks=ranks, recurrence=False))
    def collect(module):
        seen.extend(module.ops(kind))

    collect()
    return seen
