"""Objects of PAIBox that another interpreter wrote down as data: class paths and attributes."""

import json
from pathlib import Path
from typing import Any

from snnc.ir.weights import load_npz

Made = dict[str, Any]


class Word:
    """A member of an enumeration."""

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value


def thaw(folder: Path, name: str) -> tuple[Any, Made]:
    """Return a network of stand-ins, and all arrays that came with it."""
    objects = json.loads((folder / f"{name}.json").read_text())
    arrays = dict(load_npz(folder / f"{name}.npz"))
    if isinstance(objects[0], str):
        raise RuntimeError(objects[0])
    made = [_class(tuple(given["class"]))() for given in objects]
    for stand_in, given in zip(made, objects, strict=True):
        for key, value in given["attrs"].items():
            vars(stand_in)[key] = _value(value, made, arrays)
    return made[0], arrays


def _value(given: Any, made: list[Any], arrays: Made) -> Any:
    if not isinstance(given, dict):
        return given
    ((kind, value),) = given.items()
    if kind == "list":
        return [_value(v, made, arrays) for v in value]
    if kind == "dict":
        return {k: _value(v, made, arrays) for k, v in value}
    if kind == "array":
        found = arrays[value]
        return found[()] if found.shape == () else found
    return Word(*value) if kind == "enum" else made[value]


_CLASSES: dict[tuple[str, ...], type] = {}


def _class(paths: tuple[str, ...]) -> type:
    """Return a class of that path, derived from classes of the other paths in order."""
    if paths == ("builtins.object",):
        return object
    if paths not in _CLASSES:
        module, _, name = paths[0].rpartition(".")
        made = type(name, (_class(paths[1:]),), {"__module__": module, "__qualname__": name})
        _CLASSES[paths] = made
    return _CLASSES[paths]
