"""Reads a recorded DYNAP-CNN case (model.json, weights.npz) as a module at level snn."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import snnc
from snnc.diagnostics import fail
from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.ir.graph import Value
from snnc.ir.weights import Array

COMMITTED = Path(__file__).with_name("dynapcnn")
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "golden" / "dynapcnn"


def _folders() -> list[Path]:
    stated = os.environ.get("SNNC_GOLDEN_DYNAPCNN")
    return [Path(stated)] if stated else [BESIDE, COMMITTED]


def case_names() -> list[str]:
    """Return the names of all cases: of the folder in the environment, or else of ours."""
    found = {p.parent.name for folder in _folders() for p in folder.glob("*/model.json")}
    return sorted(found)


def case_folder(name: str) -> Path:
    """Return the folder of a case: from the environment, beside the repository, or committed."""
    return next(f / name for f in _folders() if (f / name / "model.json").is_file())


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
    module = _Reader(model, weights).module()
    if model.get("warm"):
        module = _Reader(model, {**weights, **_warm(module, folder, int(model["warm"]))}).module()
    return Case(model, module, _options(model), expected, folder)


def _warm(module: Module, folder: Path, steps: int) -> dict[str, Array]:
    """Return the potentials of all neurons after some steps of the recorded input."""
    raster = np.load(folder / "input.npz")["raster"][None, :steps]
    trace = snnc.run(module, {"input": raster}, probe=("all",)).trace
    return {f"{name}_mem": v[0, -1] for name, v in trace.items() if name.endswith(".v")}


def has_pixels(model: dict[str, Any]) -> bool:
    """Whether the vendor puts the pixel block before the network, and counts it as layer 0."""
    return bool(model.get("dvs_input")) or any(n["op"] == "dvs" for n in model["nodes"])


def _options(model: dict[str, Any]) -> dict[str, Any]:
    """Return what the case asks of the target; layers are counted from 0 on without the pixels."""
    blocks = [n["args"] for n in model["nodes"] if n["op"] == "dvs"]
    layers_on = any(not args.get("disable_pixel_array", True) for args in blocks)
    wanted = model.get("dvs_input")
    first = 1 if has_pixels(model) else 0
    options: dict[str, Any] = {"sensor": layers_on if wanted is None else bool(wanted)}
    if has_pixels(model):
        options["pixels"] = True
    if "monitor" in model:
        given = model["monitor"]
        words = given if isinstance(given, list) else [given]
        options["monitor"] = tuple(_layer_word(word, first) for word in words)
    if "map" in model:
        options["map"] = tuple(
            f"{int(layer) - first}:{core}" for layer, core in model["map"].items()
        )
    return options


def _layer_word(word: Any, first: int) -> str:
    return str(word - first) if isinstance(word, int) and word >= first else str(word)


class _Reader:
    def __init__(self, model: dict[str, Any], weights: dict[str, Array]) -> None:
        self.model, self.weights = model, weights
        self.build = Builder(model["name"], "snn")
        self.spiking = model.get("from_model")

    def module(self) -> Module:
        x = self.build.input("input", f"u8[{', '.join(map(str, self._input_shape()))}]~")
        made = {"input": x}
        used = {source for node in self.model["nodes"] for source in node["in"]}
        for node in self.model["nodes"]:
            if any(source not in made for source in node["in"]):
                raise fail("golden-loop", f"{node['name']} reads what comes after it")
            sources = [made[source] for source in node["in"]]
            made[node["name"]] = self._node(node, sources)
        outputs = [made[n["name"]] for n in self.model["nodes"] if n["name"] not in used]
        last = self.model["nodes"][-1]["op"]
        if self.spiking and self.spiking.get("add_spiking_output") and last != "relu":
            outputs = [self._iaf("spike_output", outputs[0], {})]
        return self.build.finish(*outputs)

    def _input_shape(self) -> list[int]:
        """Return the shape that the case states; a flag without one leaves nothing to state."""
        stated = list(self.model["input_shape"])
        if self.model.get("no_shape") and not has_pixels(self.model):
            return []
        return stated

    def _node(self, node: dict[str, Any], sources: list[Value]) -> Value:
        name, args, x = node["name"], node["args"], sources[0]
        relu = node["op"] == "relu" and self.spiking is not None
        kind = "iaf" if relu else node["op"]
        if len(sources) > 1 and kind != "merge":
            raise fail("golden-node", f"{name}: {kind} of {len(sources)} values")
        if relu:
            args = {k: v for k, v in self.spiking.items() if k not in _OF_THE_NETWORK}
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
        stride = _pair(kernel if args.get("stride") is None else args["stride"])
        ops = {"sumpool": "sum_pool2d", "avgpool": "avg_pool2d", "maxpool": "max_pool2d"}
        _known(args, ("kernel_size", "stride"), ("padding", "ceil_mode", "count_include_pad"))
        return self.build.op(ops[kind], x, name=name, kernel=kernel, stride=stride)

    def _norm(self, name: str, x: Value) -> Value:
        names = ("running_mean", "running_var", "weight", "bias")
        symbols = [self.build.weight(f"{name}.{n}", self.weights[f"{name}.{n}"]) for n in names]
        # The vendor's folding leaves epsilon out.
        return self.build.op("batch_norm", x, *symbols, name=name, epsilon=0.0)

    def _dvs(self, x: Value, args: dict[str, Any]) -> Value:
        _known(args, ("input_shape", "pool", "crop", "merge_polarities", "flip_x", "flip_y"), _DVS)
        if list(args["input_shape"])[-2:] != list(x.type.shape[1:]):
            raise fail("golden-shape", f"{args['input_shape']} is not the input {x.type}")
        if args.get("merge_polarities") and x.type.shape[0] == 2:
            x = self.build.op("add", *self._rows(x, 0))
        pool = _pair(args.get("pool", 1))
        if pool != (1, 1):
            x = self.build.op("sum_pool2d", x, kernel=pool)
        for axis, bounds in enumerate(args.get("crop") or (), 1):
            x = self.build.op("slice", x, axis=axis, start=bounds[0], stop=bounds[1])
        for axis, flag in ((1, "flip_y"), (2, "flip_x")):
            if args.get(flag):
                x = self.build.op("concat", *self._rows(x, axis)[::-1], axis=axis)
        return self.build.op("permute", x, order=(0, 2, 1)) if args.get("swap_xy") else x

    def _rows(self, x: Value, axis: int) -> list[Value]:
        places = range(x.type.shape[axis])
        return [self.build.op("slice", x, axis=axis, start=n, stop=n + 1) for n in places]

    def _iaf(self, name: str, x: Value, args: dict[str, Any]) -> Value:
        """Return neurons; names of the reset and the spike function vary, their words do not."""
        resets = [k for k in args if "reset" in k or "zero" in k]
        spikes = [k for k in args if k.startswith("spike_f") or k == "spike"]
        _known(args, ("spike_threshold", "min_v_mem", *resets, *spikes), _IGNORED)
        low = args.get("min_v_mem", -1.0)
        spike = " ".join(str(args[k]) for k in spikes).lower()
        initial = self.weights.get(f"{name}.v_mem")
        attrs: dict[str, Any] = {}
        if initial is not None:
            shaped = np.broadcast_to(initial, x.type.shape) if initial.ndim else initial
            attrs["initial"] = self.build.weight(f"{name}.v_mem", shaped.reshape(x.type.shape))
        if "max" in spike:
            raise fail("golden-node", f"{name}: {spike} bounds spikes by a number that is not told")
        return self.build.op(
            "neuron",
            x,
            name=name,
            spike="single" if "single" in spike else "count",
            threshold=self._parameter(f"{name}.threshold", args.get("spike_threshold", 1.0)),
            floor=None if low is None else self._parameter(f"{name}.floor", low),
            reset="hard" if any(_hard(args[k]) for k in resets) else "soft",
            **attrs,
        )

    def _parameter(self, name: str, value: Any) -> Any:
        if isinstance(value, (int, float)):
            return float(value)
        return self.build.weight(name, np.asarray(value, dtype=np.float32))

    def _weighted(self, name: str, kind: str, x: Value, args: dict[str, Any]) -> Value:
        symbols = [self.build.weight(f"{name}.weight", self._weights(name, kind, args))]
        if args.get("bias", True):
            rescaled = np.float32((self.spiking or {}).get("bias_rescaling", 1.0))
            bias = self.weights[f"{name}.bias"] / rescaled
            symbols.append(self.build.weight(f"{name}.bias", bias))
        if kind == "linear":
            return self.build.op("linear", x, *symbols, name=name)
        if args.get("padding_mode", "zeros") != "zeros" or isinstance(args.get("padding"), str):
            raise fail("golden-node", f"{name}: padding {args['padding']} {args['padding_mode']}")
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


_OF_THE_NETWORK = ("add_spiking_output", "bias_rescaling", "batch_size", "num_timesteps", "synops")
_DVS = ("swap_xy", "disable_pixel_array")
_IGNORED = ("batch_size", "num_timesteps", "surrogate_grad_fn", "input_shape", *_OF_THE_NETWORK)


def _known(args: dict[str, Any], names: tuple[str, ...], more: tuple[str, ...]) -> None:
    odd = sorted(set(args) - {*names, *more})
    if odd:
        raise fail("golden-node", f"no one knows what {', '.join(odd)} means")


def _hard(value: Any) -> bool:
    """Whether a flag, or the name of a reset function, means a reset to 0."""
    return (
        value if isinstance(value, bool) else value is not None and "sub" not in str(value).lower()
    )
