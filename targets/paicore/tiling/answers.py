"""Answers that are kept, as passes ask the same of a layer, one after another.

A question says all that its answer depends on, by value, and an answer names nothing of a module:
it holds for any layer of which the same is asked.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Answers(Generic[T]):
    """The answers to one kind of question, so many at `most`."""

    def __init__(self, most: int = 4096) -> None:
        self.most = most
        self._kept: dict[Hashable, T] = {}

    def of(self, question: Hashable, answer: Callable[[], T]) -> T:
        """Return the answer to a question, which is looked for the first time it is asked."""
        if question not in self._kept:
            if len(self._kept) >= self.most:
                self._kept.clear()
            self._kept[question] = answer()
        return self._kept[question]
