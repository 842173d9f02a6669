"""Where a captured op, or an error, comes from: the module's path and the user's line."""

import traceback
from pathlib import Path
from typing import Any

from attrs import define

from snnc import diagnostics
from snnc.diagnostics import UNKNOWN, Location, at, named


@define
class Place:
    """Where a captured op comes from: the module's path, and the user's line."""

    path: str
    loc: Location


def place_of(node: Any) -> Place:
    """Return the module path and the user's line of a captured op."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [str(entry[0]) for entry in stack.values()]
    path = paths[-1].removeprefix("network").removeprefix(".") if paths else ""
    line = _user_line(node.meta.get("stack_trace") or "")
    return Place(path, line if line.known else named(path) if path else UNKNOWN)


_PACKAGE = Path(diagnostics.__file__).parent
_NOT_USER = ("site-packages", "importlib", str(_PACKAGE), str(Path(__file__).resolve().parent))


def _user_line(trace: str) -> Location:
    """Return the innermost line of a stack that is in the user's own code."""
    found = UNKNOWN
    for line in trace.splitlines():
        text = line.strip()
        if text.startswith('File "'):
            file, _, rest = text[6:].partition('", line ')
            number = rest.partition(",")[0]
            if number.isdigit() and not _foreign(file):
                found = at(_shown(file), int(number))
    return found


def raised_at(error: BaseException) -> Location:
    """Return the innermost line of the user's own code that an error came by."""
    found = UNKNOWN
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.lineno and not _foreign(frame.filename):
            found = at(_shown(frame.filename), frame.lineno)
    return found


def module_of(error: BaseException, network: Any) -> str:
    """Return the path of the innermost module of a network that an error came by, or nothing."""
    paths = {id(module): path for path, module in network.named_modules()}
    found, trace = "", error.__traceback__
    while trace is not None:
        found = paths.get(id(trace.tb_frame.f_locals.get("self")), found)
        trace = trace.tb_next
    return found


def _foreign(file: str) -> bool:
    return file.startswith("<") or any(part in file for part in _NOT_USER)


def _shown(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
