"""Writes layers as a module again: each a pooled sum of trains, one convolution, one neuron.

What `legalise` and `discretize` leave; the spikes keep their names and shapes, and so do the
network's inputs and outputs, whatever the cores call features, rows and columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve

from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import I8, I16, I32, Element
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Shape
from snnc.targets.dynapcnn.lowering.forms import Part
from snnc.targets.dynapcnn.lowering.network import Layer, Network, Tap
from snnc.targets.dynapcnn.lowering.views import View
from snnc.targets.dynapcnn.ops import map_of


def write_network(network: Network, layers: Sequence[Layer], level: str) -> Module:
    """Return the module of a network whose layers were replaced by `layers`, in the same order."""
    return _Writer(network, level).module(layers)


class _Writer:
    def __init__(self, network: Network, level: str) -> None:
        module = network.module
        self.network = network
        self.build = Builder(module.name, level, module.attrs, module.loc)
        self.now: dict[Value, Value] = {}
        self.known: dict[tuple[object, ...], Value] = {}
        self.maps: Mapping[Value, Shape] = {}

    def module(self, layers: Sequence[Layer]) -> Module:
        graph = self.network.module.graph
        for value in graph.inputs:
            self.now[value] = self.build.input(value.name, value.type, value.loc)
        trains = set(self.network.trains)
        for op in graph.ops:
            if op.result in trains:
                self._encoder(op)
        self.maps = {layer.result: layer.output for layer in layers}
        for layer in layers:
            self.now[layer.result] = self._layer(layer)
        outputs = [self._output(tap) for tap in self.network.outputs]
        return self.build.finish(*outputs, graph=graph.name)

    def _encoder(self, op: Op) -> None:
        module = self.network.module
        for symbol in op.symbols:
            self.build.weights.setdefault(symbol.name, module.weights[symbol.name])
        operands = [self.now[o] if isinstance(o, Value) else o for o in op.operands]
        names = [op.result.name]
        made = self.build.emit(op.kind, operands, op.attrs, loc=op.loc, names=names)
        self.now[op.result] = made.result

    def _layer(self, layer: Layer) -> Value:
        self.build.loc = layer.loc
        name = layer.result.name
        operands: list[Operand] = [
            self._sum(layer),
            self._weight(layer.names[0], layer.weights, I8),
        ]
        if layer.bias is not None:
            operands.append(self._weight(layer.names[1], layer.bias, I16))
        shape = {"stride": _unless(layer.stride, 1), "padding": _unless(layer.padding, 0)}
        current = self.build.emit("conv2d", operands, shape, names=[f"{name}.sum"]).result
        current = self._shaped(current, layer.result.type.shape, f"{name}.flat")
        attrs: dict[str, Any] = {
            "threshold": layer.threshold.item(),
            "reset": "hard" if layer.hard else "soft",
            "spike": layer.spike,
            "floor": None if layer.floor is None else layer.floor.item(),
            "max_count": layer.max_count,
            **self._of_level(layer),
            "leak": self._leak(layer),
            "initial": self._initial(layer),
        }
        return self.build.emit("neuron", (current,), attrs, names=[name]).result

    def _of_level(self, layer: Layer) -> dict[str, Any]:
        """Return the attributes of a neuron that the other level does not have."""
        if self.build.level == "int":
            return {"overflow": layer.overflow}
        return {"compare": "gt" if layer.strict else "ge", "reset_time": layer.reset_time}

    def _leak(self, layer: Layer) -> Symbol | int:
        if layer.leak is None:
            return 0
        # Neurons that see a map flat have one leak each, a map's neurons one per feature.
        flat = layer.result.type.shape[0] // len(layer.leak)
        return self._weight(f"{layer.result.name}.leak", np.repeat(layer.leak, flat), I16)

    def _initial(self, layer: Layer) -> Symbol | int:
        if not layer.initial.any():
            return 0
        shaped = layer.initial.reshape(layer.result.type.shape)
        return self._weight(f"{layer.result.name}.initial", shaped, I16)

    def _weight(self, name: str, array: Array, narrow: Element) -> Symbol:
        """Return the symbol of an array: f32 at snn, the narrow element or i32 at int."""
        if self.build.level == "snn":
            return self.build.weight(name, array.astype(np.float32))
        fits = narrow.low <= array.min() and array.max() <= narrow.high
        return self.build.weight(name, array, narrow if fits else I32)

    def _sum(self, layer: Layer) -> Value:
        """Return what the weights multiply: sums of joined parts, joined along the features."""
        blocks: list[list[Part]] = []
        end = 0
        for part in sorted(layer.parts, key=lambda p: p.shift):
            if part.shift >= end:
                blocks.append([])
            blocks[-1].append(part)
            end = max(end, part.shift + part.features)
        order = {id(part): n for n, part in enumerate(layer.parts)}
        joined = []
        for block in blocks:
            rows = self._rows(sorted(block, key=lambda p: order[id(p)]))
            values = [self._once("concat", [self._part(p) for p in row]) for row in rows]
            joined.append(self._once("add", values))
        return self._once("concat", joined)

    def _rows(self, block: list[Part]) -> list[list[Part]]:
        """Return the parts of a block as rows, each of which fills its features once."""
        rows: list[list[Part]] = []
        for part in block:
            row = next((r for r in rows if r[-1].shift + r[-1].features == part.shift), None)
            if row is None:
                rows.append([part])
            else:
                row.append(part)
        return rows

    def _once(self, kind: str, values: list[Value]) -> Value:
        if len(values) == 1:
            return values[0]
        if kind == "concat" and len({v.type.element for v in values}) > 1:
            # Joined values have one element; a window of one turns spikes into sums.
            values = [self._cached("sum_pool2d", [v], {"kernel": (1, 1)}) for v in values]
        return self._cached(kind, values, {})

    def _cached(self, kind: str, values: list[Value], attrs: Mapping[str, Any]) -> Value:
        key = (kind, *values, *attrs.items())
        if key not in self.known:
            # A name that outputs do not have: theirs are the interface.
            made = self.build.emit(kind, values, attrs, names=[f"{kind}.by"])
            self.known[key] = made.result
        return self.known[key]

    def _part(self, part: Part) -> Value:
        value = self.now[part.source]
        shape = self.maps.get(part.source) or map_of(value.type.shape)
        if value.type.shape != shape:
            value = self._cached("reshape", [value], {"shape": shape})
        if part.pool > 1:
            value = self._cached("sum_pool2d", [value], {"kernel": (part.pool, part.pool)})
        return self._viewed(value, part.view)

    def _viewed(self, value: Value, view: View) -> Value:
        """Return what the pixel block makes of a host's train."""
        if view.merge:
            value = self._cached("add", self._slices(value, 0), {})
        if view.pool != (1, 1):
            value = self._cached("sum_pool2d", [value], {"kernel": view.pool})
        for axis, (start, stop) in enumerate(view.crop or (), 1):
            if (start, stop) != (0, value.type.shape[axis]):
                value = self._slice(value, axis, start, stop)
        for axis, backwards in enumerate(view.mirror, 1):
            if backwards:
                value = self._cached("concat", self._slices(value, axis)[::-1], {"axis": axis})
        return self._cached("permute", [value], {"order": (0, 2, 1)}) if view.swap else value

    def _slices(self, value: Value, axis: int) -> list[Value]:
        """Return the rows (or features, or columns) of a value, one by one."""
        return [self._slice(value, axis, n, n + 1) for n in range(value.type.shape[axis])]

    def _slice(self, value: Value, axis: int, start: int, stop: int) -> Value:
        return self._cached("slice", [value], {"axis": axis, "start": start, "stop": stop})

    def _shaped(self, value: Value, shape: Shape, name: str) -> Value:
        if value.type.shape == shape:
            return value
        return self.build.emit("reshape", (value,), {"shape": shape}, names=[name]).result

    def _output(self, tap: Tap) -> Value:
        value = tap.value
        if value == tap.first.source:
            return self.now[value]
        self.build.loc = value.loc
        made = self._once("concat", [self._reported(part) for part in tap.parts])
        shape = {"shape": value.type.shape}
        return self.build.emit("reshape", (made,), shape, names=[value.name]).result

    def _reported(self, part: Part) -> Value:
        """Return what the host makes of the spikes of a layer."""
        if part.factor != 1.0 and self.build.level == "snn":
            return self._mean(part)
        return self._part(part)

    def _mean(self, part: Part) -> Value:
        """Return means over windows, summed over windows of them, as the factor says."""
        width = round(part.factor**-0.5)
        kernel = {"kernel": (width, width)}
        made = self._cached("avg_pool2d", [self._part(evolve(part, pool=1))], kernel)
        rest = part.pool // width
        return self._cached("sum_pool2d", [made], {"kernel": (rest, rest)})


def _unless(pair: Shape, default: int) -> Shape:
    return () if pair == (default, default) else pair
