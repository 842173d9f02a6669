"""The network as a NIR graph, with the nodes that sinabs writes."""

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
POOLED = ("conv1", "conv2", "conv3")


def convolution(weight: np.ndarray, size: int) -> nir.NIRNode:
    """Return a convolution over maps of a size, or a linear layer over single places."""
    bias = np.zeros(len(weight), np.float32)
    if weight.shape[2:] == (1, 1):
        return nir.Affine(weight[:, :, 0, 0], bias)
    return nir.Conv2d((size, size), weight, 1, 0, 1, 1, bias)


def build() -> nir.NIRGraph:
    """Return the graph."""
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([1, 28, 28])})}
    size = 28
    for name, weight in load_file(HERE / "mnist.safetensors").items():
        layer = name.removesuffix(".weight")
        if layer == "fc1":
            shape = {"input": np.array([128, 1, 1])}
            nodes["flatten"] = nir.Flatten(shape, 0, 2)
        nodes[layer] = convolution(weight, size)
        size -= weight.shape[2] - 1
        neurons = (len(weight), size, size) if layer in POOLED else (len(weight),)
        ones = np.ones(neurons, np.float32)
        nodes[f"{layer}.neurons"] = nir.IF(r=ones, v_threshold=ones, v_reset=0 * ones)
        if layer in POOLED:
            two, none = np.array([2, 2]), np.array([0, 0])
            nodes[f"{layer}.pool"] = nir.AvgPool2d(two, two, none)
            size //= 2
    nodes["output"] = nir.Output({"output": np.array([10])})
    names = [*nodes]
    return nir.NIRGraph(nodes, list(pairwise(names)))
