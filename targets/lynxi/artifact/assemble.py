"""A placed module becomes the records of a folder, and records become the module again.

Both directions walk ops in text order, so `to_module(to_artifact(m))` is m for what `place` gives:
bound values are called by their numbers, or by the names that the program has for them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from snnc.diagnostics import SnncError, at, fail
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Value
from snnc.ir.types import Type, parse_type
from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import (
    KEY_OF,
    LOAD,
    RANDOM,
    SAVE,
    TIE,
    TUPLE,
    AnyType,
    Arg,
    Artifact,
    Binding,
    Constant,
    Graph,
    Node,
    Port,
    Scalar,
    TensorType,
    TupleType,
    Var,
)
from snnc.targets.lynxi.lowering.elements import DTYPES, NAMES
from snnc.targets.lynxi.ops import LEVEL

GROUPED = ("concatenate", "stack")
FROM_GRAPH = at("graph", 0)
"""Where ops come from that a graph says; the folder it lies in has no place in a module."""
"""Ops whose operands print as one group."""

NORM = "nn.batch_norm"
BUILD = ("batch", "version", "profile")
"""Attributes of a module that say how it is built."""

HIDDEN = ("serial", "outputs")
"""Attributes that the printed name or the group of outputs says."""


def tensor_type(type: Type) -> TensorType:
    """Return a type as the text has it; time does not show."""
    return TensorType(NAMES[type.element], type.shape)


def to_artifact(module: Module) -> Artifact:
    """Return the records of a module at level `lynxi`.

    Raises:
        SnncError: `lynxi-malformed` for a module of another level, without the ends of a graph, or
            that does not return what its last op gives.
    """
    if module.level != "lynxi":
        raise not_a_graph(module)
    return _Writer(module).artifact()


def not_a_graph(module: Module) -> SnncError:
    """Return the error for a module of another level."""
    return fail(
        "lynxi-malformed",
        f"@{module.name} is at level {module.level}, not lynxi",
        module.loc,
        help="run legalise before, or compile it with -t lynxi",
    )


class _Writer:
    """The records so far; `args` says what stands for each value."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.args: dict[Value, Arg] = {}
        self.params: dict[str, TensorType] = {}
        self.values: dict[str, Array] = {}
        self.bindings: list[Binding] = []
        self.names: dict[int, str] = {}
        self.metas: dict[str, list[Mapping[str, Any]]] = {}
        self.constants: list[Array] = []
        self.ports: dict[Value, Port] = {}
        self.results: dict[Value, tuple[Op, Arg]] = {}

    def artifact(self) -> Artifact:
        """Return the records."""
        for op in self.module.graph.ops:
            self._add(op)
        graph, attrs = self.module.graph, self.module.attrs
        said: dict[str, Any] = {k: attrs[k] for k in BUILD if k in attrs}
        strays = [v.name for v in graph.outputs if v not in self.results]
        if strays or not self.bindings:
            raise fail(
                "lynxi-malformed",
                f"@{self.module.name} returns %{', %'.join(strays) or 'nothing computed'} without "
                "lynxi.result",
                self.module.loc,
                help="end a graph with the pass place",
            )
        last = len(self.bindings) - 1
        early = [n for n, (_, arg) in self.results.items() if not _is_node(arg, last)]
        if early:
            raise fail(
                "lynxi-malformed",
                f"%{early[0].name} is not what the last op of @{self.module.name} gives",
                early[0].loc,
                help="end a graph with the pass place",
            )
        unused = [Port(v.name, str(v.type), "") for v in graph.inputs if v not in self.ports]
        made = {p.name: p for p in (*self.ports.values(), *unused)}
        function = Graph(
            graph.name,
            self.params,
            tuple(self.bindings),
            {k: tuple(v) for k, v in self.metas.items()},
            tuple(self.constants),
        )
        return Artifact(
            self.module.name,
            function,
            self.values,
            tuple(made[v.name] for v in graph.inputs),
            tuple(self._port(v) for v in graph.outputs),
            self.names,
            **said,
        )

    def _port(self, value: Value) -> Port:
        op, _ = self.results[value]
        return Port(value.name, str(value.type), NAMES[op.values[0].type.element])

    def _add(self, op: Op) -> None:
        make = getattr(self, f"_end_{op.kind}", None)
        if make is not None:
            make(op)
            return
        if op.kind in (TIE, *GROUPED):
            self._group(op)
            return
        args = tuple(self.args[v] for v in op.values if op.kind != LOAD or v == op.values[0])
        self._bind(op, args, tensor_type(op.result.type))

    def _end_data(self, op: Op) -> None:
        x = op.values[0]
        port = Port(x.name, str(x.type), str(op["dtype"]), op.result.name)
        self.ports[x] = port
        self.params[port.param] = tensor_type(op.result.type)
        self.args[op.result] = Var(port.param)

    def _end_param(self, op: Op) -> None:
        name = op.symbols[0].name
        self.params[name] = tensor_type(op.result.type)
        self.values[name] = self.module.tensor(op.symbols[0])
        self.args[op.result] = Var(name)

    def _end_constant(self, op: Op) -> None:
        type = tensor_type(op.result.type)
        self.args[op.result] = Constant(len(self.constants), type)
        self.constants.append(self.module.tensor(op.symbols[0]).astype(type.dtype))

    def _end_scalar(self, op: Op) -> None:
        value = op["value"]
        whole = op["dtype"] == "bool" or not str(op["dtype"]).startswith("float")
        self.args[op.result] = Scalar(int(value) if whole else value, str(op["dtype"]))

    def _end_result(self, op: Op) -> None:
        self.results[op.result] = (op, self.args[op.values[0]])

    def _group(self, op: Op) -> None:
        """Add an op that reads a group: all operands, or the several outputs of a graph."""
        count = op["outputs"] if op.kind == TIE else len(op.values)
        args = [self.args[v] for v in op.values]
        types = tuple(tensor_type(v.type) for v in op.values[:count])
        type: AnyType = tensor_type(op.result.type)
        if op.kind in GROUPED or count > 1:
            self.bindings.append(Binding(TUPLE, tuple(args[:count]), TupleType(types)))
            args = [Node(len(self.bindings) - 1), *args[count:]]
            type = TupleType(types) if op.kind == TIE else type
        self._bind(op, tuple(args), type)

    def _bind(self, op: Op, args: tuple[Arg, ...], type: AnyType) -> None:
        index, key, meta = len(self.bindings), KEY_OF.get(op.kind), None
        attrs = {k: v for k, v in op.attrs.items() if k not in HIDDEN}
        serial = int(op["serial"]) if op.kind in (TIE, RANDOM) else None
        if key is not None:
            full = {k: v for k, v in op.spec.filled(op.attrs).items() if k not in HIDDEN}
            rows = self.metas.setdefault(key, [])
            meta, attrs = len(rows), {}
            rows.append(full)
        if op.kind == NORM:
            side = tensor_type(op.values[1].type)
            type = TupleType((tensor_type(op.result.type), side, side))
        self.bindings.append(Binding(op.kind, args, type, attrs, meta, serial))
        for field, value in enumerate(op.results):
            several = op.kind == NORM or len(op.results) > 1
            self.args[value] = Node(index, field if several else None)
        if op.result.name != str(index):
            self.names[index] = op.result.name


