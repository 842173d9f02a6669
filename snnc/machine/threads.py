"""Threads over samples: as many as are wanted, none of which outlives a run.

Functions of machine code let other threads run. The first part that fails is the one reported; an
interrupt ends the others soon, because they look at the event that is set then.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from snnc.diagnostics import fail

Part = TypeVar("Part")
Made = TypeVar("Made")


class Halted(Exception):
    """A part that was given up; it is never seen outside of the threads of its run."""


def check(halt: Event) -> None:
    """Raise `Halted` where nobody waits for a part any more."""
    if halt.is_set():
        raise Halted


def threads() -> int:
    """Return how many threads a run has by default: SNNC_THREADS, or one per processor.

    Raises:
        SnncError: `bad-threads` where the variable is no number above 0.
    """
    given = os.environ.get("SNNC_THREADS")
    if given is None:
        return _processors()
    if not (given.isascii() and given.isdigit() and int(given)):
        raise fail(
            "bad-threads",
            f"SNNC_THREADS is {given!r}, which is no number of threads",
            help="set it to 1 or more, or unset it for one thread per processor",
        )
    return int(given)


def spread(
    run: Callable[[Part], Made], parts: Iterable[Part], jobs: int, halt: Event
) -> list[Made]:
    """Return what a function gives for each part, in order, from `jobs` threads.

    `halt` is set where one part fails, or the user interrupts.
    """
    waiting = list(parts)
    if jobs == 1 or len(waiting) == 1:
        return [run(part) for part in waiting]
    pool = ThreadPoolExecutor(min(jobs, len(waiting)), "snnc")
    try:
        return list(pool.map(run, waiting))
    except BaseException:
        halt.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _processors() -> int:
    """Return how many processors the process may use; not every system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
