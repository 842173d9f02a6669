"""From the captured program to expressions: one input per neuron layer, one per output.

The program is walked once. What does not depend on the input is computed by torch; what does is
followed as a `Flow`. Each turn of an unrolled loop must give the expression of the others.
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve, field, frozen

import snnc.frontends.pytorch.windows  # noqa: F401  registers its functions
from snnc.diagnostics import UNKNOWN, Location, fail, named
from snnc.frontends.pytorch.aten import FUNCTIONS
from snnc.frontends.pytorch.axes import Axes, F, Sizes, Untrackable, has_time
from snnc.frontends.pytorch.capture import Capture
from snnc.frontends.pytorch.expr import Expr, Expressions
from snnc.frontends.pytorch.flow import Flow, Ops
from snnc.frontends.pytorch.layout import axes_of_rank, ticks_of
from snnc.frontends.pytorch.movements import CASTS, SAME, same
from snnc.frontends.pytorch.origins import Place, place_of
from snnc.frontends.pytorch.sites import ROLES, Site
from snnc.frontends.pytorch.unknown import draws, unknown
from snnc.frontends.pytorch.unroll import summed, unified


@frozen(eq=False)
class Output:
    """One result of the network: its train, and what forward does with the train over time."""

    expr: Expr
    axes: Axes
    over: str = ""
    factor: float = 1.0


@define(eq=False)
class Lowered:
    """The network as expressions: layers in the order of their first call, and outputs."""

    exprs: Expressions
    sites: dict[str, Site]
    inputs: dict[str, Expr]
    marks: dict[str, Expr]
    outputs: list[Output]
    places: dict[str, Location]
    sizes: Sizes
    layout: Axes
    given: tuple[Expr, ...]

    @property
    def stepping(self) -> bool:
        """Whether forward computes one tick and is called for each."""
        return self.sizes.ticks == 1 and not has_time(self.layout)


@define(eq=False)
class _Calls:
    """What one layer was given, call by call."""

    exprs: list[Expr] = field(factory=list)
    whole: bool = False


class Walk:
    """One walk over a captured program."""

    def __init__(self, captured: Capture, sizes: Sizes, layout: Axes) -> None:
        self.captured, self.sizes, self.layout = captured, sizes, layout
        self.exprs = Expressions()
        self.calls: dict[str, _Calls] = {}
        self.marks: dict[str, _Calls] = {}
        self.places: dict[str, Location] = {}
        self.values: dict[Any, Any] = {}
        self.given: tuple[Expr, ...] = ()
        self.ops = Ops(self.exprs, sizes, UNKNOWN, "", "")

    def run(self) -> Lowered:
        """Return the network as expressions; see the module."""
        outputs: list[Output] = []
        nodes = list(self.captured.program.graph.nodes)
        live = _live(nodes)
        for node in nodes:
            if node.op == "placeholder" or node not in live:
                continue
            if node.op == "output":
                outputs = [self._output(v, i) for i, v in enumerate(self._args(node.args)[0])]
                continue
            self.values[node] = self._call(node)
        inputs = {path: self._rolled(path, calls) for path, calls in self.calls.items()}
        marks = {path: self._rolled(path, calls) for path, calls in self.marks.items()}
        sites = {p: self.captured.sites[p] for p in inputs}
        return Lowered(
            self.exprs,
            sites,
            inputs,
            marks,
            outputs,
            self.places,
            self.sizes,
            self.layout,
            self.given,
        )

    def bind(self, placeholders: Mapping[Any, Any]) -> None:
        """Say what the placeholders of the program are."""
        self.values.update(placeholders)
        self.given = tuple(v.expr for v in placeholders.values() if isinstance(v, Flow))

    def _args(self, given: Any) -> Any:
        if isinstance(given, (list, tuple)):
            return [self._args(g) for g in given]
        if hasattr(given, "graph") and hasattr(given, "target"):
            return self.values[given]
        return given

    def _call(self, node: Any) -> Any:
        args = self._args(node.args)
        keywords = {k: self._args(v) for k, v in node.kwargs.items()}
        if node.target is operator.getitem:
            return args[0][args[1]]
        place = place_of(node)
        if not hasattr(node.target, "_schema"):
            raise self._at(place, ()).refuse(
                f"{getattr(node.target, '__name__', node.target)} is no function of tensors",
                "use functions of torch on tensors, with sizes that do not depend on data",
            )
        name = str(node.target)
        made = node.meta.get("val")
        first = made[0] if isinstance(made, (tuple, list)) and made else made
        shape = tuple(getattr(first, "shape", ()))
        # Sites outlive the call: an op that a layer's own forward made is at that layer's place.
        self.ops = evolve(self._at(place, shape), name=name)
        if name.startswith("snnc."):
            return getattr(self, "_" + name.split(".")[1])(*args)
        if not _flows(args) and not _flows(list(keywords.values())):
            return self._constant(node, name, shape, args, keywords)
        function = FUNCTIONS.get(name)
        if function is None and name.split(".")[1] in (*SAME, *CASTS):
            function = same
        if function is None:
            raise unknown(self.ops, name)
        try:
            return function(self.ops, **_named(node.target, args, keywords))
        except Untrackable as error:
            raise self.ops.tracked(error) from error

    def _at(self, place: Place, shape: tuple[int, ...]) -> Ops:
        return Ops(self.exprs, self.sizes, place.loc, place.path, "", shape)

    def _constant(
        self, node: Any, name: str, shape: tuple[int, ...], args: Any, keywords: Any
    ) -> Any:
        """Return a constant, or zeros of the batch as the zero that states begin with."""
        import torch

        if draws(name):
            raise unknown(self.ops, name)
        with torch.no_grad():
            made = node.target(*args, **keywords)
        fresh = name.split(".")[1] in ("zeros", "zeros_like", "new_zeros", "full", "full_like")
        if fresh and len(shape) > 1 and shape[0] == self.sizes.batch and not made.any():
            zero = self.exprs.make("zero", (), shape[1:], self.ops.loc)
            return Flow(zero, (("B",), *(F for _ in shape[1:])))
        return made

    def _neuron(self, x: Any, states: Sequence[Any], key: str) -> list[Flow]:
        path, *roles = key.split(",")
        site = self.captured.sites[path]
        x = self._entering(site, x)
        self.places.setdefault(path, self.ops.loc)
        calls = self.calls.setdefault(path, _Calls())
        tick = len(calls.exprs)
        whole = has_time(x.axes)
        if calls.whole or (whole and tick):
            raise self.ops.refuse(
                f"layer {path} is called {tick + 1} times for one run over time",
                "give each place in the network a layer of its own: a shared one mixes its states",
            )
        if x.tick is not None and x.tick != tick:
            raise self.ops.refuse(
                f"call {tick} of layer {path} gets tick {x.tick} of its input",
                "call every layer once for every tick, from the first one; and give each place in "
                "the network a layer of its own: a shared one mixes its states",
            )
        calls.whole = whole
        calls.exprs.append(x.expr)
        at = None if whole else tick
        leaves = [Flow(self._leaf(path, role, x.expr.shape), x.axes, at) for role in ROLES]
        for role, state in zip(roles, states, strict=True):
            self._check_state(site, role, state, leaves[ROLES.index(role)], tick)
        return leaves

    def _leaf(self, path: str, role: str, shape: tuple[int, ...]) -> Expr:
        place = self.places.get(path, named(path))
        return self.exprs.make("leaf", (), shape, place, path=path, role=role, timed=True)

    def _entering(self, site: Site, given: Any) -> Flow:
        """Return the input of a layer after checking that time and batch are where it says."""
        if not isinstance(given, Flow):
            raise self.ops.refuse(f"layer {site.path} has a constant as input", "connect it")
        self.ops.only_ticks(given)
        x = self.ops.own(given)
        wanted = {"TB": (("T",), ("B",)), "BT": (("B",), ("T",)), "merged": (("B", "T"),)}
        lead: tuple[Any, ...] = wanted.get(site.order, (("B",),))
        if x.axes != (*lead, *(F for _ in x.expr.shape)):
            shown = ", ".join("x".join(a) or "1" for a in lead)
            raise self.ops.refuse(
                f"layer {site.path} ({site.kind}) takes ({shown}, ...), but gets "
                f"{list(x.shape(self.sizes))}",
                "state the sample's axes with the option time, or change the layer's step mode",
            )
        return x

    def _check_state(self, site: Site, role: str, state: Any, leaf: Flow, tick: int) -> None:
        """Refuse a state handed in that is not what the layer gave at the tick before."""
        if tick == 0:
            begin = site.attrs.get("initial", 0.0) if role == "v" else 0.0
            if isinstance(state, Flow):
                fits = state.expr.kind == "zero" and not _any(begin)
            else:
                values = state.detach().cpu().numpy()
                fits = values.size == 0 or bool((values == begin).all())
        else:
            fits = isinstance(state, Flow) and state.expr is leaf.expr and state.tick == tick - 1
        if not fits:
            raise self.ops.refuse(
                f"the state ({role}) of layer {site.path} is changed between ticks "
                f"(at tick {tick})",
                "hand the states on as the layer gave them",
            )

    def _past(self, like: Any, path: str) -> Flow:
        made = self._leaf(path, "spikes", like.expr.shape)
        late = self.exprs.make("delay", (made,), made.shape, self.ops.loc, by=1)
        tick = len((self.marks.get(path) or self.calls.get(path) or _Calls()).exprs)
        return Flow(late, like.axes, None if has_time(like.axes) else tick)

    def _delay(self, x: Flow, by: int) -> Flow:
        if not x.expr.timed:
            raise self.ops.refuse("a delay of an input without time", "delay the layers' results")
        late = self.exprs.make("delay", (x.expr,), x.expr.shape, self.ops.loc, by=by)
        return evolve(x, expr=late)

    def _mark(self, y: Flow, path: str) -> Flow:
        self.marks.setdefault(path, _Calls()).exprs.append(y.expr)
        return y

    def _rolled(self, path: str, calls: _Calls) -> Expr:
        """Return a layer's one input; every tick's must be the same expression."""
        if not calls.whole and len(calls.exprs) not in (1, self.sizes.ticks):
            raise fail(
                "unsupported-network",
                f"layer {path} is called {len(calls.exprs)} times in {self.sizes.ticks} ticks",
                self.places.get(path, named(path)),
                help="call every layer once per tick",
            )
        canonical, tick = unified(self.exprs, calls.exprs)
        if canonical is None:
            raise fail(
                "unsupported-network",
                f"forward treats tick {tick} otherwise than tick {len(calls.exprs) - 1} at {path}",
                self.places.get(path, named(path)),
                help="do the same at every tick, and use a layer at one place: a chip has one rule "
                "for all",
            )
        return canonical

    def _output(self, value: Any, index: int) -> Output:
        if not isinstance(value, Flow):
            raise fail(
                "unsupported-network",
                f"result {index} of forward does not depend on the input",
                help="return values that the layers make",
            )
        if value.over:
            return Output(value.expr, value.axes, value.over, value.factor)
        whole = has_time(value.axes)
        if whole or self.sizes.ticks == 1 or not value.expr.timed:
            return Output(value.expr, value.axes)
        expr, factor = value.expr, 1.0
        if expr.kind == "scale" and self.exprs.arrays[expr["w"]].ndim == 0:
            expr, factor = expr.args[0], self.sizes.share(float(self.exprs.arrays[expr["w"]]))
        total = summed(expr, self.sizes.ticks)
        if total is not None:
            return Output(total, value.axes, "sum", factor)
        if value.tick != self.sizes.ticks - 1:
            raise fail(
                "unsupported-network",
                f"result {index} of forward is tick {value.tick} of {self.sizes.ticks}",
                help="return all ticks, their sum or mean, or the last one",
            )
        return Output(value.expr, value.axes, "last")


def _live(nodes: Sequence[Any]) -> set[Any]:
    """Return what results and layers depend on; statistics that forward only keeps are not."""
    live: set[Any] = set()
    for node in reversed(nodes):
        if node.op == "output" or str(node.target).startswith("snnc.") or node in live:
            live.update((node, *node.all_input_nodes))
    return live


def _any(value: Any) -> bool:
    return bool(value.any()) if hasattr(value, "any") else bool(value)


def _flows(args: Any) -> bool:
    return any(isinstance(a, Flow) or (isinstance(a, list) and _flows(a)) for a in args)


def _named(target: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an ATen call by name, defaults filled in."""
    found: dict[str, Any] = {}
    for index, argument in enumerate(target._schema.arguments):
        if index < len(args):
            found[argument.name] = args[index]
        elif argument.name in keywords:
            found[argument.name] = keywords[argument.name]
        elif argument.has_default_value():
            found[argument.name] = argument.default_value
    return found


