"""The integer form of a neuron where steps are far coarser than its threshold."""

import numpy as np
import pytest

from snnc.extend.passes import Context
from snnc.ir import Builder
from snnc.passes.quantize import Quantize


@pytest.mark.parametrize("largest", [300.0, 1e12, 3e38])
@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_a_threshold_however_small_beside_the_weights_stays_positive(largest, reset):
    b = Builder("net", "snn")
    x = b.input("x", "u1[2]~")
    w = b.weight("w", np.array([[largest, -largest]], np.float32))
    module = b.finish(b.op("neuron", b.op("linear", x, w), threshold=1.0, reset=reset))
    (made,) = Quantize(bits=4).run(module, Context()).ops("neuron")
    assert (1, None) == (made["threshold"], made["reset_by"])
