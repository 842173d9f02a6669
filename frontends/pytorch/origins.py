"""Where a captured op, or an error, comes from: the module's path and the user's line."""

import inspect
import re
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


def called_at() -> Location:
    """Return the innermost line of the user's own code that has called this."""
    frame = inspect.currentframe()
    while frame is not None:
        if not _foreign(frame.f_code.co_filename):
            return at(_shown(frame.f_code.co_filename), frame.f_lineno)
        frame = frame.f_back
    return UNKNOWN


def module_of(error: BaseException, network: Any) -> str:
    """Return the path of the innermost module of a network that an error came by, or nothing."""
    paths = {id(module): path for path, module in network.named_modules()}
    found, trace = "", error.__traceback__
    while trace is not None:
        found = paths.get(id(trace.tb_frame.f_locals.get("self")), found)
        trace = trace.tb_next
    return found


def defined_at(network: Any, path: str) -> Location:
    """Return the user's line that makes a module of a network, else the module's path as a name.

    It is looked for where the nearest module of the user's own class assigns the attribute.
    """
    names = path.split(".") if path else []
    if not names:
        found = _line_of(type(network), "class ")
        return found if found.known else named("network")
    while names:
        *parent, name = names
        assigned = rf"\b\w+\.{re.escape(name)}\b[^=]*=(?!=)"
        found = _line_of(type(network.get_submodule(".".join(parent))), assigned)
        if found.known:
            return found
        names = parent
    return named(path)


def _line_of(owner: type, pattern: str) -> Location:
    """Return the first line of a user's class in which a pattern is found."""
    try:
        file = inspect.getsourcefile(owner)
        lines, first = inspect.getsourcelines(owner)
    except (OSError, TypeError):
        return UNKNOWN
    if file is None or _foreign(file):
        return UNKNOWN
    for number, line in enumerate(lines):
        if re.search(pattern, line):
            return at(_shown(file), first + number)
    return UNKNOWN


def _foreign(file: str) -> bool:
    return file.startswith("<") or any(part in file for part in _NOT_USER)


def _shown(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
