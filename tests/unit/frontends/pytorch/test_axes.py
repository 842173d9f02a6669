"""Which axis is time, batch or the sample's, through reshapes; no torch is needed."""

import pytest

from snnc.frontends.pytorch.axes import F, Sizes, Untrackable, reshaped, shape_of

SIZES = Sizes(ticks=4, batch=2)
TB = (("T",), ("B",))


@pytest.mark.parametrize(
    ("axes", "shape", "new", "made", "own"),
    [
        ((*TB, F, F), (3, 5), (8, 3, 5), (("T", "B"), F, F), (3, 5)),
        ((("T", "B"), F, F), (3, 5), (4, 2, 3, 5), (*TB, F, F), (3, 5)),
        ((("B", "T"), F), (15,), (2, 4, 3, 5), (("B",), ("T",), F, F), (3, 5)),
        ((("B",), F, F), (3, 5), (2, 15), (("B",), F), (15,)),
        ((("B",), (), F), (15,), (2, 15), (("B",), F), (15,)),
    ],
)
def test_reshapes_keep_time_and_batch_apart(axes, shape, new, made, own):
    assert (made, own) == reshaped(axes, shape, new, SIZES)
    assert new == shape_of(made, own, SIZES)


@pytest.mark.parametrize(
    ("axes", "shape", "new"),
    [
        ((*TB, F), (6,), (4, 12)),
        ((*TB, F), (6,), (48,)),
        ((("B",), F), (6,), (6, 2)),
        ((F, ("B",)), (6,), (12,)),
    ],
)
def test_reshapes_that_mix_them_are_refused(axes, shape, new):
    with pytest.raises(Untrackable, match=r"mixed|behind"):
        reshaped(axes, shape, new, SIZES)


def test_a_batch_of_one_keeps_its_own_axis():
    sizes = Sizes(ticks=4, batch=1)
    made = reshaped((("T", "B"), F, F), (3, 5), (4, 1, 3, 5), sizes)
    assert ((("T",), ("B",), F, F), (3, 5)) == made
    assert ((("T", "B"), F), (15,)) == reshaped((*TB, F, F), (3, 5), (4, 15), sizes)
