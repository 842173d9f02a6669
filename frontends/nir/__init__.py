"""NIR, the interchange format of spiking networks: reading and writing `.nir` files."""

from snnc.frontends.nir.frontend import Nir, statement
from snnc.frontends.nir.save import save

__all__ = ["Nir", "save", "statement"]
