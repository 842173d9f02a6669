"""Objects of the Python API have a short repr and an HTML form for notebooks."""

import numpy as np
import pytest

import snnc

TEXT = """network main {
  input x: u1[3]~
  y = IF(x |> linear([[1, 2, 3]]), threshold=3)
  return y
}
"""


@pytest.fixture
def objects(tmp_path):
    path = tmp_path / "net.snnl"
    path.write_text(TEXT)
    net = snnc.load(path)
    build = snnc.compile(net, target="paicore")
    result = snnc.run(net, {"x": np.ones((1, 4, 3), np.uint8)}, probe=("all",))
    return [net, build, result, build.verify()]


def test_every_repr_is_one_short_line(objects):
    for thing in objects:
        assert repr(thing).startswith("<snnc ")
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 250


def test_every_html_form_is_a_table_with_a_caption(objects):
    for thing in objects:
        assert thing._repr_html_().startswith("<table><caption>")


def test_html_is_escaped():
    named = snnc.Builder("<b>", "int")
    assert "&lt;b&gt;" in named.finish(named.input("x", "u1[1]~"))._repr_html_()
