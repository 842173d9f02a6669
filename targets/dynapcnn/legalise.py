"""Brings a network into the form of cores: one convolution and one neuron behind sums of trains.

EXACT: every change is a renaming of indices, a zero that is added, or a factor of an average that
goes into weights; factors of legal windows are powers of two, so that nothing is rounded.
"""

from attrs import frozen

from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module
from snnc.targets.dynapcnn.lowering.canonical import write_network
from snnc.targets.dynapcnn.lowering.network import read_network


@frozen
class Legalise(Pass):
    """Write every layer as pooled sums of trains, one convolution and one neuron."""

    name = "legalise"
    level = "any"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the network in the form of cores.

        Raises:
            SnncError: what `read_network` refuses.
        """
        network = read_network(module)
        return write_network(network, network.layers, module.level)
