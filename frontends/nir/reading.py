"""Reading a NIR source whole: file or object to graph, convention chosen, graph lowered.

A file that snnc wrote carries the module itself, and is read back as that.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from snnc.diagnostics import Location, fail, named
from snnc.extend.options import build
from snnc.frontends.nir.detect import Evidence, Look, detect, find_dt
from snnc.frontends.nir.lower import lower
from snnc.frontends.nir.neurons import SOFT_UP_TO, Convention
from snnc.frontends.nir.nodes import STATEFUL, NirGraph, parse
from snnc.frontends.nir.profiles import FIRING, Options, Profile, chosen, lost
from snnc.frontends.nir.program import is_ours, restore
from snnc.frontends.nir.storage import Leaf, Tree, open_tree, tree_of
from snnc.frontends.nir.wiring import Flat, find_rings, flatten
from snnc.ir.graph import Module
from snnc.ir.opset import Word

SPIKES = "u1"
"""Element of the inputs unless `input=` says otherwise: chips take spikes."""


def read_source(source: Path | Any, options: Mapping[str, Any]) -> Module:
    """Return the module of a path or of a graph object; see `Nir.read`."""
    given: Options = build(Options, options, "front end nir")
    if not isinstance(source, (str, Path)):
        return read_graph(parse(tree_of(source.to_dict())), given, "main", _package(source))
    path = Path(source)
    graph, version = load_graph(path)
    stem = re.sub(r"\W", "_", path.stem) or "main"
    return read_graph(graph, given, stem, version, path.name)


def load_graph(path: Path) -> tuple[NirGraph, tuple[int, ...]]:
    """Return the graph of a file, all values loaded, and its version (empty if it says none)."""
    with open_tree(path) as tree:
        node = tree.get("node")
        if not isinstance(node, Mapping):
            raise fail(
                "nir-unreadable",
                f"{path} is HDF5, but has no group 'node'",
                Location(file=str(path)),
                help="it is not a NIR file; nir.write makes one",
            )
        return parse(loaded(node)), _version(tree)


def loaded(tree: Tree) -> Tree:
    """Return a tree whose leaves hold their values."""
    return {k: _in_memory(v) if isinstance(v, Leaf) else loaded(v) for k, v in tree.items()}


def _in_memory(leaf: Leaf) -> Leaf:
    values = leaf.load()
    return evolve(leaf, load=lambda: values)


def _version(tree: Tree) -> tuple[int, ...]:
    given = tree.get("version")
    if not isinstance(given, Leaf) or given.kind != "text":
        return ()
    return _numbers(given.text())


def _package(graph: Any) -> tuple[int, ...]:
    """Return the version of the package that a graph object comes from."""
    package = sys.modules.get(type(graph).__module__.partition(".")[0])
    return _numbers(str(getattr(package, "version", "")))


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def read_graph(
    graph: NirGraph, given: Options, name: str, version: tuple[int, ...], file: str = ""
) -> Module:
    """Return the module of a parsed graph; see `Nir.read`."""
    if given.profile is None and is_ours(graph):
        if given != Options():
            raise fail(
                "nir-profile",
                "snnc wrote this file, and it says itself what its neurons do",
                named(file or name),
                help="leave the options out, or name a profile to read the graph alone",
            )
        return restore(graph)
    flat = flatten(graph)
    types = {n.type for n in flat.nodes.values()}
    profile, evidence = _profile(flat, graph, given, version)
    element = given.input or SPIKES
    module, notes = lower(flat, Convention(profile, version), element, name, named(file or name))
    known = evolve(given, dt=given.dt or evidence.dt or None)
    said = {
        "profile": Word(profile.name),
        "why": evidence.reason,
        "dt": profile.dt,
        "version": ".".join(map(str, version)) or "not stated",
        "input": Word(element),
        "assumed": (*lost(profile, known, types), *_resets(flat, profile, version), *notes),
    }
    return evolve(module, attrs={**module.attrs, "nir": said})


def _resets(flat: Flat, profile: Profile, version: tuple[int, ...]) -> tuple[str, ...]:
    """Return what is read into neurons without v_reset, where the version of the file decides."""
    open_ones = [n for n in flat.nodes.values() if n.type in FIRING and "v_reset" not in n.fields]
    if profile.reset != "version" or not open_ones:
        return ()
    old = version <= SOFT_UP_TO
    return ("spikes subtract the threshold (NIR up to 1.0.4)" if old else "v_reset: 0",)


def _profile(
    flat: Flat, graph: NirGraph, given: Options, version: tuple[int, ...]
) -> tuple[Profile, Evidence]:
    neurons = tuple(n for n in flat.nodes.values() if n.type in STATEFUL)
    types = frozenset(n.type for n in flat.nodes.values())
    dt = {"dt": given.dt} if given.dt is not None and given.dt > 0 else {}
    look = Look(neurons, types, version, bool(find_rings(flat)), **dt)
    if given.profile is None:
        evidence = detect(look, graph.metadata)
    else:
        evidence = Evidence(given.profile, "named", find_dt(given.profile, look))
    profile = chosen(evidence.profile, given)
    if given.dt is None and evidence.dt:
        profile = evolve(profile, dt=evidence.dt)
    return profile, evidence
