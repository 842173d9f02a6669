"""The numbers of the PAICORE 2.0 hardware, read from limits.toml.

The file is the only place where a capacity or a range of the chip is written; each entry names its
source. `LIMITS` is what the rest of the target imports.
"""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from attrs import frozen


@frozen
class Limits:
    """Capacities, ranges and defaults of the chip, flat and immutable.

    `axons` and `dendrites` are those of a core with 1-bit input; `wide_*` those with 8-bit input.
    """

    side: int
    online_from: int
    routing_group: int
    axons: int
    dendrites: int
    wide_axons: int
    wide_dendrites: int
    wide_neurons: tuple[int, ...]
    wide_neurons_per_row: int
    weight_rows: int
    weight_row_words: int
    neuron_addresses: int
    slots: int
    max_lcn: int
    weight_bits: tuple[int, ...]
    max_truncation: int
    max_reset_mode: int
    max_tick: int
    potential_bits: int
    paibox_modulus: int
    target_chip: tuple[int, int]
    output_chip: tuple[int, int]
    output_core: tuple[int, int]

    @property
    def potential_max(self) -> int:
        """Largest membrane potential, also the largest threshold."""
        return (1 << (self.potential_bits - 1)) - 1

    @property
    def levels(self) -> int:
        """Levels of the quad tree of a chip, from a core to the root."""
        return self.side.bit_length() - 1

    @property
    def places(self) -> int:
        """Places of cores on a chip, those of learning cores included."""
        return self.side**2

    @property
    def offline(self) -> int:
        """Cores of a chip that a program may use: all but the learning ones."""
        return self.places - (self.side - self.online_from) ** 2

    def is_online(self, x: int, y: int) -> bool:
        """Whether the core at (x, y) is one of the learning cores."""
        return x >= self.online_from and y >= self.online_from

    def weight_range(self, bits: int) -> tuple[int, int]:
        """Return the smallest and largest weight of a width; one-bit weights are unsigned."""
        return (0, 1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


@lru_cache(maxsize=1)
def load_limits() -> Limits:
    """Return the limits of limits.toml."""
    text = files("snnc.targets.paicore").joinpath("limits.toml").read_text(encoding="utf-8")
    fields: dict[str, Any] = {}
    for section, entries in tomllib.loads(text).items():
        for name, entry in entries.items():
            value = entry["value"]
            key = f"wide_{name}" if section == "wide" else name
            fields[key] = tuple(value) if isinstance(value, list) else value
    return Limits(**fields)


LIMITS = load_limits()
