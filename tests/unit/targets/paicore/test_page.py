"""The page about the target says what is so: its example, its numbers, its names."""

import contextlib
import io
import re

import pytest

from snnc.targets.paicore import legalise
from snnc.targets.paicore.chip.core import Mode
from snnc.targets.paicore.chip.geometry import capacity
from snnc.targets.paicore.emit import RELIANCE


@pytest.fixture(scope="module")
def page(request):
    return (request.config.rootpath / "docs" / "paicore.md").read_text(encoding="utf-8")


def row(page, head):
    line = next(line for line in page.splitlines() if line.startswith(f"| {head} |"))
    return [int(cell) for cell in line.split("|")[2:-1]]


def test_the_example_prints_what_the_page_says(page):
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "page", "exec"), {})
    assert ["1", "equal at every tick: 1 samples, 4 ticks, 2 values"] == [
        line for line in printed.getvalue().splitlines() if f"`{line}`" in page
    ]


def test_the_capacities_are_those_of_the_chip(page):
    products = row(page, "weight bits x axon extension")
    for wide, head in ((False, "neurons, input of spikes"), (True, "neurons, input of values")):
        assert row(page, head) == [capacity(wide, n, 1) for n in products]


def test_the_table_of_modes_is_complete(page):
    found = re.findall(r"`wide = (\w+), values = (\w+), keep = (\w+)`", page)
    assert {m.value for m in Mode} == {tuple(int(w == "true") for w in words) for words in found}


def test_everything_that_builds_may_rely_on_is_named(page):
    names = {*RELIANCE, legalise.WRAP.partition(":")[0]}
    assert names == {*re.findall(r"^\| `([a-z-]+)` \|", page, re.M)}
