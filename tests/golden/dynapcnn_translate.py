"""Reads a recorded DYNAP-CNN case (model.json, weights.npz) as a module at level snn."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snnc.diagnostics import fail
from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.ir.graph import Value
from snnc.ir.weights import Array

COMMITTED = Path(__file__).with_name("dynapcnn")
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "golden" / "dynapcnn"


def case_folder(name: str) -> Path | None:
    """Return the folder of a case: from the environment, beside the repository, or committed."""
    stated = os.environ.get("SNNC_GOLDEN_DYNAPCNN")
    folders = [Path(stated)] if stated else [BESIDE, COMMITTED]
    return next((f / name for f in folders if (f / name / "model.json").is_file()), None)


class Case(NamedTuple):
    """A case: its description, the network, options of the target, what was recorded."""

    model: dict[str, Any]
    module: Module
    options: dict[str, Any]
    expected: dict[str, Any]
    folder: Path


def read_case(folder: Path) -> Case:
    """Return a case; nodes that the IR has no word for raise `golden-node`."""
    model = json.loads((folder / "model.json").read_text())
    expected = json.loads((folder / "expected.json").read_text())
    weights: dict[str, Array] = {}
    if (folder / "weights.npz").is_file():
        with np.load(folder / "weights.npz", allow_pickle=False) as stored:
            weights = {name: stored[name] for name in stored.files}
    options: dict[str, Any] = {"sensor": bool(model.get("dvs_input"))}
    if "monitor" in model:
        options["monitor"] = tuple(str(word) for word in model["monitor"])
    if "map" in model:
        options["map"] = tuple(f"{layer}:{core}" for layer, core in model["map"].items())
    return Case(model, _Reader(model, weights).module(), options, expected, folder)


class _Reader:
    def __init__(self, model: dict[str, Any], weights: dict[str, Array]) -> None:
        self.model, self.weights = model, weights
        self.build = Builder(model["name"], "snn")
        self.spiking = model.get("from_model")

    def module(self) -> Module:
        x = self.build.input("input", f"u8[{', '.join(map(str, self.model['input_shape']))}]~")
        made = {"input": x}
        used = {source for node in self.model["nodes"] for source in node["in"]}
        for node in self.model["nodes"]:
            sources = [made[source] for source in node["in"]]
            made[node["name"]] = self._node(node, sources)
        outputs = [made[n["name"]] for n in self.model["nodes"] if n["name"] not in used]
        if self.spiking and self.spiking.get("add_spiking_output"):
            outputs = [self._iaf("spike_output", outputs[0], {})]
        return self.build.finish(*outputs)

    def _node(self, node: dict[str, Any], sources: list[Value]) -> Value:
        name, args, x = node["name"], node["args"], sources[0]
        kind = "iaf" if node["op"] == "relu" and self.spiking is not None else node["op"]
        if kind in ("identity", "dropout"):
            return x
        if kind == "iaf5d":
            kind = "iaf"
        if kind == "merge":
            return self.build.op("add", *sources, name=name)
        if kind == "flatten":
            return self.build.op("reshape", x, name=name, shape=(x.type.size,))
        if kind in ("sumpool", "avgpool", "maxpool"):
            return self._pool(name, kind, x, args)
        if kind in ("bn2d", "bn1d"):
            return self._norm(name, x)
        if kind == "dvs":
            return self._dvs(x, args)
        if kind == "relu":
            return self.build.op("relu", x, name=name)
        if kind == "lif":
            return self.build.op("neuron", x, name=name, decay=float(np.exp(-1 / 5)))
        if kind == "iaf":
            return self._iaf(name, x, args)
        if kind in ("conv", "linear"):
            return self._weighted(name, kind, x, args)
        raise fail("golden-node", f"{name}: {kind} {args}")

    def _pool(self, name: str, kind: str, x: Value, args: dict[str, Any]) -> Value:
        kernel = _pair(args["kernel_size"])
        stride = _pair(args.get("stride", kernel))
        ops = {"sumpool": "sum_pool2d", "avgpool": "avg_pool2d", "maxpool": "max_pool2d"}
        return self.build.op(ops[kind], x, name=name, kernel=kernel, stride=stride)

    def _norm(self, name: str, x: Value) -> Value:
        names = ("running_mean", "running_var", "weight", "bias")
        symbols = [self.build.weight(f"{name}.{n}", self.weights[f"{name}.{n}"]) for n in names]
        # The vendor's folding leaves epsilon out.
        return self.build.op("batch_norm", x, *symbols, name=name, epsilon=0.0)

    def _dvs(self, x: Value, args: dict[str, Any]) -> Value:
        odd = set(args) - {"input_shape", "pool", "crop", "swap_xy"}
        if odd:
            raise fail("golden-node", f"the pixel block has {sorted(odd)}")
        if list(args["input_shape"]) != list(x.type.shape[1:]):
            raise fail("golden-shape", f"{args['input_shape']} is not the input {x.type}")
        pool = _pair(args.get("pool", 1))
        if pool != (1, 1):
            x = self.build.op("sum_pool2d", x, kernel=pool)
        for axis, bounds in enumerate(args.get("crop") or (), 1):
            x = self.build.op("slice", x, axis=axis, start=bounds[0], stop=bounds[1])
        return self.build.op("permute", x, order=(0, 2, 1)) if args.get("swap_xy") else x

    def _iaf(self, name: str, x: Value, args: dict[str, Any]) -> Value:
        low = args.get("min_v_mem", -1.0)
        return self.build.op(
            "neuron",
            x,
            name=name,
            spike="count",
            threshold=float(args.get("spike_threshold", 1.0)),
            floor=None if low is None else float(low),
            reset="soft",
        )

    def _weighted(self, name: str, kind: str, x: Value, args: dict[str, Any]) -> Value:
        symbols = [self.build.weight(f"{name}.weight", self._weights(name, kind, args))]
        if args.get("bias", True):
            symbols.append(self.build.weight(f"{name}.bias", self.weights[f"{name}.bias"]))
        if kind == "linear":
            return self.build.op("linear", x, *symbols, name=name)
        return self.build.op(
            "conv2d",
            x,
            *symbols,
            name=name,
            stride=_pair(args.get("stride", 1)),
            padding=_pair(args.get("padding", 0)),
            dilation=_pair(args.get("dilation", 1)),
            groups=args.get("groups", 1),
        )

    def _weights(self, name: str, kind: str, args: dict[str, Any]) -> Array:
        """Return recorded weights, or any where a case is about its shapes and records none."""
        if f"{name}.weight" in self.weights:
            return self.weights[f"{name}.weight"]
        if kind == "linear":
            shape: tuple[int, ...] = (args["out_features"], args["in_features"])
        else:
            kernel = _pair(args["kernel_size"])
            shape = (args["out_channels"], args["in_channels"] // args.get("groups", 1), *kernel)
        return np.linspace(-0.5, 0.7, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
