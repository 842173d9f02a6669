"""Running a network or a build on a file of inputs, in this process or in several.

Samples keep their numbers in the whole file, by which random encoders draw, so the result does not
depend on the number of processes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from snnc.cli.session import Session, is_build, refuse_options
from snnc.diagnostics import fail

if TYPE_CHECKING:
    from snnc.diagnostics import Diagnostic
    from snnc.driver import Build
    from snnc.extend.engine import Result
    from snnc.ir.graph import Module

PIECES = 4
"""Pieces per process: few enough to start quickly, enough that none waits long for the last."""

Piece = tuple[int, Mapping[str, Any]]
"""The number of the first sample, and inputs by name."""

Part = tuple[Any, Any, Any]
"""Outputs and traces by name, and diagnostics of how they were made."""


@frozen
class Running:
    """What is run and how, as plain data that another process can be given."""

    source: str
    given: Mapping[str, str]
    plugins: tuple[str, ...]
    engine: str = "auto"
    ticks: int | None = None
    probe: tuple[str, ...] = ()
    semantics: str | None = None

    def found(self, session: Session) -> "Build | Module":
        """Return the build or the network.

        Raises:
            SnncError: `emulator-needs-build`, and what reading raises.
        """
        built = is_build(self.source)
        if self.semantics is not None and (self.engine != "auto" or not built):
            raise click.UsageError(
                "--semantics chooses the emulator of a build; leave --engine out"
            )
        if built:
            refuse_options(f"{self.source} is a build, which", self.given)
            return session.open(self.source)
        if self.engine == "emulator":
            raise fail(
                "emulator-needs-build",
                f"the emulator runs the files of a build, and {self.source} is no build folder",
                help=f"compile it first: snnc compile {self.source} -o DIR",
            )
        return session.load(self.source, self.given)

    def open(self, session: Session) -> "Callable[[Piece], Part]":
        """Return the function from a piece to its part of the result."""
        what = self.found(session)

        def run(piece: Piece) -> Part:
            done, told = self.result(session, what, piece[1], piece[0])
            return dict(done.outputs), dict(done.trace), told

        return run

    def result(
        self, session: Session, what: "Build | Module", inputs: Any, first_sample: int = 0
    ) -> "tuple[Result, list[Diagnostic]]":
        """Return the result for inputs, or for a file of them, and how it ran."""
        from snnc.diagnostics import Diagnostics
        from snnc.driver import run

        told = Diagnostics()
        result = run(
            what,
            inputs,
            ticks=self.ticks,
            probe=self.probe,
            engine=self.engine,
            semantics=self.semantics,
            first_sample=first_sample,
            plugin=session.plugins,
            diagnostics=told,
        )
        return result, told.items


def execute(session: Session, running: Running, inputs: str, jobs: int = 1) -> "Result":
    """Return the result for a file of inputs.

    Raises:
        SnncError: what reading and running raise.
    """
    what = running.found(session)
    if jobs == 1:
        return _alone(session, running, what, inputs)
    import numpy as np

    from snnc.cli.pool import spread, written
    from snnc.driver import Build
    from snnc.driver.build import named
    from snnc.extend.engine import Result

    values = named(what.module if isinstance(what, Build) else what, inputs)
    samples = min((len(array) for array in values.values()), default=1)
    if samples < 2 or len({len(array) for array in values.values()}) > 1:
        return _alone(session, running, what, values)
    pieces = _pieces(values, samples, jobs)
    if isinstance(what, Build):
        parts = list(spread(running, pieces, jobs))
    else:
        with written(what) as source:
            parts = list(spread(evolve(running, source=source, given={}), pieces, jobs))
    session.tell(parts[0][2])
    outputs, trace = (
        {name: np.concatenate([part[kind][name] for part in parts]) for name in parts[0][kind]}
        for kind in (0, 1)
    )
    return Result(outputs, None, trace)


def _alone(session: Session, running: Running, what: "Build | Module", inputs: Any) -> "Result":
    result, told = running.result(session, what, inputs)
    session.tell(told)
    return result


def _pieces(values: Mapping[str, Any], samples: int, jobs: int) -> Iterator[Piece]:
    step = -(-samples // (PIECES * jobs))
    for first in range(0, samples, step):
        yield first, {name: array[first : first + step] for name, array in values.items()}
