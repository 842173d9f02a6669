"""SpikingJelly: layers that keep their state, called once per tick."""

from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from examples.pytorch.pictures import load_weights, trains


def build() -> tuple[nn.Module, Tensor]:
    """Return the network and a sample of one tick."""
    network = nn.Sequential(
        nn.Linear(784, 512, bias=False),
        neuron.IFNode(v_reset=None),
        nn.Linear(512, 10, bias=False),
        neuron.IFNode(v_reset=None),
    )
    return load_weights(network), trains(2)[0][0]
