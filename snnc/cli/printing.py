"""What goes to stdout: tables for people, JSON for machines."""

import io
import json
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

NUMERIC = frozenset("0123456789.,:/%+-ex")
"""Characters of cells that stand to the right: numbers, shapes, coordinates, shares."""

WORD = 8
"""Letters of a line to which a column of words may shrink on a narrow terminal."""

WIDEST = 10_000
"""Width that no table reaches: what goes into a file or a pipe is never wrapped."""


def show_json(value: Any) -> None:
    """Print a value as JSON, keys in their order; what is not finite becomes "nan" or "inf"."""
    click.echo(json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "", empty: str = ""
) -> None:
    """Print rows as a table, whole numbers to the right; `empty` is said where there are none."""
    from rich import box
    from rich.console import Console, JustifyMethod
    from rich.table import Table
    from rich.text import Text

    body = [[_cell(value) for value in row] for row in rows]
    if title:
        click.secho(title, bold=True)
    if not body:
        click.echo(empty or "  nothing")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        numeric = all(set(row[number]) <= NUMERIC for row in body)
        # A number in two lines is none: headers and words give way on a narrow terminal.
        longest = max(len(row[number]) for row in body)
        least = longest if numeric else min(longest, WORD)
        justify: JustifyMethod = "right" if numeric else "left"
        table.add_column(column, justify=justify, overflow="fold", min_width=least)
    for row in body:
        table.add_row(*(Text(cell) for cell in row))
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else WIDEST
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=terminal, highlight=False).print(
        table, crop=False
    )
    click.echo("\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines()))


def show_pairs(pairs: Mapping[str, Any], indent: str = "") -> None:
    """Print names and values in two columns."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        click.echo(f"{indent}{name.ljust(width)}  {_cell(value)}".rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value) or "-"
    return "-" if value is None else str(value)


def counted(number: int, what: str) -> str:
    """Return a number with its noun, in the plural where that is due.

    >>> counted(1, "core"), counted(3, "core")
    ('1 core', '3 cores')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
