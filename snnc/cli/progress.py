"""Progress on stderr, where a person sees it; nothing is written into files and pipes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snnc.cli.session import to_terminal


def _nothing(what: str, done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def shown(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function to call with what is done, how much of it, and of how much (0: unknown).

    A line with a bar and the time it takes stands on the terminal until the block is left.
    """
    if quiet or not to_terminal():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
    )
    with Progress(
        *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=None, count="")

        def tell(what: str, done: int, total: int) -> None:
            count = f"{done:,} of {total:,}" if total else ""
            bar.update(task, description=what, completed=done, total=total or None, count=count)

        yield tell
