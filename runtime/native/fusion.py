"""Which ops a neuron's code does the work of: the product that it alone reads, and a sum of that.

A neuron may read a sum of several currents (a skip, a shortcut, a layer that reads itself). Then
one product of the sum is made with the neuron; the other terms are read from memory and added as
the neuron reads its current, a factor that scales one of them included.
"""

from collections.abc import Callable, Mapping

from attrs import frozen

from snnc.ir.graph import Module, Op, Value
from snnc.runtime.native.columns import MOST_TERMS
from snnc.runtime.native.elementwise import factors
from snnc.runtime.native.source import Source
from snnc.runtime.native.terms import Term

Alone = Callable[[Value], bool]
"""Whether a value has one reader, so that nobody misses it."""


@frozen(eq=False)
class Fusion:
    """A neuron with its product: the ops that its code replaces, and the terms added."""

    product: Op
    gone: tuple[Op, ...]
    terms: tuple[Term, ...] = ()

    @property
    def reads(self) -> tuple[Value, ...]:
        """What the neuron's code reads: the operand of the product, then the terms."""
        return (*self.product.values, *(term.value for term in self.terms))

    @property
    def hidden(self) -> frozenset[Value]:
        """Values that are no longer made."""
        return frozenset(result for op in self.gone for result in op.results)


def fusion(
    module: Module,
    neuron: Op,
    made_by: Mapping[Value, Op],
    alone: Alone,
    products: Mapping[Op, Source],
    simple: set[Op],
) -> Fusion | None:
    """Return what a neuron can do the work of, None where that is nothing.

    `products` may be fused with it; of `simple` ops each rounds as one operation of the code does.
    """
    maker = made_by.get(neuron.values[0])
    if maker is None or not alone(neuron.values[0]):
        return None
    if maker in products:
        return Fusion(maker, (maker,))
    if maker.kind != "add" or maker not in simple or not 1 < len(maker.values) <= MOST_TERMS + 1:
        return None
    once = (v for v in maker.values if alone(v) and maker.values.count(v) == 1)
    candidates = [op for v in once if (op := made_by.get(v)) is not None and op in products]
    if not candidates:
        return None
    chosen = max(candidates, key=lambda op: op.values[0].type.size * op.result.type.size)
    gone, terms = [chosen, maker], []
    for value in (v for v in maker.values if v is not chosen.result):
        scale = made_by.get(value)
        if scale is not None and scale.kind == "scale" and scale in simple and alone(value):
            gone.append(scale)
            terms.append(Term(scale.values[0], factors(module, scale)))
        else:
            terms.append(Term(value))
    return Fusion(chosen, tuple(gone), tuple(terms))
