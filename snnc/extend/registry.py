"""The registry: what ships in the box, what packages add, what a `--plugin FILE.py` adds.

The contract: names are unique per kind, a second use of one is refused with both origins; a class
is imported only when it is asked for; a plugin that fails is a `plugin-failed` error with its
place. Nothing here imports numpy.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from inspect import isclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attrs import frozen

from snnc.diagnostics import SnncError, fail, nearest
from snnc.extend.foreign import beside, guarded, load_file
from snnc.extend.plugin import Plugin

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from snnc.extend.engine import Engine
    from snnc.extend.frontend import Frontend
    from snnc.extend.passes import Pass
    from snnc.extend.target import Target

BOX = "snnc"
"""Origin of what ships in the box."""

GROUP = "snnc.plugins"
"""Entry-point group of installed plugins."""

KINDS = ("passes", "targets", "frontends", "engines", "levels", "presets")
_SINGULAR = dict(
    zip(KINDS, ("pass", "target", "frontend", "engine", "level", "preset"), strict=True)
)


@frozen
class Origin:
    """Who brought something: `snnc`, a package, a file; `module` is a plugin file's own module."""

    name: str
    plugin: Plugin
    module: ModuleType | None = None


@frozen
class Entry:
    """A name of the registry: what it stands for (`module:Class`, or a preset's text) and whose."""

    name: str
    path: str
    origin: Origin


class Registry:
    """All that is known by name. Instances are cheap; tables are fixed once made."""

    def __init__(self, box: Plugin, files: Iterable[str | Path] = (), installed: bool = True):
        origins = [Origin(BOX, box)]
        if installed:
            origins += _installed()
        origins += [_from_file(Path(file)) for file in dict.fromkeys(files)]
        self._tables: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._passes: dict[str, dict[str, Entry]] = {}
        for origin in origins:
            for kind in KINDS:
                for name, path in getattr(origin.plugin, kind).items():
                    self._add(kind, Entry(name, path, origin))

    def _add(self, kind: str, entry: Entry) -> None:
        first = self._tables[kind].get(entry.name)
        if first is not None:
            raise fail(
                "duplicate-name",
                f"{_SINGULAR[kind]} {entry.name!r} comes from {first.origin.name} "
                f"and from {entry.origin.name}",
                help="rename one of them, or leave one plugin out",
            )
        self._tables[kind][entry.name] = entry

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of one of `KINDS`, in the order of the tables."""
        return tuple(self._tables[kind])

    def entry(self, kind: str, name: str) -> Entry:
        """Return an entry.

        Raises:
            SnncError: `unknown-pass`, `unknown-target` and so on, with the nearest name.
        """
        found = self._tables[kind].get(name)
        if found is None:
            word = _SINGULAR[kind]
            raise fail(
                f"unknown-{word}",
                f"there is no {word} {name!r}",
                help=nearest(name, self.names(kind)),
            )
        return found

    def import_entry(self, kind: str, name: str) -> None:
        """Import what an entry names, to see whether it can be; a preset names no code.

        Raises:
            SnncError: `plugin-failed`, `missing-package`.
        """
        if kind != "presets":
            self._load(self.entry(kind, name))

    @property
    def presets(self) -> Mapping[str, str]:
        """Named pipelines."""
        return {name: entry.path for name, entry in self._tables["presets"].items()}

    def get_target(self, name: str) -> "Target":
        """Return a target by name (without variant)."""
        target: Target = self._instance(self.entry("targets", name))
        return target

    def get_engine(self, name: str) -> "Engine":
        """Return an engine by name."""
        engine: Engine = self._instance(self.entry("engines", name))
        return engine

    def get_frontend(self, name: str) -> "Frontend":
        """Return a front end by name."""
        frontend: Frontend = self._instance(self.entry("frontends", name))
        return frontend

    def frontends(self) -> "tuple[Frontend, ...]":
        """Return all front ends, in the order of the tables."""
        return tuple(self.get_frontend(name) for name in self.names("frontends"))

    def pass_names(self, target: str = "") -> tuple[str, ...]:
        """Return the names of all passes, a chosen target's own ones last."""
        return tuple(self._pass_table(target))

    def get_pass(self, name: str, target: str = "") -> "type[Pass]":
        """Return a pass class by name, a chosen target's own ones included.

        Raises:
            SnncError: `unknown-pass`; its help names the target that has such a pass, if one has.
        """
        made: type[Pass] = self._load(self.pass_entry(name, target))
        return made

    def pass_entry(self, name: str, target: str = "") -> Entry:
        """Return the entry of a pass; raises as `get_pass` does, and imports nothing."""
        table = self._pass_table(target)
        if name in table:
            return table[name]
        owner = next((t for t in self.names("targets") if name in self._passes_of(t)), "")
        raise fail(
            "unknown-pass",
            f"there is no pass {name!r}",
            help=f"target {owner} has one: choose it with -t {owner}"
            if owner and owner != target
            else nearest(name, list(table)),
        )

    def _pass_table(self, target: str) -> dict[str, Entry]:
        if target not in self._passes:
            self._passes[target] = self._made_pass_table(target)
        return self._passes[target]

    def _made_pass_table(self, target: str) -> dict[str, Entry]:
        table = dict(self._tables["passes"])
        if target:
            origin = self.entry("targets", target).origin
            for name, path in self.get_target(target).passes().items():
                if name in table:
                    raise fail(
                        "duplicate-name",
                        f"pass {name!r} comes from {table[name].origin.name} and from target "
                        f"{target} of {origin.name}",
                        help="rename one of them",
                    )
                table[name] = Entry(name, path, origin)
        return table

    def _passes_of(self, target: str) -> Mapping[str, str]:
        try:
            return self.get_target(target).passes()
        except (SnncError, ImportError):
            return {}

    def find_level(self, name: str) -> None:
        """Register a level by importing the module that declares it, if one is known."""
        if name in self._tables["levels"]:
            self._load(self._tables["levels"][name])

    def install(self) -> None:
        """Let the IR find the levels of this registry by name, from now on."""
        from snnc.ir.opset import add_finder

        add_finder(self.find_level)

    def _instance(self, entry: Entry) -> Any:
        """Return an instance of what an entry names; a plugin's is watched for exceptions."""
        made = self._load(entry)
        if entry.origin.name == BOX:
            return made()
        with guarded_plugin(entry):
            return Watched(made(), entry)

    def _load(self, entry: Entry) -> Any:
        """Return what `module:Class` names, with a plugin's failure told as such."""
        if entry.origin.name != BOX:
            with guarded_plugin(entry):
                return _resolve(entry)
        try:
            return _resolve(entry)
        except ModuleNotFoundError as error:
            if (error.name or BOX).partition(".")[0] == BOX:
                raise
            raise fail(
                "missing-package",
                f"{entry.name} needs the package {error.name}, which is not installed",
                help=f"pip install {error.name}, or install snnc with its extra",
            ) from None


