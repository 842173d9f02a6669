"""One measured mapping by PAIBox 1.3, run as a script by a Python that has it.

It stands alone: that environment has no snnc. Same networks, seed and weights as `map_child.py`,
and a tiny network first; measured is the processor time of Mapper.build, compile and export. PAIBox
refuses windows of padded layers by a check of its tiles (`_tile_range_check`), which is switched
off here, and needs its own option for a value that is read by two layers. Links are counted from
the destination of each neuron, copies too. The last line is JSON.
"""

import base64
import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
import time
from typing import Any

import numpy as np

LEVELS = 5


def make_network(pb: Any, task: dict[str, Any], prefix: str = "") -> Any:
    """Return integrate-and-fire layers, each one tick after the one before it."""
    bits = task["bits"]
    draw = np.random.Generator(np.random.PCG64(1))
    low, high = (0, 2) if bits == 1 else (-(1 << bits - 1), 1 << bits - 1)
    network = pb.Network()
    network.x = pb.InputProj(input=None, shape_out=tuple(task["shape"]), name=f"{prefix}x")
    made = [network.x]
    for number, layer in enumerate(task["layers"], 1):
        name = f"{prefix}n{number}"
        neurons = pb.IF(tuple(layer["shape"]), threshold=20, tick_wait_start=number, name=name)
        setattr(network, f"n{number}", neurons)
        made.append(neurons)
        for k, term in enumerate(layer["terms"]):
            synapses = _synapses(pb, made[term["of"]], neurons, term, (draw, low, high))
            setattr(network, f"w{number}_{k}", synapses)
    return network


def _synapses(pb: Any, source: Any, neurons: Any, term: dict[str, Any], drawn: Any) -> Any:
    if term["kind"] == "same":
        kind = pb.SynConnType.One2One
        return pb.FullConn(source, neurons, weights=1, conn_type=kind)
    draw, low, high = drawn
    w = draw.integers(low, high, term["size"], dtype=np.int8)
    if "bits" in term:
        there = np.frombuffer(base64.b64decode(term["bits"]), dtype=np.uint8)
        w *= np.unpackbits(there, count=w.size).reshape(w.shape).astype(np.int8)
    if high == 2:
        w = w.astype(bool)
    if term["kind"] == "conv":
        around = {name: term[name] for name in ("stride", "padding", "groups")}
        return pb.Conv2d(source, neurons, kernel=w, **around)
    weights = np.ascontiguousarray(w.T)
    return pb.FullConn(source, neurons, weights=weights, conn_type=pb.SynConnType.All2All)


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Return what one mapping takes; where PAIBox fails, `error`, and the cores it had counted."""
    pb = importlib.import_module("paibox")
    tiling: Any = importlib.import_module("paibox.backend.tiling")
    tiling._tile_range_check = lambda *_, **__: None
    tiny = {"shape": [16], "bits": 8, "layers": []}
    tiny["layers"] = [{"shape": [8], "terms": [{"kind": "matrix", "of": 0, "size": [8, 16]}]}]
    skips = any(term["kind"] == "same" for layer in task["layers"] for term in layer["terms"])
    options = {"no_twisted_branch": True} if skips else {}
    with contextlib.redirect_stdout(io.StringIO()):
        compile_network(pb, make_network(pb, tiny, "warm_"), {})
        found = compile_network(pb, make_network(pb, task), options)
    found["peak_bytes"] = importlib.import_module("resident").peak()
    return found


def compile_network(pb: Any, network: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return seconds, bytes and counts of a compilation."""
    mapper = pb.Mapper()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        try:
            mapper.build(network)
            mapper.compile(**options)
            mapper.export(write_to_file=True, fp=folder, format="bin")
            found["seconds"] = time.process_time() - begun
            files = [os.path.join(folder, name) for name in os.listdir(folder)]
            found["bytes"] = sum(os.path.getsize(path) for path in files)
            found["links"] = count_links(mapper)
        except Exception as error:  # Whatever PAIBox raises is its result.
            found["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        found["required"] = int(mapper.n_core_required)
        found["occupied"] = int(mapper.n_core_occupied)
    return found


def count_links(mapper: Any) -> int:
    """Return links of the quad tree for one spike of every neuron, copies too, and input."""
    total, at = 0, {}
    for block in mapper.core_blocks:
        for coordinate, placement in block.core_placements.items():
            for part in placement.neu_segs_of_cplm:
                for index in part.index:
                    at[part.target, index] = coordinate.x, coordinate.y
    for node, sent in mapper.neuron_dest.items():
        for index, to in sent.dest_info.items():
            base, mask = (to.base_coord.x, to.base_coord.y), (to.rid.x, to.rid.y)
            total += links(at.get((node, index)), base, mask)
    return total


def links(source: Any, base: tuple[int, int], mask: tuple[int, int]) -> int:
    """Return the links of one frame; inputs come from the root of the tree."""
    apart = [m | (s ^ b) & ~m for s, b, m in zip(source or (0, 0), base, mask, strict=True)]
    top = LEVELS if source is None else max(apart).bit_length()
    down = (bin(mask[0] >> n).count("1") + bin(mask[1] >> n).count("1") for n in range(top))
    return sum(1 << bits for bits in down) + (0 if source is None else top)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        print(json.dumps(measure(json.load(stream))))
