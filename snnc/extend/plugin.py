"""What a plugin gives: tables of names to `module:Class`, imported only when used.

A package names its plugin in the entry-point group `snnc.plugins`:

    [project.entry-points."snnc.plugins"]
    mine = "mine:plugin"
"""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


def _check_table(plugin: "Plugin", attribute: Any, table: object) -> None:
    wrong: list[object] = [table]
    if isinstance(table, Mapping):
        wrong = [word for word in (*table, *table.values()) if not isinstance(word, str)]
    if wrong:
        raise TypeError(f"{attribute.name} maps names to texts, it cannot hold {wrong[0]!r}")


@frozen
class Plugin:
    """Passes, targets, front ends and engines by name; `presets` are named pipelines.

    Raises:
        TypeError: for a table that does not map names to texts.
    """

    passes: Mapping[str, str] = field(factory=dict, validator=_check_table)
    targets: Mapping[str, str] = field(factory=dict, validator=_check_table)
    frontends: Mapping[str, str] = field(factory=dict, validator=_check_table)
    engines: Mapping[str, str] = field(factory=dict, validator=_check_table)
    levels: Mapping[str, str] = field(factory=dict, validator=_check_table)
    presets: Mapping[str, str] = field(factory=dict, validator=_check_table)
