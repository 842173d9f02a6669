"""Raises a load/save graph to `snn`: neurons that are known, layers, and what moves elements.

EXACT: a neuron is raised only in the order of its roundings. What has no form at `snn` is refused
with its op; draws too, as the reference draws otherwise: `raise{draws=input}` makes what they are
compared with the network's input, one train of bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.extend.passes import Context, Exactness, Pass, option
from snnc.ir.analysis import run_order
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import F32, U1, Element, train
from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import LOAD, RANDOM, SAVE, TIE
from snnc.targets.lynxi.patterns import Found, Number, Patterns

MOVES = ("reshape", "squeeze", "expand_dims", "transpose", "strided_slice")
IDLE = ("param", "constant", "scalar", SAVE, TIE, RANDOM)


@frozen
class Raise(Pass):
    """Turn a load/save graph into a network of known neurons."""

    name = "raise"
    level = "lynxi"
    to = "snn"
    exactness = Exactness.EXACT

    draws: str = option(
        "refuse",
        help="refuse: no random ops; input: what draws are compared with becomes an input of bits",
        choices=("refuse", "input"),
    )

    def run(self, module: Module, context: Context) -> Module:
        """Return the network.

        Raises:
            SnncError: `not-raisable` with the op that has no form at level snn.
        """
        return _Raising(module, self.draws == "input").module()


class _Raising:
    """The network so far; `now` says what stands for each value of the graph."""

    def __init__(self, module: Module, bits: bool) -> None:
        self.old, self.bits = module, bits
        if module.attrs.get("profile") == "f16":
            raise _refused(module.graph.ops[0], "the graph is in profile f16", "raise it in f32")
        self.find = Patterns(module)
        self.new = Builder(module.name, "snn", {}, module.loc)
        self.now: dict[Value, Value] = {}
        self.neurons: dict[Value, Found] = {}
        self.made: dict[Value, tuple[Value, Value]] = {}
        self.symbols: dict[tuple[str, tuple[int, ...]], Symbol] = {}
        self.needed: set[Value] = set()
        self.delays: list[tuple[Op, Value]] = []

    def module(self) -> Module:
        """Return the network."""
        graph = self.old.graph
        for op in self.old.ops(LOAD):
            found = self.find.neuron(op)
            if found is not None:
                self.neurons[found.v] = found
        for value in graph.inputs:
            if not (self.bits and self._drawn(value)):
                self.now[value] = self.new.input(value.name, value.type, value.loc)
        self.needed = self._needed()
        for op in run_order(graph):
            self.new.loc = op.loc
            if op.result in self.needed and op.result not in self.now:
                self._add(op)
        for op, later in self.delays:
            delayed = self.new.op("delay", self._value(op.values[1], op), name="past")
            self.new.bind(later, delayed)
        outputs = [self.find.made_by[v] for v in graph.outputs]
        made = [self._output(op) for op in outputs]
        return self.new.finish(*made, graph=graph.name)

    def _needed(self) -> set[Value]:
        """Return the values that outputs depend on; of a neuron, its input only."""
        spikes = dict(self.find.spikes)
        todo = [self._root(self.find.made_by[v]) for v in self.old.graph.outputs]
        seen: set[Value] = set()
        while todo:
            value = self.find.core(todo.pop())
            op = self.find.made_by.get(value)
            if value in seen or op is None or op.kind in IDLE:
                continue
            seen.add(value)
            said = spikes.get(value)
            found = self.neurons.get(value if said is None else said[0])
            if found is not None:
                todo.append(found.x)
            elif op.kind != "less":
                todo += op.values[1:] if op.kind == LOAD else op.values
        return seen

    def _root(self, op: Op) -> Value:
        """Return what an output is, behind the tie to saves."""
        tie = self.find.made_by[op.values[0]]
        if tie.kind != TIE:
            return op.values[0]
        return tie.values[tie.results.index(op.values[0])]

    def _drawn(self, value: Value) -> bool:
        """Whether an input is only compared with draws."""
        data = [op.result for op in self.old.ops("data") if value in op.values]
        readers = [op for op in self.old.graph.ops if set(data) & set(op.values)]
        return bool(readers) and all(op.kind in ("less", "take", RANDOM) for op in readers)

    def _add(self, op: Op) -> None:
        if op.result in self.neurons:
            self.now[op.result] = self._neuron(self.neurons[op.result])[1]
            return
        said = dict(self.find.spikes).get(op.result)
        if said is not None and said[0] in self.neurons:
            self._spiking(op, said)
            return
        make: Callable[[Op], Value] | None = getattr(self, f"op_{op.kind.replace('.', '_')}", None)
        if make is None:
            raise _refused(op, f"{op.name} has no form at level snn", "")
        self.now[op.result] = make(op)

    def _spiking(self, op: Op, said: tuple[Value, Number, str]) -> None:
        found = self.neurons[said[0]]
        same = said[2] == found.compare and np.array_equal(said[1].array, found.threshold.array)
        if not same:
            raise _refused(op, "a potential is compared with two thresholds", "")
        self.now[op.result] = self._neuron(found)[0]

    def _neuron(self, found: Found) -> tuple[Value, Value]:
        """Return spikes and potential of a neuron."""
        if found.v not in self.made:
            shape = found.v.type.shape[1:]
            numbers = {"threshold": found.threshold, **found.numbers}
            if self._equal(numbers.get("reset_by"), found.threshold):
                del numbers["reset_by"]
            image = self.find.number(self.find.core(found.load.values[0]))
            if image is None:
                raise _refused(found.load, "its initial image is no constant", "")
            attrs: dict[str, Any] = {n: self._param(v, shape) for n, v in numbers.items()}
            if image.array.any():
                self._check_image(found, image)
                attrs["initial"] = self._param(image, shape)
            name = found.load["flag"].removesuffix(".v").replace(" ", "_")
            x = self._value(found.x, found.load)
            options = {**attrs, **found.attrs, "compare": found.compare}
            options["potential"] = found.v in self.needed
            op = self.new.emit("neuron", [x], options, names=[name, f"{name}.potential"])
            self.made[found.v] = (op.results[0], op.results[-1])
        return self.made[found.v]

    def _check_image(self, found: Found, image: Number) -> None:
        """Refuse a first state that `snn.neuron` would not begin with."""
        high, first = found.threshold.array, image.array
        fires = first > high if found.compare == "gt" else first >= high
        if found.kept == "decayed" or (found.kept == "charged" and fires.any()):
            raise _refused(
                found.load, f"state {found.load['flag']!r} begins with {first.max():g}", ""
            )

    def _equal(self, a: Number | None, b: Number) -> bool:
        return a is not None and np.array_equal(a.array, b.array)

    def _param(self, number: Number, shape: tuple[int, ...]) -> Any:
        """Return a number, or a symbol of one value per channel or per neuron."""
        array = number.array
        if array.size == 1:
            # The shortest text of a float32, which rounds to it again.
            return float(str(np.float32(array.reshape(()))))
        flat = array.reshape(array.shape[1:]) if array.ndim > len(shape) else array
        if flat.size == flat.shape[0] == shape[0]:
            flat = flat.reshape(-1)
        return self._symbol(number.name or "parameter", np.broadcast_to(flat, flat.shape))

    def _symbol(self, name: str, array: Array) -> Symbol:
        key = (name, array.shape)
        if key not in self.symbols:
            self.symbols[key] = self.new.weight(name, np.ascontiguousarray(array), F32)
        return self.symbols[key]

    def _value(self, value: Value, reader: Op) -> Value:
        found = self.now.get(self.find.core(value))
        if found is None:
            raise _refused(reader, f"{reader.name} reads a constant", "")
        return found

    def _weight(self, op: Op, index: int) -> Symbol:
        number = self.find.number(op.values[index])
        if number is None:
            raise _refused(op, f"operand {index} of {op.name} is no parameter", "")
        return self._symbol(number.name or "weight", number.array)

    def _output(self, op: Op) -> Value:
        root = self._root(op)
        made = self._value(root, op)
        shape = tuple(op["shape"])
        if made.type.shape != shape:
            made = self.new.op("reshape", made, shape=shape)
        if made.name != op.result.name:
            # An output has its own name: the same elements once more.
            made = self.new.op("reshape", made, name=op.result.name, shape=shape)
        return made

    def op_data(self, op: Op) -> Value:
        """What the host sends, as it is."""
        return self.now[op.values[0]]

    def op_annotation_load(self, op: Op) -> Value:
        """A state that is no neuron's: the value of the tick before, zeros at first."""
        image = self.find.number(self.find.core(op.values[0]))
        if len(op.values) < 2 or image is None or not image.same(0.0):
            raise _refused(op, f"state {op['flag']!r} is no neuron that is known", "")
        element = self._element(op.values[1])
        later = self.new.forward(str(op["flag"]), train(element, *op.result.type.shape[1:]))
        self.delays.append((op, later))
        return later

    def op_less(self, op: Op) -> Value:
        """Draws compared with the input: an input of bits."""
        draws = self.find.made_by.get(self.find.core(op.values[0]))
        data = self.find.made_by.get(self.find.core(op.values[1]))
        if not (draws and draws.kind == RANDOM and data and data.kind == "data" and self.bits):
            help = "say raise{draws=input}; the input is then one train of bits"
            raise _refused(op, "draws of the chip are not those of the reference", help)
        name = data.values[0].name
        return self.new.input(name, train(U1, *op.result.type.shape[1:]), op.loc)

    def _element(self, value: Value) -> Element:
        """Return the element at level snn of a value that comes later: bits, or the input's."""
        op, seen = self.find.made_by[self.find.core(value)], set[Op]()
        while op not in seen and (op.kind in MOVES or op.kind == LOAD):
            seen.add(op)
            op = self.find.made_by[self.find.core(op.values[-1])]
        if op.kind == "data":
            return op.values[0].type.element
        return op.result.type.element if op.result.type.element == U1 else F32

    def op_nn_dense(self, op: Op) -> Value:
        """A linear op without bias."""
        return self.new.op("linear", self._value(op.values[0], op), self._weight(op, 1))

    def op_nn_bias_add(self, op: Op) -> Value:
        """A bias that is added after rounding, as `split-bias` writes it."""
        x, bias = self._value(op.values[0], op), self._weight(op, 1)
        rank = len(op.result.type.shape)
        if op["axis"] % rank != 1 or rank > 4:
            raise _refused(op, f"a bias along axis {op['axis']}", "")
        count = x.type.shape[0]
        zeros = self._symbol("bias.zero", np.zeros(count, np.float32))
        ones = self._symbol("bias.one", np.ones(count, np.float32))
        return self.new.op("batch_norm", x, zeros, ones, ones, bias, epsilon=0.0)

    def op_nn_batch_norm(self, op: Op) -> Value:
        """A norm with fixed statistics."""
        gamma, beta, mean, variance = (self._weight(op, i) for i in range(1, 5))
        x = self._value(op.values[0], op)
        return self.new.op("batch_norm", x, mean, variance, gamma, beta, epsilon=op["epsilon"])

    def _convolved(self, op: Op) -> Value:
        x, w = self._value(op.values[0], op), self._weight(op, 1)
        attrs = {"stride": op["strides"], "padding": op["padding"], "dilation": op["dilation"]}
        return self.new.op(op.kind.removeprefix("nn."), x, w, groups=op["groups"], **attrs)

    op_nn_conv1d = op_nn_conv2d = _convolved

    def _transposed(self, op: Op) -> Value:
        x, w = self._value(op.values[0], op), self._weight(op, 1)
        attrs = {"stride": op["strides"], "padding": op["padding"], "dilation": op["dilation"]}
        attrs |= {"output_padding": op["output_padding"], "groups": op["groups"]}
        return self.new.op(f"conv_transpose{op.kind[7]}d", x, w, **attrs)

    op_nn_conv1d_transpose = op_nn_conv2d_transpose = _transposed

    def _pooled(self, op: Op) -> Value:
        if op["ceil_mode"]:
            raise _refused(op, "ceil_mode, which level snn lacks", "use sizes that divide")
        attrs = {"stride": op["strides"], "padding": op["padding"], "dilation": op["dilation"]}
        if "avg" in op.kind:
            attrs["count_padding"] = op["count_include_pad"]
        x = self._value(op.values[0], op)
        return self.new.op(op.kind.removeprefix("nn."), x, kernel=op["pool_size"], **attrs)

    op_nn_max_pool1d = op_nn_max_pool2d = op_nn_avg_pool1d = op_nn_avg_pool2d = _pooled

    def _reshaped(self, op: Op) -> Value:
        return self.new.op("reshape", self._value(op.values[0], op), shape=op.result.type.shape[1:])

    op_reshape = op_squeeze = op_expand_dims = _reshaped

    def op_transpose(self, op: Op) -> Value:
        """Axes in another order; the batch stays first."""
        order = tuple(a - 1 for a in op["axes"])
        if order[0] != -1:
            raise _refused(op, "the batch axis is moved", "")
        return self.new.op("permute", self._value(op.values[0], op), order=order[1:])

    def op_concatenate(self, op: Op) -> Value:
        """Operands in a row."""
        parts = [self._value(v, op) for v in op.values]
        return self.new.op("concat", *parts, axis=op["axis"] - 1)

    def op_add(self, op: Op) -> Value:
        """A sum of two values."""
        return self.new.op("add", *(self._value(v, op) for v in op.values))

    def op_subtract(self, op: Op) -> Value:
        """A difference of two values."""
        return self.new.op("sub", *(self._value(v, op) for v in op.values))

    def op_multiply(self, op: Op) -> Value:
        """A product with a parameter."""
        for x, w in ((0, 1), (1, 0)):
            number = self.find.number(op.values[w])
            if number is not None:
                param = self._param(number, op.result.type.shape[1:])
                if not isinstance(param, Symbol):
                    param = self._symbol(f"factor{param}", np.asarray([param], np.float32))
                return self.new.op("scale", self._value(op.values[x], op), param)
        raise _refused(op, "a product of two values", "")

    def op_nn_relu(self, op: Op) -> Value:
        """The positive part."""
        return self.new.op("relu", self._value(op.values[0], op))


def _refused(op: Op, what: str, help: str) -> SnncError:
    return fail(
        "not-raisable",
        f"%{op.result.name}: {what}",
        op.loc,
        help=help or "run it on this target; level snn has one neuron op, layers and movements",
    )
