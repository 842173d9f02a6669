"""How neurons lie in memory: rows of channels, these filled up to whole vectors."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen

from snnc.ir.graph import Op
from snnc.ir.weights import Array
from snnc.runtime.native.columns import LANES


@frozen(slots=False)
class Arrangement:
    """How values of a shape lie in memory: rows of channels, which may be axis 0 of the shape."""

    shape: tuple[int, ...]
    rows: int
    channels: int
    last: bool

    def inner(self, array: Array, lead: int) -> Array:
        """Return `(*lead, rows, channels)` of `(*lead, *shape)`, without a copy if it may be."""
        if not self.last:
            array = np.moveaxis(array, lead, -1)
        return array.reshape(*array.shape[:lead], self.rows, self.channels)

    def outer(self, array: Array, lead: int) -> Array:
        """Return a view `(*lead, *shape)` of `(*lead, rows, channels)`."""
        if self.last:
            return array.reshape(*array.shape[:lead], *self.shape)
        array = array.reshape(*array.shape[:lead], *self.shape[1:], self.shape[0])
        return np.moveaxis(array, -1, lead)

    @cached_property
    def order(self) -> Array | None:
        """The element that lies at each place in memory, None if they are in row-major order."""
        elements = np.arange(self.rows * self.channels).reshape(1, *self.shape)
        return None if self.last else self.inner(elements, 1).reshape(-1)

    @cached_property
    def places(self) -> Array | None:
        """The place in memory of each element, None if they are in row-major order."""
        return None if self.order is None else np.argsort(self.order)

    @property
    def padded(self) -> int:
        """Channels with those that fill the last vector."""
        return -(-self.channels // LANES) * LANES

    def filled(self, array: Array, kind: "np.dtype[Any]", lead: int) -> Array:
        """Return `(*lead, rows, padded)`, ones behind the last channel."""
        found = np.empty((*array.shape[:lead], self.rows, self.padded), dtype=kind)
        found[..., self.channels :] = 1
        inside = found[..., : self.channels]
        if any(array.strides):
            inside[...] = self.inner(array, lead)
        elif array.size:
            inside[...] = array.flat[0]
        return found

    def frame(self, op: Op, parameters: Mapping[str, Array], traced: bool) -> dict[str, Any]:
        """Return what a form has of neurons that lie so, but for the bits of their states."""
        return {
            "out_bits": 8 * op.result.type.element.storage.itemsize,
            "present": tuple(parameters),
            "arrays": tuple(name for name, array in parameters.items() if array.ndim),
            "traced": traced,
            "tail": self.channels % LANES,
        }
