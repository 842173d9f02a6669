"""Layers are known by class path: no framework, nor torch, is needed to look them up."""

import re
from pathlib import Path

import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.pytorch import Torch
from snnc.frontends.pytorch.registry import FRAMEWORKS, recognize

PAGE = Path(__file__).parents[4] / "docs" / "pytorch.md"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_page_names_every_layer(framework):
    table = PAGE.read_text(encoding="utf-8").partition("## Layers")[2]
    named = set(re.findall(r"`([A-Za-z0-9]+)`", table))
    assert [] == sorted(set(FRAMEWORKS[framework].LAYERS) - named)


def test_other_modules_are_not_recognized():
    assert recognize(object(), "x") is None


def test_a_stateful_layer_that_is_not_known_is_refused_by_its_path():
    base = type("StatefulLayer", (), {"__module__": "sinabs.layers.stateful_layer"})
    new = type("BRF", (base,), {"__module__": "sinabs.layers.brf"})
    with pytest.raises(SnncError) as caught:
        recognize(new(), "net.3")
    assert "unsupported-layer" == caught.value.code
    assert "net.3 (sinabs.BRF)" in str(caught.value)


def test_without_torch_no_object_is_accepted():
    assert not Torch().accepts(object())
