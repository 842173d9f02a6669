"""What names stand for while a network is built, and what becomes of names whose maker failed."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from snnc.diagnostics import Location
from snnc.frontends.dsl.arguments import Later

BROKEN = object()


class Skipped(Exception):
    """Raised where a value is read that an earlier, reported error left unmade."""


@define(eq=False)
class Frame:
    """The names of one network while it is built; `prefix` and `indices` make IR names."""

    names: dict[str, Any]
    outer: Mapping[str, Any]
    network: str = ""
    main: bool = False
    prefix: str = ""
    indices: list[int] = field(factory=list)
    states: dict[str, tuple[Later, Location]] = field(factory=dict)

    def find(self, name: str) -> Any:
        """Return what a name stands for; KeyError if nothing."""
        return self.names[name] if name in self.names else self.outer[name]

    def known(self) -> list[str]:
        """Return all names that can be read here."""
        return [*self.names, *self.outer]

    def label(self, name: str) -> str:
        """Return the IR name of a value assigned to `name` here: `block.2.s`."""
        return ".".join([self.prefix + name, *map(str, self.indices)])
