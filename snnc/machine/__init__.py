"""Machine code from LLVM: instructions, compiled once per content, for engines and emulators."""

from functools import cache
from importlib.util import find_spec

from snnc.diagnostics import Diagnostic, Severity

INSTALL = "pip install snnc[native]"


@cache
def installed() -> bool:
    """Return whether machine code can be made: llvmlite is there, and its library loads."""
    if find_spec("llvmlite") is None:
        return False
    try:
        import llvmlite.binding  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def missing(instead: str) -> Diagnostic:
    """Return the warning of a program that would run as machine code; `instead` is what it does."""
    return Diagnostic(
        Severity.WARNING, "no-machine-code", f"llvmlite is not installed: {instead}", help=INSTALL
    )
