"""What a plugin gives: tables of names to `module:Class`, imported only when used.

A package names its plugin in the entry-point group `snnc.plugins`:

    [project.entry-points."snnc.plugins"]
    mine = "mine:plugin"
"""

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Plugin:
    """Passes, targets, front ends and engines by name; `presets` are named pipelines."""

    passes: Mapping[str, str] = field(factory=dict)
    targets: Mapping[str, str] = field(factory=dict)
    frontends: Mapping[str, str] = field(factory=dict)
    engines: Mapping[str, str] = field(factory=dict)
    levels: Mapping[str, str] = field(factory=dict)
    presets: Mapping[str, str] = field(factory=dict)
