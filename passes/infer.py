"""Infers every type again from the graph's inputs and weights.

For IR written or edited by hand: change the shape of an input or of a weight, and let this follow.
EXACT: no op changes, only the types of their results.
"""

from attrs import frozen

from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module
from snnc.ir.rewrite import rebuild


@frozen
class Infer(Pass):
    """Infer the types of all values again."""

    name = "infer"
    level = "any"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the module with every result's type as its op's declaration gives it."""
        return rebuild(module, lambda op, build: None)
