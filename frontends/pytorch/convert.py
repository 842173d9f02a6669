"""From a ReLU network to a spiking one: each ReLU becomes integrate-and-fire neurons.

As sinabs' `from_model`: v = v + x, a spike (or several) at the threshold, soft reset, a floor one
threshold below zero. A layer's threshold is 1, or the percentile of its activations on data; a
spike then stands for that much, which goes into the weights behind it. Average pools become sum
pools, their divisor going the same way. Rates approximate activations; nothing else is rounded.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import Location, fail, named
from snnc.frontends.pytorch.emit import emit
from snnc.frontends.pytorch.expr import Array, Expr, Expressions
from snnc.frontends.pytorch.lower import Lowered, Output
from snnc.frontends.pytorch.sites import Site
from snnc.ir.types import F32

Run = Callable[..., Any]

_THROUGH = ("reshape", "permute", "slice", "max_pool1d", "max_pool2d", "sum_pool1d", "sum_pool2d")
_WEIGHTED = ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")


@frozen
class Conversion:
    """What the user chose: spikes per tick, the floor in thresholds, and the input's encoder."""

    percentile: float = 99.9
    spike: str = "count"
    floor: float = -1.0
    spiking_output: bool = False
    encode: str = "none"
    seed: int = 0


def relus(lowered: Lowered) -> dict[Expr, str]:
    """Return the ReLUs of a network and a name for each, in the order of their use.

    Raises:
        SnncError: `conversion-network` where there is none, or neurons stand among them.
    """
    found: dict[Expr, str] = {}
    seen: set[Expr] = set()

    def walk(expr: Expr) -> None:
        if expr in seen:
            return
        seen.add(expr)
        for a in expr.args:
            walk(a)
        if expr.kind == "relu":
            hint = expr.loc.name or f"relu{len(found)}"
            found[expr] = hint if hint not in found.values() else f"{hint}_{len(found)}"

    for output in lowered.outputs:
        walk(output.expr)
    if not found or lowered.sites:
        what = "has neurons already" if lowered.sites else "has no ReLU"
        raise fail(
            "conversion-network",
            f"the network {what}; a plain ReLU network is converted",
            help="leave convert out for spiking networks; write activations as ReLU",
        )
    return found


def thresholds(
    lowered: Lowered,
    named_relus: Mapping[Expr, str],
    data: Sequence[Array],
    percentile: float,
    run: Run,
) -> dict[Expr, float]:
    """Return the percentile of positive activations on data, (samples, *shape) each.

    There is one for each ReLU, and one for each output that is not a ReLU's.

    Raises:
        SnncError: `conversion-data` for data without samples, or a layer that is silent on it.
    """
    probes = [*lowered.outputs, *(Output(e, ()) for e in named_relus)]
    names = [e["name"] for e in lowered.given]
    watched = emit(with_outputs(lowered, probes), "activations", dict.fromkeys(names, F32))
    inputs = watched.module.graph.inputs
    arrays = dict(zip(names, data, strict=False))
    wrong = [v for v in inputs if v.name not in arrays or arrays[v.name].shape[1:] != v.type.shape]
    if wrong:
        raise fail(
            "conversion-data",
            f"the data has {', '.join(str(list(a.shape)) for a in data)}; input %{wrong[0].name} "
            f"is {wrong[0].type}",
            help="give training inputs as (samples, ...), one array for each input",
        )
    given = {v.name: arrays[v.name][:, None] if v.type.timed else arrays[v.name] for v in inputs}
    result = run(watched.module, given, ticks=1)
    found: dict[Expr, float] = {}
    for probe, value in zip(probes, watched.outputs, strict=True):
        active = result.outputs[value]
        active = active[active > 0].astype(np.float64)
        if active.size:
            found[probe.expr] = float(np.float32(np.percentile(active, percentile)))
        elif probe.expr in named_relus:
            raise fail(
                "conversion-data",
                f"{named_relus[probe.expr]} never exceeds 0 on the data",
                probe.expr.loc,
                help="give more data, or leave the layer out",
            )
    return found


def with_outputs(lowered: Lowered, outputs: list[Output]) -> Lowered:
    """Return the network with other outputs."""
    return Lowered(
        lowered.exprs,
        dict(lowered.sites),
        dict(lowered.inputs),
        dict(lowered.marks),
        outputs,
        dict(lowered.places),
        lowered.sizes,
        lowered.layout,
        lowered.given,
    )


