"""Halves of a region by the hypergraph partitioner Mt-KaHyPar, if its package is installed.

Neurons are nodes, each element a net of the neurons that read it. What is counted are nets with
neurons in both halves (km1). Its deterministic preset on one thread gives the same halves each
time; other versions of the package may give others, so that a build says which one it was.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnc.diagnostics import Diagnostics
from snnc.targets.paicore.tiling.orders import cuthill_mckee, exchanged
from snnc.targets.paicore.tiling.reads import Reads

PACKAGE = "mtkahypar"

IMBALANCE = 0.01
"""How much larger a half may come back; it is made exact here."""


def installed() -> bool:
    """Whether the package is there."""
    return find_spec(PACKAGE) is not None


def tell_if_missing(diagnostics: Diagnostics) -> None:
    """Note that the package is asked for and is not there."""
    if not installed():
        diagnostics.note(
            "no-partitioner",
            f"the package {PACKAGE} is not installed (pip install snnc[partition]); orders of "
            "neurons alone are tried for layers with few synapses",
        )


def described(order: str) -> str:
    """Return how a report names an order; the package with its version."""
    return f"{order} {version(PACKAGE)}" if order == PACKAGE else order


@cache
def _library() -> tuple[Any, Any]:
    """Return the package and its initialized library."""
    package = import_module(PACKAGE)
    return package, package.initialize(1)


def halve(reads: Reads, count: int) -> NDArray[np.bool_]:
    """Return which `count` neurons are in the first half."""
    if not reads.elements:
        return np.arange(reads.neurons) < count
    package, library = _library()
    context = library.context_from_preset(package.PresetType.DETERMINISTIC)
    context.set_partitioning_parameters(2, IMBALANCE, package.Objective.KM1)
    context.set_individual_target_block_weights([count, reads.neurons - count])
    context.logging = False
    package.set_seed(0)
    nets = np.split(reads.row[reads.by_element], reads.columns[1:-1])
    graph = library.create_hypergraph(
        context, reads.neurons, len(nets), [net.tolist() for net in nets]
    )
    found = np.array(graph.partition(context).get_partition(), dtype=np.int64) == 0
    return exchanged(reads, _exact(reads, found, count))


def _exact(reads: Reads, chosen: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Return a choice of just so many neurons; those at the end of a walk change sides first."""
    order = cuthill_mckee(reads)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    ranked = np.lexsort((place, ~chosen))
    found = np.zeros(reads.neurons, dtype=bool)
    found[ranked[:count]] = True
    return found
