"""Modules of one time step with explicit state, as the vendor's tutorials and BIDL write them."""

from snnc.frontends.bidl.frontend import Bidl

__all__ = ["Bidl"]
