"""The numbers of the KA200 tool chain, read from limits.toml, the only place where they stand."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from attrs import frozen


@frozen
class Limits:
    """What may be asked of the vendor's compiler, and what this project fixes beyond it."""

    batches: tuple[int, ...]
    versions: tuple[int, ...]
    batched_version: int
    glb_version: int
    modes: tuple[str, ...]
    glb_mode: int
    init_value: int
    dtype: str
    grid_bits: int
    exact_count: int
    exact_count_f16: int
    fit_lowest: float


@lru_cache(maxsize=1)
def _entries() -> dict[str, Any]:
    text = files("snnc.targets.lynxi").joinpath("limits.toml").read_text(encoding="utf-8")
    entries = {n: e["value"] for part in tomllib.loads(text).values() for n, e in part.items()}
    return {n: tuple(v) if isinstance(v, list) else v for n, v in entries.items()}


LIMITS = Limits(**_entries())


def needed_version(batch: int, modes: tuple[int, ...]) -> int:
    """Return the lowest version that a batch size and the modes of states need."""
    glb = LIMITS.glb_version if LIMITS.glb_mode in modes else 0
    return max(glb, LIMITS.batched_version if batch > 1 else 0)
