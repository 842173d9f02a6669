"""From expressions to a module at level `snn`: one op each, names after the user's modules."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import fail, named
from snnc.frontends.pytorch.expr import Array, Expr, Shape
from snnc.frontends.pytorch.lower import Lowered
from snnc.frontends.pytorch.sites import Site
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import F32, I32, U1, U16, Element, Type, train

_WEIGHTS = ("w", "bias", "mean", "variance", "gamma", "beta")


@frozen(eq=False)
class Emitted:
    """The module, and how its values are called: spikes or potentials of layers, and outputs."""

    module: Module
    layers: dict[str, str]
    outputs: tuple[str, ...]


def emit(lowered: Lowered, name: str, elements: Mapping[str, Element]) -> Emitted:
    """Return the module of a lowered network whose inputs have these elements, by name."""
    return _Emitter(lowered, name, elements).run()


def _needed(lowered: Lowered) -> list[Expr]:
    """Return every expression that something depends on."""
    found: dict[Expr, None] = {}
    todo = [*lowered.inputs.values(), *lowered.marks.values(), *(o.expr for o in lowered.outputs)]
    while todo:
        expr = todo.pop()
        if expr not in found:
            found[expr] = None
            todo += expr.args
    return list(found)


class _Emitter:
    def __init__(self, lowered: Lowered, name: str, elements: Mapping[str, Element]) -> None:
        self.lowered, self.elements = lowered, elements
        self.build = Builder(name, "snn", {}, named(name))
        self.values: dict[Expr, Value] = {}
        self.made: dict[tuple[str, str], Value] = {}
        self.later: dict[tuple[str, str], Value] = {}
        self.symbols: dict[Any, Symbol] = {}
        self.direct: dict[Value, Value] = {}
        self.read_out = {e["path"] for e in _needed(lowered) if e["role"] == "v"}

    def run(self) -> Emitted:
        lowered = self.lowered
        for expr in reversed(_needed(lowered)):
            if expr.kind == "input":
                self._input(expr)
        for path, expr in lowered.inputs.items():
            self._neurons(lowered.sites[path], expr)
        outputs = [self._value(o.expr) for o in lowered.outputs]
        for (path, role), value in self.later.items():
            self.build.bind(value, self._final(path, role))
        outputs = [self._settled(v) for v in outputs]
        self.build.attrs.update(self._readouts(outputs))
        module = self.build.finish(*dict.fromkeys(outputs))
        layers = {
            path: self.made[path, "spikes"].name + (".v" if site.role == "v" else "")
            for path, site in lowered.sites.items()
            if (path, "spikes") in self.made
        }
        return Emitted(module, layers, tuple(v.name for v in outputs))

    def _readouts(self, outputs: list[Value]) -> dict[str, Any]:
        """Return the attributes that say what forward does with the trains over time.

        A train that it reads in several ways has a list of them, "all" being the train itself.
        """
        ways: dict[str, list[dict[str, Any]]] = {}
        for value, output in zip(outputs, self.lowered.outputs, strict=True):
            way = {"over_time": output.over or "all", "factor": output.factor}
            if way not in ways.setdefault(value.name, []):
                ways[value.name].append(way)
        made = {
            name: tuple(found) if len(found) > 1 else found[0]
            for name, found in ways.items()
            if [way["over_time"] for way in found] != ["all"]
        }
        return {"readout": made} if made else {}

    def _settled(self, value: Value) -> Value:
        for key, later in self.later.items():
            if later is value:
                return self._final(*key)
        return value

    def _final(self, path: str, role: str) -> Value:
        if path in self.lowered.marks:
            return self._value(self.lowered.marks[path])
        return self.made[path, role]

    def _input(self, expr: Expr) -> None:
        phase = 0 if expr.timed else None
        kind = Type(self.elements[expr["name"]], expr.shape, phase)
        self.values[expr] = self.build.input(expr["name"], kind)

    def _neurons(self, site: Site, expr: Expr) -> None:
        x = self._value(expr)
        if not x.type.timed:
            x = self._timed(x)
        place = self.lowered.places[site.path]
        attrs = {k: self._param(site, k, v, expr.shape) for k, v in site.attrs.items()}
        if site.path in self.read_out or site.role == "v":
            attrs["potential"] = True
        hint = site.path
        op = self.build.emit("neuron", (x,), attrs, loc=place, names=(hint, f"{hint}.potential"))
        self.made[site.path, "spikes"] = op.results[0]
        if len(op.results) > 1:
            self.made[site.path, "v"] = op.results[1]

    def _timed(self, x: Value) -> Value:
        """Return a constant input as the same value at every tick."""
        if x not in self.direct:
            self.direct[x] = self.build.op("direct", x, name=f"{x.name}.every", loc=x.loc)
        return self.direct[x]

    def _param(self, site: Site, name: str, value: Any, shape: Shape) -> Any:
        """Return a neuron parameter as a number, one per channel, or one per neuron."""
        if not isinstance(value, np.ndarray):
            return value
        own = value.reshape(value.shape[max(value.ndim - len(shape), 0) :])
        try:
            full = np.broadcast_to(own, shape)
        except ValueError:
            raise site.refuse(
                f"{name} {list(value.shape)} does not fit the neurons {list(shape)}",
                "give one value, one per channel, or one per neuron",
            ) from None
        first = full.reshape(shape[0], -1)[:, 0] if shape else full
        if (full == first.reshape(-1, *[1] * (len(shape) - 1))).all():
            full = first
        return self.build.weight(f"{site.path}.{name}", np.ascontiguousarray(full), F32)

    def _value(self, expr: Expr) -> Value:
        if expr not in self.values:
            made = self._leaf(expr) if expr.kind == "leaf" else self._op(expr)
            if expr.kind == "leaf" and made in self.later.values():
                return made
            self.values[expr] = made
        return self.values[expr]

    def _leaf(self, expr: Expr) -> Value:
        path, role = expr["path"], expr["role"]
        if role == "i":
            raise fail(
                "unsupported-network",
                f"the synaptic current of {path} is used outside its layer",
                expr.loc,
                help="return spikes or the membrane potential; a chip shows no currents",
            )
        if (path, role) in self.made and path not in self.lowered.marks:
            return self.made[path, role]
        if (path, role) not in self.later:
            kind = self._announced(path, role, expr.shape)
            self.later[path, role] = self.build.forward(path, kind, expr.loc)
        return self.later[path, role]

    def _announced(self, path: str, role: str, shape: Shape) -> Type:
        """Return the type of a layer's result before the layer is written."""
        if path in self.lowered.marks:
            inner = self.lowered.marks[path]
            if inner.kind == "leaf":
                return self._announced(inner["path"], inner["role"], shape)
            return train(F32, *shape)
        attrs = self.lowered.sites[path].attrs
        if role == "v":
            return train(F32, *shape)
        if attrs.get("spike", "single") == "single":
            return train(U1, *shape)
        return train(U16 if attrs.get("max_count", 65535) <= 65535 else I32, *shape)

    def _op(self, expr: Expr) -> Value:
        if expr.kind == "zero":
            raise fail(
                "unsupported-network",
                f"a constant zero {list(expr.shape)} is left as a value",
                expr.loc,
                help="leave it out of forward",
            )
        operands: list[Any] = [self._value(a) for a in expr.args]
        if expr.kind == "concat":
            operands = self._alike(operands)
        attrs = dict(expr.attrs)
        operands += [self._symbol(attrs.pop(n)) for n in _WEIGHTS if n in attrs]
        if expr.kind in ("reshape",):
            attrs["shape"] = expr.shape
        attrs.pop("timed", None)
        return self.build.op(expr.kind, *operands, loc=expr.loc, **attrs)

    def _alike(self, values: list[Value]) -> list[Value]:
        """Return values of one element: trains of spikes become numbers beside other numbers."""
        if len({v.type.element for v in values}) == 1:
            return values
        one = self.lowered.exprs.weight("one", np.float32(1))
        return [
            v if v.type.element == F32 else self.build.op("scale", v, self._symbol(one), loc=v.loc)
            for v in values
        ]

    def _symbol(self, weight: Any) -> Symbol:
        if weight not in self.symbols:
            array: Array = self.lowered.exprs.arrays[weight]
            name = self.lowered.exprs.names[weight]
            self.symbols[weight] = self.build.weight(name, array, F32)
        return self.symbols[weight]
