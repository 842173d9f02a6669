"""Errors of a network are collected: each slip is reported once, what it spoils is passed over."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import evolve

from snnc.diagnostics import Diagnostics, Location, SnncError
from snnc.frontends.dsl.scope import BROKEN, Frame, Skipped
from snnc.frontends.dsl.sketch import Sketch

ERROR_LIMIT = 50
FATAL = ("too-large", "nested-too-deep")
"""After these, going on would only repeat them."""

Made = TypeVar("Made")


class Report:
    """What was found wrong so far; places inside the library become the place of the call."""

    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.found = Diagnostics()
        self.stopped = False
        self.seen: set[tuple[str, Location]] = set()

    def add(self, error: SnncError) -> None:
        """Add the diagnostics of an error, one of a code for each place."""
        for diagnostic in error.diagnostics:
            fixed = self.sketch.fixed
            placed = evolve(diagnostic, loc=fixed) if fixed else diagnostic
            key = (placed.code, placed.loc)
            if key not in self.seen:
                self.seen.add(key)
                self.found.items.append(placed)
        if len(self.found.items) >= ERROR_LIMIT and not self.stopped:
            self.stopped = True
            self.note(len(self.found.items) - 1, f"after {ERROR_LIMIT} errors no more are sought")

    def guarded(self, run: Callable[[], Made], makes: Sequence[str], frame: Frame) -> Made | None:
        """Run a statement; report its error, and mark what it should have made as broken.

        Raises:
            SnncError: everything found, where going on makes no sense.
        """
        try:
            return run()
        except SnncError as error:
            self.add(error)
            self.stopped = self.stopped or error.code in FATAL
            if self.stopped:
                self.found.check()
        except Skipped:
            pass
        for name in makes:
            frame.names[name] = BROKEN
        return None

    def note(self, first: int, note: str) -> None:
        """Add a note to what was reported from the `first` diagnostic on."""
        items = self.found.items
        items[first:] = [evolve(d, notes=(*d.notes, note)) for d in items[first:]]
