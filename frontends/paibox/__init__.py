"""PAIBox networks: those made with PAIBox itself, and those of the facade `guide`."""

from snnc.frontends.paibox.frontend import Paibox

__all__ = ["Paibox"]
