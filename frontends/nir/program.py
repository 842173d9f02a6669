"""Writes `.nir` files, and takes back what snnc wrote: the program stands in the metadata.

The contract: reading a file back gives the identical module as text, and only if the graph still is
the one that was drawn from it; a graph changed by another tool is `nir-changed`, never half-read.
Other tools see an ordinary NIR graph, version 1.0.8, its weights in their own dtypes (a quantized
network's int8). Equal modules give equal bytes.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import asdict, evolve

from snnc.diagnostics import SnncError, fail
from snnc.extend.options import build
from snnc.frontends.nir.draw import Drawing, draw
from snnc.frontends.nir.nodes import NEWEST, NirGraph, Node, parse
from snnc.frontends.nir.profiles import Options, Profile, chosen
from snnc.frontends.nir.storage import Leaf, load_h5py, tree_of
from snnc.ir.files import write_atomically
from snnc.ir.graph import Module
from snnc.ir.read import read
from snnc.ir.weights import Array
from snnc.ir.write import arrays_by_digest
from snnc.ir.write import write as write_text

KEY = "snnc"
"""The group of the graph's metadata that is ours."""

SCHEMA = "1"

USUAL_DT = 1e-4
"""Time step, in seconds, where neither the caller nor the profile has one."""

COMPRESSED = 1024
"""Elements from which an array is compressed; a chunk costs some kilobytes."""


def save(module: Module, path: Path | str, profile: str = "spec", **conventions: Any) -> None:
    """Write a module of level `snn` or `int` as a `.nir` file (version 1.0.8).

    Args:
        module: what to write. An `snn` module is refused where the profile cannot say what it does;
            an `int` module is written with IF nodes of its thresholds and weights as they are, and
            what NIR cannot say of its neurons stands in the metadata, for people and for `read`.
        path: the file; written whole or not at all.
        profile: whose conventions the nodes follow, so that its producer's reader (or any with
            these conventions) does the same: spec, snntorch, spikingjelly, norse, sinabs, rockpool.
        conventions: in place of the profile's, by the names of the front end's options: `dt` (the
            profile's own by default, 1e-4 for spec, 1 at level `int`), `reset="soft"` and so on.
            They are noted in the metadata; who reads the nodes alone must be told them.

    Raises:
        SnncError: `nir-unwritable` at the op that has no form, `missing-package` without h5py,
            `output-unwritable`, `nir-profile`, `unknown-option`, `bad-option`.
    """
    if module.level not in ("snn", "int"):
        raise fail(
            "nir-unwritable",
            f"a module of level {module.level} has no form in NIR",
            module.loc,
            help="write the module that it was placed from",
        )
    given: Options = build(Options, {**conventions, "profile": profile}, "NIR files")
    found = _profile(module.level, given)
    drawing = draw(module, found)
    tree = drawing.tree() | {"metadata": {KEY: _metadata(module, drawing, found, given)}}
    write_atomically(Path(path), _hdf5(tree))


def _profile(level: str, given: Options) -> Profile:
    found = chosen(given.profile or "spec", given)
    if not found.dt:
        found = evolve(found, dt=USUAL_DT)
    return evolve(found, dt=1.0) if level == "int" and given.dt is None else found


def _metadata(module: Module, drawing: Drawing, profile: Profile, given: Options) -> dict[str, Any]:
    """Return our group: conventions, the program, and the tensors that no node holds."""
    arrays = arrays_by_digest(module)
    places = {d: list(p) for d, p in sorted(drawing.places.items()) if d in arrays}
    return {
        "schema": SCHEMA,
        "profile": profile.name,
        "dt": np.array(profile.dt),
        "options": json.dumps({k: v for k, v in asdict(given).items() if v is not None}),
        "text": write_text(module),
        "places": json.dumps(places),
        "weights": {d: a for d, a in sorted(arrays.items()) if d not in places},
    }


