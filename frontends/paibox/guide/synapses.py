"""Synapses of the guide: `NoDecay`, with the connections of `ConnType`."""

from enum import Enum
from typing import Any

import numpy as np

from snnc.diagnostics import SnncError, fail
from snnc.frontends.paibox.guide.calls import strict
from snnc.frontends.paibox.guide.neuron import Neuron
from snnc.frontends.paibox.guide.parts import Part
from snnc.frontends.paibox.guide.projection import InputProj
from snnc.frontends.paibox.links import Dense, Diagonal
from snnc.frontends.paibox.network import Synapse
from snnc.frontends.paibox.numbers import weights_of
from snnc.ir.weights import Array


class ConnType(Enum):
    """How neurons are joined."""

    MatConn = "a matrix (sources, targets)"
    One2One = "each with its partner: a number, or one per neuron"
    BYPASS = "each with its partner, weight 1"
    All2All = "all with all: a number, or a matrix (sources, targets)"


class NoDecay(Part):
    """A connection from an input or neurons to neurons."""

    shows = ("output",)

    @strict
    def __init__(
        self,
        source: Any,
        dest: Any,
        weights: Any = 1,
        conn_type: Any = ConnType.MatConn,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.source: Neuron | InputProj = source
        self.dest: Neuron = dest
        self.conn_type: ConnType = conn_type
        self._check_ends()
        self._weights = weights_of(weights, name or "NoDecay", self.loc)
        self._check_weights()

    def _check_ends(self) -> None:
        wanted = "source is neurons or an input, dest neurons, conn_type one of ConnType"
        for key, value, kinds in (
            ("source", self.source, (Neuron, InputProj)),
            ("dest", self.dest, (Neuron,)),
            ("conn_type", self.conn_type, (ConnType,)),
        ):
            if not isinstance(value, kinds):
                raise fail(
                    "paibox-end",
                    f"NoDecay: {key} = {value!r} is a {type(value).__name__}",
                    self.loc,
                    help=wanted,
                )

    def _check_weights(self) -> None:
        sizes, given = (self.source.size, self.dest.size), self._weights
        partners = self.conn_type in (ConnType.One2One, ConnType.BYPASS)
        if partners and sizes[0] != sizes[1]:
            raise self._mismatch(f"{sizes[0]} sources have {sizes[1]} targets", "equal numbers")
        if self.conn_type is ConnType.BYPASS and (given.shape or given != 1):
            raise self._mismatch("BYPASS has weights", "none: it is One2One with weight 1")
        if self.conn_type is ConnType.One2One and given.shape not in ((), sizes[1:]):
            raise self._mismatch(f"weights {given.shape}", f"a number, or {sizes[1]} of them")
        if self.conn_type is ConnType.All2All and given.shape not in ((), sizes):
            raise self._mismatch(f"weights {given.shape}", f"a number, or a matrix {sizes}")
        if self.conn_type is ConnType.MatConn and given.shape != sizes:
            raise self._mismatch(f"weights {given.shape}", f"a matrix {sizes}")

    def _mismatch(self, found: str, wanted: str) -> SnncError:
        kind = f"NoDecay of {self.conn_type.name}"
        return fail("paibox-shape", f"{kind}: {found}", self.loc, help=f"give {wanted}")

    @property
    def weights(self) -> Array:
        """The weights: a number kept as such, else the matrix (sources, targets)."""
        return np.diag(self._weights) if self._weights.ndim == 1 else self._weights

    @property
    def output(self) -> Array:
        """What the targets got in the last step, int32, flat."""
        return self.shown("output")

    def initial(self, attr: str) -> Array:
        """Return zeros."""
        return np.zeros(self.dest.size, dtype=np.int32)

    def described(self, name: str, source: str, target: str) -> Synapse:
        """Return the synapse under the names that it and its ends have in a network."""
        partners = self.conn_type in (ConnType.One2One, ConnType.BYPASS)
        link = Diagonal(self._weights) if partners else Dense(self._weights)
        return Synapse(name, source, target, link, self.loc)
