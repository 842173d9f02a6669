"""The example plugin works installed, by file, and keeps the exactness that it declares."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import snnc
from snnc.ir import Builder
from snnc.ir.write import save
from tests.laws.strategies import modules

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin_pass"
FILE = EXAMPLE / "merge_scales" / "__init__.py"


def network():
    b = Builder("net", "int")
    x = b.input("x", "u1[2, 3]~")
    one = b.op("scale", x, b.weight("one", np.array([2, -3])))
    two = b.op("scale", one, b.weight("two", np.array(5)))
    return b.finish(b.op("neuron", two, threshold=7, name="y"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package installed as pip does it, by commands that need no network."""
    place = tmp_path_factory.mktemp("plugin")
    source, target = place / "source", place / "site"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()"]
    for step in ("install_lib", "install_egg_info"):
        subprocess.run([*command, "-q", step, "--install-dir", str(target)], cwd=source, check=True)
    return target


def test_installed_package_adds_its_pass_and_its_preset(installed, tmp_path):
    save(network(), tmp_path / "net.snn")
    script = (
        "import sys, snnc; from snnc.ir.write import write; "
        "print(write(snnc.run_pipeline(snnc.load(sys.argv[1]), '@tidy', check=True), locs=False))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "net.snn")],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 1 == ran.stdout.count("int.scale")
    assert "[10, 10, 10], [-15, -15, -15]" in ran.stdout


def test_pass_of_the_file_merges_scales():
    module = snnc.run_pipeline(network(), "@tidy", plugin=[FILE], check=True)
    assert ["scale", "neuron"] == [op.kind for op in module.graph.ops]


def test_limit_keeps_scales_apart():
    module = snnc.run_pipeline(network(), "merge-scales{limit=14},clean", plugin=[FILE])
    assert ["scale", "scale", "neuron"] == [op.kind for op in module.graph.ops]


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules("int", kinds=("scale", "add", "reshape"), encoders=True))
def test_pass_is_exact_on_random_modules(module):
    snnc.run_pipeline(module, "merge-scales", plugin=[FILE], check=True)


def test_readme_names_what_exists():
    text = (EXAMPLE / "README.md").read_text()
    assert FILE.relative_to(EXAMPLE.parents[1]).as_posix() in text
