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
from snnc.runtime.reference import Reference
from tests.unit.frontends.nir.equations import LAYERS

START, END = "<!-- table -->\n", "<!-- end -->"
HEAD = (
    "| producer | layer | read | exact | written | round trip |",
    "|---|---|---|---|---|---|",
)
SAMPLES, TICKS = 8, 64


def read(path, producer):
    """Return the module and how its producer was known."""
    with contextlib.suppress(SnncError):
        module = Nir().read(path, {"input": "f32"})
        if producer == module.attrs["nir"]["profile"]:
            return module, "detected"
    dt = {"dt": 1e-3} if producer == "spec" else {}
    module = Nir().read(path, {"input": "f32", "profile": producer, **dt})
    return module, f"`profile={producer}{' dt=1e-3' if dt else ''}`"


def outputs(module, x):
    name = module.graph.inputs[0].name
    shape = (SAMPLES, TICKS, *module.graph.inputs[0].type.shape)
    result = Reference().prepare(module).run({name: x.reshape(shape).astype(np.float32)})
    return result.outputs[module.graph.outputs[0].name].reshape(SAMPLES, TICKS, -1)


def exact(module, equation):
    """Compare a module with its layer's own equation on random input."""
    size = module.graph.inputs[0].type.size
    x = np.random.default_rng(7).normal(0.6, 1.0, (SAMPLES, TICKS, size)).astype(np.float32)
    wanted, found = equation(x), outputs(module, x)
    if found.dtype.kind != "f":
        assert 20 < wanted.sum()
        wrong = int((wanted != found).sum())
        return f"{int(wanted.sum())} spikes, {wrong} differ", x
    error = float(np.abs(wanted - found).max())
    assert error < 1e-5
    return "potential, bit for bit" if error == 0 else "potential, to float32 rounding", x


def written(module, producer, x, path):
    dt = module.attrs["nir"]["dt"]
    save(module, path, producer, dt=dt)
    assert write(module) == write(Nir().read(path, {}))
    alone = Nir().read(path, {"profile": producer, "dt": dt, "input": "f32"})
    # Rockpool's Input has axes of batch and time, which ours has not.
    assert (outputs(module, x) == outputs(alone, x)).all()
    return "yes", "identical"


def row(name, folder, path):
    producer, (layer, equation) = name.partition("_")[0], LAYERS[name]
    module, how = read(folder / f"{name}.nir", producer)
    agreement, x = exact(module, equation)
    cells = (producer, layer, how, agreement, *written(module, producer, x, path))
    return f"| {' | '.join(cells)} |"


@pytest.fixture(scope="module")
def page(request):
    return request.config.rootpath / "docs" / "nir.md"


def test_the_table_is_what_the_tests_find(page, package_files, tmp_path, request):
    rows = [row(name, package_files, tmp_path / "net.nir") for name in LAYERS]
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
