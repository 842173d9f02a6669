"""Names of weights across rewrites: a weight made from `@fc.w` is called `@fc.w` again."""

from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild


def hand_over(symbol: Symbol, build: Rebuild) -> str:
    """Return the name for the weight that replaces `symbol`'s in an op that goes.

    The name is freed, unless another op uses the weight too; then a fresh name will be made.
    """
    uses = sum(s.name == symbol.name for op in build.module.graph.ops for s in op.symbols)
    if uses == 1:
        build.weights.pop(symbol.name, None)
    return symbol.name
