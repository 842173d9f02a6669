"""Front end of the IR's own text: a `.snn` file with its weights beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from snnc.ir.graph import Module


@frozen
class Text:
    """Reads `.snn` files of any level."""

    name: str = "text"
    suffixes: tuple[str, ...] = (".snn",)

    def accepts(self, source: Any) -> bool:
        """Modules are passed on by the driver; no other object is text."""
        return False

    def read(self, source: Any, options: Mapping[str, Any]) -> Module:
        """Return the module in the file; raises SnncError."""
        from snnc.ir.read import load

        return load(Path(source))
