"""Layers to cores: the matching is maximum, and names who is in the way."""

import networkx
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.targets.dynapcnn.mapping.matching import crowded, match, tightest

CANDIDATES = st.lists(st.lists(st.integers(0, 8), unique=True).map(sorted), max_size=10)


@settings(deadline=None, derandomize=True, database=None)
@given(CANDIDATES)
def test_as_many_layers_are_placed_as_possible(candidates: list[list[int]]) -> None:
    graph = networkx.Graph()
    graph.add_nodes_from(("layer", n) for n in range(len(candidates)))
    graph.add_edges_from((("layer", n), ("core", c)) for n, cs in enumerate(candidates) for c in cs)
    largest = len(networkx.max_weight_matching(graph, maxcardinality=True))
    for found in (match(candidates), tightest(candidates, [4, 4, 4, 3, 3, 5, 5, 1, 1])):
        assert largest == len(found) == len(set(found.values()))
        assert all(core in candidates[layer] for layer, core in found.items())


@settings(deadline=None, derandomize=True, database=None)
@given(CANDIDATES)
def test_a_crowd_shares_fewer_cores_than_it_has_layers(candidates: list[list[int]]) -> None:
    layers, cores = crowded(candidates)
    if len(match(candidates)) == len(candidates):
        assert [] == layers
    else:
        assert len(cores) < len(layers)
        assert set(cores) == {core for layer in layers for core in candidates[layer]}


def test_maps_of_the_vendor_are_found_again() -> None:
    small, large = [0, 1, 2, 3, 4], [5, 6]
    seed = [small, [3, 4, 5, 6], large, large, list(range(9))]
    assert {0: 0, 1: 3, 2: 5, 3: 6, 4: 1} == match(seed)


def test_the_smallest_sufficient_cores_are_taken() -> None:
    found = tightest([[0, 7, 8], [0, 7, 8]], [9, 9, 9, 9, 9, 9, 9, 1, 1])
    assert [7, 8] == sorted(found.values())
