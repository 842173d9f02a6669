"""Energy of a mean sample by a profile: counts times constants that a file names, and no others.

A profile is TOML; each constant has a value in picojoules, its source and its status:

    name = "my measurements"
    [constants.synaptic_operations]
    picojoules = 1.5
    source = "board 3, 2026-05"
    status = "measured"

A term that no constant covers, or whose status is `unknown`, is told as not included, so that the
sum is a lower bound.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnc.diagnostics import fail, nearest

TERMS = (
    "synaptic_operations",
    "neuron_updates",
    "dendrite_updates",
    "core_ticks",
    "links",
    "deliveries",
    "frames_in",
    "frames_out",
    "configuration_words",
)
"""Counts that a constant may stand for."""

STATUSES = ("measured", "published", "published-peak", "inferred", "unknown")
KEYS = {"picojoules", "source", "status"}


def read_profile(path: Path) -> dict[str, Any]:
    """Return the name and the constants of a profile.

    Raises:
        SnncError: `file-unreadable`, `bad-profile`.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise fail("file-unreadable", f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad(path, f"it is no TOML: {error}") from error
    unknown = set(found) - {"name", "constants"}
    if unknown:
        raise _bad(path, f"it has {', '.join(sorted(unknown))} beside name and constants")
    if not isinstance(found.get("name"), str) or not isinstance(found.get("constants"), dict):
        raise _bad(path, "it needs a name and a table of constants")
    for term, constant in found["constants"].items():
        _check(path, term, constant)
    return found


def _check(path: Path, term: str, constant: Any) -> None:
    if term not in TERMS:
        raise _bad(path, f"there is no count {term!r}", nearest(term, TERMS))
    if not isinstance(constant, dict) or set(constant) - KEYS:
        raise _bad(path, f"{term} is not a table of {', '.join(sorted(KEYS))}")
    if constant.get("status") not in STATUSES:
        raise _bad(path, f"status of {term} is not one of {', '.join(STATUSES)}")
    if not isinstance(constant.get("source"), str) or not constant["source"]:
        raise _bad(path, f"{term} has no source")
    value = constant.get("picojoules")
    if constant["status"] == "unknown":
        if value is not None:
            raise _bad(path, f"{term} is unknown, but has {value} picojoules")
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise _bad(path, f"{term} has no picojoules from 0 on")


def _bad(path: Path, why: str, help: str = "") -> Exception:
    return fail(
        "bad-profile",
        f"{path}: {why}",
        help=help or "each constant has picojoules, a source and a status; see docs/paicore.md",
    )


def estimate(profile: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return each term of the energy of a mean sample, in picojoules, and their sum."""
    rows = []
    for term in TERMS:
        constant = profile["constants"].get(term, {"status": "unknown", "source": "no constant"})
        each = constant.get("picojoules")
        rows.append(
            {
                "term": term,
                "count": counts[term],
                "picojoules_each": each,
                "picojoules": None if each is None else counts[term] * each,
                "status": constant["status"],
                "source": constant["source"],
            }
        )
    included = [row["picojoules"] for row in rows if row["picojoules"] is not None]
    return {
        "profile": profile["name"],
        "terms": rows,
        "lower_bound_picojoules": sum(included),
        "not_included": [row["term"] for row in rows if row["picojoules"] is None],
    }
