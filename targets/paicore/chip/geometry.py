"""What a core holds, by the width of its input: axons, neurons, rows of its memories.

Values of eight bits share the rows of the weight RAM among eight times fewer axons. The numbers are
those of limits.toml.
"""

from snnc.targets.paicore.limits import LIMITS


def axons_of(wide: bool) -> int:
    """Return the axons of one slot."""
    return LIMITS.wide_axons if wide else LIMITS.axons


def axon_step(wide: bool) -> int:
    """Return how many axon addresses lie between one axon and the next."""
    return LIMITS.axons // axons_of(wide)


def capacity(wide: bool, bits: int, extension: int) -> int:
    """Return how many neurons with weights of `bits` fit a core with an axon extension."""
    repeat = bits * extension
    if not wide:
        return max(LIMITS.dendrites // repeat, 1)
    return LIMITS.wide_neurons[min(repeat.bit_length(), len(LIMITS.wide_neurons)) - 1]


def weight_rows(wide: bool, bits: int, extension: int) -> int:
    """Return the rows of the weight RAM that a configuration fills: what a full core needs."""
    if not wide:
        return LIMITS.weight_rows
    row = LIMITS.weight_row_words * 64
    return -(-capacity(wide, bits, extension) * bits * extension * axons_of(wide) // row)
