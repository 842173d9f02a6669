"""Hand-placed cores that several test files share, the vendor's two recorded systems among them."""

import numpy as np
import pytest

from snnc.targets.paicore.chip.frames import RECORD
from snnc.targets.paicore.chip.image import ChipImage, CoreImage, Register

NO_NEGATIVE = 2**29 - 1


def _neuron_fields(**changes):
    """Fields of an integrate-and-fire neuron that sends to axon 0 of the output chip (1, 0)."""
    fields = {f.name: 0 for f in RECORD.fields}
    fields |= {"truncation": 8, "threshold": 1, "negative_threshold": NO_NEGATIVE, "chip_x": 1}
    return fields | changes


def _simple_core(at, weights, *, weight_code=3, lcn=0, register=None, chip=(0, 0), **fields):
    """A core of `weights[n, axons used]`, padded to the axons of the core."""
    weights = np.asarray(weights, dtype=np.int8)
    whole = np.zeros((len(weights), 1152 << lcn), dtype=np.int8)
    whole[:, : weights.shape[1]] = weights
    dendrites = len(weights) << (lcn + weight_code)
    settings = {"tick_start": 1, "dendrites": dendrites} | (register or {})
    return CoreImage.build(
        chip,
        at,
        Register(weight_code=weight_code, lcn=lcn, **settings),
        _neuron_fields(**({"axon": np.arange(len(weights))} | fields)),
        whole,
    )


@pytest.fixture(scope="session")
def neuron_fields():
    return _neuron_fields


@pytest.fixture(scope="session")
def simple_core():
    return _simple_core


@pytest.fixture(scope="session")
def tiny_image():
    """Two layers of two neurons each, on cores (0, 0) and (0, 1)."""
    first = _simple_core(
        (0, 0),
        [[1, 0, 1], [-2, 1, 1]],
        weight_code=1,
        threshold=2,
        floor=1,
        chip_x=0,
        core_y=1,
    )
    second = _simple_core(
        (0, 1),
        [[1, 1], [0, 1]],
        weight_code=0,
        register={"tick_start": 2},
        threshold=3,
        floor=1,
        leak=-1,
        reset_mode=1,
    )
    return ChipImage((first, second))


@pytest.fixture(scope="session")
def wide_image():
    """1200 inputs, 180 neurons on three cores with two slots a step, and a wasted core."""
    i, j = np.arange(1200), np.arange(180)[:, None]
    weights = (7 * i + 3 * j * j + i * j) % 15 - 7
    cores = [
        _simple_core(
            at,
            weights[60 * k : 60 * k + 60],
            weight_code=2,
            lcn=1,
            threshold=20,
            floor=1,
            truncation=8,
            reset_mode=1,
            axon=np.arange(60) + 60 * k,
        )
        for k, at in enumerate([(0, 0), (0, 1), (1, 0)])
    ]
    return ChipImage((*cores, CoreImage.idle((0, 0), (1, 1))))
