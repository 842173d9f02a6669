"""Pass `legalise`: an `int` module in which every neuron is one that a core has.

Exact rewrites: biases move into the leaks, pooling by maximum becomes neurons that fire on any
spike, outputs that are no neuron's get relays, floors become negative thresholds, parallel ways
from one source are kept apart where no synapse holds their sum. What has no exact form on a core is
refused, with the field, the reason and a way out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.passes import Context, Exactness, Pass
from snnc.ir.adjoints import MOVEMENTS, POOLS
from snnc.ir.analysis import live_ops
from snnc.ir.graph import Module, Op, Value
from snnc.ir.opset import Symbol
from snnc.ir.rewrite import Rebuild, rebuild, with_ops
from snnc.ir.synapses import Synapses
from snnc.ir.types import I32, U1, U8
from snnc.targets.paicore.limits import LIMITS
from snnc.targets.paicore.neurons.beginnings import beginnings, begun
from snnc.targets.paicore.neurons.biases import fold_biases
from snnc.targets.paicore.neurons.equivalents import with_equivalents
from snnc.targets.paicore.neurons.fields import check_neuron, check_place, forgets
from snnc.targets.paicore.neurons.gates import gate_late_readers
from snnc.targets.paicore.neurons.parallel import split_parallel, split_weights
from snnc.targets.paicore.neurons.populations import RETURNED
from snnc.targets.paicore.neurons.relay import PASS_VALUE, RELAY, pass_on

WRAP = "wrap-modulus: a potential beyond 30 bits comes back by 2^30 - 1, as PAIBox simulates it"

MAXIMA = ("max_pool1d", "max_pool2d")

PLAIN = (*POOLS, *(kind for kind in MOVEMENTS if kind not in ("add", "sub")))
"""Ops behind which a value is still one of those that a core may take the largest of."""

ENCODERS = ("poisson", "latency", "periodic")


@frozen
class Legalise(Pass):
    """Bring an int module into the form that PAICORE cores hold exactly."""

    name = "legalise"
    level = "int"
    exactness = Exactness.EXACT

    def run(self, module: Module, context: Context) -> Module:
        """Return the rewritten module; raises for what has no exact form."""
        module = with_ops(module, live_ops(module.graph))
        found = Diagnostics()
        for op in module.ops("neuron"):
            check_place(op, "shrink-weights" in context.report, found)
        module, why = with_equivalents(module)
        if any(module.ops(*MAXIMA)):
            module = rebuild(module, _without_pools)
        module = _relay_outputs(module)
        if any(module.ops(*MAXIMA)):
            module = _passed_pools(rebuild(module, _pooled_values))
        _check_values(module, found)
        for op in module.ops("neuron"):
            check_neuron(module, op, why.get(op.result.name, {}), found)
        found.check(exit_status=4)
        if any(op["overflow"] == "wrap-paibox" for op in module.ops("neuron")):
            context.report.setdefault("relies_on", []).append(WRAP)
        module = split_weights(fold_biases(_in_records(module)))
        asleep, amounts = beginnings(module)
        module = gate_late_readers(split_parallel(asleep))
        return begun(module, amounts) if amounts else module


def _without_pools(op: Op, build: Rebuild) -> Any:
    """Replace a maximum over spikes by neurons: a sum of 0 or 1 values is positive if one is."""
    if op.kind not in MAXIMA or op.values[0].type.element != U1:
        return None
    window = {name: op[name] for name in ("kernel", "stride", "padding", "dilation")}
    total = build.op(op.kind.replace("max", "sum"), build(op.values[0]), **window)
    return [build.op("neuron", total, name=op.result.name, **RELAY)]


def _pooled_values(op: Op, build: Rebuild) -> Any:
    """Let values come between a pool and neurons that send spikes.

    The vendor's tool lets only cores that send values take the largest of a window.
    """
    if op.kind != "neuron" or op["spike"] == "value" or op.values[0].type.element != U8:
        return None
    between = Synapses.of(build.module, pools=True).between(op).values()
    if not any(o.kind in POOLS for found in between for o in found):
        return None
    name = f"{op.result.name}.pooled"
    x = build.op("neuron", build(op.values[0]), name=name, first=op["first"], **PASS_VALUE)
    return build.over(op, (x,))


def _passed_pools(module: Module) -> Module:
    """Let values come between a pool and sums: a core takes the largest value or adds, not both."""
    synapses, added = Synapses.of(module, pools=True), set[Op]()
    for op in module.ops("neuron"):
        between = [o for reached in synapses.between(op).values() for o in reached if o is not op]
        if any(o.kind not in PLAIN for o in between):
            added |= {o for o in between if o.kind in MAXIMA and o.result.type.element == U8}

    def passed(op: Op, build: Rebuild) -> Any:
        if op not in added:
            return None
        pooled = build.emit(op.kind, (build(op.values[0]),), op.attrs).result
        return [pass_on(build, pooled, op.result.name)]

    return rebuild(module, passed) if added else module


def _relay_outputs(module: Module) -> Module:
    """Put relay neurons behind outputs that are spikes but not those of one population.

    A relay takes over the output's name, by which hosts and emulators know it. The name of an input
    that is returned it notes.
    """
    made_by = Synapses.of(module).made_by
    needing = {v for v in module.graph.outputs if _needs_relay(v, made_by)}
    if not needing:
        return module
    build = Rebuild(module)
    for value in module.graph.inputs:
        build.replace(value, build.input(value.name, value.type, value.loc))
    for op in module.graph.ops:
        names = [f"{r.name}.direct" if r in needing else r.name for r in op.results]
        operands = [build(o) if isinstance(o, Value) else o for o in op.operands]
        copied = build.emit(op.name, operands, op.attrs, loc=op.loc, names=names)
        for old, new in zip(op.results, copied.results, strict=True):
            build.replace(old, new)
    outputs = []
    for value in module.graph.outputs:
        relayed = build(value)
        if value in needing:
            build.loc = value.loc
            entered = value in module.graph.inputs
            name, place = (
                (f"{value.name}.returned", {RETURNED: value.name})
                if entered
                else (value.name, None)
            )
            relayed = pass_on(build, relayed, name, place=place)
        outputs.append(relayed)
    return build.finish(*outputs, graph=module.graph.name)


def _needs_relay(value: Value, made_by: Mapping[Value, Op]) -> bool:
    if value.type.element not in (U1, U8):
        return False
    while value in made_by and made_by[value].kind == "reshape":
        value = made_by[value].values[0]
    return value not in made_by or made_by[value].kind != "neuron"


def _check_values(module: Module, found: Diagnostics) -> None:
    """Collect inputs, ops and outputs that no core can hold."""
    synapses = Synapses.of(module, pools=True)
    sources = {e.source for op in module.ops("neuron") for e in synapses.edges(op)}
    _check_inputs(module, sources, found)
    _check_makers(module, synapses, sources, found)
    for op in module.ops("neuron"):
        _check_sources(synapses, op, found)
    for value in module.graph.outputs:
        if value.type.element not in (U1, U8) and not _counted(synapses, value):
            found.error(
                "output-not-spikes",
                f"output %{value.name} is {value.type}; a chip sends spikes, or bytes",
                value.loc,
                help="return the spikes, and read potentials with --probe or the test frames",
            )
    _check_receiver(module, found)


def _check_inputs(module: Module, sources: set[Value], found: Diagnostics) -> None:
    """Collect inputs that neurons read, but no frames say."""
    for value in module.graph.inputs:
        if value in sources and value.type.element not in (U1, U8):
            found.error(
                "input-not-spikes",
                f"input %{value.name} is {value.type}, but a core takes spikes or values of 0..255",
                value.loc,
                help="put an encoder (poisson, latency, periodic) behind it",
            )
        elif value in sources and not value.type.timed:
            found.error(
                "input-not-spikes",
                f"input %{value.name} has no time",
                value.loc,
                help="declare it with one value per tick: u1[...]~",
            )


def _check_makers(
    module: Module, synapses: Synapses, sources: set[Value], found: Diagnostics
) -> None:
    """Collect ops whose results neurons read, and no core sends."""
    read_by_encoder = {v for op in module.ops(*ENCODERS) for v in op.values}
    for source in sorted(
        sources - set(module.graph.inputs) - read_by_encoder, key=lambda v: v.name
    ):
        op = synapses.made_by[source]
        if op.kind == "neuron" and source is not op.result:
            found.error(
                "unsupported-op",
                f"neurons read the potential %{source.name}; cores send spikes or eight bits of it",
                op.loc,
                help="read what the neurons send: spike = value, with truncate, for eight bits",
            )
        elif op.kind not in (*ENCODERS, "neuron"):
            found.error(
                "unsupported-op",
                f"{op.name} (%{source.name}) between neurons has no form on PAICORE cores",
                op.loc,
                help="only sums, convolutions, pools and delays of spikes lie between neurons",
            )


def _check_receiver(module: Module, found: Diagnostics) -> None:
    """Collect outputs that frames to one chip cannot tell apart.

    Each output has a core address of the receiving chip, and its neurons axons and slots of a tick.
    """
    addresses, axons = LIMITS.side**2, LIMITS.axons << LIMITS.max_lcn
    if len(module.graph.outputs) > addresses:
        found.error(
            "too-many-outputs",
            f"@{module.graph.name} returns {len(module.graph.outputs)} values; the chip that "
            f"receives them has {addresses} addresses, one for each",
            module.graph.outputs[addresses].loc,
            help="return several as one, with concat; to look at layers, use --probe",
        )
    for value in module.graph.outputs:
        if value.type.size > axons:
            found.error(
                "output-too-large",
                f"output %{value.name} has {value.type.size} neurons; frames to one address tell "
                f"{axons} apart ({1 << LIMITS.max_lcn} slots of {LIMITS.axons} axons)",
                value.loc,
                help="return it in parts, with slice",
            )


def _counted(synapses: Synapses, value: Value) -> bool:
    """Return whether a value is a neuron's count of spikes, which is refused where it is made."""
    op = synapses.made_by.get(value)
    return op is not None and op.kind == "neuron" and value is op.result and op["spike"] == "count"


