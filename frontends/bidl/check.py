"""The self-check: the module itself against its capture, and each function against its lowering.

First the module and the program that torch exported of it run side by side for a few steps; both
compute with torch, so what forward keeps besides its states shows. Then the graph runs on the
reference interpreter, and every function of the program is computed by torch once more from the
values that its operands have there. Rounding cannot add up from one function to the next, so no
spike hangs on it; draws are not compared, ours come from another stream.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.frontends.bidl.capture import Captured, Form, prepared, running, step
from snnc.frontends.pytorch.origins import place_of
from snnc.ir.graph import Module, Value
from snnc.ir.weights import Array

STEPS = 3
"""Steps of the module itself; functions are compared one by one at two of them at most."""

TOGETHER = 1 << 26
"""Elements of values that are held at a time."""

NEAR = 1e-5
"""Difference of a number, relative to the largest of its value, that rounding may make."""

DRAWN = ("snnc_step.rand.default", "bernoulli.default")

Run = Callable[..., Any]


@frozen(eq=False)
class Site:
    """A function of the program, its result in the graph, and what its operands are."""

    node: Any
    value: Value
    operands: Mapping[Any, Any]


def check(
    network: Any,
    sample: tuple[Any, ...],
    form: Form,
    captured: Captured,
    module: Module,
    env: Mapping[Any, Any],
    run: Run,
) -> None:
    """Compare a module with its capture, and that with its graph.

    `env` says what stands in the graph for the nodes of the program: values, or tensors.

    Raises:
        SnncError: `torch-differs`.
    """
    inputs = list(_inputs(sample))
    _captured(network, inputs, form, captured)
    # Without states a second step would tell nothing new; the sample may be zeros.
    stated = bool(captured.program.graph_signature.buffers_to_mutate)
    _lowered(inputs[:2] if stated else inputs[1:2], captured, module, env, run)


def _inputs(sample: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the sample, uniform numbers, and bits, all of its shapes."""
    import torch

    draws = torch.Generator().manual_seed(0)
    for number in range(STEPS):
        drawn = [torch.rand(x.shape, generator=draws) for x in sample]
        if number == 0:
            yield sample
        else:
            made = [d if number == 1 else d < 0.5 for d in drawn]
            yield tuple(d.to(x.dtype) for d, x in zip(made, sample, strict=True))


def _captured(
    network: Any, inputs: Sequence[tuple[Any, ...]], form: Form, captured: Captured
) -> None:
    """Compare the module with the exported program, step by step."""
    import torch

    inner, store = prepared(network, form)
    program = _Program(captured)
    for number, given in enumerate(inputs):
        with torch.random.fork_rng([]), running(inner, store):
            torch.manual_seed(number)
            theirs = _many(step(inner, store, given))
            torch.manual_seed(number)
            ours = program.step(given)
        for place, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            at = _first(b.double().numpy(), a.double().numpy())
            if at is not None:
                raise fail(
                    "torch-differs",
                    f"output {place}{list(at)} at step {number}: forward gives {a[at].item():g}, "
                    f"the captured step {b[at].item():g}",
                    help="keep what changes from step to step in a tensor of the module, and what "
                    "a sample begins with apart from its input",
                    exit_status=3,
                )


def _many(made: Any) -> list[Any]:
    return [made] if hasattr(made, "shape") else list(made)


class _Program:
    """The exported program with its states, as they are after a reset."""

    def __init__(self, captured: Captured) -> None:
        import torch

        self.program = captured.program
        self.signature = self.program.graph_signature
        self.held = {**self.program.constants, **self.program.state_dict}
        for target in self.signature.buffers_to_mutate.values():
            self.held[target] = captured.initial.get(target, self.held[target])
        self.run = torch.fx.Interpreter(self.program.graph_module).run

    def step(self, inputs: tuple[Any, ...]) -> list[Any]:
        """Return the outputs of a step, after which the states are the new ones."""
        sig, given = self.signature, list(inputs)
        known = {**sig.inputs_to_parameters, **sig.inputs_to_buffers}
        known |= sig.inputs_to_lifted_tensor_constants
        nodes = [n.name for n in self.program.graph.nodes if n.op == "placeholder"]
        made = self.run(*(self.held[known[n]] if n in known else given.pop(0) for n in nodes))
        names = [spec.arg.name for spec in sig.output_specs]
        by_name = dict(zip(names, made, strict=True))
        for name, target in sig.buffers_to_mutate.items():
            self.held[target] = by_name[name].detach().clone()
        return [by_name[name] for name in sig.user_outputs]


