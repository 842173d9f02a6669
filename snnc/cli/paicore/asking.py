"""The options of `snnc inspect` for PAICORE builds, gathered into one value."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from attrs import fields, frozen


@frozen
class Wanted:
    """What is asked for beside the tables.

    `data` is a file of samples with labels or pixels, as `snnc eval` reads it; `scale`, `limit`,
    `hold` and `ticks` say how.
    """

    map: bool = False
    energy: str | None = None
    data: str | None = None
    scale: float | None = None
    limit: int | None = None
    hold: bool = False
    ticks: int | None = None

    @property
    def anything(self) -> bool:
        """Whether something is asked for."""
        return self != Wanted()

    def check(self, inputs: str | None) -> None:
        """Refuse options that have no use beside others.

        Raises:
            click.UsageError: for two files of inputs, or options for a file that is not given.
        """
        if self.data is not None and inputs is not None:
            raise click.UsageError("-i and --data both give inputs: leave one out")
        if self.data is None and self != Wanted(self.map, self.energy):
            raise click.UsageError("--scale, --limit, --ticks and --hold say how --data is read")
        if self.energy is not None and self.data is None and inputs is None:
            raise click.UsageError(
                "--energy counts what inputs make the chip do: give -i or --data"
            )


OPTIONS = (
    click.option("--map", is_flag=True, help="Of paicore: cores by layer, lower bounds, traffic."),
    click.option(
        "--data", metavar="X.npz", help="Of paicore: samples as eval reads them, in place of -i."
    ),
    click.option("--scale", type=float, metavar="S", help="With --data: divide pixels by this."),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="With --data: the first N samples."
    ),
    click.option(
        "--ticks", type=click.IntRange(min=1), metavar="N", help="With --data: ticks to run."
    ),
    click.option("--hold", is_flag=True, help="With --data: give still inputs in every tick."),
    click.option(
        "--energy",
        metavar="PROFILE.toml",
        help="Of paicore, with inputs: energy by constants of a file.",
    ),
)


def asked(f: Callable[..., Any]) -> Callable[..., Any]:
    """Add these options, which arrive together as `wanted`."""

    @wraps(f)
    def joined(*args: Any, **rest: Any) -> Any:
        given = {field.name: rest.pop(field.name) for field in fields(Wanted)}
        return f(*args, wanted=Wanted(**given), **rest)

    made: Callable[..., Any] = joined
    for add in reversed(OPTIONS):
        made = add(made)
    return made
