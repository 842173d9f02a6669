"""Progress of long work, told to whoever wants to show it; nothing here shows anything."""

from collections.abc import Callable

from attrs import define, field

Progress = Callable[[str, int, int], None]
"""Is called with what is being done, how much is done, and of how much (0: that is not known)."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@define
class Steps:
    """The steps of a compilation, told as they begin; runs of networks that a step makes, too."""

    progress: Progress = silent
    total: int = 0
    done: int = field(default=-1, init=False)
    what: str = field(default="", init=False)
    runs: int = field(default=0, init=False)

    def begin(self, what: str) -> None:
        """Say that the step before is over, and the next begins."""
        self.done, self.what, self.runs = self.done + 1, what, 0
        self.progress(what, self.done, self.total)

    def within(self, what: str, done: int, total: int) -> None:
        """Say what the step is at; the numbers are of the step, and are not shown."""
        self.progress(f"{self.what}: {what}", self.done, self.total)

    def ran(self) -> None:
        """Say that the step has run a network once more, as calibration does."""
        self.runs += 1
        self.progress(f"{self.what}, run {self.runs}", self.done, self.total)
