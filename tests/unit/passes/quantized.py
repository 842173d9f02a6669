"""What the tests of `quantize` share: small networks, and runs of both levels on the reference."""

import numpy as np

from snnc.extend.passes import Context
from snnc.ir import Builder, Module
from snnc.passes.quantize import Quantize
from snnc.runtime.reference import Reference


def quantize(module, context=None, **options):
    return Quantize(**options).run(module, context or Context())


def run(module, inputs):
    return Reference().prepare(module).run(inputs).outputs


def noise(module: Module, rng, ticks=10, samples=3):
    made = {}
    for value in module.graph.inputs:
        shape = (samples, ticks, *value.type.shape)
        made[value.name] = rng.integers(0, value.type.element.high + 1, shape).astype(
            value.type.element.storage
        )
    return made


def same_spikes(module, lowered, seed=0):
    inputs = noise(module, np.random.default_rng(seed))
    expected, actual = run(module, inputs), run(lowered, inputs)
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])


def layer(weights, bias=None, element="u1", **attrs):
    w = np.asarray(weights, np.float32)
    b = Builder("net", "snn")
    x = b.input("x", f"{element}[{w.shape[1]}]~")
    operands = [x, b.weight("w", w)]
    if bias is not None:
        operands.append(b.weight("b", np.asarray(bias, np.float32)))
    return b.finish(b.op("neuron", b.op("linear", *operands), name="s", **attrs))


def neuron(module):
    (op,) = module.ops("neuron")
    return op


def integers(module, name="w"):
    return module.weights[name].tensor.array()
