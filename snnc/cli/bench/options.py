"""What the benches have in common on the command line."""

from collections.abc import Callable
from typing import Any

import click


def runs(help: str) -> Callable[[Any], Any]:
    """Return the option `--runs`, which every bench counts in its own unit."""
    return click.option(
        "--runs",
        type=click.IntRange(min=1),
        metavar="N",
        default=3,
        show_default=True,
        help=help,
    )