def _is_node(arg: Arg, index: int) -> bool:
    return isinstance(arg, Node) and arg.index == index


def to_module(artifact: Artifact) -> Module:
    """Return the module that records say.

    Raises:
        SnncError: `unknown-op`, `graph-type` where a printed type is not what follows from the
            operands, what the rules of the ops refuse.
    """
    return _Reader(artifact).module()


class _Reader:
    """The module so far, built in the order of the bindings."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact, self.graph = artifact, artifact.graph
        attrs = {k: getattr(artifact, k) for k in BUILD}
        self.build = Builder(artifact.name, LEVEL.name, attrs)
        self.inputs = {p.name: self.build.input(p.name, p.type) for p in artifact.inputs}
        self.vars: dict[str, Value] = {}
        self.images: dict[int, Value] = {}
        self.scalars: dict[Scalar, Value] = {}
        self.nodes: list[tuple[Value, ...]] = []
        self.saves: dict[str, Value] = {}

    def module(self) -> Module:
        """Return the module."""
        later: dict[str, Value] = {}
        flags = {self.graph.attrs_of(b)["flag"] for _, b in self.graph.of(SAVE)}
        for index, binding in enumerate(self.graph.bindings):
            if binding.op == TUPLE:
                self.nodes.append(tuple(v for arg in binding.args for v in self._value(arg)))
                continue
            operands = [v for arg in binding.args for v in self._value(arg)]
            attrs = self._attrs(binding)
            flag = attrs.get("flag", "")
            if binding.op == LOAD and flag in flags:
                type = Type(operands[0].type.element, operands[0].type.shape, 0)
                later[flag] = self.build.forward(flag, type)
                operands.append(later[flag])
            self._emit(index, binding, operands, attrs)
            if binding.op == SAVE and flag in later:
                self.build.bind(later[flag], self.nodes[-1][0])
        returned = []
        for port, value in zip(self.artifact.outputs, self.nodes[-1], strict=True):
            type = parse_type(port.type)
            options: dict[str, Any] = {"shape": type.shape}
            options["element"] = type.element.name
            returned.append(self.build.op("result", value, name=port.name, **options))
        return self.build.finish(*returned, graph=self.graph.name)

    def _attrs(self, binding: Binding) -> dict[str, Any]:
        attrs = dict(self.graph.attrs_of(binding))
        if binding.op == TIE:
            group = binding.type
            attrs["outputs"] = len(group.fields) if isinstance(group, TupleType) else 1
        if binding.serial is not None:
            attrs["serial"] = binding.serial
        return attrs

    def _emit(
        self, index: int, binding: Binding, operands: list[Value], attrs: Mapping[str, Any]
    ) -> None:
        name = f"lynxi.{binding.op}"
        label = self.artifact.names.get(index, str(index))
        count = attrs.get("outputs", 1)
        op = self.build.emit(name, operands, attrs, names=[label] * count, loc=FROM_GRAPH)
        self._check(index, binding, op)
        self.nodes.append(op.results)

    def _check(self, index: int, binding: Binding, op: Op) -> None:
        said: AnyType = binding.type
        if binding.op == NORM and isinstance(said, TupleType):
            said = said.fields[0]
        made: AnyType = tensor_type(op.result.type)
        if len(op.results) > 1:
            made = TupleType(tuple(tensor_type(r.type) for r in op.results))
        if said != made:
            raise fail(
                "graph-type",
                f"%{index} = {binding.op} is printed as {said}, but its operands give {made}",
                help="the text was edited; compile again",
            )

    def _value(self, arg: Arg) -> tuple[Value, ...]:
        if isinstance(arg, Node):
            return self.nodes[arg.index] if arg.field is None else (self.nodes[arg.index][0],)
        if isinstance(arg, Var):
            return (self._var(arg.name),)
        if isinstance(arg, Constant):
            if arg.index not in self.images:
                label = f"constant.{len(self.images)}"
                held = np.ascontiguousarray(self.graph.constants[arg.index])
                symbol = self.build.weight(label, held, DTYPES[arg.type.dtype])
                self.images[arg.index] = self.build.op("constant", symbol, name=label)
            return (self.images[arg.index],)
        if arg not in self.scalars:
            value, name = float(arg.value), f"scalar.{len(self.scalars)}"
            self.scalars[arg] = self.build.op("scalar", name=name, value=value, dtype=arg.dtype)
        return (self.scalars[arg],)

    def _var(self, name: str) -> Value:
        if name not in self.vars:
            port = next((p for p in self.artifact.inputs if p.param == name), None)
            if port is not None:
                x = self.inputs[port.name]
                axis = _lane(self.graph.params[name].shape, x.type.shape)
                made = self.build.op("data", x, name=name, dtype=port.dtype, axis=axis)
            else:
                type = self.graph.params[name]
                held = self.artifact.params[name]
                symbol = self.build.weight(name, held, DTYPES[type.dtype])
                made = self.build.op("param", symbol, name=name)
            self.vars[name] = made
        return self.vars[name]


def _lane(sent: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return the first axis of size 1 without which what is sent has a shape, 0 if there is none.

    Then the rules of the ops find that the printed type is not that of the input.
    """
    fits = (a for a, n in enumerate(sent) if n == 1 and sent[:a] + sent[a + 1 :] == shape)
    return next(fits, 0)
