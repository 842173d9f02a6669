"""`subtractive-leak`: neurons that lose a part of their potential lose a constant amount instead.

No integer neuron multiplies its potential, and most neurons trained with PyTorch do: v = decay v +
x. What comes closest is v = v + x - amount, never below a floor, with a threshold of its own. The
three are fitted per channel, or per neuron of a flat layer, on calibration data: each layer runs on
the currents that the layers before it, fitted already, give it, and the sum of the squared
differences between its spike counts and those of the real network decides, in int64. It is an
approximation, and `context.report["subtractive-leak"]` says of every layer how good it is.
"""

from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.analysis import run_order
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.types import F32
from snnc.ir.weights import Array
from snnc.passes.accuracy import compare_accuracy
from snnc.passes.calibration import Calibration, calibration_of, needed
from snnc.passes.integer_neuron import LEAVE_OUT
from snnc.passes.layer_errors import compare_layers
from snnc.passes.parameters import by_neuron, param_array
from snnc.passes.threshold_search import count_errors

SWEEPS = 2
"""Times that amount, threshold and floor are chosen, each with the other two as they are."""

START = {"amount": 4, "threshold": 16, "floor": 16}
"""Half of what is lost at the threshold, the threshold itself, and its negative."""

GRIDS = {
    "amount": (*range(17), 20, 24, 32),
    "threshold": (*range(6, 33), 36, 40, 48),
    "floor": (0, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128, 256),
}
"""What is tried: eighths of what is lost at the threshold, and sixteenths of the threshold."""

Parts = dict[str, Array]


@frozen
class SubtractiveLeak(Pass):
    """Replace leaks by a factor by constant ones, fitted on calibration data."""

    name = "subtractive-leak"
    level = "snn"
    exactness = Exactness.APPROXIMATE

    def run(self, module: Module, context: Context) -> Module:
        """Return the module without neurons whose `decay` is not 1.

        Raises:
            SnncError: `no-subtractive-leak` for neurons that have none, `calibration-missing` and
                what `calibration_of` refuses.
        """
        leaky = [op for op in run_order(module.graph) if op.kind == "neuron" and _leaks(module, op)]
        if not leaky:
            return module
        _refuse(module, leaky)
        data = needed(calibration_of(module, context), module, self.name)
        real = data.counts(module, [op.result.name for op in leaky])
        fitted: dict[str, Parts] = {}
        now = module
        for op in leaky:
            name = op.result.name
            fitted[name] = _fit(module, op, now, real[name], data)
            now = _with(module, fitted)
        context.report[self.name] = {
            "calibration": {"samples": data.samples, "ticks": data.ticks},
            "neurons": {name: _said(parts) for name, parts in fitted.items()},
            "layers": compare_layers(module, now, data),
        }
        if data.labels is not None:
            context.report[self.name]["accuracy"] = compare_accuracy(module, now, data)
        return now


def _leaks(module: Module, op: Op) -> bool:
    return bool((_param(module, op, "decay") != 1).any())


def _param(module: Module, op: Op, name: str) -> Array:
    array = param_array(module, op, name)
    return np.zeros(op.values[0].type.shape) if array is None else array


def _refuse(module: Module, leaky: list[Op]) -> None:
    found = Diagnostics()
    used = [*module.graph.outputs, *(v for op in module.graph.ops for v in op.values)]
    for op in leaky:
        decay, why, way = _param(module, op, "decay"), "", ""
        if (decay < 0).any() or (decay > 1).any():
            why = f"decay = {float(decay.min())!r}..{float(decay.max())!r} is no leak"
        elif (_param(module, op, "threshold") <= 0).any():
            why = "the threshold, of which the leak is a part, is not positive everywhere"
        elif any(result in used for result in op.results[1:]):
            why = "its potential is returned, which would be another one"
            way = f"do not return it {LEAVE_OUT}, "
        if why:
            found.error(
                "no-subtractive-leak",
                f"%{op.result.name}: {why}",
                op.loc,
                help=f"{way}train this layer with decay = 1, or use a target that runs the real "
                "network (lynxi)",
            )
    found.check()


def _fit(module: Module, op: Op, now: Module, real: Array, data: Calibration) -> Parts:
    """Return the best parts per block, as `GRIDS` counts them; equals: the one tried first."""
    x = op.values[0]
    blocks = next((n for n in x.type.shape if n > 1), 1)
    best = {name: np.full(blocks, start) for name, start in START.items()}
    for name in list(GRIDS) * SWEEPS:
        tried = [best[name], *(np.full(blocks, part) for part in GRIDS[name])]
        layers = [_layer(module, op, best | {name: parts}) for parts in tried]
        errors = count_errors(layers, x.name, now, real, data, blocks)
        best[name] = np.stack(tried)[errors.argmin(axis=0), np.arange(blocks)]
    return best


def _params(module: Module, op: Op, parts: Parts) -> dict[str, Array]:
    """Return the parameters that the parts stand for, in the neurons' shape."""
    shape = op.values[0].type.shape
    amount, above, below = (by_neuron(parts[name], shape) for name in GRIDS)
    threshold, lost = _param(module, op, "threshold"), 1 - _param(module, op, "decay")
    drift = _param(module, op, "leak") + lost * _param(module, op, "leak_to")
    floor = -threshold * below / 16
    if op["floor"] is not None:
        floor = np.maximum(floor, _param(module, op, "floor"))
    made = {
        "leak": drift - lost * threshold * amount / 8,
        "threshold": threshold * above / 16,
        "floor": floor,
    }
    if op["reset_by"] is not None:
        made["reset_by"] = _param(module, op, "reset_by") * above / 16
    return made


GONE = ("decay", "leak_to", "reset_time")


def _attrs(module: Module, op: Op, parts: Parts, build: Builder) -> dict[str, Any]:
    attrs = {key: value for key, value in op.attrs.items() if key not in GONE}
    for key, array in _params(module, op, parts).items():
        attrs[key] = _shortest(build, f"{op.result.name}.{key}", array.astype(np.float32))
    return attrs


def _shortest(build: Builder, name: str, array: Array) -> float | Symbol:
    if (array == array.flat[0]).all():
        return float(array.flat[0])
    rows = array.reshape(len(array), -1)
    return build.weight(name, rows[:, 0] if (rows == rows[:, :1]).all() else array, F32)


def _layer(module: Module, op: Op, parts: Parts) -> Module:
    """Return a module of the fitted neurons alone: currents x, spikes s."""
    build = Builder.like(module)
    x = build.input("x", op.values[0].type)
    attrs = _attrs(module, op, parts, build)
    for key in ("potential", "place"):
        attrs.pop(key, None)
    return build.finish(build.op("neuron", x, name="s", **attrs))


def _with(module: Module, fitted: dict[str, Parts]) -> Module:
    """Return the module with fitted neurons in place of those of the same names."""

    def one(op: Op, build: Rebuild) -> list[Value] | None:
        if op.result.name not in fitted:
            return None
        attrs = _attrs(module, op, fitted[op.result.name], build)
        names = [result.name for result in op.results]
        x = build(op.values[0])
        return list(build.emit("neuron", [x], attrs, loc=op.loc, names=names).results)

    return rebuild(module, one)


def _said(parts: Parts) -> dict[str, list[float]]:
    """Return the range of each part: of the loss at the threshold, and of the threshold."""
    units = {"amount": 8, "threshold": 16, "floor": 16}
    return {n: [float(a.min()) / units[n], float(a.max()) / units[n]] for n, a in parts.items()}
