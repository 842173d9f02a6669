"""From a ReLU network to a spiking one, as the vendor's `from_model` does it.

Each ReLU becomes neurons: v = v + x, as many spikes as the threshold 1 goes into v, which they take
away, and no potential below -1. Outputs that are sums get neurons too (`add_spiking_output`), for a
chip reports spikes only. What were real inputs become counts of events per tick.
"""

from typing import Any

from attrs import evolve, frozen

from snnc.diagnostics import Diagnostics, fail
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.graph import Module, Op, Value
from snnc.ir.rewrite import Rebuild, rebuild
from snnc.ir.types import U8

_SUMS = ("conv2d", "linear")
_NEURON: dict[str, Any] = {"threshold": 1.0, "floor": -1.0, "spike": "count", "reset": "soft"}


@frozen
class AnnToSnn(Pass):
    """Put integrate-and-fire neurons in place of ReLUs, and behind outputs that are sums."""

    name = "ann-to-snn"
    level = "snn"
    exactness = Exactness.APPROXIMATE

    def run(self, module: Module, context: Context) -> Module:
        """Return the spiking network.

        Raises:
            SnncError: `conversion-network` for a network without a ReLU.
        """
        if not any(module.ops("relu")):
            raise fail(
                "conversion-network",
                f"@{module.name} has no ReLU; a plain ReLU network is converted",
                module.loc,
                help="leave ann-to-snn out for spiking networks; write activations as ReLU",
            )
        ends = _sums(module)

        def one(op: Op, build: Rebuild) -> list[Value] | None:
            if op.kind == "relu":
                name = op.result.name
                return [build.op("neuron", build(op.values[0]), name=name, **_NEURON)]
            if op.result not in ends:
                return None
            operands = [build(o) if isinstance(o, Value) else o for o in op.operands]
            name = op.result.name
            made = build.emit(op.kind, operands, op.attrs, names=[f"{name}.sum"])
            return [build.op("neuron", made.result, name=name, **_NEURON)]

        return rebuild(module, one, inputs=lambda value: _events(value, context.diagnostics))


def _sums(module: Module) -> set[Value]:
    """Return the outputs that hold sums of weights."""
    found: set[Value] = set()
    for op in module.graph.ops:
        if op.kind in _SUMS or (op.kind == "reshape" and op.values[0] in found):
            found.add(op.result)
    return found & set(module.graph.outputs)


def _events(value: Value, diagnostics: Diagnostics) -> Value:
    """Return an input as a train of counts."""
    element, timed = value.type.element, value.type.timed
    if element.is_float:
        diagnostics.warn(
            "input-as-events",
            f"the input %{value.name} holds real numbers; the chip takes 0 to 255 events per tick",
            value.loc,
            help="encode the values as counts of events on the host",
        )
        element = U8
    phase = value.type.phase if timed else 0
    return evolve(value, type=evolve(value.type, element=element, phase=phase))