def _lowered(
    inputs: Sequence[tuple[Any, ...]],
    captured: Captured,
    module: Module,
    env: Mapping[Any, Any],
    run: Run,
) -> None:
    """Compare each function with its lowering at the first steps."""
    names = [v.name for v in module.graph.inputs]
    still = _still(captured, env)
    state = None
    for number, given in enumerate(inputs):
        sent = {
            name: x.detach().numpy().astype(np.float32)
            for name, x in zip(names, given, strict=True)
        }
        arrays = {
            value.name: sent[value.name].reshape(1, 1, *value.type.shape)
            for value in module.graph.inputs
        }
        data = {op.result.name: sent[op.values[0].name] for op in module.ops("data")}
        after = None
        for sites in _groups(captured, env):
            values = [v.name for s in sites for v in _values(s) if v.name not in data]
            options = {"ticks": 1, "state": state, "probe": tuple(dict.fromkeys(values))}
            ran = run(module, arrays, engine="reference", **options)
            after = ran.state
            for site in sites:
                _compare(site, {**ran.trace, **data}, still, number)
        state = after


def _still(captured: Captured, env: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return what no step changes, by node, as torch computes it."""
    import torch

    found: dict[Any, Any] = {}

    def tensor(node: Any) -> Any:
        # Constants that are made like a value depend on its shape alone.
        return found[node] if node in found else torch.zeros(tuple(_single(node.meta["val"]).shape))

    for node in captured.program.graph.nodes:
        value = env.get(node)
        if isinstance(value, Value) and not value.type.timed and node.op == "call_function":
            args, options = torch.fx.node.map_arg((node.args, node.kwargs), tensor)
            found[node] = node.target(*args, **options)
        elif value is not None and hasattr(value, "tensor"):
            found[node] = value.tensor
    return found


def _groups(captured: Captured, env: Mapping[Any, Any]) -> Iterator[list[Site]]:
    """Yield functions in groups whose values are few enough to be held together."""
    sites: list[Site] = []
    held: dict[str, int] = {}
    for node in captured.program.graph.nodes:
        value = env.get(node)
        name = str(node.target).removeprefix("aten.")
        if node.op != "call_function" or not isinstance(value, Value) or name in DRAWN:
            continue
        if not value.type.timed or name == "<built-in function getitem>":
            continue
        site = Site(node, value, {n: env[n] for n in node.all_input_nodes})
        sites.append(site)
        held |= {v.name: v.type.size for v in _values(site)}
        if sum(held.values()) > TOGETHER:
            yield sites
            sites, held = [], {}
    if sites:
        yield sites


def _values(site: Site) -> list[Value]:
    """Return the values that a step changes."""
    values = [v for v in (site.value, *site.operands.values()) if isinstance(v, Value)]
    return [v for v in values if v.type.timed]


def _compare(site: Site, trace: Mapping[str, Array], still: Mapping[Any, Any], number: int) -> None:
    """Compute one function by torch from our operands; compare with our result."""
    import torch

    def tensor(node: Any) -> Any:
        if node in still:
            return still[node]
        like = _single(node.meta["val"])
        array = np.array(trace[site.operands[node].name])
        return torch.from_numpy(array.reshape(tuple(like.shape))).to(like.dtype)

    args, options = torch.fx.node.map_arg((site.node.args, site.node.kwargs), tensor)
    with torch.no_grad():
        made = site.node.target(*args, **options)
    theirs = _single(made).double().numpy()
    ours = np.asarray(trace[site.value.name], np.float64).reshape(theirs.shape)
    at = _first(ours, theirs)
    if at is not None:
        raise _differs(site, f"{list(at)} at step {number}", theirs[at], ours[at])


def _single(made: Any) -> Any:
    """Return a result, the first one of several: the others are for training."""
    return made if hasattr(made, "shape") else made[0]


def _first(ours: Array, theirs: Array) -> tuple[int, ...] | None:
    """Return where two values differ by more than rounding."""
    whole = np.abs(theirs[np.isfinite(theirs)])
    near = NEAR * float(whole.max(initial=0.0))
    wrong = ~np.isclose(ours, theirs, rtol=NEAR, atol=near, equal_nan=True)
    return tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else None


def _differs(site: Site, place: str, theirs: float, ours: float) -> SnncError:
    return fail(
        "torch-differs",
        f"{site.node.target}{place}: torch gives {theirs:g}, the graph {ours:g}",
        place_of(site.node).loc,
        help="report this with the network; --set check=false goes on without the comparison",
        exit_status=3,
    )
