"""What a chip says to its host: spikes of monitored cores, each with the command that caused it."""

from attrs import frozen

from snnc.ir.weights import Array


@frozen(eq=False)
class Heard:
    """Spikes in the order in which they were made.

    `causes` are numbers of commands, `places` rows of (core, feature, y, x), int64.
    """

    causes: Array
    places: Array
