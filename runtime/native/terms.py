"""What is added to a product as its neurons read it: values as they lie in memory, with factors."""

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from snnc.ir.graph import Value
from snnc.ir.weights import Array
from snnc.runtime.native.columns import FACTORS


@frozen(eq=False)
class Term:
    """What is added to a product: a value, times a factor that broadcasts to its shape."""

    value: Value
    factor: Array | None = None

    @property
    def bits(self) -> int:
        """Bits in memory: bytes stay bytes, all else is brought to what currents have."""
        return 8 if self.value.type.element.storage == np.uint8 else 32


def factors_of(terms: Sequence[Term]) -> dict[str, Array]:
    """Return the factors of terms by their names among the parameters."""
    named = zip(FACTORS, terms, strict=False)
    return {name: term.factor for name, term in named if term.factor is not None}
