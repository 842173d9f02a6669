"""Code that is not ours: loading a user's or a plugin's file, and saying where it failed.

The contract: whatever such code raises becomes a `SnncError` that names the file and the line,
never a traceback. A `SnncError` that it raises itself passes through.
"""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from snnc.diagnostics import UNKNOWN, Location, SnncError, at, fail

_OURS = Path(__file__).resolve().parents[1]
_LOADED: dict[tuple[Path, str], ModuleType] = {}


def blame(error: BaseException, file: Path | None = None) -> Location:
    """Return the innermost place in `file` (else in any code not ours) that an error came by."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return at(error.filename, error.lineno, error.offset or 0)
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if frame.lineno and (path == file if file else _foreign(frame.filename)):
            return at(frame.filename, frame.lineno)
    return UNKNOWN if file is None else at(str(file), 1)


def _foreign(filename: str) -> bool:
    if filename.startswith("<"):
        return False
    path = Path(filename)
    standard = Path(traceback.__file__).parent
    inside = standard in path.parents and "site-packages" not in path.parts
    return not inside and _OURS not in path.resolve().parents


@contextmanager
def guarded(code: str, what: str, help: str = "", file: Path | None = None) -> Iterator[None]:
    """Turn any exception of the code inside into a `SnncError`; `what` names it in the message."""
    try:
        yield
    except SnncError:
        raise
    except (Exception, SystemExit) as error:
        detail = error.msg if isinstance(error, SyntaxError) else str(error)
        reason = type(error).__name__ + (f": {detail}" if detail else "")
        raise fail(code, f"{what} raised {reason}", blame(error, file), help=help) from error


def load_file(path: Path, code: str, what: str, help: str = "") -> ModuleType:
    """Return a Python file as a module, its folder importable from; each content is run once.

    Raises:
        SnncError: `code`, where the file is missing or raises.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise fail(
            code,
            f"{what}: cannot read {path}: {error.strerror or error}",
            help="give the path of a Python file",
        ) from error
    digest = hashlib.sha256(source).hexdigest()
    key = (path.resolve(), digest)
    if key not in _LOADED:
        with guarded(code, what, help, path):
            _LOADED[key] = _execute(path, f"snnc_file_{path.stem}_{digest[:12]}", source)
    return _LOADED[key]


def _execute(path: Path, name: str, source: bytes) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ImportError(f"{path} does not end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with beside(path):
            exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def beside(path: Path) -> Iterator[None]:
    """Let imports find what lies beside a file, and then in the current folder.

    Beside a package for its `__init__.py`. The current folder is where `python -m` looks too.
    """
    file = path.resolve()
    folder = file.parents[1] if file.name == "__init__.py" else file.parent
    added = [str(folder), str(Path.cwd())]
    sys.path[:0] = added
    try:
        yield
    finally:
        for one in added:
            if one in sys.path:
                sys.path.remove(one)