def converted(
    lowered: Lowered,
    named_relus: Mapping[Expr, str],
    levels: Mapping[Expr, float],
    chosen: Conversion,
) -> Lowered:
    """Return the spiking network; `levels` are thresholds, 1 where a ReLU is not in them."""
    made = with_outputs(lowered, [])
    maker = _Maker(made, named_relus, levels, chosen)
    for number, output in enumerate(lowered.outputs):
        expr, factor = maker.value(output.expr)
        if chosen.spiking_output and expr.kind != "leaf":
            level = levels.get(output.expr, 1.0)
            name = f"spike_output_{number}" if number else "spike_output"
            expr, factor = maker.neurons(expr, factor, name, level, expr.loc), 1.0
        if factor != 1.0 and expr.kind != "leaf":
            expr, factor = maker.scaled(expr, factor), 1.0
        made.outputs.append(evolve(output, expr=expr))
    return made


def encoded(lowered: Lowered, chosen: Conversion) -> Lowered:
    """Return a network as it is, behind the encoder of its inputs."""
    made = with_outputs(lowered, [])
    maker = _Maker(made, {}, {}, chosen)
    for calls in (made.inputs, made.marks):
        calls.update({path: maker.value(e)[0] for path, e in calls.items()})
    made.outputs += [evolve(o, expr=maker.value(o.expr)[0]) for o in lowered.outputs]
    return made


class _Maker:
    """Rewrites expressions; each is `(expr, factor)`, the value being their product.

    What has no name in `names` stays as it is; without names the factors are all 1.
    """

    def __init__(
        self,
        made: Lowered,
        names: Mapping[Expr, str],
        levels: Mapping[Expr, float],
        chosen: Conversion,
    ) -> None:
        self.made, self.names, self.levels, self.chosen = made, names, levels, chosen
        self.exprs: Expressions = made.exprs
        self.done: dict[Expr, tuple[Expr, float]] = {}

    def value(self, e: Expr) -> tuple[Expr, float]:
        if e not in self.done:
            self.done[e] = self._value(e)
        return self.done[e]

    def _value(self, e: Expr) -> tuple[Expr, float]:
        if e.kind == "input":
            return self._encoded(e), 1.0
        parts = [self.value(a) for a in e.args]
        if e in self.names:
            level = self.levels.get(e, 1.0)
            return self.neurons(*parts[0], self.names[e], level, e.loc), level
        if e.kind in _WEIGHTED:
            return self._weighted(e, *parts[0]), 1.0
        if e.kind in _THROUGH:
            return self._again(e, [parts[0][0]], **dict(e.attrs)), parts[0][1]
        averages = self.names and e.kind in ("avg_pool1d", "avg_pool2d")
        if averages and e["count_padding"] is not False:
            kind = e.kind.replace("avg", "sum")
            made = self.exprs.make(kind, [parts[0][0]], e.shape, e.loc, **dict(e.attrs))
            return made, parts[0][1] / float(np.prod(e["kernel"]))
        plain = [self.scaled(x, f) for x, f in parts]
        return self._again(e, plain, **dict(e.attrs)), 1.0

    def _again(self, e: Expr, args: list[Expr], **attrs: Any) -> Expr:
        return self.exprs.make(e.kind, args, e.shape, e.loc, **attrs)

    def _weighted(self, e: Expr, x: Expr, factor: float) -> Expr:
        attrs = dict(e.attrs)
        if factor != 1.0:
            name, array = self.exprs.names[attrs["w"]], self.exprs.arrays[attrs["w"]]
            attrs["w"] = self.exprs.weight(name, array.astype(np.float64) * factor)
        return self._again(e, [x], **attrs)

    def scaled(self, x: Expr, factor: float) -> Expr:
        """Return x times a factor, as an op of its own."""
        if factor == 1.0:
            return x
        w = self.exprs.weight("factor", np.float32(factor))
        return self.exprs.make("scale", (x,), x.shape, x.loc, w=w)

    def _encoded(self, e: Expr) -> Expr:
        if self.chosen.encode == "none":
            return e
        still = self.exprs.make("input", (), e.shape, e.loc, name=e["name"], timed=False)
        extra = {"seed": self.chosen.seed} if self.chosen.encode == "poisson" else {}
        return self.exprs.make(self.chosen.encode, (still,), e.shape, e.loc, timed=True, **extra)

    def neurons(self, x: Expr, factor: float, path: str, level: float, loc: Location) -> Expr:
        """Return the spikes of neurons driven by x times a factor."""
        chosen, threshold = self.chosen, level / factor
        site = Site(path, "ReLU")
        site.attrs = {"threshold": threshold, "floor": chosen.floor * threshold}
        site.attrs |= {"spike": "count"} if chosen.spike == "count" else {}
        self.made.sites[path], self.made.inputs[path] = site, x
        self.made.places[path] = loc if loc.known else named(path)
        return self.exprs.make(
            "leaf", (), x.shape, self.made.places[path], path=path, role="spikes", timed=True
        )
