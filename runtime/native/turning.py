"""Bytes of pictures with channels next to each other in memory, as products and pools read them.

Pictures come with one channel after the other. Turning 16 x 16 bytes in registers is many times
faster than moving them one by one.
"""

from typing import Any

import numpy as np

from snnc.ir.weights import Array
from snnc.machine.addresses import address
from snnc.machine.assembly import I8, Assembly, vector
from snnc.machine.compiler import Compiler

SIDE = 16


class Turn:
    """Writes the function `turn`: `(pictures, channels, places)` to `(pictures, places, channels)`.

    It takes the addresses of source and target and the three numbers; channels and places are
    multiples of `SIDE`.
    """

    def __init__(self, module: Any) -> None:
        self.a = a = Assembly(module, "turn", 5)
        source, target, pictures, channels, places = a.arguments
        size = a.builder.mul(channels, places)
        with a.loop(pictures) as each:
            start = a.builder.mul(each.index, size)
            with a.loop(channels, step=SIDE) as across, a.loop(places, step=SIDE) as along:
                first = a.builder.mul(across.index, places)
                self._block(a.sum(source, start, first, along.index), places)
                last = a.builder.mul(along.index, channels)
                self._put(a.sum(target, start, last, across.index), channels)
        a.finish(a.number(0))

    def _block(self, address: Any, step: Any) -> None:
        """Load a block and turn it: four times, rows are interleaved with those half a block on."""
        a, type = self.a, vector(I8, SIDE)
        rows = [a.load(a.sum(address, a.times(step, n)), type) for n in range(SIDE)]
        half = SIDE // 2
        low = [n // 2 + SIDE * (n % 2) for n in range(SIDE)]
        high = [n + half for n in low]
        for _ in range(4):
            pairs = [(rows[n], rows[n + half]) for n in range(half)]
            rows = [a.shuffled(*pair, lanes) for pair in pairs for lanes in (low, high)]
        self.rows = rows

    def _put(self, address: Any, step: Any) -> None:
        for n, row in enumerate(self.rows):
            self.a.store(row, self.a.sum(address, self.a.times(step, n)))


def channels_last(compiler: Compiler, x: Array) -> Array:
    """Return a view `(samples, ticks, channels, *places)` of bytes whose channels lie together."""
    channels, places = x.shape[2], int(np.prod(x.shape[3:]))
    if channels % SIDE or places % SIDE or not x.size:
        turned = np.ascontiguousarray(np.moveaxis(x, 2, -1))
    else:
        x = np.ascontiguousarray(x)
        turned = np.empty((*x.shape[:2], *x.shape[3:], channels), dtype=x.dtype)
        function = compiler.function("turn", None, Turn)
        pictures = x.shape[0] * x.shape[1]
        function(address(x), address(turned), pictures, channels, places)
    return np.moveaxis(turned, -1, 2)
