"""NIR, the interchange format of spiking networks: reading and writing `.nir` files."""

from snnc.frontends.nir.frontend import Nir, statement

__all__ = ["Nir", "statement"]
