"""Compares recorded configurations with ours: field by field, up to the order of parallel layers.

Where several layers are entries, the vendor's numbering depends on its hash seed; then layers are
paired by what they hold, and cores and destinations are renamed by these pairs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Pairs = dict[int, int]
"""Core in the recorded configuration -> core in ours."""


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        for number, value in enumerate(tree):
            yield from leaves(value, f"{path}[{number}]")
    else:
        yield path, tree


def unindexed(path: str) -> str:
    """Return the path as the recorded list of written fields spells it."""
    out, inside = "", False
    for letter in path:
        inside = letter == "[" or (inside and letter != "]")
        out += letter if letter in "[]" or not inside else ""
    return out


def pairings(
    expected: Mapping[str, Any],
    actual: Mapping[str, Any],
    ours: Sequence[int],
    theirs: Sequence[int],
) -> Iterator[Pairs]:
    """Yield pairs of cores whose layers hold the same: first those of the same place in order."""
    same = dict(zip(theirs, ours, strict=True))
    yield same
    held = {core: _held(actual["cnn_layers"][core]) for core in ours}
    wanted = [_held(expected["cnn_layers"][core]) for core in theirs]
    candidates = [[core for core in ours if held[core] == one] for one in wanted]
    for chosen in _choices(candidates):
        pairs = dict(zip(theirs, chosen, strict=True))
        if pairs != same:
            yield pairs


def _held(layer: Mapping[str, Any]) -> str:
    names = ("weights", "biases", "dimensions", "threshold_high", "threshold_low")
    return json.dumps([layer[name] for name in names])


def _choices(candidates: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    if not candidates:
        yield ()
        return
    for first in candidates[0]:
        rest = [[core for core in one if core != first] for one in candidates[1:]]
        for others in _choices(rest):
            yield (first, *others)


def renamed(config: Mapping[str, Any], pairs: Pairs) -> dict[str, Any]:
    """Return a recorded configuration with its layers on our cores."""
    layers = config["cnn_layers"]
    unused = next((one for n, one in enumerate(layers) if n not in pairs), None)
    moved = [unused] * len(layers)
    for theirs, ours in pairs.items():
        moved[ours] = {**layers[theirs], "destinations": _sent(layers[theirs], pairs)}
    dvs = {**config["dvs_layer"], "destinations": _sent(config["dvs_layer"], pairs)}
    return {**config, "cnn_layers": moved, "dvs_layer": dvs}


def _sent(block: Mapping[str, Any], pairs: Pairs) -> list[dict[str, Any]]:
    return [
        {**one, "layer": pairs.get(one["layer"], one["layer"])} if one["enable"] else one
        for one in block["destinations"]
    ]


def differences(
    expected: Mapping[str, Any], actual: Mapping[str, Any], written: set[str], order: bool
) -> list[str]:
    """Return paths of written fields that differ; `order`: destinations in the same order too."""
    if not order:
        expected, actual = _sorted(expected), _sorted(actual)
    found = dict(leaves(actual))
    wanted = {k: v for k, v in leaves(expected) if unindexed(k) in written}
    assert len(wanted) > 200
    return [path for path, value in wanted.items() if path not in found or found[path] != value]


def _sorted(config: Mapping[str, Any]) -> dict[str, Any]:
    def block(one: Mapping[str, Any]) -> dict[str, Any]:
        key = [json.dumps(to, sort_keys=True) for to in one["destinations"] if to["enable"]]
        used = [to for _, to in sorted(zip(key, _enabled(one), strict=True), key=lambda p: p[0])]
        free = [to for to in one["destinations"] if not to["enable"]]
        return {**one, "destinations": used + free}

    layers = [block(one) for one in config["cnn_layers"]]
    return {**config, "cnn_layers": layers, "dvs_layer": block(config["dvs_layer"])}


def _enabled(block: Mapping[str, Any]) -> list[Any]:
    return [to for to in block["destinations"] if to["enable"]]
