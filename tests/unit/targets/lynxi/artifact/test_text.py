from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from snnc.diagnostics import SnncError
from snnc.targets.lynxi.artifact.parse import read
from snnc.targets.lynxi.artifact.records import LOAD, SAVE, Scalar, TensorType
from snnc.targets.lynxi.artifact.text import metadata, number, write
from tests.unit.targets.lynxi.networks import artifact, small

TUTORIAL = Path(__file__).parents[4] / "golden/lynxi/tutorial.relay"


def text() -> str:
    return TUTORIAL.read_text()


def test_the_printed_graph_of_the_tutorial_is_read_and_printed_byte_for_byte():
    graph = read(text())
    assert text() == write(graph, section=False)
    assert 66 == len(graph.bindings) - 1
    assert TensorType("float32", (1, 10)) == graph.result.type


def test_its_loads_and_saves_stand_in_printed_order():
    graph = read(text())
    assert [(1, 0), (12, 1), (23, 2)] == [(i, b.meta) for i, b in graph.of(LOAD)]
    assert [(61, 3), (63, 4), (65, 5)] == [(i, b.meta) for i, b in graph.of(SAVE)]


def test_an_emitted_graph_with_its_section_is_read_back():
    graph = artifact(small()).graph
    assert write(graph) == write(read(write(graph)))


@pytest.mark.parametrize("cut", [3, 40, 400, 2000, 5000])
def test_a_graph_that_was_cut_is_refused_with_its_place(cut):
    with pytest.raises(SnncError) as found:
        read(text()[:-cut], "graph.relay")
    assert "graph-syntax" == found.value.code
    assert "graph.relay:" in str(found.value)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("%3 = cast", "%4 = cast", "graph-reference"),
        ("greater(%2, %vth)", "greater(%99, %vth)", "graph-reference"),
        ("greater(%2, %vth)", "greater(%2, %w)", "graph-reference"),
        ("multiply(%4, %6)", "multiply(%4 %6)", "graph-syntax"),
        ("lyn_vir_op_4_4000", "lyn_vir_op_3_4000", "graph-syntax"),
        (") -> Tensor[(1, 10), float32] {", ") -> Tensor[(1, 9), float32] {", "graph-syntax"),
        ("def", "§ def", "graph-syntax"),
    ],
)
def test_an_edited_graph_is_refused(old, new, code):
    with pytest.raises(SnncError) as found:
        read(text().replace(old, new, 1))
    assert code == found.value.code


def test_a_section_that_lacks_a_table_is_refused():
    graph = artifact(small()).graph
    whole = write(graph)
    for bad in (whole.replace('"relay.Constant"', '"other"'), whole[:-20], whole + "}"):
        with pytest.raises(SnncError) as found:
            read(bad)
        assert "graph-metadata" == found.value.code


def test_an_entry_that_the_section_lacks_is_refused():
    graph = artifact(small()).graph
    fewer = evolve(graph, metas={k: v[:-1] for k, v in graph.metas.items()})
    bad = write(graph, section=False) + "\n#[metadata]\n" + metadata(fewer)
    with pytest.raises(SnncError) as found:
        read(bad)
    assert "graph-metadata" == found.value.code


@pytest.mark.parametrize("value", [0.1, 1e-5, -3.5, 16777216.0, 1e20, 5.877e-39])
def test_numbers_are_read_with_the_same_bits(value):
    held = np.float32(value)
    shown = number(Scalar(float(held), "float32"))
    assert held == np.float32(float(shown.removesuffix("f")))
