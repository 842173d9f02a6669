"""How a run ends: what is shown of an error, the exit status, and the reproducer of a defect.

Diagnostics are rendered on stderr, at most `SHOWN` of them. An exception that is no `SnncError` is
a defect of ours: one line on stderr, status 70, and a folder with all that is needed to report it.
"""

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snnc.cli import INTERRUPTED

if TYPE_CHECKING:
    from snnc.diagnostics import Diagnostic, SnncError

REFUSED, USAGE, DIFFERENT, UNFIT, DEFECT = 1, 2, 3, 4, 70
"""Exit statuses other than 0."""

PIPE_CLOSED = 141
"""Exit status by the custom of shells: 128 + SIGPIPE."""

SHOWN = 20
"""Most diagnostics that are shown."""

COPIED = 64 << 20
"""Most bytes of input files that a reproducer takes."""

LONGEST_NAME = 80
"""Most characters of a file's name that a message quotes."""

SURROUNDINGS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
}
"""What an operating system refuses without any fault of ours."""

_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}


def paint(text: str, color: str) -> str:
    """Return text in bold and a color, plain where NO_COLOR is set; pipes drop it anyway."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=color, bold=True)


def ending(error: BaseException, args: Sequence[str]) -> int:
    """Tell the user of an exception that ended a run; return the exit status."""
    if isinstance(error, click.exceptions.Exit):
        return int(error.exit_code)
    if isinstance(error, SystemExit) and not error.code:
        return 0  # A shell asked for completions.
    if isinstance(error, (BrokenPipeError, SystemExit)):
        return _close_pipe()  # click exits with 1 where it meets a closed pipe.
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return _show_usage(error)
    from snnc.diagnostics import SnncError

    if isinstance(error, SnncError):
        show_all(error.diagnostics)
        return _status(error)
    if isinstance(error, shutil.Error) or _surroundings(error):
        show_all([_refusal(error)])
        return REFUSED
    return _report(error, args)


def _surroundings(error: BaseException) -> bool:
    if not isinstance(error, OSError):
        return False
    # Where no folder of temporary files has room, Python says that it found none.
    no_room = error.errno == errno.ENOENT and "temporary" in str(error.strerror)
    return no_room or error.errno in SURROUNDINGS


def _refusal(error: BaseException) -> "Diagnostic":
    """Return what the system refused, such as a name too long or a full disk."""
    from snnc.diagnostics import Diagnostic, Severity

    if isinstance(error, shutil.Error):
        source, _, reason = error.args[0][0]
        message = f"cannot copy {source}: {reason}"
    else:
        name = str(getattr(error, "filename", None) or "a file")
        shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
        message = f"cannot use {shown}: {getattr(error, 'strerror', error)}"
    help = "check the name, its permissions and the space on the disk, also that of TMPDIR"
    return Diagnostic(Severity.ERROR, "system-refused", message, help=help)


def _close_pipe() -> int:
    """Let the interpreter flush into nothing: the reader of our output is gone."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
    return PIPE_CLOSED


def _show_usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    path = context.command_path if context else "snnc"
    click.echo(f"{paint('error', 'red')}: {message}", err=True)
    if context is not None and context.command.get_help_option(context) is not None:
        click.echo(f"  help: see {path} --help", err=True)
    return USAGE


def _status(error: "SnncError") -> int:
    """Return the status of an error; what the user typed as a pipeline is usage."""
    from snnc.extend.options import WHERE

    if error.exit_status == REFUSED and error.diagnostics[0].loc.file == WHERE:
        return USAGE
    return error.exit_status


def show_all(diagnostics: "Sequence[Diagnostic]") -> None:
    """Render diagnostics on stderr."""
    for diagnostic in diagnostics[:SHOWN]:
        click.echo(_colored(diagnostic), err=True)
    if len(diagnostics) > SHOWN:
        click.echo(f"... and {len(diagnostics) - SHOWN} more", err=True)


def _colored(diagnostic: "Diagnostic") -> str:
    from snnc.cli.commands.explain import codes
    from snnc.diagnostics import render

    word = diagnostic.severity.value
    tag = f"{word}[{diagnostic.code}]"
    shown = render(diagnostic).replace(tag, paint(tag, _COLORS[word]), 1)
    if not diagnostic.help and diagnostic.code in codes():
        shown += f"\n  help: snnc explain {diagnostic.code}"
    return shown


def _report(error: BaseException, args: Sequence[str]) -> int:
    """Write a reproducer and name it."""
    detail = str(error).splitlines()[:1]
    what = type(error).__name__ + (f": {detail[0]}" if detail and detail[0] else "")
    click.echo(
        f"{paint('internal error', 'red')}: {what}; "
        f"this is a defect of snnc, please report it with {_reproducer(error, args)}",
        err=True,
    )
    return DEFECT


def _reproducer(error: BaseException, args: Sequence[str]) -> str:
    """Return the folder into which command, traceback, versions and inputs were written."""
    import json
    import shlex
    import tempfile
    import traceback

    try:
        folder = Path(tempfile.mkdtemp(prefix="snnc-reproducer-"))
        lines = "".join(traceback.format_exception(error))
        (folder / "traceback.txt").write_text(lines, encoding="utf-8")
        (folder / "command.txt").write_text(f"snnc {shlex.join(args)}\n", encoding="utf-8")
        from snnc.cli.commands.doctor import versions

        text = json.dumps(versions(), indent=1) + "\n"
        (folder / "versions.json").write_text(text, encoding="utf-8")
        left = COPIED
        for path in _inputs(args):
            left -= path.stat().st_size
            if left >= 0:
                target = folder / "input" / path.name
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, target)
    except OSError as problem:
        return f"the command that you typed ({problem.strerror}: no reproducer was written)"
    return str(folder)


def _inputs(args: Sequence[str]) -> Iterator[Path]:
    """Yield the files that arguments name, weights beside a network and files of a build too."""
    for arg in args:
        path = Path(arg)
        if not path.exists() and ".py:" in arg:
            path = Path(arg.rpartition(":")[0])
        if path.is_dir() and (path / "manifest.json").is_file():
            yield from (p for p in sorted(path.iterdir()) if p.is_file())
        elif path.is_file():
            yield path
            beside = path.with_suffix(".safetensors")
            if path.suffix == ".snn" and beside.is_file():
                yield beside
