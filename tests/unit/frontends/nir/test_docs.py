"""The page about NIR is true: its table is made here, and its options and profiles exist."""

import contextlib
import re

import numpy as np
import pytest
from attrs import fields

from snnc.diagnostics import SnncError
from snnc.frontends.nir import Nir, save
from snnc.frontends.nir.nodes import FIELDS
from snnc.frontends.nir.profiles import PROFILES, Options
from snnc.ir.write import write
from tests.unit.frontends.nir.equations import LAYERS
from tests.unit.frontends.nir.recorded import compare, names, recorded

START, END = "<!-- table -->\n", "<!-- end -->"
HEAD = (
    "| producer | layer | NIR | read | compared with | exact | written | round trip |",
    "|---|---|---|---|---|---|---|---|",
)
RANDOM = (8, 64)
"""Samples and ticks of what is compared with equations."""


def read(path, producer, options):
    """Return the module, how its producer was known, and the options that said so."""
    bare = {k: v for k, v in options.items() if k != "profile"}
    with contextlib.suppress(SnncError):
        module = Nir().read(path, bare)
        if producer == module.attrs["nir"]["profile"]:
            words = " ".join(f"`{k}={v}`" for k, v in bare.items() if k != "input")
            return module, f"detected {words}".strip(), bare
    options = {"profile": producer, **({"dt": 1e-3} if producer == "spec" else {}), **options}
    words = [f"{k}={v}" for k, v in options.items() if k != "input"]
    return Nir().read(path, options), " ".join(f"`{w}`" for w in words), options


def written(module, path, options):
    """Return what reads back: the module itself, and what the nodes alone are read as."""
    producer, dt = module.attrs["nir"]["profile"], module.attrs["nir"]["dt"]
    words = {k: v for k, v in options.items() if k not in ("profile", "dt", "input")}
    element = str(module.graph.inputs[0].type.element)
    save(module, path, producer, dt=dt, **words)
    assert write(module) == write(Nir().read(path, {}))
    return Nir().read(path, {"profile": producer, "dt": dt, "input": element, **words})


def exported_row(name, folder):
    """Compare a recorded network with what its framework gave."""
    case = recorded(name, folder)
    module, how, options = read(case.path, case.producer, case.options)
    agreement = str(compare(module, case.x, case.layers))
    alone = written(module, folder / "net.nir", options)
    assert agreement == str(compare(alone, case.x, case.layers))
    tool = f"{case.producer} {case.version}"
    cells = (case.producer, case.layer, case.nir, how, tool, agreement, "yes", "identical")
    return f"| {' | '.join(cells)} |"


def restated_row(name, folder):
    """Compare a file of data/make.py with its layer's equation on random input."""
    producer, version = name.partition("_")[0], name.rpartition("_")[2]
    layer, equation = LAYERS[name]
    module, how, options = read(folder / f"{name}.nir", producer, {"input": "f32"})
    size = module.graph.inputs[0].type.size
    x = np.random.default_rng(7).normal(0.6, 1.0, (*RANDOM, size)).astype(np.float32)
    wanted = {module.graph.outputs[0].name: equation(x)}
    agreement = str(compare(module, x, wanted))
    if version <= "1.0.4" and producer == "spec":
        options = {**options, "reset": "soft"}  # a new file does not say that by its version
    alone = written(module, folder / "net.nir", options)
    assert agreement == str(compare(alone, x, wanted))
    cells = (producer, layer, version, how, "equation", agreement, "yes", "identical")
    return f"| {' | '.join(cells)} |"


@pytest.fixture(scope="module")
def page(request):
    return request.config.rootpath / "docs" / "nir.md"


def test_the_table_is_what_the_tests_find(page, package_files, tmp_path, request):
    rows = [exported_row(name, tmp_path) for name in names()]
    rows += [restated_row(name, package_files) for name in LAYERS]
    table = "\n".join((*HEAD, *rows)) + "\n"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    found, _, after = rest.partition(END)
    if request.config.getoption("--update"):
        page.write_text(f"{before}{START}{table}{END}{after}", encoding="utf-8")
    else:
        assert table == found


def test_no_spike_of_the_table_differs(page):
    differing = re.findall(r"spikes, (\d+) differ", page.read_text(encoding="utf-8"))
    assert ["0"] == sorted(set(differing))


def test_the_page_names_every_option_profile_and_primitive(page):
    text = page.read_text(encoding="utf-8")
    names = [f.name for f in fields(Options)] + [*PROFILES, *FIELDS, "NIRGraph"]
    assert [] == [n for n in names if f"`{n}`" not in text]
