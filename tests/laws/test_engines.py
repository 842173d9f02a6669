"""Every engine gives what the reference gives, on each module of the corpus that it runs."""

import numpy as np
import pytest

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver.engines import pick_engine
from snnc.driver.exactness import trial_ticks
from snnc.driver.stimuli import stimuli
from tests.laws.corpus import corpus

REGISTRY = open_registry()


MODULES = corpus()


def engines_of(module):
    """Of a target's level the engines run what is placed; `auto` runs the rest as it can."""
    return ("numpy", "native") if module.level in ("snn", "int") else ("auto",)


def outcome(engine, module, inputs, ticks):
    try:
        return pick_engine(REGISTRY, engine, module).prepare(module).run(inputs, ticks=ticks)
    except SnncError as error:
        return [(d.code, d.message) for d in error.diagnostics]


def test_the_corpus_has_modules_of_every_level():
    assert {"snn", "int", "lynxi"} == {module.level for module in MODULES.values()}
    assert len(MODULES) > 50


@pytest.mark.parametrize("name", MODULES)
def test_engines_agree_on_the_corpus(name):
    module = MODULES[name]
    ticks = min(trial_ticks(module), 40)
    for stimulus, inputs in stimuli(module, ticks):
        expected = outcome("reference", module, inputs, ticks)
        for engine in engines_of(module):
            actual = outcome(engine, module, inputs, ticks)
            if isinstance(expected, list):
                assert expected == actual, stimulus
                continue
            assert list(expected.outputs) == list(actual.outputs)
            for value, array in expected.outputs.items():
                assert array.dtype == actual.outputs[value].dtype
                assert np.array_equal(array, actual.outputs[value]), (stimulus, value)
