"""A network as layers: what a core's input is, its weights, its neuron. Read from snn or int.

Everything that a core's registers can't say is brought into a form that they can: a linear op is a
convolution over the whole map, groups and dilation are zeros in the kernel, a kernel that is not
square is padded, factors of averages go into the weights. Where parts with different factors meet,
each gets features of its own with a scaled copy of the weights. All of it is exact: factors are
powers of two, or rounded once into float32 as the vendor's builder does.
"""

from math import prod
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from snnc.diagnostics import Location, SnncError, fail
from snnc.ir.analysis import live_ops, run_order
from snnc.ir.graph import Module, Op, Value
from snnc.ir.neuron import param
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Shape
from snnc.targets.dynapcnn.lowering.forms import HELP, Forms, Part
from snnc.targets.dynapcnn.lowering.geometry import expand


@frozen(eq=False)
class Layer:
    """One layer. Weights [out, in, k, k]; `initial` broadcasts to `output`; `result` the spikes.

    Numbers are float32 at level snn, int64 at int; `floor` is None where there is none. `strict`
    layers fire above their threshold alone, and `reset_time` may be a later one, at level snn.
    """

    result: Value
    loc: Location
    parts: tuple[Part, ...]
    input: Shape
    output: Shape
    weights: Array
    bias: Array | None
    leak: Array | None
    stride: Shape
    padding: Shape
    threshold: Array
    floor: Array | None
    initial: Array
    hard: bool
    spike: str
    max_count: int
    overflow: str
    names: tuple[str, str]
    strict: bool = False
    reset_time: str = "now"

    @property
    def drive(self) -> Array | None:
        """What each feature gets at every tick: bias and leak, in one addition."""
        if self.bias is None or self.leak is None:
            return self.leak if self.bias is None else self.bias
        return np.asarray(self.bias + self.leak)


@frozen(eq=False)
class Tap:
    """A value that the network returns: the features of its parts, one after the other.

    Parts have one pooling and one factor, that of a mean; the host adds up.
    """

    value: Value
    parts: tuple[Part, ...]

    @property
    def first(self) -> Part:
        """The first part."""
        return self.parts[0]


@frozen(eq=False)
class Network:
    """Layers in topological order (first come, first served), trains of the host, outputs."""

    module: Module
    layers: tuple[Layer, ...]
    trains: tuple[Value, ...]
    outputs: tuple[Tap, ...]
    number: dict[Value, int] = field(factory=dict)


def read_network(module: Module) -> Network:
    """Return the layers of a module at level snn or int.

    Raises:
        SnncError: `not-for-cores`, `neuron-not-for-cores`, `input-not-events`,
            `loop-without-delay`; for loops through a delay `not-for-cores` too.
    """
    graph = evolve(module.graph, ops=live_ops(module.graph))
    ops = run_order(graph)
    forms = Forms(module.with_graph(graph))
    layers = _queue([_layer(module, op, forms) for op in ops if op.kind == "neuron"])
    made = [r for op in ops if op.kind != "neuron" for r in op.results]
    trains = tuple(v for v in (*graph.inputs, *made) if forms.is_train(v))
    used = {p.source for layer in layers for p in layer.parts}
    outputs = tuple(_tap(v, forms) for v in graph.outputs)
    used |= {part.source for tap in outputs for part in tap.parts}
    for value in trains:
        if value in used:
            _check_events(value)
    kept = tuple(v for v in trains if v in used or (v in graph.inputs and v.type.timed))
    number = {layer.result: n for n, layer in enumerate(layers)}
    return Network(module, tuple(layers), kept, outputs, number)


def _check_events(value: Value) -> None:
    """Refuse a train of the host that holds no counts of events."""
    if value.type.element.is_float or not value.type.timed:
        raise fail(
            "input-not-events",
            f"the input %{value.name} is {value.type}, and a chip takes events",
            value.loc,
            help="declare counts of events per tick (u1, u8 or u16, timed with ~) and encode real "
            "values on the host; --ann-to-snn does so for a plain ReLU network",
        )