def _check_sources(synapses: Synapses, op: Op, found: Diagnostics) -> None:
    """Collect what reaches a neuron in a way that no core takes."""
    between = [o for reached in synapses.between(op).values() for o in reached if o is not op]
    pools = [o for o in between if o.kind in POOLS]
    # What is neither spikes nor bytes is refused where it comes from.
    bytes_ = [e.source for e in synapses.edges(op) if e.source.type.element == U8]
    for other in between if pools else ():
        if other.kind not in PLAIN:
            found.error(
                "unsupported-op",
                f"%{op.result.name} reads the largest values of %{pools[0].result.name} through "
                f"{other.name}; a core takes the largest value or adds, not both",
                other.loc,
                help="put a neuron that passes values (spike = value) between the two",
            )
            break
    if bytes_ and op["memory"] == "keep":
        found.error(
            "unsupported-neuron",
            f"%{op.result.name}: memory = keep: it reads the values %{bytes_[0].name}, and a core "
            "with 8-bit input begins each tick at 0",
            op.loc,
            help="use memory = clear, or turn the values into spikes by neurons without memory",
        )


def _in_records(module: Module) -> Module:
    """Return the module with potentials of the chip's width, and floors as negative thresholds."""

    def changed(op: Op, build: Rebuild) -> Any:
        if op.kind != "neuron":
            return None
        changes: dict[str, Any] = {"width": LIMITS.potential_bits}
        if forgets(op):
            changes["initial"] = None
        if op["floor"] is not None:
            changes |= {"floor": None, "negative": _negated(build, op), "negative_mode": "floor"}
        return build.copy(op, **changes)

    return rebuild(module, changed)


def _negated(build: Rebuild, op: Op) -> Any:
    floor = op["floor"]
    if not isinstance(floor, Symbol):
        return -floor
    lowest = build.module.tensor(floor).astype(np.int32)
    return build.weight(f"{op.result.name}.negative", -lowest, I32)
