"""What a pass is: a frozen class whose fields are its options and whose `run` maps modules.

    @frozen
    class Clean(Pass):
        \"\"\"Drop what no output depends on.\"\"\"

        name = "clean"
        level = "any"
        exactness = Exactness.EXACT

        def run(self, module: Module, context: Context) -> Module: ...

The driver verifies the module before and after, and `--check` executes the declared exactness.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar

from attrs import field, frozen

from snnc.diagnostics import Diagnostics
from snnc.ir.graph import Module


class Exactness(Enum):
    """What a pass promises about the values of every output, at every tick."""

    EXACT = "exact"
    DELAYED = "delayed"
    APPROXIMATE = "approximate"


def _no_engine(*_: Any, **__: Any) -> Any:
    raise RuntimeError("this context has no engine")


@frozen
class Context:
    """What the driver hands to a pass.

    `hardware` is a target's limits as plain data (empty without a target); `calibration` maps
    graph inputs to arrays `(samples, ticks, *shape)`; `run(module, inputs, probe=...)` executes a
    module and returns a `Result`; `cost(module)` counts what a module at level int would take of
    the target, by resource (`cores`), or is None; `rates(module)` counts the spikes of each neuron
    of a module at level int on data that the user gave for that, by layer, or is None; warnings
    go to `diagnostics`, figures of the build to `report`, whose list `relies_on` names unproven
    properties of the silicon.
    """

    hardware: Mapping[str, Any] = field(factory=dict)
    calibration: Mapping[str, Any] | None = None
    run: Callable[..., Any] = _no_engine
    cost: Callable[[Module], Mapping[str, Any]] | None = None
    rates: Callable[[Module], Mapping[str, Any]] | None = None
    diagnostics: Diagnostics = field(factory=Diagnostics)
    report: dict[str, Any] = field(factory=dict)


@frozen
class Pass:
    """Base of all passes. `level` is the level read (or `any`); `to` the one left, if another.

    `rated` says whether it has a use for `Context.rates`.
    """

    name: ClassVar[str] = ""
    level: ClassVar[str] = "any"
    to: ClassVar[str] = ""
    exactness: ClassVar[Exactness] = Exactness.EXACT
    rated: ClassVar[bool] = False

    def run(self, module: Module, context: Context) -> Module:
        """Return the new module; `module` is never changed."""
        raise NotImplementedError(f"pass {self.name} has no run")


def option(default: Any, *, help: str, choices: tuple[Any, ...] = ()) -> Any:
    """Declare an option of a pass or target: an attrs field with a default, help and choices.

    A name that is a word of Python gets a trailing underscore, which texts leave out (`for_`).
    """
    return field(default=default, metadata={"help": help, "choices": choices}, kw_only=True)
