"""What can be compiled: a file by its suffix, a build folder, `file.py:function`, or an object.

A user's function gives a module, or an object that a front end accepts. What goes wrong in the
user's file is told with its line.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snnc.builtins import open_registry
from snnc.diagnostics import fail, nearest
from snnc.driver.pipeline import runner
from snnc.extend.foreign import guarded, load_file
from snnc.extend.registry import Registry
from snnc.ir.graph import Module
from snnc.ir.verify import verify

MODEL = "model.snn"
"""The program that a build must equal, in its folder."""

_PYTHON = re.compile(r"(?P<file>.+\.py)(:(?P<name>[A-Za-z_]\w*))?")


def load(source: Any, *, plugin: Iterable[str | Path] = (), **options: Any) -> Module:
    """Return the module that a source means; options go to its front end.

    Args:
        source: a path (`.snn`, `.snnl` or another suffix of a front end), a build folder,
            `file.py:function`, a module, or an object that a front end accepts.
        plugin: files of plugins.
        options: what the front end takes.

    Raises:
        SnncError: `source-missing`, `unknown-source`, `source-failed`, and what a front end finds.
    """
    return read_source(open_registry(plugin), source, options)


def read_source(registry: Registry, source: Any, options: Mapping[str, Any]) -> Module:
    """Return the module that a source means; see `load`."""
    if isinstance(source, (str, Path)):
        module = _from_path(registry, str(source), options)
    else:
        module = _from_object(registry, source, options, "this")
    verify(module).check()
    return module


def _from_path(registry: Registry, text: str, options: Mapping[str, Any]) -> Module:
    match = _PYTHON.fullmatch(text)
    if match:
        return _from_python(registry, Path(match["file"]), match["name"] or "", options)
    path = Path(text)
    if (path / MODEL).is_file():
        path = path / MODEL
    frontend = _by_suffix(registry, path)
    if not path.is_file():
        raise fail(
            "source-missing",
            f"there is no file {text}",
            help="give a network: " + _accepted(registry),
        )
    return _read(registry, frontend, path, options)


def _read(registry: Registry, name: str, source: Any, options: Mapping[str, Any]) -> Module:
    """Return what a front end reads; one that `runs` modules is given an engine to do it."""
    frontend = registry.get_frontend(name)
    if getattr(frontend, "runs", False):
        options = {**options, "run": runner(registry)}
    return frontend.read(source, options)


def _by_suffix(registry: Registry, path: Path) -> str:
    """Return the name of the front end that reads files of a path's suffix."""
    suffixes: dict[str, str] = {}
    for name in registry.names("frontends"):
        for suffix in registry.get_frontend(name).suffixes:
            if suffix in suffixes:
                raise fail(
                    "duplicate-name",
                    f"front ends {suffixes[suffix]} and {name} both read {suffix}",
                    help="leave one plugin out",
                )
            suffixes[suffix] = name
    for suffix, name in suffixes.items():
        if path.name.lower().endswith(suffix):
            return name
    near = nearest(path.suffix, list(suffixes)) if path.suffix else ""
    raise fail(
        "unknown-source" if path.exists() else "source-missing",
        f"no front end reads {path}" if path.exists() else f"there is no file {path}",
        help=near if near.startswith("did") else "give a network: " + _accepted(registry),
    )


def _accepted(registry: Registry) -> str:
    suffixes = [s for f in registry.frontends() for s in f.suffixes]
    return ", ".join([*suffixes, "a build folder", "file.py:function"])


def _from_python(registry: Registry, file: Path, name: str, options: Mapping[str, Any]) -> Module:
    what = f"{file}:{name}" if name else str(file)
    if not file.is_file():
        raise fail("source-missing", f"there is no file {file}")
    loaded = load_file(file, "source-failed", what, "the fault is in this file")
    here = [k for k, v in vars(loaded).items() if inspect.isfunction(v) and k[0] != "_"]
    if not name:
        known = f"for example {file}:{here[0]}" if here else "it has none yet"
        raise fail(
            "source-function",
            f"{file} is Python: name the function that returns the network",
            help=known,
        )
    if not hasattr(loaded, name):
        raise fail("source-function", f"{file} has no {name!r}", help=nearest(name, here))
    found = getattr(loaded, name)
    if inspect.isroutine(found) or inspect.isclass(found):
        with guarded("source-failed", what, "the fault is in this file", file):
            found = found()
    return _from_object(registry, found, options, what)


def _from_object(registry: Registry, source: Any, options: Mapping[str, Any], what: str) -> Module:
    if isinstance(source, Module):
        if options:
            raise fail(
                "unknown-option",
                f"a module takes no options, but {', '.join(options)} was given",
                help="leave them out: a module is what a front end would make",
            )
        return source
    for name in registry.names("frontends"):
        frontend = registry.get_frontend(name)
        if frontend.accepts(source):
            return _read(registry, name, source, options)
    kind = type(source)
    raise fail(
        "unknown-source",
        f"{what} is a {kind.__module__}.{kind.__qualname__}, which no front end reads",
        help="a function returns an snnc Module, or an object that one of these front ends takes: "
        + ", ".join(registry.names("frontends")),
    )