def _queue(layers: list[Layer]) -> list[Layer]:
    """Return layers as a queue serves them: first those without sources, then what they free."""
    own = {layer.result for layer in layers}
    waits = {layer.result: {p.source for p in layer.parts if p.source in own} for layer in layers}
    queue = [layer for layer in layers if not waits[layer.result]]
    for layer in queue:
        for other in layers:
            if layer.result in waits[other.result]:
                waits[other.result].discard(layer.result)
                if not waits[other.result]:
                    queue.append(other)
    return queue


def _tap(value: Value, forms: Forms) -> Tap:
    parts = tuple(sorted(forms.of(value).parts, key=lambda p: p.shift))
    ends = [0, *(p.shift + p.features for p in parts)]
    joined = [p.shift for p in parts] == ends[:-1] and len({(p.pool, p.factor) for p in parts}) == 1
    host = [p for p in parts if not forms.is_neuron(p.source)]
    mean = any(p.factor != 1.0 for p in host)
    if not joined or mean or (host and len(parts) > 1):
        what = "a mean of an input" if mean else "no layer, and no layers one after the other"
        raise fail(
            "not-for-cores",
            f"the output %{value.name} is {what}, and the chip reports spikes of layers",
            value.loc,
            help="return the spikes of a layer, or their sum over a pooling window",
        )
    return Tap(value, parts)


def _layer(module: Module, op: Op, forms: Forms) -> Layer:
    made = forms.makers.get(op.values[0])
    while made is not None and made.kind == "reshape":
        made = forms.makers.get(made.values[0])
    if made is None or made.kind not in ("conv2d", "linear"):
        found = "spikes" if made is None else made.name
        raise fail(
            "not-for-cores",
            f"%{op.result.name} takes {found}; the neurons of a core take the sum of its weights",
            op.loc,
            help=HELP,
        )
    form = forms.of(made.values[0])
    if made.kind == "conv2d" and form.shape != form.map:
        raise fail(
            "not-for-cores",
            f"%{made.result.name} sees the map {list(form.map)} as {list(form.shape)}",
            made.loc,
            help="a map that was flattened can't become another map on the way to a core",
        )
    weights = module.tensor(made.symbols[0]).astype(_dtype(module))
    if made.kind == "linear" and weights.shape[1] != prod(form.map):
        raise fail(
            "not-for-cores",
            f"%{made.result.name} multiplies a map {list(form.shape)} row by row",
            made.loc,
            help="flatten the map before the linear op",
        )
    shaped = expand(made, weights, form.map)
    parts, shaped_weights = _scaled(form.parts, shaped.weights, form.map[0])
    bias = module.tensor(made.symbols[1]) if len(made.symbols) > 1 else None
    output = (len(weights), *shaped.size)
    _check_neuron(op)
    return Layer(
        op.result,
        op.loc,
        parts,
        (shaped_weights.shape[1], *form.map[1:]),
        output,
        shaped_weights,
        None if bias is None else bias.astype(_dtype(module)),
        _leak(module, op, len(weights)),
        shaped.stride,
        shaped.padding,
        _one(module, op, "threshold"),
        None if op["floor"] is None else _one(module, op, "floor"),
        _initial(module, op, output),
        op["reset"] == "hard",
        str(op["spike"]),
        op["max_count"],
        "error" if module.level == "snn" else str(op["overflow"]),
        (made.symbols[0].name, made.symbols[1].name if bias is not None else f"{op.result.name}.b"),
        module.level == "snn" and op["compare"] == "gt",
        str(op["reset_time"]) if module.level == "snn" else "now",
    )


