"""The public API of snnc, by name.

The facade is a user of snnc like any script: it runs and compiles modules with `snnc.run` and
`snnc.compile`. They are looked up when they are called, because a front end lies below the driver
and may not import it; reading a network of the facade (`Network.paibox_network`) needs none of it.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from snnc.extend.engine import Result
from snnc.ir.graph import Module
from snnc.ir.weights import Array


def run(
    module: Module, inputs: Mapping[str, Array], ticks: int, state: Any, probe: Iterable[str]
) -> Result:
    """Return what `snnc.run` gives."""
    found: Result = import_module("snnc").run(
        module, inputs, ticks=ticks, state=state, probe=tuple(probe)
    )
    return found


def compile(module: Module, **options: Any) -> Any:
    """Return the `snnc.Build` for PAICORE."""
    return import_module("snnc").compile(module, "paicore", **options)


def version() -> str:
    """Return the version of snnc."""
    return str(import_module("snnc").__version__)
