"""The example of `snnc compare` in the README: one network, all targets."""

import json
from pathlib import Path

from click.testing import CliRunner

from snnc.cli.app import app

MNIST = Path(__file__).parents[2] / "examples" / "mnist"


def test_one_network_goes_on_chips_of_all_kinds():
    words = ["compare", MNIST / "conv_floor.snnl", "--data", MNIST / "test1000.npz"]
    words += ["--scale", 255, "--limit", 50, "--json"]
    words += ["-t", "paicore", "-t", "dynapcnn:speck2fdevkit", "-t", "lynxi"]
    found = CliRunner().invoke(app, [str(word) for word in words])
    itself, *rows = json.loads(found.stdout)
    assert [True] * 3 == [row["fits"] for row in rows]
    assert all(row["correct"] >= 48 for row in (itself, *rows))