def lower(captured: Capture, samples: Sequence[Any], time: Any, names: Sequence[str]) -> Lowered:
    """Return the network as expressions of its inputs, one sample and one name for each.

    Raises:
        SnncError: `unsupported-function`, `unsupported-network`, `sample-shape`.
    """
    sizes, axes = ticks_of(captured, samples, time)
    walk = Walk(captured, sizes, axes)
    program = captured.program
    given = {n: i for i, n in enumerate(program.graph_signature.user_inputs)}
    stored = {**program.state_dict, **program.constants}
    targets = {
        **program.graph_signature.inputs_to_parameters,
        **program.graph_signature.inputs_to_buffers,
        **program.graph_signature.inputs_to_lifted_tensor_constants,
    }
    bound: dict[Any, Any] = {}
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in given:
            name, sample = names[given[node.name]], samples[given[node.name]]
            own = axes_of_rank(axes, sample.ndim)
            shape = tuple(n for n, a in zip(sample.shape, own, strict=True) if a == F)
            single = sizes.ticks == 1 and not has_time(axes)
            timed = single or has_time(axes)
            expr = walk.exprs.make("input", (), shape, named(name), name=name, timed=timed)
            bound[node] = Flow(expr, own, 0 if single else None)
        elif node.op == "placeholder":
            bound[node] = stored[targets[node.name]]
    walk.bind(bound)
    return walk.run()
