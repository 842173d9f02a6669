"""The numbers of the DYNAP-CNN and Speck chips, read from limits.toml.

The file is the only place where a capacity or a range of a chip is written; each entry names its
source. `LIMITS` is what all chips share, `chip(name)` what a device has.
"""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from attrs import frozen

from snnc.diagnostics import fail, nearest


@frozen
class Limits:
    """Ranges that hold for a core and the pixel block of every chip."""

    max_kernel: int
    strides: tuple[int, ...]
    max_padding: int
    pools: tuple[int, ...]
    max_input: int
    max_output: int
    max_features: int
    destinations: int
    weight_bits: int
    state_bits: int
    bias_bits: int
    vendor_bias_bits: int
    dvs_size: int
    dvs_polarities: int
    dvs_pools: tuple[int, ...]
    dvs_destinations: int
    dvs_layer: int
    readout_layer: int
    readout_classes: int
    readout_spacing: int
    slow_clock: tuple[int, ...]
    leak_dividers: tuple[int, ...]
    decimations: tuple[int, ...]

    @property
    def state_low(self) -> int:
        """Lowest potential and threshold."""
        return -(1 << self.state_bits - 1)

    @property
    def state_high(self) -> int:
        """Highest potential and threshold."""
        return (1 << self.state_bits - 1) - 1


@frozen
class Chip:
    """A device: its vendor's names, and words of kernel, neuron and bias memory per core."""

    name: str
    device: str
    module: str
    kernel: tuple[int, ...]
    neuron: tuple[int, ...]
    bias: tuple[int, ...]
    extras: bool
    kill_bits: bool

    @property
    def cores(self) -> int:
        """Number of cores."""
        return len(self.kernel)


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    text = files("snnc.targets.dynapcnn").joinpath("limits.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _values(entries: dict[str, Any]) -> dict[str, Any]:
    values = {name: entry["value"] for name, entry in entries.items()}
    return {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}


_SHARED = ("core", "dvs", "readout", "clocks")
LIMITS = Limits(**{k: v for name in _SHARED for k, v in _values(_tables()[name]).items()})
DEVICES: tuple[str, ...] = tuple(_tables()["chip"])


def chip(name: str) -> Chip:
    """Return a device by its name, which may end with the vendor's index (`speck2fdevkit:0`).

    Raises:
        SnncError: `unknown-variant`, for the name or for an index that is no number.
    """
    known, _, index = name.partition(":")
    if known not in DEVICES or (index and not (index.isascii() and index.isdigit())):
        raise fail(
            "unknown-variant",
            f"dynapcnn has no device {name!r}",
            help=f"{nearest(known, DEVICES)}; an index is written {DEVICES[0]}:0",
        )
    entries = _values(_tables()["chip"][known])
    memory = _values(_tables()["memory"][entries.pop("like")])
    return Chip(known, **entries, **memory)
