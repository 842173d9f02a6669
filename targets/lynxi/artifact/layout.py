"""The folder of a build: the vendor's names of folders and keys, in documented formats of our own.

    net_params.json                  parameters: element and shape by name
    Net_0/top_graph.json             entry point: ports, states, random ops, batch, version
    Net_0/graph.relay                the graph as text with its metadata section
    Net_0/params.safetensors         values of parameters and constants
    Net_0/apu_0/apu_x/apu.json       batch_size, n_slice, and the place of the states as one region

The vendor's binaries are not imitated: only its compiler makes them. Every file says its producer.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.files import write_atomically
from snnc.ir.types import parse_type
from snnc.ir.weights import Array, load_safetensors
from snnc.targets.lynxi.artifact import parse, text
from snnc.targets.lynxi.artifact.records import LOAD, RANDOM, SAVE, Artifact, Graph, Port

NET = "Net_0"
PARAMS = "net_params.json"
TOP = f"{NET}/top_graph.json"
GRAPH = f"{NET}/graph.relay"
VALUES = f"{NET}/params.safetensors"
APU = f"{NET}/apu_0/apu_x/apu.json"
FILES = (PARAMS, TOP, GRAPH, VALUES, APU)
SCHEMA = 1
MARK = {"producer": "snnc", "schema": SCHEMA}


def write_files(artifact: Artifact, folder: Path) -> tuple[str, ...]:
    """Write the files of a build into an existing folder; return their names."""
    from safetensors.numpy import save

    graph = artifact.graph
    values = {name: np.ascontiguousarray(a) for name, a in artifact.params.items()}
    for index, image in enumerate(graph.constants):
        if image.size and not (image == image.flat[0]).all():
            values[text.image_name(index)] = np.ascontiguousarray(image)
    listed = {n: {"dtype": t.dtype, "shape": t.shape} for n, t in graph.params.items()}
    contents = {
        PARAMS: {**MARK, "params": {n: v for n, v in listed.items() if n in values}},
        TOP: _top(artifact),
        APU: {**MARK, "apu_x": apu(artifact)},
    }
    for name, content in contents.items():
        data = json.dumps(content, sort_keys=True, indent=1) + "\n"
        write_atomically(folder / name, data.encode())
    write_atomically(folder / GRAPH, text.write(graph).encode())
    write_atomically(folder / VALUES, save({n: values[n] for n in sorted(values)}))
    return FILES


def _top(artifact: Artifact) -> dict[str, Any]:
    return {
        **MARK,
        "name": artifact.name,
        "graph": Path(GRAPH).name,
        "params": Path(VALUES).name,
        "batch": artifact.batch,
        "version": artifact.version,
        "profile": artifact.profile,
        "inputs": [_port(p) for p in artifact.inputs],
        "outputs": [_port(p) for p in artifact.outputs],
        "names": {str(index): name for index, name in artifact.names.items()},
        "states": states(artifact),
        "random": [dict(artifact.graph.attrs_of(b)) for _, b in artifact.graph.of(RANDOM)],
    }


def _port(port: Port) -> dict[str, str]:
    return {"name": port.name, "type": port.type, "dtype": port.dtype, "param": port.param}


def states(artifact: Artifact) -> list[dict[str, Any]]:
    """Return the states in the order of their loads: flag, numbers of the bindings, place, size.

    `addr` is the first byte within one lane's region; a lane holds all states one after the other.
    """
    graph, place, found = artifact.graph, 0, []
    saves = {graph.attrs_of(b)["flag"]: index for index, b in graph.of(SAVE)}
    for index, binding in graph.of(LOAD):
        flag = graph.attrs_of(binding)["flag"]
        shape, dtype = binding.type.shape, binding.type.dtype  # type: ignore[union-attr]
        width = 2 if artifact.profile == "f16" else np.dtype(dtype).itemsize
        size = int(np.prod(shape)) * width
        row = {"flag": flag, "shape": list(shape), "dtype": dtype, "addr": place, "size": size}
        found.append({**row, "load": index, "save": saves.get(flag)})
        place += size
    return found


def apu(artifact: Artifact) -> dict[str, Any]:
    """Return batch and slices, and the region of all states of all lanes."""
    size = sum(row["size"] for row in states(artifact)) * artifact.batch
    return {
        "batch_size": artifact.batch,
        "n_slice": artifact.batch,
        "userload": {"info": [{"addr": 0, "size": size}]},
    }


def read_files(folder: Path) -> Artifact:
    """Return the records that the files of a build say.

    Raises:
        SnncError: `artifact-missing`, `artifact-malformed`; what reading the graph refuses.
    """
    top, listed, regions = (_json(folder / name) for name in (TOP, PARAMS, APU))
    values = dict(load_safetensors(folder / VALUES))
    path = folder / GRAPH
    try:
        body = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise (
            _missing(path) if isinstance(error, FileNotFoundError) else _bad(path, error)
        ) from None
    graph = parse.read(body, str(path), values)
    try:
        return _artifact(graph, top, listed, regions, values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _bad(folder / TOP, error) from None


def _artifact(
    graph: Graph,
    top: Mapping[str, Any],
    listed: Mapping[str, Any],
    regions: Mapping[str, Any],
    values: Mapping[str, Array],
) -> Artifact:
    inputs, outputs = (tuple(Port(**row) for row in top[k]) for k in ("inputs", "outputs"))
    for port in (*inputs, *outputs):
        parse_type(port.type)
    held = {n: values[n] for n in graph.params if n in values}
    sent = {p.param for p in inputs if p.param}
    if set(graph.params) != set(held) | sent or set(held) & sent:
        odd = sorted(set(graph.params) ^ (set(held) | sent))
        raise ValueError(f"parameters without values: {', '.join(odd)}")
    for name, array in held.items():
        type = graph.params[name]
        said = listed["params"][name]
        if (array.dtype.name, array.shape) != (type.dtype, type.shape) or said != {
            "dtype": type.dtype,
            "shape": list(type.shape),
        }:
            raise ValueError(f"{name} is not the {type} that the graph says")
    names = {int(index): str(name) for index, name in top["names"].items()}
    artifact = Artifact(
        top["name"],
        graph,
        held,
        inputs,
        outputs,
        names,
        top["batch"],
        top["version"],
        top["profile"],
    )
    if top["states"] != states(artifact) or regions["apu_x"] != apu(artifact):
        raise ValueError("the table of states is not that of the graph")
    return artifact


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _bad(path, error) from None
    if not isinstance(found, dict):
        raise _bad(path, ValueError("it is no JSON object"))
    if not isinstance(found.get("schema"), int) or found["schema"] > SCHEMA:
        raise _bad(path, ValueError(f"schema {found.get('schema')} is not {SCHEMA}"))
    return found


def _missing(path: Path) -> SnncError:
    return fail(
        "artifact-missing",
        f"there is no {path.name}",
        Location(file=str(path)),
        help="give a folder that snnc has compiled for lynxi",
    )


def _bad(path: Path, error: Exception) -> SnncError:
    reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return fail(
        "artifact-malformed",
        f"{path.name} does not say a build for lynxi: {reason}",
        Location(file=str(path)),
        help="compile again; a build is not to be edited",
    )
