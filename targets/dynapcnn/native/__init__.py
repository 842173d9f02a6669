"""Both emulators as machine code: one function each for all networks, which reads tables of cores.

It needs llvmlite. Without it the same numbers come from numpy and Python.
"""

from importlib.util import find_spec


def installed() -> bool:
    """Return whether machine code can be made."""
    return find_spec("llvmlite") is not None
