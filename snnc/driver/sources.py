"""What can be compiled: a file by its suffix, a build folder, `file.py:function`, or an object.

A user's function gives a module, or an object that a front end accepts. What goes wrong in the
user's file is told with its line. Options are checked against those that the front end declares.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from snnc.builtins import open_registry
from snnc.diagnostics import fail, nearest
from snnc.driver.pipeline import runner
from snnc.extend.foreign import beside, guarded, load_file
from snnc.extend.frontend import Frontend
from snnc.extend.options import Option, declared, from_text
from snnc.extend.registry import Registry
from snnc.ir.graph import Module
from snnc.ir.verify import verify

MODEL = "model.snn"
"""The program that a build must equal, in its folder."""

MANIFEST = "manifest.json"
"""What a build says of itself, in its folder."""

_PYTHON = re.compile(r"(?P<file>.+\.py)(:(?P<name>[A-Za-z_]\w*))?")


@frozen
class Source:
    """What a user named, before it is read: the front end for it and what that is given.

    `frontend` is None where `given` is a module already. `text` is how messages call it.
    """

    frontend: Frontend | None
    given: Any
    text: str = "this"

    @property
    def options(self) -> tuple[str, ...] | None:
        """The names of options that its front end takes; None: only reading it will tell."""
        if self.frontend is None:
            return ()
        known, names = _declared(self.frontend), getattr(self.frontend, "names", None)
        if known is not None:
            return (*known, *_data(self.frontend))
        return None if names is None else tuple(names(self.given))


def load(
    source: Any, *, sample: Any = None, plugin: Iterable[str | Path] = (), **options: Any
) -> Module:
    """Return the module that a source means; options go to its front end.

    Args:
        source: a path (`.snn`, `.snnl` or another suffix of a front end), a build folder,
            `file.py:function`, a module, or an object that a front end accepts.
        sample: example input of a network of PyTorch: an array, a tensor, or a file of one.
        plugin: files of plugins.
        options: what the front end takes; texts are read as what the option is.

    Raises:
        SnncError: `source-missing`, `unknown-source`, `source-failed`, `unknown-option`,
            `bad-option`, and what a front end finds.
    """
    return read_source(open_registry(plugin), source, with_sample(options, sample))


def with_sample(options: Mapping[str, Any], sample: Any) -> dict[str, Any]:
    """Return options with the sample among them, where one is given."""
    return dict(options) if sample is None else {**options, "sample": sample}


def read_source(registry: Registry, source: Any, options: Mapping[str, Any]) -> Module:
    """Return the module that a source means; see `load`."""
    return read_found(registry, find_source(registry, source), options)


def find_source(registry: Registry, source: Any) -> Source:
    """Return what a source is and who reads it; a user's function is called, nothing is read yet.

    Raises:
        SnncError: `source-missing`, `source-function`, `source-failed`, `unknown-source`.
    """
    if isinstance(source, (str, Path)):
        return _from_path(registry, str(source))
    return _from_object(registry, source, "this")


def read_found(registry: Registry, found: Source, options: Mapping[str, Any]) -> Module:
    """Return the module of a source.

    Raises:
        SnncError: `unknown-option`, `bad-option`, and what the front end finds.
    """
    given = _typed(found, options)
    if found.frontend is None:
        module: Module = found.given
    else:
        # A front end that runs modules is given an engine to do it.
        runs = getattr(found.frontend, "runs", False)
        extra = {"run": runner(registry)} if runs else {}
        module = found.frontend.read(found.given, {**given, **extra})
    verify(module).check()
    return module


def _declared(frontend: Frontend) -> dict[str, Option] | None:
    """Return the options that a front end declares, None where it takes names of its own."""
    kind = getattr(frontend, "Options", None)
    return None if kind is None else {option.name: option for option in declared(kind)}


def _data(frontend: Frontend) -> tuple[str, ...]:
    """Return the options of a front end that hold arrays, or files of them."""
    return tuple(getattr(frontend, "data", ()))


def _typed(found: Source, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by the names that fields have, texts as what their option is."""
    if found.frontend is None and options:
        raise fail(
            "unknown-option",
            f"a module takes no options, but {', '.join(options)} was given",
            help="leave them out: a module is what a front end would make",
        )
    known = None if found.frontend is None else _declared(found.frontend)
    if found.frontend is None or known is None:
        return dict(options)
    data, made = _data(found.frontend), {}
    for given, value in options.items():
        name = given.replace("-", "_")
        option = known.get(name)
        if option is None and name not in data:
            spelled = [k.replace("_", "-") for k in (*known, *data)]
            raise fail(
                "unknown-option",
                f"front end {found.frontend.name} has no option {given!r}",
                help=nearest(given.replace("_", "-"), spelled)
                if spelled
                else "it takes no options",
            )
        text = isinstance(value, str) and option is not None and option.kind != "str"
        made[name] = from_text(option, value) if text and option else value
    return made


def _from_path(registry: Registry, text: str) -> Source:
    match = _PYTHON.fullmatch(text)
    if match:
        # A front end may read Python files of a kind of its own as data, without running them.
        for reader in () if match["name"] else registry.frontends():
            recognizes = getattr(reader, "recognizes", None)
            if recognizes is not None and recognizes(Path(text)):
                return Source(reader, Path(text), text)
        return _from_python(registry, Path(match["file"]), match["name"] or "")
    path = Path(text)
    if (path / MODEL).is_file():
        if not (path / MANIFEST).is_file():
            raise fail(
                "not-a-build",
                f"{path} holds {MODEL} and no {MANIFEST}: a build is not whole",
                help=f"compile again; {path / MODEL} alone is a network",
            )
        path = path / MODEL
    frontend = _by_suffix(registry, path)
    if not path.is_file():
        raise fail(
            "source-missing",
            f"there is no file {text}",
            help="give a network: " + _accepted(registry),
        )
    return Source(registry.get_frontend(frontend), path, text)


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


def _from_python(registry: Registry, file: Path, name: str) -> Source:
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
        with guarded("source-failed", what, "the fault is in this file", file), beside(file):
            found = found()
    return _from_object(registry, found, what)


def _from_object(registry: Registry, source: Any, what: str) -> Source:
    if isinstance(source, Module):
        return Source(None, source, what)
    for frontend in registry.frontends():
        if frontend.accepts(source):
            return Source(frontend, source, what)
    kind = type(source)
    raise fail(
        "unknown-source",
        f"{what} is a {kind.__module__}.{kind.__qualname__}, which no front end reads",
        help="a function returns an snnc Module, or an object that one of these front ends takes: "
        + ", ".join(registry.names("frontends")),
    )
