"""Calls of `.snnl`: networks of the file, layers and neurons, and functions of constants."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

from snnc.diagnostics import Location, fail, nearest
from snnc.frontends.dsl import tree
from snnc.frontends.dsl.arguments import Later, Parameter, bind, convert, is_word, value_of
from snnc.frontends.dsl.functions import FUNCTIONS
from snnc.frontends.dsl.layers import ALIASES, SPECIAL, Layer, from_op, op_names
from snnc.frontends.dsl.neurons import PRESETS, preset_layer
from snnc.frontends.dsl.scope import Frame
from snnc.ir.graph import Value
from snnc.ir.opset import REQUIRED

if TYPE_CHECKING:
    from snnc.frontends.dsl.evaluate import Evaluator

NetworkCall = Callable[[tree.Call, list[tree.Argument], Frame, str], Any]
"""Builds the network of a call with arguments, for a frame, under a prefix of names."""


class Calls:
    """Carries out calls for an evaluator; networks are built by `call_network`."""

    def __init__(
        self,
        evaluator: "Evaluator",
        networks: Mapping[str, tree.Network],
        call_network: NetworkCall,
    ) -> None:
        self.evaluator, self.sketch = evaluator, evaluator.sketch
        self.networks, self.call_network = networks, call_network

    def names(self) -> list[str]:
        """Return the names of everything that can be called."""
        return [*self.networks, *ALIASES, *SPECIAL, *PRESETS, *FUNCTIONS, *op_names()]

    def call(self, node: tree.Call, frame: Frame, first: tuple[tree.Argument, ...] = ()) -> Any:
        """Return what a call gives; `first` are arguments before those written (of a pipe)."""
        arguments = [*first, *node.arguments]
        if node.name in self.networks:
            return self.call_network(node, arguments, frame, self._prefix(node, frame))
        if node.name in FUNCTIONS:
            return self._function(node, arguments, frame)
        layer = self._layer(node, frame)
        self._check_level(layer, arguments)
        if layer.many:
            arguments, bound = self._many(layer, arguments, frame)
        else:
            bound = {}
        bound |= self._bound(layer, arguments, frame, node.loc)
        made = layer.build(self.sketch, bound, node.loc)
        return made[0] if len(made) == 1 else made

    def _prefix(self, node: tree.Call, frame: Frame) -> str:
        if not self.sketch.target or self.sketch.target == frame.prefix:
            return f"{frame.prefix}{node.name}."
        extra = "" if node is self.evaluator.outermost else f"{node.name}."
        return f"{self.sketch.target}.{extra}"

    def _layer(self, node: tree.Call, frame: Frame) -> Layer:
        name = ALIASES.get(node.name, node.name)
        if name in SPECIAL:
            return SPECIAL[name]
        if name in PRESETS:
            return preset_layer(self.sketch, name, node.loc)
        if name in op_names():
            return from_op(self.sketch, name, node.loc)
        raise fail(
            "unknown-layer",
            f"there is no network, layer or function {node.name!r}",
            node.loc,
            help=nearest(node.name, self.names()),
        )

    def _check_level(self, layer: Layer, arguments: list[tree.Argument]) -> None:
        for argument in arguments:
            if argument.name in layer.others:
                what = f"{layer.name}({argument.name}=...)"
                if self.sketch.level == "int":
                    reason = f"{what} exists at level snn only"
                    self.sketch.needs_real(reason, argument.loc, code="wrong-level")
                raise self.sketch.int_only(what, argument.loc)

    def _bound(
        self, layer: Layer, arguments: list[tree.Argument], frame: Frame, loc: Location
    ) -> dict[str, Any]:
        given = bind(layer.name, layer.parameters, arguments, loc)
        bound = {p.name: p.default for p in layer.parameters}
        bound = {k: None if v is REQUIRED else v for k, v in bound.items()}
        for parameter in layer.parameters:
            if parameter.name in given:
                argument = given[parameter.name]
                raw = self._argument(argument.value, parameter, frame)
                bound[parameter.name] = convert(
                    self.sketch, layer.name, parameter, raw, argument.value.loc
                )
        return bound

    def _argument(self, node: tree.Node, parameter: Parameter, frame: Frame) -> Any:
        word = is_word(node, parameter)
        if word:
            return word
        if parameter.choices and isinstance(node, tree.Name) and node.name not in frame.known():
            raise fail(
                "bad-word",
                f"{parameter.name} = {node.name} is not a choice",
                node.loc,
                help=nearest(node.name, list(parameter.choices)),
            )
        return self.evaluator.value(node, frame)

    def _many(
        self, layer: Layer, arguments: list[tree.Argument], frame: Frame
    ) -> tuple[list[tree.Argument], dict[str, Any]]:
        """Return the keywords of a call that takes any number of values, and those values."""
        values: list[Value] = []
        for argument in (a for a in arguments if not a.name):
            found = self.evaluator.value(argument.value, frame)
            for raw in found if isinstance(found, (list, tuple)) else [found]:
                values.append(value_of(raw, argument.loc, layer.name))
        return [a for a in arguments if a.name], {"a": tuple(values)}

    def _function(self, node: tree.Call, arguments: list[tree.Argument], frame: Frame) -> Any:
        named = [a for a in arguments if a.name]
        if named:
            raise fail("unknown-keyword", f"{node.name} has no keywords", named[0].loc)
        given = [self.evaluator.value(a.value, frame) for a in arguments]
        wrong = [g for g in given if isinstance(g, (Value, Later, tuple))]
        if wrong and node.name != "shape":
            raise fail(
                "wrong-kind",
                f"{node.name} computes constants, not values of the network",
                node.loc,
                help="add(a, b) adds values" if node.name == "sum" else "",
            )
        function = FUNCTIONS[node.name]
        try:
            signature(function).bind(node.loc, *given)
        except TypeError:
            names = ", ".join(list(signature(function).parameters)[1:])
            message = f"{node.name} takes ({names}), not {len(given)} arguments"
            raise fail("wrong-arguments", message, node.loc) from None
        return function(node.loc, *given)
