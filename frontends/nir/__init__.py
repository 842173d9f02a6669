"""NIR, the interchange format of spiking networks: reading and writing `.nir` files."""

from typing import TYPE_CHECKING, Any

from snnc.frontends.nir.frontend import Nir, statement

if TYPE_CHECKING:
    from snnc.frontends.nir.program import save

__all__ = ["Nir", "save", "statement"]


def __getattr__(name: str) -> Any:
    """Import the writer when it is asked for."""
    if name != "save":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from snnc.frontends.nir.program import save

    return save