_PREPARE = ("prepare", "emulate", "emulate_on")
"""Methods that return a program."""


class Watched:
    """An object of a plugin whose methods raise `plugin-failed` in place of their own exceptions.

    So do the methods of the programs that an engine or an emulator returns.
    """

    def __init__(self, inner: Any, entry: Entry) -> None:
        self._inner, self._entry = inner, entry

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or isclass(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            with guarded_plugin(self._entry):
                made = found(*arguments, **options)
            return Watched(made, self._entry) if name in _PREPARE else made

        return call


def guarded_plugin(entry: Entry) -> AbstractContextManager[None]:
    """Return a context in which an exception becomes `plugin-failed`; ours pass through."""
    return guarded(
        "plugin-failed",
        f"plugin {entry.origin.name}: {entry.name}",
        "the fault is in the plugin, not in snnc; repair it or leave it out",
    )


def _resolve(entry: Entry) -> Any:
    where, _, attribute = entry.path.partition(":")
    own = entry.origin.module
    # A plugin file calls its own module by its stem, by its __name__ or by nothing.
    file = Path(own.__file__ or "").stem if own else ""
    if own is not None and where in ("", file, own.__name__):
        module = own
    else:
        with beside(Path(own.__file__ or "")) if own else nullcontext():
            module = importlib.import_module(where)
    return getattr(module, attribute) if attribute else module


def _installed() -> list[Origin]:
    from importlib import metadata

    found = []
    for point in _points(metadata.entry_points, _search_path()):
        name = f"package {point.dist.name}" if point.dist else f"entry point {point.name}"
        with guarded("plugin-failed", f"plugin {name}", "repair the package, or uninstall it"):
            found.append(Origin(name, _plugin(point.load(), name)))
    return found


@lru_cache(maxsize=8)
def _points(
    entry_points: "Callable[..., EntryPoints]", path: tuple[tuple[str, int], ...]
) -> "tuple[EntryPoint, ...]":
    """Return the entry points of installed plugins; `path` tells whether a scan is still true."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)))


def _search_path() -> tuple[tuple[str, int], ...]:
    """Return where packages are looked for, and when something was last installed there."""
    return tuple((p, os.stat(p).st_mtime_ns if os.path.exists(p) else 0) for p in sys.path)


def _from_file(path: Path) -> Origin:
    name = path.name
    module = load_file(path, "plugin-failed", f"plugin {name}", "the fault is in the plugin")
    return Origin(name, _plugin(getattr(module, "plugin", None), name), module)


def _plugin(found: object, name: str) -> Plugin:
    if not isinstance(found, Plugin):
        raise fail(
            "plugin-failed",
            f"plugin {name} gives {type(found).__name__}, not a Plugin",
            help="it must hold: plugin = Plugin(passes={'my-pass': 'module:Class'})",
        )
    return found
