"""Variables that input functions may ask for by name: the step `t`, and what the user saved."""

import inspect
from collections.abc import Callable
from typing import Any

from snnc.diagnostics import fail, nearest
from snnc.frontends.paibox.guide.calls import here


class Environment:
    """The variables by name; `FRONTEND_ENV["t"]` is the current step of the simulation."""

    def __init__(self) -> None:
        self._variables: dict[str, Any] = {}

    def save(self, **variables: Any) -> None:
        """Keep variables for input functions, replacing those of the same names."""
        self._variables |= variables

    def load(self, name: str) -> Any:
        """Return a variable.

        Raises:
            SnncError: `paibox-variable`.
        """
        if name not in self._variables:
            raise fail(
                "paibox-variable",
                f"there is no variable {name!r}",
                here(),
                help=f"save it first: FRONTEND_ENV.save({name}=...)",
                notes=[nearest(name, list(self._variables))] if self._variables else (),
            )
        return self._variables[name]

    __getitem__ = load

    def clear(self) -> None:
        """Forget all variables."""
        self._variables.clear()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what a function gives, called with the variables that its parameters name.

        A parameter `**kwargs` gets all other variables.
        """
        try:
            declared = inspect.signature(function).parameters.values()
        except ValueError:
            return function(*args)
        ahead = list(declared)[len(args) :] if args else list(declared)
        wanted: dict[str, Any] = {}
        for parameter in ahead:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and (
                parameter.default is parameter.empty or parameter.name in self._variables
            ):
                wanted[parameter.name] = self.load(parameter.name)
        if any(p.kind is p.VAR_KEYWORD for p in ahead):
            taken = {p.name for p in declared}
            wanted |= {k: v for k, v in self._variables.items() if k not in taken}
        return function(*args, **wanted)


FRONTEND_ENV = Environment()
"""The one environment of a process."""
