"""Where arrays lie in memory; a run of a small network asks for dozens of addresses."""

import ctypes
from typing import Any

from numpy.typing import NDArray

_of: Any = ctypes.c_char.from_buffer


def address(array: NDArray[Any]) -> int:
    """Return the address of an array's first element.

    The way through a buffer is several times faster than `array.ctypes`; arrays that may not be
    written to, that have gaps, or that are empty have none.
    """
    try:
        return ctypes.addressof(_of(array))
    except (TypeError, ValueError):
        return int(array.ctypes.data)
