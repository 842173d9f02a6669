"""Bounds of the emulation by events: a loop of cores may go on for ever."""

from snnc.diagnostics import SnncError, fail

LONGEST = 1 << 30
"""Events that one command may cause."""

QUEUE = 1 << 23
"""Events that may wait at a time."""


def storm() -> SnncError:
    """Return the error for a command whose events find no end."""
    return fail(
        "event-storm",
        f"one event or one tick of the leak causes more than {LONGEST:,} events, or more than "
        f"{QUEUE:,} wait at a time",
        help="cores that send to each other feed on their own spikes: raise a threshold",
    )
