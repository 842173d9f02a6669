"""The loader script of a build: which attributes it sets, and its text.

Only what the network, the user or a modifier determines is set; for the rest the vendor's own
defaults stand, which are not published.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from snnc.ir.files import write_composed
from snnc.targets.dynapcnn.artifact.config import tree
from snnc.targets.dynapcnn.artifact.records import Placed
from snnc.targets.dynapcnn.limits import chip
from snnc.targets.dynapcnn.options import Options

NAME = "load_config.py"
_TEMPLATE = "loader.py.txt"


def write(config: dict[str, Any], placed: Placed, folder: Path, options: Options) -> str:
    """Write the script for a configuration into a folder, and return its name."""
    paths = ",\n    ".join(json.dumps(path) for path in determined(config, placed))
    device = chip(placed.device)
    text = files("snnc.targets.dynapcnn.artifact").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    values = {
        "DEVICE": json.dumps(device.device),
        "MODULE": json.dumps(device.module),
        "CLOCK": str(options.slow_clock or None),
        "PATHS": paths,
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    write_composed(folder / NAME, text.encode())
    return NAME


def determined(config: dict[str, Any], placed: Placed) -> list[str]:
    """Return paths of attributes that the build determines, each with all below it."""
    used = {core.core for core in placed.cores}
    found = {f"cnn_layers[{number}]" for number in used}
    found.add("dvs_layer" if placed.pixels is not None else "dvs_layer.pass_sensor_events")
    empty = tree(Placed("", "", placed.device, (), (), ()), chip(placed.device))
    for number, layer in enumerate(config["cnn_layers"]):
        if number not in used:
            found.update(_changes(layer, empty["cnn_layers"][number], f"cnn_layers[{number}]"))
    for name in config:
        if name != "cnn_layers" and name not in found:
            found.update(_changes(config[name], empty[name], name))
    return sorted(found)


def _changes(one: Any, other: Any, path: str) -> Iterator[str]:
    """Yield paths at which two trees of one shape hold different values."""
    if isinstance(one, dict):
        for key in one:
            yield from _changes(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list) and one and isinstance(one[0], dict):
        for number, value in enumerate(one):
            yield from _changes(value, other[number], f"{path}[{number}]")
    elif one != other:
        yield path
