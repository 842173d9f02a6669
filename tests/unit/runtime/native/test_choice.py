"""The form of a product follows its shape and the share of active inputs."""

import pytest

from snnc.runtime.native.choice import COSTS, dense_is_faster
from snnc.runtime.native.window import Window, matrix_window

MATRIX = matrix_window(1, 1024, 1024)
FIRST = Window(1, 3, (34, 34), (32, 32), (1, 1), (0, 34, 68), 3, 64)
INNER = Window(1, 64, (34, 34), (32, 32), (1, 1), (0, 34, 68), 3, 64)


def turn(window):
    """Return the share in per cent from which dot products are the faster form with VNNI."""
    return next(n for n in range(101) if dense_is_faster("vnni", window, n / 100, 16, 1))


def test_the_shares_are_those_of_the_documentation():
    assert [27, 24, 0] == [turn(window) for window in (MATRIX, INNER, FIRST)]


@pytest.mark.parametrize("path", COSTS)
def test_events_are_for_silent_inputs_and_dot_products_for_busy_ones(path):
    element = 1 if path == "vnni" else 2
    assert not dense_is_faster(path, INNER, 0.01, 16, element)
    found = [dense_is_faster(path, INNER, n / 10, 32, element) for n in range(11)]
    assert sorted(found) == found
