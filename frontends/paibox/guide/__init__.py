"""The names that the PAIBox guide teaches, over snnc: `import snnc.frontends.paibox.guide as pb`.

PAIBox is not needed. Networks made here run on snnc's engines (`Simulator`), compile for PAICORE
(`Mapper`, or `snnc.compile(network)`), and are sources like any other (`file.py:build`).
"""

from snnc.frontends.paibox.guide import neuron, public, simulator, synapses
from snnc.frontends.paibox.guide.environment import FRONTEND_ENV
from snnc.frontends.paibox.guide.mapper import BACKEND_CONFIG, Coord, Mapper, set_cflag
from snnc.frontends.paibox.guide.networks import DynSysGroup, Network, NodeDict, NodeList
from snnc.frontends.paibox.guide.neuron import IF, LIF, PhasicSpiking, TonicSpiking
from snnc.frontends.paibox.guide.projection import InputProj
from snnc.frontends.paibox.guide.simulator import Probe, Simulator
from snnc.frontends.paibox.guide.synapses import ConnType, NoDecay

__version__ = public.version()

__all__ = [
    "BACKEND_CONFIG",
    "FRONTEND_ENV",
    "IF",
    "LIF",
    "ConnType",
    "Coord",
    "DynSysGroup",
    "InputProj",
    "Mapper",
    "Network",
    "NoDecay",
    "NodeDict",
    "NodeList",
    "PhasicSpiking",
    "Probe",
    "Simulator",
    "TonicSpiking",
    "__version__",
    "neuron",
    "set_cflag",
    "simulator",
    "synapses",
]
