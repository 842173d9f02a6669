"""Front end of the IR's own text: a `.snn` file with its weights beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from snnc.extend.options import build
from snnc.ir.graph import Module


@frozen
class Options:
    """Nothing: a text says all by itself."""


@frozen
class Text:
    """Reads `.snn` files of any level."""

    name: str = "text"
    suffixes: tuple[str, ...] = (".snn",)
    Options: type[Options] = Options

    def accepts(self, source: Any) -> bool:
        """No object is text: the driver passes modules on by itself."""
        return False

    def read(self, source: Any, options: Mapping[str, Any]) -> Module:
        """Return the module in the file.

        Raises:
            SnncError: `unknown-option` for any option, and what the reader finds.
        """
        from snnc.ir.read import load

        build(Options, options, owner="front end text")
        return load(Path(source))
