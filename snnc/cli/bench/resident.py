"""How much memory a measured process has taken: ours, and those of peers.

It stands alone, as the scripts beside it do that other environments run: these import it by its
bare name, from the folder that they lie in.
"""

import contextlib
import resource
import sys


def peak() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    # What a process inherits of the one that started it counts in `ru_maxrss`, not here.
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as stream:
        return next(1024 * int(line.split()[1]) for line in stream if line.startswith("VmHWM"))
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
