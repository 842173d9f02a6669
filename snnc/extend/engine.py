"""What an engine is: it prepares a module once and runs batches of samples through it."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from attrs import field, frozen
from numpy.typing import NDArray

from snnc.diagnostics import Diagnostic
from snnc.ir.graph import Module
from snnc.ir.html import table

Array = NDArray[Any]


@frozen(repr=False)
class Result:
    """What a run gives: outputs and probed values by name, `(samples, ticks, *shape)`, and a state.

    Potentials are traced as `NAME.v` for the neuron whose first result is NAME. The state may be
    given to the next `run` to go on where this one stopped.
    """

    outputs: Mapping[str, Array]
    state: Any = None
    trace: Mapping[str, Array] = field(factory=dict)

    def __repr__(self) -> str:
        shown = [f"{n} {_shape(a)}" for n, a in self.outputs.items()]
        traced = f", {len(self.trace)} values traced" if self.trace else ""
        return f"<snnc result: {', '.join(shown)}{traced}>"

    def _repr_html_(self) -> str:
        values = {**self.outputs, **self.trace}
        return table("result", {name: _shape(array) for name, array in values.items()})


def _shape(array: Array) -> str:
    return f"{array.dtype}[{', '.join(map(str, array.shape))}]"


class Program(Protocol):
    """A module made ready to run.

    It may have `notes`, diagnostics on how it runs: a warning where it is far slower than it need
    be, a note on an op that is. Numbers never depend on that.
    """

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        ticks: int | None = None,
        state: Any = None,
        probe: Iterable[str] = (),
    ) -> Result:
        """Run `ticks` ticks (default: the length of the timed inputs) of a batch of samples.

        A timed input is `(samples, ticks, *shape)`, a constant one `(samples, *shape)`. Outputs are
        named by the values that the graph returns. `probe` names values (`NAME.v` for potentials)
        or is ("all",). Where ops draw at random by the number of a sample, a program takes
        `first_sample` too: the number of the first one, so that parts give what the whole gives.
        """


def notes_of(program: Program) -> tuple[Diagnostic, ...]:
    """Return what there is to say of how a program runs."""
    return tuple(getattr(program, "notes", ()))


class Engine(Protocol):
    """Turns modules of some levels into programs."""

    name: str
    levels: tuple[str, ...]

    def prepare(self, module: Module) -> Program:
        """Return a program; raises SnncError for a module it cannot run."""
