"""Every Python block of the guide runs, in the guide's order and in one namespace.

SNNC_PAIBOX_GUIDE names the guide's Markdown text; the same calls, in our own words, are tested in
`test_guide.py`. What the guide leaves open (weights, `...`) is filled in here.
"""

import contextlib
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tests.unit.frontends.paibox.guide_blocks import blocks

GUIDE = os.environ.get("SNNC_PAIBOX_GUIDE", "")

pytestmark = pytest.mark.skipif(not GUIDE, reason="SNNC_PAIBOX_GUIDE names no guide")

FILLED = {
    7: "n1, n2 = pb.neuron.IF(6, 1), pb.neuron.IF(4, 1); weight1 = np.ones((6, 4), np.int8)\n",
    24: "fcnet.inp, fcnet.probe2 = fcnet.i1, probe2\n",
    26: "from snnc.frontends.paibox.guide import BACKEND_CONFIG, set_cflag\n",
}
WEIGHTS = {21: {"w1": (10, 10), "w2": (10, 10)}, 22: {"w1": (784, 128), "w2": (128, 10)}}
COUNT = 27


def filled(number, code, all_blocks):
    shapes = WEIGHTS.get(number, {})
    code = re.sub(
        r"^(\w+) = \.\.\.$",
        lambda m: f"{m[1]} = np.random.RandomState(1).randint(-4, 9, {shapes[m[1]]})",
        code,
        flags=re.M,
    )
    if number == 23:
        body = all_blocks[19].split("weight2):\n")[1]
        code = code.replace("        ...\n", body + "\n")
    return FILLED.get(number, "") + code


def printed(text):
    """Return the numbers and truth values that a block printed, flat."""
    words = re.findall(r"True|False|-?\d+", text)
    return [{"True": 1, "False": 0}.get(w) if w in ("True", "False") else int(w) for w in words]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Return what each block printed, and the namespace after the last one."""
    folder = tmp_path_factory.mktemp("guide")
    found, space = [], {"np": np}
    all_blocks = blocks(Path(GUIDE))
    with contextlib.chdir(folder):
        for number, code in enumerate(all_blocks):
            stream = io.StringIO()
            with contextlib.redirect_stdout(stream):
                exec(compile(filled(number, code, all_blocks), f"block {number}", "exec"), space)
            found.append(stream.getvalue())
    return found, space, folder


def test_every_block_runs(outputs):
    assert COUNT == len(outputs[0])


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (4, [0, 0, 1] * 3 + [0]),
        (6, [0] * 4 + [1] + [0] * 7),
        (8, [2]),
        (9, np.diag(range(1, 6)).ravel().tolist()),
        (14, [2] * 16),
        # Step 4 and bias 3; the guide shows the numbers of another bias.
        (17, [7] * 16),
    ],
)
def test_a_block_prints_what_the_guide_shows(outputs, number, expected):
    assert expected == printed(outputs[0][number])


@pytest.mark.parametrize(("number", "low", "high"), [(15, 0, 4), (16, -128, 127), (18, 0, 1)])
def test_random_blocks_print_the_same_shape_and_type(outputs, number, low, high):
    values = printed(outputs[0][number])
    assert 16 == len(values)
    assert low <= min(values) <= max(values) <= high
    assert ("True" in outputs[0][number]) == (number == 18)


def test_the_last_blocks_export_and_configure(outputs):
    _, space, folder = outputs
    assert (folder / "debug" / "config_all.npy").is_file()
    assert not (folder / "debug" / "core_params.json").exists()
    assert {"enable_wp_opt": True, "cflag": "This is a cflag."} == space["BACKEND_CONFIG"].cflag
    assert "Coord(0, 0)" == repr(space["BACKEND_CONFIG"].local_chip_addr)
    assert "Coord(1, 0)" == repr(space["BACKEND_CONFIG"].test_chip_addr)
    space["BACKEND_CONFIG"].restore()
