"""A module as a NIR graph: which node stands for which op, and what has none.

The contract: a module of level `snn` is drawn only if reading the drawing with the same profile
gives ops that do the same; a module of level `int` is drawn as far as NIR reaches, and each node
names in its metadata what of its neuron NIR cannot say (`program` stores the rest beside). Sums are
several edges, an encoder is the Input that it feeds.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import field, frozen

from snnc.diagnostics import fail
from snnc.frontends.nir.draw_neurons import neuron_node
from snnc.frontends.nir.nodes import INPUT, OUTPUT
from snnc.frontends.nir.profiles import Profile
from snnc.ir.analysis import makers
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.opset import Symbol
from snnc.ir.weights import Array

ENCODERS = ("poisson", "latency", "periodic", "direct")

Fields = dict[str, Any]


@frozen(eq=False)
class Drawing:
    """Nodes (type and fields by name), edges, and where the tensors of the module stand in them."""

    nodes: dict[str, Fields] = field(factory=dict)
    edges: list[tuple[str, str]] = field(factory=list)
    places: dict[str, tuple[str, str]] = field(factory=dict)

    def tree(self) -> dict[str, Any]:
        """Return the group `node` of a file, without metadata of the graph."""
        return {"type": "NIRGraph", "nodes": self.nodes, "edges": sorted(self.edges)}


def draw(module: Module, profile: Profile) -> Drawing:
    """Return the graph of a module.

    Raises:
        SnncError: `nir-unwritable` for what NIR has no form of, at the op's place.
    """
    return _Pen(module, profile).drawing()


class _Pen:
    """Draws one module; a value is the sum of the nodes in `ends`."""

    def __init__(self, module: Module, profile: Profile) -> None:
        self.module, self.profile = module, profile
        self.made_by = makers(module.graph)
        self.used = {v for op in module.graph.ops for v in op.values} | set(module.graph.outputs)
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.out = Drawing()

    def drawing(self) -> Drawing:
        graph = self.module.graph
        for value in graph.inputs:
            if value.type.timed:
                self._port(value, INPUT)
        for op in graph.ops:
            self._check_time(op)
            if op.kind in ENCODERS:
                self._port(op.result, INPUT)
            elif op.kind != "add":
                self._draw(op)
        for number, value in enumerate(graph.outputs):
            name = self._fresh("output" if len(graph.outputs) == 1 else f"output_{number}")
            self.out.nodes[name] = {"type": OUTPUT, "shape": np.array(value.type.shape)}
            self._connect(value, name)
        for op in graph.ops:
            if op.kind not in (*ENCODERS, "add"):
                name = self.names[self._shown(op)]
                for value in op.values:
                    self._connect(value, name)
        return self.out

    def _fresh(self, hint: str) -> str:
        base = hint.replace("/", "_").replace("\0", "_").strip(".") or "node"
        name, number = base, 1
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
        self.taken.add(name)
        return name

    def _port(self, value: Value, kind: str) -> None:
        self.names[value] = self._fresh(value.name)
        self.out.nodes[self.names[value]] = {"type": kind, "shape": np.array(value.type.shape)}

    def _check_time(self, op: Op) -> None:
        if op.kind not in ENCODERS and not op.result.type.timed:
            raise unwritable(op, "computes on constants", "encode the input first")
        if 0 in (len(v.type.shape) for v in (*op.values, op.result)):
            raise unwritable(op, "has values without axes", "give them the shape [1]")

    def _shown(self, op: Op) -> Value:
        """Return the result that the node of an op stands for."""
        if len(op.results) == 1:
            return op.result
        wanted = [v for v in op.results if v in self.used]
        if len(wanted) > 1:
            raise unwritable(op, "gives spikes and the potential", "a NIR node has one output")
        return wanted[0] if wanted else op.result

    def _draw(self, op: Op) -> None:
        drawn = _DRAWN.get(op.kind)
        if drawn is None:
            help = "run fold-norm first" if op.kind == "batch_norm" else ""
            raise unwritable(op, "has no node in NIR", help or "rewrite it with ops that have one")
        shown = self._shown(op)
        name = self.names[shown] = self._fresh(shown.name)
        self.out.nodes[name] = drawn(self, op, name)

    def _connect(self, value: Value, name: str) -> None:
        self.out.edges.extend((end, name) for end in self._ends(value))

    def _ends(self, value: Value) -> list[str]:
        """Return the nodes whose sum a value is."""
        op = self.made_by.get(value)
        if op is None or op.kind != "add":
            if value not in self.names:
                raise fail("nir-unwritable", f"%{value.name} is a constant", value.loc)
            return [self.names[value]]
        ends = [end for v in op.values for end in self._ends(v)]
        if len(set(ends)) < len(ends):
            twice = next(end for end, times in Counter(ends).items() if times > 1)
            raise unwritable(
                op, f"adds {twice} more than once", "edges of NIR do not repeat; scale it instead"
            )
        return ends

    def weight(self, operand: Operand, name: str, key: str) -> Array:
        """Return a weight, remembering where its whole tensor stands."""
        assert isinstance(operand, Symbol)
        if not operand.cut:
            tensor = self.module.weights[operand.name].tensor
            self.out.places.setdefault(tensor.digest, (name, key))
        return self.module.tensor(operand)

    def linear(self, op: Op, name: str) -> Fields:
        if len(op.values[0].type.shape) != 1:
            raise unwritable(op, "multiplies rows", "flatten its input")
        weight = self.weight(op.operands[1], name, "weight")
        if op.kind == "masked_linear":
            mask = self.module.tensor(op.symbols[1])
            return {"type": "Linear", "weight": weight * mask.astype(weight.dtype)}
        if len(op.operands) == 2:
            return {"type": "Linear", "weight": weight}
        bias = self.weight(op.operands[2], name, "bias")
        return {"type": "Affine", "weight": weight, "bias": bias}

    def scale(self, op: Op, name: str) -> Fields:
        shape = op.result.type.shape
        weight = self.module.tensor(op.symbols[0])
        if weight.shape == shape:
            return {"type": "Scale", "scale": self.weight(op.operands[1], name, "scale")}
        if weight.size > 1:
            weight = weight.reshape(-1, *[1] * (len(shape) - 1))
        full = np.broadcast_to(
            weight.reshape((1,) * len(shape)) if weight.size == 1 else weight, shape
        )
        return {"type": "Scale", "scale": np.ascontiguousarray(full)}

    def conv(self, op: Op, name: str) -> Fields:
        axes = int(op.kind[4])
        weight = self.weight(op.operands[1], name, "weight")
        bias = np.zeros(weight.shape[:1], weight.dtype)
        if len(op.operands) == 3:
            bias = self.weight(op.operands[2], name, "bias")

        def ints(key: str, usual: int) -> Array:
            given = np.array(tuple(op[key]) or (usual,) * axes)
            return given if axes == 2 else given[0]

        sizes = op.values[0].type.shape[1:]
        return {
            "type": f"Conv{axes}d",
            "input_shape": np.array(sizes) if axes == 2 else np.array(sizes[0]),
            "weight": weight,
            "stride": ints("stride", 1),
            "padding": _padding(op, weight.shape[2:]),
            "dilation": ints("dilation", 1),
            "groups": np.array(op["groups"]),
            "bias": bias,
        }

    def pool(self, op: Op, name: str) -> Fields:
        if any(n != 1 for n in op["dilation"]):
            raise unwritable(op, "pools with dilation", "NIR pools without")
        padding = _padding(op, ())
        if isinstance(padding, str) or (
            op.kind == "avg_pool2d" and padding.any() and op["count_padding"] != self.profile.padded
        ):
            raise unwritable(op, "pads as NIR cannot say", "pad the layer before")
        kernel = np.array(op["kernel"])
        stride = np.array(op["stride"]) if op["stride"] else kernel
        kind = "SumPool2d" if op.kind == "sum_pool2d" else "AvgPool2d"
        return {"type": kind, "kernel_size": kernel, "stride": stride, "padding": padding}

    def reshape(self, op: Op, name: str) -> Fields:
        shape, wanted = op.values[0].type.shape, op.result.type.shape
        for start in range(len(shape)):
            for end in range(start, len(shape)):
                middle = int(np.prod(shape[start : end + 1]))
                if (*shape[:start], middle, *shape[end + 1 :]) == wanted:
                    dims = {"start_dim": np.array(start), "end_dim": np.array(end)}
                    return {"type": "Flatten", "input_type": np.array(shape), **dims}
        raise unwritable(op, "splits axes", "NIR can only flatten neighboring axes")

    def delay(self, op: Op, name: str) -> Fields:
        delays = np.full(op.result.type.shape, op["by"] * self.profile.dt)
        return {"type": "Delay", "delay": delays}

    def neuron(self, op: Op, name: str) -> Fields:
        fires = self._shown(op) is op.result
        return neuron_node(self.module, op, name, self.profile, fires)


def _padding(op: Op, kernel: tuple[int, ...]) -> Any:
    """Return the padding of a window as NIR has it: a number per axis, or `same`."""
    axes = int(op.kind[-2])
    given = tuple(op["padding"]) or (0,) * axes
    before, after = given[:axes], given[axes:] or given[:axes]
    if before == after:
        return np.array(before) if axes == 2 else np.array(before[0])
    total = [d * (k - 1) for k, d in zip(kernel, op["dilation"] or (1,) * axes, strict=False)]
    same = (*(n // 2 for n in total), *(n - n // 2 for n in total))
    if same != given or any(s != 1 for s in op["stride"]):
        raise unwritable(op, f"pads {list(before)} before and {list(after)} behind", "pad evenly")
    return "same"


def unwritable(op: Op, what: str, help: str) -> Exception:
    """Return the error for an op that NIR cannot say."""
    return fail("nir-unwritable", f"{op.name} %{op.result.name} {what}", op.loc, help=help)


_DRAWN: Mapping[str, Callable[[_Pen, Op, str], Fields]] = {
    "linear": _Pen.linear,
    "masked_linear": _Pen.linear,
    "scale": _Pen.scale,
    "conv1d": _Pen.conv,
    "conv2d": _Pen.conv,
    "sum_pool2d": _Pen.pool,
    "avg_pool2d": _Pen.pool,
    "reshape": _Pen.reshape,
    "delay": _Pen.delay,
    "neuron": _Pen.neuron,
}
