"""Which form of a product is the faster one: events, or dot products of everything.

Only speed depends on the choice. Times are estimated per output place, tick and block of channels
from the number of active inputs; the constants were measured on a Zen 4 core at 3.7 GHz, on
convolutions of 1 to 128 channels and matrices of 1024 inputs. What counts is their ratio.
"""

from attrs import frozen

from snnc.runtime.native.columns import LANES
from snnc.runtime.native.window import Window


@frozen
class Costs:
    """Nanoseconds of a run of events, of 64 bytes of sums per event, and of a dot of 16 words."""

    run: float
    event: float
    dot: float


COSTS = {
    "baseline": Costs(8.0, 3.0, 9.0),
    "avx2": Costs(8.0, 1.5, 1.2),
    "avx512": Costs(8.0, 0.75, 0.6),
    "vnni": Costs(8.0, 0.75, 0.4),
}
"""By path; a word is four inputs of one byte, or two of two bytes."""


def dense_is_faster(path: str, window: Window, share: float, bits: int, element: int) -> bool:
    """Return whether dot products are the faster form where a share of the inputs is active.

    `bits` are those of an accumulator of events, `element` the bytes of an input in dot products.
    """
    cost = COSTS[path]
    runs = len(window.runs)
    vectors = -(-window.channels * bits // 512)
    events = runs * cost.run + window.fan_in * share * vectors * cost.event
    words = runs * -(-window.length * element // 4)
    return words * -(-window.channels // LANES) * cost.dot < events
