"""Every registered pass keeps what it declares, over random modules and over the corpus.

EXACT and DELAYED are executed by the reference before and after the pass; every pass leaves a valid
module of the level that it names, with the same inputs. A pass may refuse a module, with a
diagnostic that is not about itself.
"""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import Watch, choose, plan, run_stages, runner
from snnc.extend.passes import Context
from tests.laws.corpus import corpus
from tests.laws.effort import examples
from tests.laws.strategies import NEURON, modules

DEFECTS = ("pass-not-exact", "pass-changed-interface", "pass-broke-module", "pass-level")
REGISTRY = open_registry()
relaxed = settings(
    max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck)
)


READS = {"legalise": ("snn",), "legalise,place": ("snn",)}
"""Levels that Lynxi's passes take, beside graphs that are at its own level already."""

AFTER = {("lynxi", "place"): "legalise,place"}
"""Passes that nothing but another pass's result can try."""


def registered():
    """(target or "", pass) of all passes between levels that the reference runs."""
    found = [("", name) for name in REGISTRY.names("passes")]
    for target in REGISTRY.names("targets"):
        found += [(target, name) for name in REGISTRY.get_target(target).passes()]
    levels = ("", "any", *REGISTRY.get_engine("reference").levels)
    made = [(t, n, REGISTRY.get_pass(n, t)) for t, n in found]
    # Modules are drawn at snn and int only.
    drawn = [c for c in made if c[2].level != "lynxi"]
    found = [(t, n) for t, n, cls in drawn if cls.level in levels and cls.to in levels]
    return [(t, AFTER.get((t, n), n)) for t, n in found]


PASSES = registered()
PIPELINES = [(target, f"@{target}") for target in REGISTRY.names("targets")]


def levels_read(target, name):
    if target == "lynxi" and name in READS:
        return READS[name]
    stages = plan(REGISTRY, name, choose(REGISTRY, target) if target else None)
    read = [s.instance.level for s in stages if s.instance.level != "any"]
    return (read[0],) if read else ("snn", "int")


def knobs(target, level, name):
    """What random modules should be like for a target that takes few of them."""
    if target != "dynapcnn":
        return {}
    thresholds = st.sampled_from([0.5, 1.0, 2.5]) if level == "snn" else st.integers(1, 60)
    plain = dict.fromkeys(NEURON[level], st.none())
    plain |= {"threshold": thresholds, "spike": st.just("count"), "reset": st.just("soft")}
    kinds = ("conv2d", "sum_pool2d", "reshape", "linear")
    kinds += ("relu",) if name == "ann-to-snn" else ()
    return {
        "kinds": kinds,
        "neuron": plain,
        "ranks": (3,),
        "inputs": 1,
        "layers": 2,
        "outputs": 1,
        "recurrence": False,
        "symbols": False,
    }


def keeps_promise(target, name, module):
    """Run one pass under check; returns whether it accepted the module."""
    chosen = choose(REGISTRY, target) if target else None
    context = Context(hardware=chosen.hardware() if chosen else {}, run=runner(REGISTRY))
    stages = plan(REGISTRY, name, chosen)
    engine = REGISTRY.get_engine("reference")
    try:
        after = run_stages(module, stages, context, engine, Watch(check=True))[-1]
    except SnncError as error:
        if error.code in DEFECTS:
            raise
        return False
    # Real inputs become counts of events where a ReLU network becomes a spiking one; on the way to
    # a target's level, what encoders make becomes an input.
    if after.level in ("snn", "int") and name != "ann-to-snn":
        old = [(v.name, v.type) for v in module.graph.inputs]
        assert old == [(v.name, v.type) for v in after.graph.inputs]
    return True


@pytest.mark.parametrize(("target", "name"), PASSES)
def test_pass_keeps_its_promise_on_random_modules(target, name):
    for level in levels_read(target, name):

        @relaxed
        @given(modules(level, encoders=not target, **knobs(target, level, name)))
        def law(module):
            assume(keeps_promise(target, name, module))

        law()


@pytest.mark.parametrize(("target", "name"), PASSES + PIPELINES)
def test_pass_keeps_its_promise_on_the_corpus(target, name):
    """In the quick step each pass gets every third module, another third than the pass before."""
    read = [m for m in corpus().values() if m.level in levels_read(target, name)]
    assert read
    third = (PASSES + PIPELINES).index((target, name)) % 3
    for module in read if examples(1) > 1 else read[third::3]:
        keeps_promise(target, name, module)
