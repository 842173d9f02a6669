"""How the facade is called: keywords are checked, and errors point at the user's line."""

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from snnc.diagnostics import UNKNOWN, Location, at, fail, nearest

P = ParamSpec("P")
R = TypeVar("R")

_OURS = Path(__file__).resolve().parents[1]


def here() -> Location:
    """Return the place in the user's code from which the facade was called."""
    frame = sys._getframe(1)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if _OURS not in file.resolve().parents and not str(file).startswith("<frozen"):
            return at(_shown(file), frame.f_lineno)
        if frame.f_back is None:
            break
        frame = frame.f_back
    return UNKNOWN


def _shown(file: Path) -> str:
    """Return a path below the working directory relative to it, else the name alone."""
    folder = Path.cwd()
    return str(file.relative_to(folder)) if folder in file.parents else file.name


def strict(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function whose wrong calls are `unknown-keyword` or `bad-call`, not tracebacks."""
    signature = inspect.signature(function)
    names = [n for n in signature.parameters if n != "self"]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    shown = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for key in kwargs:
            if key not in names and not open_ended:
                raise fail(
                    "unknown-keyword",
                    f"{shown} takes no keyword {key!r}",
                    here(),
                    help=nearest(key, names),
                )
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise fail("bad-call", f"{shown}: {error}", here(), help=_usage(shown, names)) from None
        return function(*args, **kwargs)

    return call


def _usage(shown: str, names: list[str]) -> str:
    return f"write {shown}({', '.join(names)})"
