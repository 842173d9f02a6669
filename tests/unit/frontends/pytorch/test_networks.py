"""Each framework's networks, spike for spike in every layer; the table of the page comes of it."""

import re
from pathlib import Path

import pytest

from tests.unit.frontends.pytorch.networks import NETWORKS

PAGE = Path(__file__).parents[4] / "docs" / "pytorch.md"
ROWS = re.compile(r"^\| ((?:spikingjelly|snntorch|sinabs|norse): [^|]*) \| (\d+) \|", re.MULTILINE)
WRITTEN: list[str] = []


def test_the_page_has_a_row_for_every_network():
    assert [str(n) for n in NETWORKS] == [m[1] for m in ROWS.finditer(PAGE.read_text("utf-8"))]


@pytest.mark.parametrize("row", NETWORKS, ids=str)
def test_every_layer_spikes_as_in_the_framework(row, request):
    pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")
    top = {"sinabs": "sinabs.layers", "norse": "norse.torch"}.get(row.framework, row.framework)
    pytest.importorskip(top, reason=f"{row.framework} is not installed")
    from tests.unit.frontends.pytorch import table

    drawn, real = table.count(row, table.random()), table.count(row, table.pictures())
    for seen in (drawn, real):
        assert len(seen.differences) <= seen.compared * table.SHARE, seen.differences
    line = table.line(row, drawn, real)
    if request.config.getoption("update"):
        WRITTEN.append(line)
        if len(WRITTEN) == len(NETWORKS):
            table.write(WRITTEN)
        return
    wanted = [table.without_differences(one) for one in table.shown()]
    assert table.without_differences(line) in wanted
