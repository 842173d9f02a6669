"""What every command of a run shares: plugins, settings, the registry, and how sources are read."""

import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.builtins import open_registry
from snnc.cli.settings import Settings
from snnc.diagnostics import fail
from snnc.extend.registry import Registry

if TYPE_CHECKING:
    from snnc.diagnostics import Diagnostic
    from snnc.driver import Build
    from snnc.ir.graph import Module

STDIN = "-"


class Session:
    """The context object of the command line."""

    def __init__(self, plugins: tuple[str, ...], verbose: bool, settings: Settings) -> None:
        self.plugins = plugins
        self.verbose = verbose
        self.settings = settings

    @cached_property
    def registry(self) -> Registry:
        """All that is known by name, plugins included."""
        return open_registry(self.plugins)

    def note(self, text: str) -> None:
        """Say what is being done, on stderr, if the user asked for that."""
        if self.verbose:
            click.echo(f"snnc: {text}", err=True)

    def tell(self, found: "Iterable[Diagnostic]") -> None:
        """Show how something runs: warnings, and notes if the user asked for them."""
        from snnc.cli.failures import show_all
        from snnc.diagnostics import Severity

        show_all([d for d in found if self.verbose or d.severity is Severity.WARNING])

    def load(self, source: str, options: Mapping[str, Any] | None = None) -> "Module":
        """Return the module of a network; `-` is IR text from stdin."""
        from snnc.driver.sources import read_source

        if source == STDIN:
            refuse_options("IR text on stdin", options)
            return read_stdin()
        module = read_source(self.registry, source, dict(options or {}))
        self.note(f"read {source}: {module!r}")
        for line in _assumed(module):
            click.echo(f"note: {line}", err=True)
        return module

    def open(self, folder: str) -> "Build":
        """Return the build in a folder."""
        from snnc.driver import Build

        build = Build.open(folder, self.plugins)
        self.note(f"opened {folder}: {build!r}")
        return build


def refuse_options(what: str, options: Mapping[str, Any] | None) -> None:
    """Raise `unknown-option` where options of a front end are given to what has none."""
    if options:
        raise fail(
            "unknown-option",
            f"{what} takes no options of a front end, but {', '.join(options)} was given",
            help="leave out --sample, --checkpoint, --backbone and --set",
        )


def _assumed(module: "Module") -> tuple[str, ...]:
    """Return what the front end took for granted, where the source does not say all."""
    if "nir" not in module.attrs:
        return ()
    from snnc.frontends.nir import statement

    return statement(module)


def read_stdin(weights: Path | None = None) -> "Module":
    """Return the module whose text comes from stdin; `weights` is a file of arrays by digest.

    The file is opened after the end of stdin, when the other side of a pipe has written it.
    """
    from snnc.ir.read import decode, read
    from snnc.ir.verify import verify
    from snnc.ir.weights import load_safetensors

    text = decode(sys.stdin.buffer.read(), "<stdin>")
    module = read(text, "<stdin>", load_safetensors(weights) if weights else None, Path())
    verify(module).check()
    return module


def check_length(manifest: Mapping[str, Any], trains: Mapping[str, Any]) -> None:
    """Raise `run-too-long` for trains of more ticks than a build is exact for."""
    longest = manifest.get("max_ticks")
    ticks = max((array.shape[1] for array in trains.values()), default=0)
    if longest is not None and ticks > longest:
        raise fail(
            "run-too-long",
            f"the run has {ticks} ticks, and the build is exact for {longest}",
            help="run fewer ticks, or compile with a wider potential",
        )


def is_build(source: str) -> bool:
    """Whether a source is the folder of a build."""
    return source != STDIN and (Path(source) / "manifest.json").is_file()


def to_terminal() -> bool:
    """Whether stderr is read by a person now, so that progress is worth showing."""
    return sys.stderr.isatty()
