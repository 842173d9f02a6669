"""Views of the pixels: in whatever order a program says them, the settings mean the same."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.targets.dynapcnn.artifact.records import Pixels
from snnc.targets.dynapcnn.emulation.convolve import see
from snnc.targets.dynapcnn.lowering.views import WHOLE, View

SIZE = (12, 8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pool"), st.sampled_from([(1, 2), (2, 1), (2, 2)])),
        st.tuples(st.just("crop"), st.sampled_from([0, 1]), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("mirror"), st.sampled_from([0, 1])),
        st.tuples(st.just("swap")),
    ),
    max_size=6,
)


def done(step: tuple[Any, ...], x: np.ndarray, view: View) -> tuple[np.ndarray, View]:
    """Return a map and the view of it after a step; both as they are where a step is not taken."""
    kind, *rest = step
    if kind == "swap":
        return x.swapaxes(1, 2), view.swapped()
    if kind == "mirror":
        return np.flip(x, 1 + rest[0]), view.mirrored(rest[0])
    if kind == "crop":
        axis, start, end = rest
        stop = x.shape[1 + axis] - end
        if stop - start < 1:
            return x, view
        kept = [slice(None)] * 3
        kept[1 + axis] = slice(start, stop)
        return x[tuple(kept)], view.cropped(axis, start, stop, SIZE)
    (a, b), found = rest[0], view.pooled(rest[0], SIZE)
    if found is None or max(found.pool) > 4:
        return x, view
    height, width = x.shape[1] // a, x.shape[2] // b
    split = x[:, : height * a, : width * b].reshape(-1, height, a, width, b)
    return split.sum(axis=(2, 4)), found


@settings(deadline=None, derandomize=True, database=None)
@given(STEPS)
def test_settings_of_the_block_do_what_the_steps_do(steps: list[tuple[Any, ...]]) -> None:
    whole = np.random.Generator(np.random.PCG64(1)).integers(0, 9, (2, *SIZE))
    x, view = whole, WHOLE
    for step in steps:
        x, view = done(step, x, view)
    bounds = view.bounds(SIZE)
    origin, last = tuple(a for a, _ in bounds), tuple(b - 1 for _, b in bounds)
    pixels = Pixels("x", view.merge, view.pool, origin, last, view.mirror, view.swap)
    assert np.array_equal(x, see(pixels, whole[None])[0])
    assert x.shape == view.map((2, *SIZE))


def test_windows_that_straddle_those_of_the_block_have_no_settings() -> None:
    assert View(crop=((1, 9), (0, 8))).pooled((2, 1), SIZE) is None
    assert View(crop=((1, 8), (0, 8)), mirror=(True, False)).pooled((2, 1), SIZE) is not None


def test_what_is_whole_again_is_whole() -> None:
    assert WHOLE == WHOLE.mirrored(0).swapped().mirrored(1).swapped()
    assert WHOLE == WHOLE.cropped(0, 0, 12, SIZE)
