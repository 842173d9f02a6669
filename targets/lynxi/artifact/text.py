"""Prints a graph in the form of the vendor's tutorial: Relay text, then a metadata section.

    def @main(%vth: Tensor[(1), float32], ...) -> Tensor[(1, 10), float32] {
      %0 = reshape(meta[relay.Constant][0] /* ty=... */ /* ty=... */, newshape=[1, 10]) ...;
      ...
      lyn_vir_op_4_0(%59, %61, %63, %65) /* ty=Tensor[(1, 10), float32] */
    }

    #[metadata]
    {...}

The tutorial leaves the metadata out, and with it which load belongs to which save; here it is JSON
of our own: constants by value or by their name among the parameters, and one dictionary per load,
save and random op. `parse` reads both parts back.
"""

import json
from typing import Any

import numpy as np

from snnc.targets.lynxi.artifact.records import (
    CONSTANT_KEY,
    FAMILIES,
    KEY_OF,
    TUPLE,
    Arg,
    Binding,
    Constant,
    Graph,
    Node,
    Scalar,
    Var,
)

SECTION = "#[metadata]"
SCHEMA = 1
UNITS = {"nn.dense": "units=None"}
"""What the vendor prints although it says nothing."""

SUFFIXES = {"float32": "f", "float16": "f16", "int32": "", "bool": ""}
"""Elements of numbers in the text, and what follows their digits."""


def write(graph: Graph, section: bool = True) -> str:
    """Return the text of a graph, with its metadata section unless that is declined."""
    params = ", ".join(f"%{name}: {type}" for name, type in graph.params.items())
    lines = [f" def @{graph.name}({params}) -> {graph.result.type} {{"]
    for index, binding in enumerate(graph.bindings[:-1]):
        lines.append(f"  %{index} = {_call(binding)};")
    lines += [f"  {_call(graph.result)}", "}", ""]
    text = "\n".join(lines)
    return f"{text}\n{SECTION}\n{metadata(graph)}" if section else text


def metadata(graph: Graph) -> str:
    """Return the metadata section: JSON with sorted keys, one entry per line."""
    constants = []
    for index, array in enumerate(graph.constants):
        entry: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape)}
        same = array.size and (array == array.flat[0]).all()
        held = {"value": array.flat[0].item()} if same else {"param": image_name(index)}
        constants.append({**entry, **held})
    tables: dict[str, list[Any]] = {
        CONSTANT_KEY: constants,
        **{k: list(v) for k, v in graph.metas.items() if v},
    }
    parts = [f' "producer": "snnc",\n "schema": {SCHEMA}']
    for key in sorted(tables):
        rows = ",\n".join("  " + json.dumps(row, sort_keys=True) for row in tables[key])
        parts.append(f' "{key}": [\n{rows}\n ]' if rows else f' "{key}": []')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def image_name(index: int) -> str:
    """Return the name of a constant among the values of the parameters."""
    return f"{CONSTANT_KEY}.{index}"


def _call(binding: Binding) -> str:
    args = [_arg(arg) for arg in binding.args]
    ann = f"/* ty={binding.type} */"
    if binding.op == TUPLE:
        return f"({', '.join(args)}{',' * (len(args) == 1)}) {ann}"
    name = binding.op
    if name in FAMILIES:
        name = f"{name}_{len(args)}_{binding.serial}"
    if binding.meta is not None:
        args.append(f"meta[{KEY_OF[binding.op]}][{binding.meta}]")
    args += [f"{key}={_value(value)}" for key, value in binding.attrs.items()]
    if binding.op in UNITS:
        args.append(UNITS[binding.op])
    return f"{name}({', '.join(args)}) {ann}"


def _arg(arg: Arg) -> str:
    if isinstance(arg, Var):
        return f"%{arg.name}"
    if isinstance(arg, Node):
        return f"%{arg.index}" + ("" if arg.field is None else f".{arg.field}")
    if isinstance(arg, Constant):
        ann = f"/* ty={arg.type} */"
        return f"meta[{CONSTANT_KEY}][{arg.index}] {ann} {ann}"
    return f"{number(arg)} /* ty={arg.dtype} */"


def number(scalar: Scalar) -> str:
    """Return a scalar as it stands in the text; reading gives the same bits.

    >>> number(Scalar(1.0, "float32")), number(Scalar(0.4, "float32")), number(Scalar(3, "int32"))
    ('1f', '0.4f', '3')
    """
    if scalar.dtype.startswith("float"):
        shown = str(np.dtype(scalar.dtype).type(scalar.value)).removesuffix(".0")
        return shown + SUFFIXES[scalar.dtype]
    return str(scalar.value)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0") + "f"
    return str(value)
