"""Networks of the guide, with the containers in which they find their parts."""

from collections import UserDict, UserList
from collections.abc import Iterator
from typing import Any

from snnc.diagnostics import fail
from snnc.frontends.paibox import network as data
from snnc.frontends.paibox.guide.calls import here, strict
from snnc.frontends.paibox.guide.neuron import Neuron
from snnc.frontends.paibox.guide.parts import Part
from snnc.frontends.paibox.guide.probes import Probe
from snnc.frontends.paibox.guide.projection import InputProj
from snnc.frontends.paibox.guide.synapses import NoDecay


class NodeList(UserList[Any]):
    """A list whose parts belong to the network that it is an attribute of."""


class NodeDict(UserDict[str, Any]):
    """A dict whose parts belong to the network that it is an attribute of."""


class Network:
    """A network: its parts are attributes, and those of the sub-networks handed to `__init__`."""

    @strict
    def __init__(self, *subnetworks: "Network", name: str | None = None) -> None:
        for given in subnetworks:
            if not isinstance(given, Network):
                raise fail(
                    "paibox-end",
                    f"{given!r} is no network",
                    here(),
                    help="parts are attributes: self.part = ...; sub-networks go to __init__",
                )
        self._subnetworks = subnetworks
        self._name = name

    def parts(self) -> dict[str, Part | Probe]:
        """Return inputs, neurons, synapses and probes by name: given, or the attribute's path."""
        found: dict[str, Part | Probe] = {}
        for path, part in self._walk(""):
            if not any(part is other for other in found.values()):
                self._enter(found, path, part)
        return found

    def _enter(self, found: dict[str, Part | Probe], path: str, part: Part | Probe) -> None:
        name = part.name or path
        if name in found:
            raise fail(
                "duplicate-name",
                f"two parts of the network are named {name}",
                part.loc,
                help="give each its own name",
            )
        found[name] = part

    def _walk(self, prefix: str) -> Iterator[tuple[str, Part | Probe]]:
        for key, value in vars(self).items():
            if not key.startswith("_"):
                yield from _parts(value, prefix + key)
        for number, network in enumerate(vars(self).get("_subnetworks", ())):
            yield from network._walk(f"{prefix}{type(network).__name__}{number}.")

    def paibox_network(self, encode: bool = False) -> data.Network:
        """Return this network as data, as the front end reads it; `encode`: with its encoders.

        Raises:
            SnncError: `paibox-outside`, `paibox-empty`, `paibox-hidden`, `duplicate-name`.
        """
        return described(self._name or type(self).__name__, self.parts(), encode)

    def reset(self) -> None:
        """Let neurons that were called directly begin anew."""
        for part in self.parts().values():
            if isinstance(part, Neuron):
                part.reset()


DynSysGroup = Network


def _parts(value: Any, path: str) -> Iterator[tuple[str, Part | Probe]]:
    if isinstance(value, (Part, Probe)):
        yield path, value
    elif isinstance(value, Network):
        yield from value._walk(f"{path}.")
    elif isinstance(value, (NodeList, NodeDict)):
        items = value.data.items() if isinstance(value, NodeDict) else enumerate(value.data)
        for key, item in items:
            yield from _parts(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple, dict)):
        held = value.values() if isinstance(value, dict) else value
        if any(isinstance(item, (Part, Network)) for item in held):
            raise fail(
                "paibox-hidden",
                f"{path} is a {type(value).__name__}, in which no network looks for its parts",
                here(),
                help="use NodeList or NodeDict",
            )


def described(name: str, parts: dict[str, Part | Probe], encode: bool = False) -> data.Network:
    """Return parts as the data of a network."""
    names = {id(part): key for key, part in parts.items()}
    synapses = []
    for key, part in parts.items():
        if isinstance(part, NoDecay):
            ends = [names.get(id(end), "") for end in (part.source, part.dest)]
            if "" in ends:
                outside = part.source if ends[0] == "" else part.dest
                raise fail(
                    "paibox-outside",
                    f"{key} joins {outside!r}, which is not part of {name}",
                    part.loc,
                    help="make it an attribute, or hand its sub-network to super().__init__(...)",
                )
            synapses.append(part.described(key, *ends))
    return data.Network(
        name,
        tuple(p.described(k, encode) for k, p in parts.items() if isinstance(p, InputProj)),
        tuple(p.described(k) for k, p in parts.items() if isinstance(p, Neuron)),
        tuple(synapses),
    )
