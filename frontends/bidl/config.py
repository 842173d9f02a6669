"""Configurations of BIDL, read as data: assignments of numbers, texts, lists and dict(...).

Nothing of the file is executed. A name may stand for a value that was assigned above it. What the
deployment of a network needs is kept; names of training are listed as unused. A name that is none
of these, and that nothing reads, is an error: it may be a slip for one that matters.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from snnc.diagnostics import SnncError, at, fail, nearest

DEPLOYED = ("model", "models_compile_inputshape", "lynxi_devices")
TRAINING = (
    *("dataset_type", "train_pipeline", "val_pipeline", "test_pipeline", "img_norm_cfg", "data"),
    *("optimizer", "optimizer_config", "lr_config", "warmup", "runner", "momentum_config"),
    *("checkpoint_config", "log_config", "dist_params", "log_level", "load_from", "resume_from"),
    *("workflow", "fp16", "find_unused_parameters", "work_dir", "gpu_ids", "evaluation", "seed"),
    *("custom_hooks", "cudnn_benchmark", "total_epochs"),
)
"""Names at the top of a configuration that only training and its data read."""

PARTS = ("type", "backbone", "neck", "head", "pretrained", "train_cfg")
"""What a `model` holds; deployment reads its backbone."""


@frozen
class Config:
    """What a configuration says of a network: backbones in order, input shapes, devices.

    `lines` are where the models are assigned.
    """

    backbones: tuple[Mapping[str, Any], ...]
    lines: tuple[int, ...]
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
        SnncError: `bidl-config` for a statement that is no data, for a name that nobody knows, or
            where parts are missing.
    """
    read = _Reader(path)
    for statement in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name):
            raise read.wrong(statement, "it is no assignment of a value to a name")
        read.asked[target.id] = set()
        read.known[target.id] = read.value(statement.value, target.id)
        read.places[target.id] = statement
    known = read.known
    models = [known["model"]] if "model" in known else []
    while f"model_{len(models)}" in known and "model" not in known:
        models.append(known[f"model_{len(models)}"])
    used = {*DEPLOYED, *(f"model_{n}" for n in range(len(models)))}
    if not models or not all(isinstance(m, dict) and _named(m) for m in models):
        text = f"{path.name} has no model = dict(backbone=dict(type=...))"
        raise fail("bidl-config", text, at(str(path), 1), help="give a configuration of BIDL")
    read.judge(used)
    names = ["model"] if "model" in known else [f"model_{n}" for n in range(len(models))]
    for name, model in zip(names, models, strict=True):
        _parts(read, model, name)
    return Config(
        tuple(dict(m["backbone"]) for m in models),
        tuple(getattr(read.places[name], "lineno", 1) for name in names),
        read.rows("models_compile_inputshape"),
        read.rows("lynxi_devices"),
        tuple(name for name in known if name not in read.behind(used)),
    )


def _parts(read: "_Reader", model: Mapping[str, Any], name: str) -> None:
    for part in model:
        if part not in PARTS:
            reason = f"{name} has no part {part!r}"
            raise read.wrong(read.places[name], reason, nearest(part, PARTS))


def _named(model: Mapping[str, Any]) -> bool:
    return isinstance(model.get("backbone"), dict) and "type" in model["backbone"]


@frozen(eq=False)
class _Reader:
    """Values by name as far as they were read, where they stand, and which of them others read."""

    path: Path
    known: dict[str, Any] = field(factory=dict)
    places: dict[str, ast.AST] = field(factory=dict)
    asked: dict[str, set[str]] = field(factory=dict)

    def value(self, node: ast.expr, name: str) -> Any:
        """Return what an expression of data says, which is part of the value of a name."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self.value(n, name) for n in node.elts]
        if isinstance(node, ast.Dict):
            return self._joined(zip(node.keys, node.values, strict=True), name)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self.value(node.operand, name)
            if isinstance(number, (int, float)):
                return -number
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            several = [self.value(n, name) for n in (node.left, node.right)]
            if sorted(type(v).__name__ for v in several) == ["int", "list"]:
                return several[0] * several[1]
        if isinstance(node, ast.Name):
            if node.id in self.known:
                self.asked[name].add(node.id)
                return self.known[node.id]
            reason = f"nothing above assigns {node.id}"
            raise self.wrong(node, reason, nearest(node.id, list(self.known)))
        if isinstance(node, ast.Call) and not node.args and getattr(node.func, "id", "") == "dict":
            pairs = [(ast.Constant(k.arg) if k.arg else None, k.value) for k in node.keywords]
            return self._joined(pairs, name)
        raise self.wrong(node, "it is no number, text, list or dict(...)")

    def _joined(self, pairs: Any, name: str) -> dict[Any, Any]:
        """Return a dictionary; without a key, another dictionary stands, as behind `**`."""
        made: dict[Any, Any] = {}
        for key, node in pairs:
            value = self.value(node, name)
            if key is None and not isinstance(value, dict):
                raise self.wrong(node, "what stands behind ** is no dict(...)")
            made |= value if key is None else {self.value(key, name): value}
        return made

    def behind(self, names: set[str]) -> set[str]:
        """Return names with all that their values are made of."""
        found, todo = set[str](), [name for name in self.known if name in names]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += sorted(self.asked[name])
        return found

    def judge(self, used: set[str]) -> None:
        """Refuse a name that neither deployment nor training nor another value reads."""
        for name in self.known:
            read = any(name in asked for asked in self.asked.values())
            if name not in used and not read and name not in TRAINING:
                known = [*DEPLOYED, *TRAINING]
                reason = f"nobody reads a name {name!r}"
                raise self.wrong(self.places[name], reason, nearest(name, known))

    def rows(self, name: str) -> tuple[tuple[int, ...], ...]:
        """Return a table of whole numbers, which may be missing."""
        value = self.known.get(name, [])
        whole = isinstance(value, list) and all(
            isinstance(row, list) and row and all(type(n) is int for n in row) for row in value
        )
        if not whole or (name == "lynxi_devices" and len({len(row) for row in value}) > 1):
            reason = f"{name} is no list of rows of whole numbers, all as long"
            raise self.wrong(self.places[name], reason, "write it as [[0, 1], [2, 3]]")
        return tuple(tuple(row) for row in value)

    def wrong(self, node: ast.AST, reason: str, help: str = "") -> SnncError:
        """Return the error for what stands at a node."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        return fail(
            "bidl-config",
            f"{self.path.name} is read as data, not run: {reason}",
            at(str(self.path), line, column),
            help=help or "write values out; a configuration is assignments of data",
        )
