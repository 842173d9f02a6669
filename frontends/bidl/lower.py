"""From an exported step to a graph at level `lynxi`, one function of torch after the other.

The ops are those that the vendor's own converter makes of the same functions, as its printed graphs
show: `1 - f` is two casts of 1, a product and a difference; a sum multiplies its second operand by
1; a state is reshaped before its load and before its save, and cast behind the load.
"""

from collections.abc import Mapping
from typing import Any

from snnc.diagnostics import Location, fail, named
from snnc.frontends.bidl.capture import Captured
from snnc.frontends.bidl.functions import FUNCTIONS, IDENTITY
from snnc.frontends.bidl.graph import Graph
from snnc.frontends.pytorch.origins import place_of
from snnc.ir.graph import Module
from snnc.ir.types import F32, U1, train


def lower(captured: Captured, name: str, seed: int) -> tuple[Module, Mapping[Any, Any]]:
    """Return the graph of a captured step, and what stands in it for the nodes of the program.

    Raises:
        SnncError: `unsupported-function` with the user's line; `state-unsaved` for a buffer that
            no step changes though it is a state.
    """
    lowering = _Lowering(captured, name, seed)
    return lowering.module(), lowering.env


class _Lowering:
    """Values of the graph by the nodes of the exported program."""

    def __init__(self, captured: Captured, name: str, seed: int) -> None:
        self.captured, self.program = captured, captured.program
        self.signature = captured.program.graph_signature
        self.graph = Graph(name, seed)
        self.env: dict[Any, Any] = {}
        self.kept = self._states()

    def module(self) -> Module:
        """Return the graph."""
        nodes = list(self.program.graph.nodes)
        self._inputs([n for n in nodes if n.op == "placeholder"])
        for node in nodes:
            if node.op == "call_function":
                self.graph.loc = place_of(node).loc
                self.env[node] = self._call(node)
        return self._end(nodes[-1])

    def _states(self) -> dict[str, str]:
        """Return what is saved by the buffer that holds it; a state that nothing reads is none.

        Raises:
            SnncError: `state-type`.
        """
        sig = self.signature
        saved = {target: name for name, target in sig.buffers_to_mutate.items()}
        read = {
            sig.inputs_to_buffers[n.name]
            for n in self.program.graph.nodes
            if n.op == "placeholder" and n.name in sig.inputs_to_buffers and n.users
        }
        for target in saved:
            dtype = str(self._tensor(target).dtype).removeprefix("torch.")
            if target in read and dtype != "float32":
                raise fail(
                    "state-type",
                    f"state {self._flag(target)!r} is kept as {dtype}",
                    named(target.removeprefix("network.")),
                    help="keep numbers in float32, and compare where they are read",
                )
        return {target: name for target, name in saved.items() if target in read}

    def _inputs(self, nodes: list[Any]) -> None:
        sig, graph = self.signature, self.graph
        users = set(sig.user_inputs)
        count = 0
        for node in nodes:
            if node.name in users:
                self.env[node] = self._data(node, count)
                count += 1
                continue
            target = sig.inputs_to_parameters.get(node.name) or sig.inputs_to_buffers.get(node.name)
            target = target or sig.inputs_to_lifted_tensor_constants[node.name]
            graph.loc = named(target.removeprefix("network."))
            if target in self.kept:
                flag = self._flag(target)
                self.env[node] = graph.load(flag, self._initial(target), self._place(flag))
            else:
                self.env[node] = _Tensor(target.removeprefix("network."), self._tensor(target))

    def _data(self, node: Any, number: int) -> Any:
        """Return an input of forward; its axis of one lane is not the program's."""
        shape = [int(n) for n in node.meta["val"].shape]
        lane, label = self.captured.lane, self.captured.names[number]
        inner = shape[:lane] + shape[lane + 1 :]
        while lane and shape[lane - 1] == 1:
            lane -= 1
        given = self.graph.input(label, train(F32, *inner), named(label))
        options: dict[str, Any] = {"dtype": "float32", "axis": lane}
        return self.graph.op("data", given, name=f"data_{number}", **options)

    def _place(self, flag: str) -> Mapping[str, int]:
        return self.captured.places.get(flag, {})

    def _flag(self, target: str) -> str:
        return self.captured.flags.get(target, target.removeprefix("network."))

    def _initial(self, target: str) -> Any:
        return self.captured.initial.get(target, self._tensor(target))

    def _tensor(self, target: str) -> Any:
        program = self.program
        return (
            program.state_dict[target]
            if target in program.state_dict
            else program.constants[target]
        )

    def _value(self, arg: Any) -> Any:
        """Return what stands for an argument: a value of the graph, a number, a list of these."""
        if isinstance(arg, (list, tuple)):
            return [self._value(a) for a in arg]
        if not hasattr(arg, "op"):
            return arg
        found = self.env[arg]
        if isinstance(found, _Tensor):
            return self.graph.param(found.name, found.tensor)
        return found

    def _call(self, node: Any) -> Any:
        name = str(node.target).removeprefix("aten.")
        if name in IDENTITY:
            first = self.env.get(node.args[0]) if node.args else None
            return first if isinstance(first, _Tensor) else self._value(node.args[0])
        if name == "_assert_tensor_metadata.default":
            return None
        if name == "<built-in function getitem>":
            return self._value(node.args[0])
        function = FUNCTIONS.get(name)
        if function is None:
            raise fail(
                "unsupported-function",
                f"{node.target} has no form in a load/save graph",
                self.graph.loc,
                help="write it with functions that docs/lynxi.md lists",
            )
        args = [self._value(a) for a in node.args]
        options = {k: self._value(v) for k, v in node.kwargs.items()}
        return function(self.graph, *args, **options)

    def _end(self, node: Any) -> Module:
        sig, graph = self.signature, self.graph
        by_name = {n.name: n for n in self.program.graph.nodes}
        for target, made in self.kept.items():
            flag = self._flag(target)
            graph.loc = named(flag)
            graph.save(flag, graph.floats(self._value(by_name[made])), self._place(flag))
        outputs = []
        for number, name in enumerate(sig.user_outputs):
            value = self._value(by_name[name])
            bit = value in graph.bits or value.type.element == U1
            if not value.type.timed:
                raise fail("untimed-value", f"output {name} is a constant", Location())
            label = "out" if len(sig.user_outputs) == 1 else f"out{number}"
            options = {"element": "u1" if bit else value.type.element.name}
            shape = self._result_shape(value)
            outputs.append(
                graph.emit("result", [value], {**options, "shape": shape}, names=[label]).result
            )
        graph.loc = Location()
        return graph.finish(*outputs)

    def _result_shape(self, value: Any) -> tuple[int, ...]:
        """Return the shape of an output without its axis of one lane."""
        shape = value.type.shape
        if shape[:1] != (1,):
            raise fail(
                "sample-shape",
                f"an output is {list(shape)}, its first axis does not count one lane",
                self.graph.loc,
                help="return results as (lanes, ...)",
            )
        return tuple(shape[1:])


class _Tensor:
    """What forward does not change; it becomes a parameter of the graph when it is read."""

    def __init__(self, name: str, tensor: Any) -> None:
        self.name, self.tensor = name, tensor
