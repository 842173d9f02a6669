"""NIR, the interchange format of spiking networks: reading and writing `.nir` files."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from snnc.frontends.nir.frontend import Nir, statement

if TYPE_CHECKING:
    from snnc.frontends.nir.data import Data, read_data, save_data
    from snnc.frontends.nir.program import save

__all__ = ["Data", "Nir", "read_data", "save", "save_data", "statement"]

_LATER = {"save": "program", "Data": "data", "read_data": "data", "save_data": "data"}


def __getattr__(name: str) -> Any:
    """Import the writer, and what reads data, when it is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"snnc.frontends.nir.{_LATER[name]}"), name)