def _scaled(
    parts: tuple[Part, ...], weights: Array, features: int
) -> tuple[tuple[Part, ...], Array]:
    """Return parts without factors and weights that hold them; see the top of this file."""
    factors = list(dict.fromkeys(p.factor for p in parts))
    at = {f: [p for p in parts if p.factor == f] for f in factors}
    covered = [np.zeros(features, dtype=np.int64) for _ in factors]
    for row, factor in zip(covered, factors, strict=True):
        for p in at[factor]:
            row[p.shift : p.shift + p.features] = 1
    plain = tuple(evolve(p, factor=1.0) for p in parts)
    if factors == [1.0]:
        return plain, weights
    if max(np.sum(covered, axis=0)) == 1:
        scale = np.sum([f * row for f, row in zip(factors, covered, strict=True)], axis=0)
        return plain, weights * scale.astype(np.float32)[:, None, None]
    moved = tuple(
        evolve(p, factor=1.0, shift=p.shift + features * factors.index(p.factor)) for p in parts
    )
    return moved, np.concatenate([weights * np.float32(f) for f in factors], axis=1)


def _check_neuron(op: Op) -> None:
    """Refuse a neuron that no core has: it integrates and fires, nothing else."""
    # Without decay, `leak_to` means nothing.
    wanted: dict[str, Any] = {"first": 0, "ticks": 0, "potential": False}
    if op.name.startswith("snn."):
        wanted |= {"decay": 1.0, "gain": 1.0, "filter": "none"}
        wanted |= {"compare": "ge"} if op["spike"] == "count" else {}
        wanted |= {} if _resets_as_now(op) else {"reset_time": "now"}
    else:
        wanted |= {"leak_order": "before", "leak_reversal": False, "memory": "keep"}
        wanted |= {"negative": None}
    odd = [f"{n} = {op[n]}" for n, value in wanted.items() if op[n] != value]
    if op["reset"] == "none":
        odd.append("reset = none")
    if op["reset"] == "hard" and op["reset_to"] != 0:
        odd.append(f"reset_to = {op['reset_to']}")
    if op["reset"] == "soft" and op["reset_by"] not in (None, op["threshold"]):
        odd.append(f"reset_by = {op['reset_by']}")
    if op["spike"] == "value":
        odd.append("spike = value")
    if op.name.startswith("int.") and (op["overflow"], op["width"]) not in _OVERFLOWS:
        odd.append(f"overflow = {op['overflow']} at {op['width']} bits")
    if odd:
        raise _refuse(op, f"no core has {', '.join(odd)}")


def _resets_as_now(op: Op) -> bool:
    """Whether a later reset gives the spikes of one at once: only the next charge lies between."""
    late = "before" if op["reset"] == "hard" else "after"
    return op["reset_time"] in ("now", "before", late) and (
        op["reset_time"] == "now" or op["floor"] is None
    )


_OVERFLOWS = {("saturate", 32), *(("error", width) for width in range(2, 33))}
"""What potentials do that time steps know: stay within 32 bits, or never leave their width."""


def _refuse(op: Op, reason: str) -> SnncError:
    return fail(
        "neuron-not-for-cores",
        f"%{op.result.name}: {reason}",
        op.loc,
        help="a core has integrate-and-fire neurons: one threshold and one lower bound for all, a "
        "reset to zero or by the threshold, and a leak per feature that is added at every tick",
    )


def _one(module: Module, op: Op, name: str) -> Array:
    """Return a parameter that must be the same for all neurons, shape ()."""
    array = param(module, op, name)
    assert array is not None
    low, high = array.min(), array.max()
    if low != high:
        raise _refuse(op, f"{name} spans {low} to {high}, and a core has one for all its neurons")
    return np.asarray(low, dtype=_dtype(module))


def _dtype(module: Module) -> type[np.float32] | type[np.int64]:
    return np.float32 if module.level == "snn" else np.int64


def _leak(module: Module, op: Op, features: int) -> Array | None:
    """Return the leak of each feature, None where there is none."""
    if op["leak"] == 0:
        return None
    leak = param(module, op, "leak")
    assert leak is not None
    rows = np.broadcast_to(leak, op.result.type.shape).reshape(features, -1)
    if (rows != rows[:, :1]).any():
        raise _refuse(op, "the leak differs within a feature, and a core has one per feature")
    return rows[:, 0].astype(_dtype(module))


def _initial(module: Module, op: Op, output: Shape) -> Array:
    array = param(module, op, "initial")
    assert array is not None
    whole = np.broadcast_to(array, op.result.type.shape)
    return whole.reshape(output).astype(_dtype(module))
