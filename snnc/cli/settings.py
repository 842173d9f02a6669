"""Defaults from files: `snnc.toml` of the current folder, else `[tool.snnc]` of its pyproject.toml.

    plugin = ["my_passes.py"]        # as --plugin
    target = "paicore"               # keys are options of `snnc compile`; `check` takes what it has
    format = ["bin", "npy"]

    [eval]                           # options of any one command
    jobs = 2

What is given on the command line goes first. A key that is no option is refused, not ignored.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from snnc.diagnostics import SnncError, at, fail, nearest

OWN, SHARED = "snnc.toml", "pyproject.toml"

COMPILING = ("compile", "check")
"""Commands that take the keys that stand in no table."""


@frozen
class Settings:
    """What the file says: `file` is its name, empty where there is none."""

    file: str = ""
    plugins: tuple[str, ...] = ()
    common: Mapping[str, Any] = field(factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(factory=dict)

    def of(self, command: str) -> dict[str, Any]:
        """Return the values meant for a command, by option name with underscores."""
        common = self.common if command in COMPILING else {}
        found = {**common, **self.tables.get(command, {})}
        return {key.replace("-", "_"): value for key, value in found.items()}

    def refuse(self, key: str, reason: str, known: list[str]) -> SnncError:
        """Return the error for a key; `reason` says before its name who does not have it."""
        return fail(
            "unknown-setting",
            f"{self.file}: {reason} {key!r}",
            at(self.file, _line(self.file, key)),
            help=nearest(key, known),
        )


def read_settings(folder: Path = Path()) -> Settings:
    """Return the settings of a folder.

    Raises:
        SnncError: `settings-unreadable`, `bad-setting`.
    """
    import tomllib

    for name in (OWN, SHARED):
        path = folder / name
        if not path.is_file():
            continue
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            if name == SHARED:
                continue  # Another tool's file; that tool will say what is wrong with it.
            raise fail("settings-unreadable", f"{name}: {error}", help="repair the file") from None
        table = content if name == OWN else content.get("tool", {}).get("snnc")
        if table is not None:
            return _settings(name, table)
    return Settings()


def _settings(file: str, table: Any) -> Settings:
    from snnc.cli.app import COMMANDS

    if not isinstance(table, dict):
        raise fail("bad-setting", f"{file}: tool.snnc is no table", help="write [tool.snnc]")
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    for key in tables:
        if key not in COMMANDS:
            raise fail(
                "bad-setting",
                f"{file}: there is no command {key!r} that a table could be for",
                at(file, _line(file, key)),
                help=nearest(key, list(COMMANDS)),
            )
    plugins = table.get("plugin", [])
    named = [plugins] if isinstance(plugins, str) else plugins
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise fail(
            "bad-setting",
            f"{file}: plugin = {plugins!r} is no list of files",
            at(file, _line(file, "plugin")),
            help='write plugin = ["FILE.py"]',
        )
    common = {k: v for k, v in table.items() if k not in tables and k != "plugin"}
    return Settings(file, tuple(named), common, tables)


def _line(file: str, key: str) -> int:
    """Return the line on which a key stands, 0 if it is not found."""
    import re

    pattern = re.compile(rf"""\s*(\[.*\b{re.escape(key)}\s*\]|["']?{re.escape(key)}["']?\s*=)""")
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((n for n, line in enumerate(lines, 1) if pattern.match(line)), 0)
