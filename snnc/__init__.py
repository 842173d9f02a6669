"""snnc, the open compiler for spiking neural networks.

`import snnc` is cheap: what is named here is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snnc.diagnostics import SnncError
    from snnc.driver import Build, Verification, compile, load, run, run_pipeline, verify
    from snnc.ir.build import Builder
    from snnc.ir.graph import Module

__version__ = "0.1.0"

_HOMES = {
    "Build": "snnc.driver",
    "Builder": "snnc.ir.build",
    "Module": "snnc.ir.graph",
    "SnncError": "snnc.diagnostics",
    "Verification": "snnc.driver",
    "compile": "snnc.driver",
    "load": "snnc.driver",
    "run": "snnc.driver",
    "run_pipeline": "snnc.driver",
    "verify": "snnc.driver",
}

__all__ = [
    "Build",
    "Builder",
    "Module",
    "SnncError",
    "Verification",
    "__version__",
    "compile",
    "load",
    "run",
    "run_pipeline",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for; level `snn` and `int` come with the builder."""
    if name not in _HOMES:
        raise AttributeError(f"module 'snnc' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
