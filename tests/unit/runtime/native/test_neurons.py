"""Parameters of neurons as addresses: who has them must find what they point to."""

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="llvmlite is not installed (extra `native`)")

from snnc.ir.build import Builder
from snnc.runtime.native.arrangement import Arrangement
from snnc.runtime.native.layers import flat
from snnc.runtime.native.neurons import Neurons


def test_threads_that_begin_together_share_one_table(monkeypatch):
    build = Builder("net", "int")
    x = build.input("x", "u1[20]~")
    threshold = build.weight("threshold", np.arange(1, 21))
    module = build.finish(build.op("neuron", x, threshold=threshold))
    (op,) = module.ops("neuron")
    neurons, other, filled = (
        Neurons(module, op, flat(op, together=False), (0, 1)),
        [],
        Arrangement.filled,
    )

    def interrupted(self, *args):
        if not other:
            other.append(None)
            other[0] = neurons.table(32)
        return filled(self, *args)

    monkeypatch.setattr(Arrangement, "filled", interrupted)
    assert neurons.table(32) is other[0]
    assert neurons.table(32) is other[0]
