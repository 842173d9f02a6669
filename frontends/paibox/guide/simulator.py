"""The names that the guide finds in `pb.simulator`."""

from snnc.frontends.paibox.guide.encoders import PeriodicEncoder, PoissonEncoder
from snnc.frontends.paibox.guide.probes import Probe
from snnc.frontends.paibox.guide.simulation import Simulator

__all__ = ["PeriodicEncoder", "PoissonEncoder", "Probe", "Simulator"]
