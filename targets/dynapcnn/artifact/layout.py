"""`config.json` and `layout.json`: the two files of a build, written and read as records.

The configuration is all that the chip gets. The layout only names it: the device, the program's
inputs and outputs, the neurons of each core, and how the host addresses cores.
"""

import json
from pathlib import Path
from typing import Any

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.files import write_composed
from snnc.ir.types import parse_type
from snnc.targets.dynapcnn.artifact.config import Tree, misfits, read_core, read_pixels, tree
from snnc.targets.dynapcnn.artifact.json_text import dumps
from snnc.targets.dynapcnn.artifact.records import Destination, Input, Output, Placed
from snnc.targets.dynapcnn.limits import chip

CONFIG = "config.json"
LAYOUT = "layout.json"


def write_files(placed: Placed, folder: Path, made: Tree | None = None) -> tuple[str, ...]:
    """Write both files of a build; return their names.

    The configuration is that of the network, or `made`, which is it with settings of the user.
    """
    config = tree(placed, chip(placed.device)) if made is None else made
    contents = {CONFIG: config, LAYOUT: _layout(placed)}
    for name, content in contents.items():
        write_composed(folder / name, f"{dumps(content)}\n".encode())
    return tuple(contents)


def _layout(placed: Placed) -> dict[str, Any]:
    return {
        "schema": 1,
        "device": placed.device,
        "name": placed.name,
        "graph": placed.graph,
        "inputs": [
            {
                "name": i.name,
                "type": i.type,
                "to": [[to.core, to.shift] for to in i.destinations],
            }
            for i in placed.inputs
        ],
        "pixels": None if placed.pixels is None else placed.pixels.input,
        "cores": [
            {
                "core": c.core,
                "name": c.name,
                "shape": list(c.shape),
                "spike": c.spike,
                "most": c.most,
            }
            for c in placed.cores
        ],
        "outputs": [
            {
                "name": o.name,
                "cores": list(o.cores),
                "pool": o.pool,
                "shape": list(o.shape),
                "step": o.step,
                "seen": o.seen,
            }
            for o in placed.outputs
        ],
    }


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration tree of a build; raises what `read_files` raises of one file."""
    return _read(folder / CONFIG)


def read_files(folder: Path) -> Placed:
    """Return the records that the files of a build say.

    Raises:
        SnncError: `config-missing`, `config-malformed`, `unknown-variant`.
    """
    config, layout = _read(folder / CONFIG), _read(folder / LAYOUT)
    try:
        return _placed(config, layout)
    except SnncError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        text = f"missing {error}" if isinstance(error, KeyError) else str(error)
        raise _malformed(folder / CONFIG, text) from None


def _placed(config: dict[str, Any], layout: dict[str, Any]) -> Placed:
    device = chip(layout["device"])
    odd = next(misfits(config, tree(Placed("", "", "", (), (), ()), device)), None)
    if odd is not None:
        raise ValueError(odd)
    used = {c["core"] for c in layout["cores"]}
    for number, layer in enumerate(config["cnn_layers"]):
        if number not in used and (layer["weights"] or any(_enabled(layer))):
            raise ValueError(f"core {number} holds a layer that {LAYOUT} does not name")
    name = layout["pixels"]
    known = {c["core"] for c in layout["cores"]} | ({-1} if name is not None else set())
    lost = [o["name"] for o in layout["outputs"] if not {*o["cores"]} <= known]
    if lost or (name is not None and name not in [i["name"] for i in layout["inputs"]]):
        raise ValueError(f"the layout names no core for {', '.join(lost) or name}")
    return Placed(
        layout["name"],
        layout["graph"],
        layout["device"],
        tuple(
            Input(
                i["name"],
                str(parse_type(i["type"])),
                tuple(Destination(core, 1, shift) for core, shift in i["to"]),
            )
            for i in layout["inputs"]
        ),
        tuple(
            read_core(
                config["cnn_layers"][c["core"]],
                c["core"],
                c["name"],
                tuple(c["shape"]),
                (c["spike"], c["most"]),
            )
            for c in layout["cores"]
        ),
        tuple(
            Output(o["name"], tuple(o["cores"]), o["pool"], tuple(o["shape"]), o["step"], o["seen"])
            for o in layout["outputs"]
        ),
        None if name is None else read_pixels(config["dvs_layer"], name),
    )


def _enabled(layer: dict[str, Any]) -> list[bool]:
    return [to["enable"] for to in layer["destinations"]]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fail(
            "config-missing",
            f"there is no {path.name}",
            Location(file=str(path)),
            help="give a folder that snnc has compiled for dynapcnn",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _malformed(path, str(error)) from None
    if not isinstance(found, dict):
        raise _malformed(path, "it is no JSON object")
    return found


def _malformed(path: Path, reason: str) -> SnncError:
    return fail(
        "config-malformed",
        f"{path.name} is no configuration of a device: {reason}",
        Location(file=str(path)),
        help="compile again; a configuration edited by hand keeps every attribute",
    )
