"""No mapping of random convolutional networks needs fewer cores than the bounds say."""

import numpy as np
import pytest

from snnc.driver.pipeline import run_pipeline
from snnc.ir.build import Builder
from snnc.targets.paicore.placed import read_placed
from snnc.targets.paicore.reports.bounds import bounds, total


def network(seed):
    """Return up to three convolutions of random form, the last ones with a skip where it fits."""
    draw = np.random.default_rng(seed)

    def one_of(*choices):
        return int(draw.choice(choices))

    build = Builder("n", "int")
    channels, side = one_of(8, 16, 32, 48), one_of(6, 8, 10, 12)
    values = [build.input("x", f"u1[{channels}, {side}, {side}]~")]
    for number in range(one_of(1, 2, 3)):
        read, height, _ = values[-1].type.shape
        kernel, stride, dilation = one_of(1, 2, 3, 4, 5), one_of(1, 1, 2, 3), one_of(1, 1, 2)
        padding = int(draw.integers(0, kernel))
        if dilation * (kernel - 1) + 1 > height + 2 * padding:
            break
        groups = one_of(1, 1, 1, 2, read)
        made = groups * one_of(1, 2, 4) if groups > 1 else one_of(4, 16, 40, 64)
        bits = one_of(1, 1, 4, 8)
        low, high = (0, 2) if bits == 1 else (-(1 << bits - 1), 1 << bits - 1)
        w = draw.integers(low, high, (made, read // groups, kernel, kernel)).astype(np.int8)
        around = {"stride": stride, "padding": padding, "dilation": dilation}
        around = {name: (value,) * 2 for name, value in around.items()}
        symbol = build.weight(f"w{number}", w)
        current = build.op("conv2d", values[-1], symbol, groups=groups, **around)
        if len(values) > 2 and values[-2].type.shape == current.type.shape:
            current = build.op("add", current, values[-2])
        values.append(build.op("neuron", current, name=f"n{number}", threshold=9))
    return build.finish(values[-1]) if len(values) > 1 else network(seed + 1000)


@pytest.mark.parametrize("seed", range(16))
def test_no_mapping_is_below_its_bounds(seed):
    module = network(seed)
    placed = read_placed(run_pipeline(module, "@paicore", target="paicore"))
    found = bounds(run_pipeline(module, "legalise,shrink-weights,schedule", target="paicore"))
    for name, bound in found.items():
        used = {core.place for layer in placed.copies[name] for core, _, _ in layer.pieces}
        assert bound.by_memory <= bound.cores <= len(used)
    assert total(found) <= len(placed.cores)
