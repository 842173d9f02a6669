"""Elements of the IR and their names in graph texts."""

from snnc.ir.types import F16, F32, I8, I16, I32, U1, U8, U16

DTYPES = {
    "float32": F32,
    "float16": F16,
    "bool": U1,
    "uint8": U8,
    "uint16": U16,
    "int8": I8,
    "int16": I16,
    "int32": I32,
}
"""Element by its name in a graph text."""

NAMES = {element: name for name, element in DTYPES.items()}
"""Name in a graph text by element."""
