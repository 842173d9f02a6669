"""Accuracy before and after a pass, on calibration data with labels.

The answer is the element of the network's output with the largest sum over the ticks, the first of
equals. How sure a share of right answers is, Wilson's interval says.
"""

import math
from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.ir.graph import Module
from snnc.ir.weights import Array
from snnc.passes.calibration import Calibration

NORMAL = 1.959963984540054
"""The quantile of the normal distribution that 95 % lie within."""


def wilson(correct: int, samples: int, z: float = NORMAL) -> tuple[float, float]:
    """Return Wilson's interval of a proportion; `z` is the quantile, by default for 95 %.

    >>> [round(end, 3) for end in wilson(95, 100)]
    [0.888, 0.978]
    """
    rate = correct / samples
    middle = rate + z * z / (2 * samples)
    half = z * math.sqrt(rate * (1 - rate) / samples + z * z / (4 * samples * samples))
    whole = 1 + z * z / samples
    # At the ends of the scale the formula gives 0 and 1, and floating point almost.
    low = 0.0 if correct == 0 else (middle - half) / whole
    return low, 1.0 if correct == samples else (middle + half) / whole


def compare_accuracy(before: Module, after: Module, data: Calibration) -> dict[str, Any]:
    """Return how many answers of two modules are right, with intervals, and how many differ.

    Raises:
        SnncError: `calibration-labels` where labels and output do not belong together.
    """
    labels = _checked(before, data)
    name = before.graph.outputs[0].name
    answers = [_answers(module, name, data) for module in (before, after)]
    told = [_told(found, labels) for found in answers]
    changed = int((answers[0] != answers[1]).sum())
    return {"before": told[0], "after": told[1], "changed": changed}


def _answers(module: Module, output: str, data: Calibration) -> Array:
    """Return the answer that an output gives to each sample, int64."""
    counts = data.counts(module, [output])[output]
    return np.asarray(counts.reshape(len(counts), -1).argmax(axis=1))


def _told(answers: Array, labels: Array) -> dict[str, Any]:
    right, samples = int((answers == labels).sum()), len(labels)
    return {
        "right": right,
        "samples": samples,
        "accuracy": right / samples,
        "interval_95": list(wilson(right, samples)),
    }


def _checked(module: Module, data: Calibration) -> Array:
    """Return the labels, known to be elements of the only output."""
    labels, outputs = data.labels, module.graph.outputs
    assert labels is not None
    if len(outputs) != 1 or not outputs[0].type.timed:
        said = ", ".join(f"%{v.name}: {v.type}" for v in outputs)
        raise fail(
            "calibration-labels",
            f"labels need one output with time to be compared with, and the network has {said}",
            module.loc,
            help="leave the labels out of the calibration data",
        )
    if labels.min() < 0 or labels.max() >= outputs[0].type.size:
        raise fail(
            "calibration-labels",
            f"labels are {labels.min()} to {labels.max()}, but output %{outputs[0].name} has "
            f"{outputs[0].type.size} elements",
            module.loc,
            help="labels count the elements of the output from 0",
        )
    return labels
