"""Writes the `.snn` text, canonically: equal modules give equal text, and `read` gives it back.

Order is kept; attributes stand in declared order, non-defaults only; floats are the shortest
decimals that read back; small tensors stand in the text, others by digest.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from attrs import evolve

from snnc.diagnostics import Location, fail, fuse
from snnc.ir.build import symbol_type
from snnc.ir.files import write_atomically
from snnc.ir.graph import Graph, Module, Op, Operand, Value, Weight
from snnc.ir.opset import Symbol, Word
from snnc.ir.types import Type
from snnc.ir.version import VERSION
from snnc.ir.weights import Array, Tensor, save_tensors

_BARE = re.compile(r"[A-Za-z0-9_.]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

Say = Callable[[Location], str]
"""What a line says of where it comes from."""


def write(module: Module, *, locs: bool = True, folders: bool = True) -> str:
    """Return the text of a module; without `locs`, no line says where it comes from.

    Without `folders`, locations keep the name of a file, not its folder.

    Raises:
        SnncError: `unwritable-value` for an attribute or inline weight that the text cannot hold;
            `undefined-name` or `bad-cut` for a symbol that has no type.
    """
    head = f"module {_name('@', module.name)} level {module.level} version {VERSION}"
    if module.attrs:
        head += f" with {_attr(module.attrs)}"
    say = partial(_loc, folders=folders) if locs else _nowhere
    lines = [f"{head}{say(module.loc)} {{"]
    lines += [_weight(weight, say) for weight in module.weights.values()]
    lines += [""] if module.weights else []
    lines += _graph(module, module.graph, say)
    return "\n".join([*lines, "}", ""])


def save(module: Module, path: Path | str) -> None:
    """Write `path` and, beside it, the sidecar `<stem>.safetensors` with what is not inline.

    Raises:
        SnncError: `output-unwritable`, and what `write` raises.
    """
    path = Path(path)
    text = write(module)
    apart = [w.tensor for w in module.weights.values() if not w.tensor.inline]
    if apart:
        save_tensors(path.with_suffix(".safetensors"), apart)
    write_atomically(path, text.encode("utf-8"))


def arrays_by_digest(module: Module) -> dict[str, Array]:
    """Return the arrays that the text does not hold, as `read(..., weights=)` takes them."""
    tensors = [weight.tensor for weight in module.weights.values()]
    return {tensor.digest: tensor.array() for tensor in tensors if not tensor.inline}


def _weight(weight: Weight, say: Say) -> str:
    source = _values(weight.tensor) if weight.tensor.inline else f'"sha256:{weight.tensor.digest}"'
    return f"  weight {_name('@', weight.name)} : {weight.type} = {source}{say(weight.loc)}"


def _graph(module: Module, graph: Graph, say: Say) -> Iterable[str]:
    params = ", ".join(f"{_value(v)}: {v.type}{say(v.loc)}" for v in graph.inputs)
    gives = ", ".join(str(v.type) for v in graph.outputs)
    yield f"  graph {_name('@', graph.name)}({params}) -> ({gives}){say(graph.loc)} {{"
    for op in graph.ops:
        yield f"    {_op(module, op)}{say(op.loc)}"
    outputs = ", ".join(_value(v) for v in graph.outputs)
    yield f"    return {outputs}".rstrip()
    yield "  }"


def _op(module: Module, op: Op) -> str:
    results = ", ".join(_value(v) for v in op.results)
    operands = ", ".join(_operand(o) for o in op.operands)
    takes = ", ".join(str(_type(module, o, op.loc)) for o in op.operands)
    gives = [str(v.type) for v in op.results]
    attrs = op.spec.stripped(op.attrs)
    parts = [f"{results} =" if results else "", op.name, operands, _attr(attrs) if attrs else ""]
    result = gives[0] if len(gives) == 1 else f"({', '.join(gives)})"
    return f"{' '.join(p for p in parts if p)} : ({takes}) -> {result}"


def _type(module: Module, operand: Operand, loc: Location) -> Type:
    if isinstance(operand, Value):
        return operand.type
    return symbol_type(module.weights, operand, loc)


def _operand(operand: Operand) -> str:
    return _value(operand) if isinstance(operand, Value) else _symbol(operand)


def _value(value: Value) -> str:
    return _name("%", value.name)


def _symbol(symbol: Symbol) -> str:
    return _name("@", symbol.name) + str(symbol)[1 + len(symbol.name) :]


def _name(sigil: str, name: str) -> str:
    return sigil + (name if _BARE.fullmatch(name) else _string(name))


def _string(text: str) -> str:
    # Escapes only where a character is invisible, so that names of any language stay readable.
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _nowhere(loc: Location) -> str:
    return ""


def _loc(loc: Location, folders: bool) -> str:
    return f" loc({_place(loc if folders else _without_folder(loc))})"


@lru_cache(maxsize=65536)
def _without_folder(loc: Location) -> Location:
    fused = tuple(_without_folder(part) for part in loc.fused)
    return evolve(loc, file=PurePath(loc.file).name, fused=fused)


def _place(loc: Location) -> str:
    loc = fuse(*loc.fused) if loc.fused else loc
    if loc.fused:
        return "fused " + ", ".join(map(_place, loc.fused))
    if loc.file:
        column = f":{loc.column}" if loc.column else ""
        # An absolute path says where this machine keeps the file; no artifact depends on that.
        file = PurePath(loc.file).name if PurePath(loc.file).is_absolute() else loc.file
        return f"{_string(file)}:{loc.line}{column}"
    bare = loc.name != "fused" and _BARE.fullmatch(loc.name)
    return loc.name if bare or not loc.name else _string(loc.name)


def _attr(value: Any) -> str:
    if isinstance(value, Symbol):
        return _symbol(value)
    if isinstance(value, Mapping):
        entries = [f"{_key(key)} = {_attr(item)}" for key, item in value.items()]
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_attr, value))}]"
    if isinstance(value, Word) and _WORD.fullmatch(value) and value not in ("true", "false"):
        return str(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (bool, int)):
        return str(value).lower()
    if isinstance(value, Type) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise _unwritable(f"the attribute value {value!r}")


def _key(key: str) -> str:
    return key if _WORD.fullmatch(key) else _string(key)


def _unwritable(what: str) -> Exception:
    return fail(
        "unwritable-value",
        f"{what} has no text form",
        help="use numbers that are finite, strings, words, symbols, types, lists and mappings",
    )


def _values(tensor: Tensor) -> str:
    return _nested(tensor.array(), tensor.type)


def _nested(array: Array, type: Type) -> str:
    if array.ndim:
        return f"[{', '.join(_nested(part, type) for part in array)}]"
    if not type.element.is_float:
        return str(int(array))
    if not np.isfinite(array):
        raise _unwritable(f"the weight {float(array)}")
    # The shortest decimal of a narrow float may, read as a double first, round to its neighbor.
    short = str(array[()])
    exact = array.dtype.type(float(short)) == array
    return short if exact else repr(float(array))