def _hdf5(tree: Mapping[str, Any]) -> bytes:
    h5py = load_h5py()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        text = h5py.string_dtype()
        file.create_dataset("version", data=NEWEST, dtype=text)
        _fill(file.create_group("node"), tree, text)
    return buffer.getvalue()


def _fill(group: Any, tree: Mapping[str, Any], text: Any) -> None:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            if value:
                _fill(group.create_group(key), value, text)
        elif isinstance(value, str):
            group.create_dataset(key, data=value, dtype=text)
        elif isinstance(value, list):
            group.create_dataset(key, data=np.array(value, dtype=object), dtype=text)
        else:
            array = np.asarray(value)
            packed = {"compression": "gzip"} if array.size >= COMPRESSED else {}
            group.create_dataset(key, data=array, **packed)


def is_ours(graph: NirGraph) -> bool:
    """Whether snnc wrote a graph."""
    return isinstance(graph.metadata.get(KEY), Mapping)


def restore(graph: NirGraph) -> Module:
    """Return the module that a graph of ours was drawn from.

    Raises:
        SnncError: `nir-changed` where graph and program no longer agree.
    """
    group = graph.metadata[KEY]
    assert isinstance(group, Mapping)
    try:
        if _text(group, "schema") != SCHEMA:
            raise _changed(graph, f"its metadata has schema {_text(group, 'schema')}, not {SCHEMA}")
        module = read(_text(group, "text"), weights=_arrays(graph, group))
        given: Options = build(Options, json.loads(_text(group, "options")), "NIR files")
        drawing = draw(module, _profile(module.level, given))
    except SnncError as error:
        if error.code == "nir-changed":
            raise
        raise _changed(
            graph, f"its program cannot be read: {error.diagnostics[0].message}"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _changed(graph, f"its metadata is damaged ({error})") from error
    _compare(graph, parse(tree_of(drawing.tree())))
    return module


def _text(group: Mapping[str, Any], key: str) -> str:
    leaf = group.get(key)
    return leaf.text() if isinstance(leaf, Leaf) else "nothing"


def _arrays(graph: NirGraph, group: Mapping[str, Any]) -> dict[str, Array]:
    """Return the tensors by digest, from nodes and from our own group."""
    arrays: dict[str, Array] = {}
    weights = group.get("weights", {})
    for digest, leaf in weights.items():
        arrays[digest] = leaf.numbers()
    for digest, (name, key) in json.loads(_text(group, "places")).items():
        node = graph.nodes.get(name)
        if not isinstance(node, Node) or key not in node.fields:
            raise _changed(graph, f"{name} has lost its {key}")
        arrays[digest] = node.array(key)
    return arrays


def _compare(found: NirGraph, drawn: NirGraph) -> None:
    """Refuse a graph that is not, node by node and edge by edge, the one drawn."""
    if set(found.nodes) != set(drawn.nodes):
        other = sorted(set(found.nodes) ^ set(drawn.nodes))
        raise _changed(found, f"nodes were added or removed: {', '.join(other)}")
    if found.edges != drawn.edges:
        edges = sorted(set(found.edges) ^ set(drawn.edges))
        raise _changed(found, f"edges were added or removed: {' -> '.join(edges[0])}")
    for name, node in drawn.nodes.items():
        other_node = found.nodes[name]
        if not isinstance(node, Node) or not isinstance(other_node, Node):
            raise _changed(found, f"{name} is a nested graph")
        if node.type != other_node.type or set(node.fields) != set(other_node.fields):
            raise _changed(found, f"{name} has another type or other fields")
        for key, value in node.fields.items():
            if not np.array_equal(value, other_node.fields[key]):
                raise _changed(found, f"{key} of {name} was changed")


def _changed(graph: NirGraph, what: str) -> SnncError:
    return fail(
        "nir-changed",
        f"snnc wrote this file, but the graph is no longer the one of its program: {what}",
        graph.loc,
        help="read the graph as it is now with profile=NAME, or export the network again",
    )
