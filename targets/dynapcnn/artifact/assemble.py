"""Records to a placed module and back; one order and one naming, so that both are canonical."""

import numpy as np

from snnc.diagnostics import SnncError, fail
from snnc.ir.build import Builder
from snnc.ir.graph import Module, Op, Operand, Value
from snnc.ir.opset import Symbol
from snnc.ir.types import I8, I16
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Destination, Input, Output, Pixels, Placed
from snnc.targets.dynapcnn.ops import LEVEL

OUT = ".out"
"""What the name of an output op has behind the name in the program."""


def to_module(placed: Placed) -> Module:
    """Return the placed module of records."""
    return _Assembly(placed).module()


class _Assembly:
    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.build = Builder(placed.name, LEVEL.name)
        self.arriving: dict[int, list[Value]] = {core.core: [] for core in placed.cores}
        self.made: dict[int, Value] = {}

    def module(self) -> Module:
        placed, build = self.placed, self.build
        build.emit("chip", (), {"device": placed.device})
        inputs = {i.name: build.input(i.name, i.type) for i in placed.inputs}
        for one in placed.inputs:
            self._send(inputs[one.name], one.destinations)
        if placed.pixels is not None:
            self.made[-1] = self._pixels(placed.pixels, inputs[placed.pixels.input])
        for core in placed.cores:
            self.made[core.core] = self._core(core)
        outputs = [
            build.op(
                "output",
                *(self.made[core] for core in o.cores),
                name=o.name + OUT,
                pool=o.pool,
                shape=o.shape,
                step=o.step,
                seen=o.seen,
            )
            for o in placed.outputs
        ]
        return build.finish(*outputs, graph=placed.graph)

    def _send(self, source: Value, destinations: tuple[Destination, ...]) -> None:
        for slot, to in enumerate(destinations):
            attrs = {"core": to.core, "pool": to.pool, "shift": to.shift}
            names = [f"{source.name}.to.{slot}"]
            made = self.build.emit("destination", (source,), attrs, names=names).result
            self.arriving.setdefault(to.core, []).append(made)

    def _pixels(self, pixels: Pixels, x: Value) -> Value:
        names = ("merge", "pool", "origin", "last", "mirror", "swap", "sensor", "monitor")
        attrs = {name: getattr(pixels, name) for name in names}
        made = self.build.emit("pixels", (x,), attrs, names=[f"{x.name}.pixels"]).result
        self._send(made, pixels.destinations)
        return made

    def _core(self, core: Core) -> Value:
        symbol = self.build.weight(f"w.{core.core}", core.weights, I8)
        attrs = {
            "core": core.core,
            "input": core.input,
            "stride": core.stride,
            "padding": core.padding,
            "high": core.high,
            "low": core.low,
            "return_to_zero": core.return_to_zero,
            "spike": core.spike,
            "most": core.most,
            "monitor": core.monitor,
            "readout": core.readout,
            "bias": self._optional(f"bias.{core.core}", core.bias),
            "initial": self._optional(f"initial.{core.core}", core.initial),
            "shape": () if core.shape == core.output else core.shape,
        }
        operands: list[Operand] = [symbol, *self.arriving[core.core]]
        made = self.build.emit("core", operands, attrs, names=[core.name]).result
        self._send(made, core.destinations)
        return made

    def _optional(self, name: str, array: Array | None) -> Symbol | None:
        return None if array is None else self.build.weight(name, array, I16)


def read_module(module: Module) -> Placed:
    """Return the records of a placed module.

    Raises:
        SnncError: `placed-malformed` for another level or a graph that is no placed network.
    """
    if module.level != LEVEL.name:
        raise _malformed(module, f"it is at level {module.level}")
    chips = list(module.ops("chip"))
    if len(chips) != 1:
        raise _malformed(module, f"it names {len(chips)} chips")
    cores = {op.result: op for op in module.ops("core")}
    blocks = list(module.ops("pixels"))
    if len(blocks) > 1 or any(op.values[0] not in module.graph.inputs for op in blocks):
        raise _malformed(module, "it has more than one pixel block, or one behind a core")
    sent: dict[Value, list[Destination]] = {}
    for op in module.ops("destination"):
        to = Destination(op["core"], op["pool"], op["shift"])
        sent.setdefault(op.values[0], []).append(to)
    number = {value: op["core"] for value, op in cores.items()}
    number |= {op.result: -1 for op in blocks}
    outputs = []
    for value in module.graph.outputs:
        found = next((o for o in module.ops("output") if o.result is value), None)
        if found is None or not {*found.values} <= {*number}:
            raise _malformed(module, f"%{value.name} is no output of a core")
        shape, from_ = tuple(found["shape"]), tuple(number[v] for v in found.values)
        name = value.name.removesuffix(OUT)
        outputs.append(Output(name, from_, found["pool"], shape, found["step"], found["seen"]))
    return Placed(
        module.name,
        module.graph.name,
        chips[0]["device"],
        tuple(Input(v.name, str(v.type), tuple(sent.get(v, ()))) for v in module.graph.inputs),
        tuple(_read_core(module, op, tuple(sent.get(v, ()))) for v, op in cores.items()),
        tuple(outputs),
        _read_pixels(blocks[0], tuple(sent.get(blocks[0].result, ()))) if blocks else None,
    )


def _read_pixels(op: Op, sent: tuple[Destination, ...]) -> Pixels:
    return Pixels(
        op.values[0].name,
        op["merge"],
        tuple(op["pool"]),
        tuple(op["origin"]),
        tuple(op["last"]),
        (bool(op["mirror"][0]), bool(op["mirror"][1])),
        op["swap"],
        op["sensor"],
        op["monitor"],
        sent,
    )


def _read_core(module: Module, op: Op, sent: tuple[Destination, ...]) -> Core:
    bias, initial = (None if op[n] is None else module.tensor(op[n]) for n in ("bias", "initial"))
    output = op.result.type.shape
    weights = module.tensor(op.symbols[0]).astype(np.int64)
    if weights.min(initial=0) < I8.low or weights.max(initial=0) > I8.high:
        raise _malformed(module, f"%{op.result.name} has weights beyond 8 bits")
    return Core(
        op["core"],
        op.result.name,
        tuple(op["shape"]) or output,
        str(op["spike"]),
        op["most"],
        tuple(op["input"]),
        output,
        weights.astype(np.int8),
        bias,
        initial,
        tuple(op["stride"]),
        tuple(op["padding"]),
        op["return_to_zero"],
        op["high"],
        op["low"],
        op["monitor"],
        sent,
        op["readout"],
    )


def _malformed(module: Module, reason: str) -> SnncError:
    return fail(
        "placed-malformed",
        f"@{module.name} is no network placed on cores: {reason}",
        module.loc,
        help="take the module that the pass `place` leaves, or that disassembly gives",
    )
