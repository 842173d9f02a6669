"""What the vendor's runtime prints of a model when it loads it, from the files of a build."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snnc.targets.lynxi.artifact.layout import read_files, states
from snnc.targets.lynxi.artifact.records import Port, TupleType

DATA_TYPES = {
    "float32": "DT_FLOAT",
    "float16": "DT_FLOAT16",
    "int8": "DT_INT8",
    "int16": "DT_INT16",
    "uint16": "DT_UINT16",
    "uint8": "DT_UINT8",
    "int32": "DT_INT32",
    "bool": "DT_BOOL",
}
"""Names of elements in the vendor's runtime, behind `lyn_data_type_t.`."""


def describe(folder: Path) -> dict[str, Any]:
    """Return the model informations of a build, by the names that the vendor's runtime prints.

    Lengths are bytes of one lane and one step, all tensors together. `states` is ours.
    """
    artifact = read_files(folder)
    sent = [port for port in artifact.inputs if port.dtype]
    shapes = {port.name: list(artifact.graph.params[port.param].shape) for port in sent}
    first = artifact.graph.result.type
    group = first.fields if isinstance(first, TupleType) else (first,)
    returned = [list(t.shape) for t in group]
    return {
        "batchsize": artifact.batch,
        "inputnum": len(sent),
        "inputshape": [shapes[port.name] for port in sent],
        "inputdatalen": _length(list(shapes.values()), sent),
        "inputdatatype": [_named(port) for port in sent],
        "outputnum": len(returned),
        "outputshape": returned,
        "outputdatalen": _length(returned, artifact.outputs),
        "outputdatatype": [_named(port) for port in artifact.outputs],
        "states": [
            {k: row[k] for k in ("flag", "shape", "addr", "size")} for row in states(artifact)
        ],
    }


def _length(shapes: Sequence[list[int]], ports: Sequence[Port]) -> int:
    pairs = zip(shapes, ports, strict=True)
    return sum(int(np.prod(shape)) * np.dtype(port.dtype).itemsize for shape, port in pairs)


def _named(port: Port) -> str:
    return f"lyn_data_type_t.{DATA_TYPES[port.dtype]}"
