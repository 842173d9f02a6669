"""Configurations of BIDL, read as data: assignments of numbers, texts, lists and dict(...).

Nothing of the file is executed. A name may stand for a value that was assigned above it. What the
deployment of a network needs is kept; keys of training are listed as unused.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from snnc.diagnostics import SnncError, at, fail, nearest

DEPLOYED = ("model", "models_compile_inputshape", "lynxi_devices")


@frozen
class Config:
    """What a configuration says of a network: backbones in order, input shapes, devices."""

    backbones: tuple[Mapping[str, Any], ...]
    shapes: tuple[tuple[int, ...], ...]
    devices: tuple[tuple[int, ...], ...]
    unused: tuple[str, ...]


def is_config(path: Path) -> bool:
    """Whether a Python file assigns a `model` (or `model_0`) that is a dict with a backbone."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return False
    return any(
        isinstance(s, ast.Assign)
        and isinstance(s.targets[0], ast.Name)
        and s.targets[0].id in ("model", "model_0")
        and any(
            isinstance(n, (ast.keyword, ast.Constant))
            and (getattr(n, "arg", None) or getattr(n, "value", None)) == "backbone"
            for n in ast.walk(s.value)
        )
        for s in tree.body
    )


def read_config(path: Path) -> Config:
    """Return what a configuration says.

    Raises:
        SnncError: `bidl-config` for a statement that is no data, or where parts are missing.
    """
    known: dict[str, Any] = {}
    for statement in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name):
            raise _wrong(path, statement, "it is no assignment of a value to a name")
        known[target.id] = _value(path, statement.value, known)
    models = [known["model"]] if "model" in known else []
    while f"model_{len(models)}" in known and "model" not in known:
        models.append(known[f"model_{len(models)}"])
    used = {*DEPLOYED, *(f"model_{n}" for n in range(len(models)))}
    if not models or not all(isinstance(m, dict) and _named(m) for m in models):
        text = f"{path.name} has no model = dict(backbone=dict(type=...))"
        raise fail("bidl-config", text, at(str(path), 1), help="give a configuration of BIDL")
    return Config(
        tuple(dict(m["backbone"]) for m in models),
        tuple(tuple(shape) for shape in known.get("models_compile_inputshape", ())),
        tuple(tuple(row) for row in known.get("lynxi_devices", ())),
        tuple(name for name in known if name not in used),
    )


def _named(model: Mapping[str, Any]) -> bool:
    return isinstance(model.get("backbone"), dict) and "type" in model["backbone"]


def _value(path: Path, node: ast.expr, known: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(path, n, known) for n in node.elts]
    if isinstance(node, ast.Dict) and all(k is not None for k in node.keys):
        keys = [_value(path, k, known) for k in node.keys if k is not None]
        return dict(zip(keys, (_value(path, v, known) for v in node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(path, node.operand, known)
        if isinstance(number, (int, float)):
            return -number
    if isinstance(node, ast.Name):
        if node.id in known:
            return known[node.id]
        raise _wrong(path, node, f"nothing above assigns {node.id}", nearest(node.id, list(known)))
    call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    if call and isinstance(node, ast.Call) and not node.args:
        return {k.arg: _value(path, k.value, known) for k in node.keywords if k.arg}
    raise _wrong(path, node, "it is no number, text, list or dict(...)")


def _wrong(path: Path, node: ast.AST, reason: str, help: str = "") -> SnncError:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    return fail(
        "bidl-config",
        f"{path.name} is read as data, not run: {reason}",
        at(str(path), line, column),
        help=help or "write values out; a configuration is assignments of data",
    )
