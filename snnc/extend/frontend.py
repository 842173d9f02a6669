"""What a front end is: it turns a source into a module at level `snn` or `int`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from snnc.ir.graph import Module


class Frontend(Protocol):
    """Reads one kind of source, recognized by suffix or by the object itself.

    A front end may have `Options`, an attrs class with a field per option as of a target: the
    driver refuses other names and turns texts into what fields are. `data` names options beside
    them that hold arrays, or files of them. Without `Options` it judges names by itself, and
    `names(source)`, if it has that, returns those that a source has. One with
    `runs = True` is given the option `run`, which executes modules.
    """

    name: str
    suffixes: tuple[str, ...]

    def accepts(self, source: Any) -> bool:
        """Whether a Python object (not a path) is of this kind."""

    def read(self, source: Path | Any, options: Mapping[str, Any]) -> Module:
        """Return the module; every op has a location; raises SnncError."""
