"""Brings a network of real numbers to level `lynxi`, op by op.

EXACT: every op of `snn` becomes ops of the same roundings. Spikes and counts are float32 values
there. A bias rounds once more on this target, so it is taken out of its sum before, by
`split-bias`. Encoders run on the host. A module at level `lynxi` stays as it is.
"""

from collections.abc import Callable

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.analysis import live_ops, run_order
from snnc.ir.graph import Module, Op, Value
from snnc.ir.types import F16, F32, U1, U8
from snnc.ir.weights import Array
from snnc.targets.lynxi.limits import LIMITS
from snnc.targets.lynxi.lowering.neurons import Clock, Neuron
from snnc.targets.lynxi.lowering.sketch import Sketch, symbol_name
from snnc.targets.lynxi.split_bias import is_bias

ENCODERS = ("poisson", "latency", "periodic", "direct")


@frozen
class Legalise(Pass):
    """Lower a network of real numbers to a graph of one time step."""

    name = "legalise"
    level = "any"
    to = "lynxi"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the graph.

        Raises:
            SnncError: `lynxi-integers`, `mixed-floats`, `untimed-value`, `bias-in-sum`,
                `unsupported-op`, `count-too-large`, `neuron-window`, `input-element`,
                `output-is-input`.
        """
        if module.level == "lynxi":
            return module
        if module.level != "snn":
            raise fail(
                "lynxi-integers",
                f"@{module.name} is at level {module.level}, and this target takes real numbers",
                module.loc,
                help="give it in real numbers: as it was before quantize, or, where a .snnl file "
                "has integers only, with a line `level snn`",
            )
        return _Lowering(module, str(context.hardware.get("input", "float32"))).module()


class _Lowering:
    """The graph so far; `now` says what stands for each timed value."""

    def __init__(self, module: Module, dtype: str) -> None:
        self.old, self.dtype = module, dtype
        self.profile = _profile(module)
        self.s = Sketch(module, {"profile": self.profile})
        half = self.profile == "f16"
        self.most = LIMITS.exact_count_f16 if half else LIMITS.exact_count
        self.clock = Clock(self.s, self.most)
        self.now: dict[Value, Value] = {}
        self.later: list[tuple[Op, Value | None]] = []

    def module(self) -> Module:
        """Return the graph."""
        graph = self.old.graph
        taken = self._inputs()
        for value in graph.outputs:
            if value in taken:
                raise fail(
                    "output-is-input",
                    f"the network returns %{value.name} as the host sends it",
                    value.loc,
                    help="return what a layer gives; the host has the rest already",
                )
        for value in taken:
            self.s.take(value)
        for number, value in enumerate(taken):
            self.now[value] = self._data(number, value)
        behind = live_ops(graph)
        for op in run_order(graph):
            self.s.loc = op.loc
            if op in behind and op.result not in self.now and op.result.type.timed:
                self._add(op)
        for op, ring in self.later:
            self._kept(op, ring)
        for value in graph.outputs:
            if value not in self.now:
                raise self._untimed(value)
        self.s.loc = self.old.loc
        return self.s.finish_with([(v, self.now[v]) for v in graph.outputs], graph.name)

    def _inputs(self) -> list[Value]:
        """Return what the host sends: timed inputs, and what encoders make."""
        graph = self.old.graph
        made = [op.result for op in graph.ops if op.kind in ENCODERS]
        return [v for v in graph.inputs if v.type.timed] + [
            v for v in made if any(v in op.values for op in graph.ops) or v in graph.outputs
        ]

    def _data(self, number: int, value: Value) -> Value:
        small = value.type.element in (U1, U8)
        if self.dtype == "uint8" and not small:
            raise fail(
                "input-element",
                f"%{value.name}: {value.type} is not of whole numbers up to 255",
                value.loc,
                help="leave --input at float32",
            )
        x = self.s.inputs[number]
        sent = self.s.op("data", x, name=f"data_{number}", dtype=self.dtype, loc=value.loc)
        if self.dtype == "float32":
            return sent
        return self.s.call("cast", sent, dtype="float32")

    def _untimed(self, value: Value) -> SnncError:
        return fail(
            "untimed-value",
            f"%{value.name}: {value.type} has no ticks, but the chip works tick by tick",
            value.loc,
            help="put an encoder such as direct behind it",
        )

    def _add(self, op: Op) -> None:
        make: Callable[[Op], Value] | None = getattr(self, f"op_{op.kind}", None)
        if op.kind == "neuron":
            for old, new in zip(op.results, self._neuron(op), strict=True):
                self.now[old] = new
            return
        if make is None:
            raise fail(
                "unsupported-op",
                f"{op.name} has no form on this target",
                op.loc,
                help="write it with linear, convolutions, pools and movements",
            )
        self.now[op.result] = make(op)

    def _in(self, value: Value) -> Value:
        if value not in self.now:
            raise self._untimed(value)
        return self.now[value]

    def _call(self, kind: str, op: Op, *operands: Value, **attrs: object) -> Value:
        return self.s.call(kind, *operands, name=op.result.name, **attrs)

    def _weight(self, op: Op, index: int = 0) -> tuple[str, Array]:
        symbol = op.symbols[index]
        return symbol_name(symbol), self.old.tensor(symbol)

    def _neuron(self, op: Op) -> tuple[Value, ...]:
        if op["spike"] == "count" and op["max_count"] > max(self.most, 65535):
            raise fail(
                "count-too-large",
                f"%{op.result.name} counts up to {op['max_count']} spikes; {self.profile} holds "
                f"every whole number up to {self.most}",
                op.loc,
                help="lower max_count",
            )
        return Neuron(self.s, self.old, op, self._in(op.values[0]), self.clock).lower()

    def _no_bias(self, op: Op, symbols: int = 1) -> None:
        if len(op.symbols) > symbols:
            raise fail(
                "bias-in-sum",
                f"{op.name} adds its bias before rounding, and this target after it",
                op.loc,
                help="run split-bias before, which states the second rounding",
            )

    def op_linear(self, op: Op) -> Value:
        self._no_bias(op)
        return self._call("nn.dense", op, self._in(op.values[0]), self.s.param(*self._weight(op)))

    def op_masked_linear(self, op: Op) -> Value:
        (name, w), (_, mask) = self._weight(op), self._weight(op, 1)
        held = self.s.param(f"{name}.masked", w * mask.astype(w.dtype))
        return self._call("nn.dense", op, self._in(op.values[0]), held)

    def op_scale(self, op: Op) -> Value:
        name, w = self._weight(op)
        shape = op.result.type.shape
        if w.shape == shape[:1] and len(shape) > 1:
            name, w = f"{name}.{len(shape)}d", w.reshape(-1, *[1] * (len(shape) - 1))
        held = self.s.param(name, w.reshape(w.shape or (1,)))
        return self._call("multiply", op, self._in(op.values[0]), held)

    def op_convolved(self, op: Op) -> Value:
        self._no_bias(op)
        name, w = self._weight(op)
        attrs = {**_window(op, w.ndim - 2), "groups": op["groups"]}
        attrs |= {"channels": w.shape[0], "kernel_size": w.shape[2:]}
        held = self.s.param(name, w)
        return self._call(f"nn.{op.kind}", op, self._in(op.values[0]), held, **attrs)

    op_conv1d = op_conv2d = op_convolved

    def op_transposed(self, op: Op) -> Value:
        """Return a transposed convolution."""
        self._no_bias(op)
        name, w = self._weight(op)
        axes = w.ndim - 2
        attrs = {**_window(op, axes), "groups": op["groups"]}
        attrs |= {"channels": w.shape[1] * op["groups"], "kernel_size": w.shape[2:]}
        attrs["output_padding"] = tuple(op["output_padding"]) or (0,) * axes
        held = self.s.param(name, w)
        kind = f"nn.conv{axes}d_transpose"
        return self._call(kind, op, self._in(op.values[0]), held, **attrs)

    op_conv_transpose1d = op_conv_transpose2d = op_transposed

    def op_sum_pool(self, op: Op) -> Value:
        """Return sums of windows: a convolution of each channel with ones."""
        kernel, channels = tuple(op["kernel"]), op.result.type.shape[0]
        ones = np.ones((channels, 1, *kernel), dtype=np.float32)
        held = self.s.param(f"ones.{'x'.join(map(str, ones.shape))}", ones)
        attrs = {**_window(op, len(kernel)), "groups": channels}
        attrs |= {"channels": channels, "kernel_size": kernel}
        return self._call(f"nn.conv{len(kernel)}d", op, self._in(op.values[0]), held, **attrs)

    op_sum_pool1d = op_sum_pool2d = op_sum_pool

    def op_pool(self, op: Op) -> Value:
        kernel = tuple(op["kernel"])
        attrs: dict[str, object] = {"pool_size": kernel, **_window(op, len(kernel))}
        if op.kind.startswith("avg"):
            attrs["count_include_pad"] = op["count_padding"]
        return self._call(f"nn.{op.kind}", op, self._in(op.values[0]), **attrs)

    op_avg_pool1d = op_avg_pool2d = op_max_pool1d = op_max_pool2d = op_pool

    def op_add(self, op: Op) -> Value:
        """Return a sum that is rounded once, whatever the number of operands."""
        parts = [self._in(v) for v in op.values]
        if len(parts) == 1:
            return self._call("reshape", op, parts[0], newshape=parts[0].type.shape)
        if len(parts) == 2:
            return self._call("add", op, *parts)
        return self._call("sum", op, self.s.call("stack", *parts, axis=0), axis=(0,))

    def op_sub(self, op: Op) -> Value:
        return self._call("subtract", op, *(self._in(v) for v in op.values))

    def op_concat(self, op: Op) -> Value:
        return self._call("concatenate", op, *(self._in(v) for v in op.values), axis=op["axis"] + 1)

    def op_reshape(self, op: Op) -> Value:
        return self._call("reshape", op, self._in(op.values[0]), newshape=(1, *op["shape"]))

    def op_permute(self, op: Op) -> Value:
        axes = (0, *(axis + 1 for axis in op["order"]))
        return self._call("transpose", op, self._in(op.values[0]), axes=axes)

    def op_slice(self, op: Op) -> Value:
        x = self._in(op.values[0])
        return self._part(x, op["axis"] + 1, op["start"], op["stop"], op.result.name)

    def _part(self, x: Value, axis: int, start: int, stop: int, name: str = "") -> Value:
        """Return a range along one axis."""
        cut = {"begin": (start,), "end": (stop,), "strides": (1,), "axes": (axis,)}
        return self.s.call("strided_slice", x, name=name, **cut)

    def op_relu(self, op: Op) -> Value:
        return self._call("nn.relu", op, self._in(op.values[0]))

    def op_batch_norm(self, op: Op) -> Value:
        mean, variance, gamma, beta = (self._weight(op, i) for i in range(4))
        x = self._in(op.values[0])
        if is_bias(self.old, op):
            return self._call("nn.bias_add", op, x, self.s.param(*beta))
        held = [self.s.param(*w) for w in (gamma, beta, mean, variance)]
        return self._call("nn.batch_norm", op, x, *held, epsilon=op["epsilon"])

    def op_delay(self, op: Op) -> Value:
        """Return the oldest value of a ring, which is filled when its source is there."""
        by, shape = op["by"], op.result.type.shape
        flag = f"{op.result.name}.past"
        ring = self.s.load(flag, np.zeros((1, *([by] if by > 1 else []), *shape)))
        self.later.append((op, ring if by > 1 else None))
        if by == 1:
            return ring
        oldest = self._part(ring, 1, 0, 1)
        return self._call("squeeze", op, oldest, axis=(1,))

    def _kept(self, op: Op, ring: Value | None) -> None:
        self.s.loc = op.loc
        x, flag = self._in(op.values[0]), f"{op.result.name}.past"
        if ring is not None:
            rest = self._part(ring, 1, 1, op["by"])
            x = self.s.call("concatenate", rest, self.s.call("expand_dims", x, axis=1), axis=1)
        self.s.save(flag, x)


def _window(op: Op, axes: int) -> dict[str, object]:
    """Return strides, padding and dilation of a window in full."""
    padding = tuple(op["padding"]) or (0,) * axes
    default = tuple(op["kernel"]) if "pool" in op.kind else (1,) * axes
    return {
        "strides": tuple(op["stride"]) or default,
        "padding": padding * 2 if len(padding) == axes else padding,
        "dilation": tuple(op["dilation"]) or (1,) * axes,
    }


def _profile(module: Module) -> str:
    """Return the profile that a module's real values ask for."""
    ops = [op for op in module.graph.ops if op.result.type.timed and op.kind not in ENCODERS]
    values = [r for op in ops for r in op.results]
    found = {v.type.element for v in values if v.type.element.is_float}
    # A neuron that reads f16 works in f16, any other in f32.
    found |= {F16 if op.values[0].type.element == F16 else F32 for op in module.ops("neuron")}
    if F16 in found and len(found) > 1:
        raise fail(
            "mixed-floats",
            f"@{module.name} has values of f16 and of f32, and a profile has one of them",
            module.loc,
            help="use one element for all real values",
        )
    return "f16" if F16 in found else "f32"
