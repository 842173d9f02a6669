"""Norse: cells whose states the container hands from call to call."""

import norse.torch as norse
from torch import Tensor, nn

from examples.pytorch.pictures import load_weights, trains


def build() -> tuple[nn.Module, Tensor]:
    """Return the network and a sample of one tick."""
    network = norse.SequentialState(
        nn.Linear(784, 512, bias=False),
        norse.IAFCell(),
        nn.Linear(512, 10, bias=False),
        norse.IAFCell(),
    )
    return load_weights(network), trains(2)[0][0]
