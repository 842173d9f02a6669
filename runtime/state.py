"""The state of a run between two chunks of ticks, and names of what can be probed."""

from collections.abc import Iterable, Mapping

from attrs import frozen

from snnc.diagnostics import fail, nearest
from snnc.ir.graph import Module, Op, Value
from snnc.ir.types import F16, F32, I32, Type
from snnc.ir.weights import Array

Stateful = tuple[tuple[str, str], ...]


@frozen(eq=False, repr=False)
class RunState:
    """Where a run stopped: the next tick, and the arrays of each stateful op by its result's name.

    `owner` tells which ops it belongs to; handing it to another network is refused.
    """

    owner: Stateful
    tick: int
    samples: int
    first_sample: int
    held: Mapping[str, tuple[Array, ...]]

    def __repr__(self) -> str:
        return f"<state before tick {self.tick}, {self.samples} samples>"


def owner_of(module: Module) -> Stateful:
    """Return names and types of all results of a module's stateful ops, in text order."""
    return tuple(
        (op.result.name, f"{op.name} {op.result.type}")
        for op in module.graph.ops
        if op.spec.stateful
    )


def check_state(module: Module, state: object) -> RunState | None:
    """Return the state to go on from, or None.

    Raises:
        SnncError: `state-mismatch` for the state of another network.
    """
    if state is None:
        return None
    if not isinstance(state, RunState) or state.owner != owner_of(module):
        raise fail(
            "state-mismatch",
            f"the state does not belong to the network @{module.name}",
            help="hand on the state that a run of the same network returned",
        )
    return state


@frozen
class Probes:
    """What to trace: values by name, and potentials by `NAME.v`, each with its type."""

    values: Mapping[str, Value]
    potentials: Mapping[str, Op]

    @property
    def types(self) -> dict[str, Type]:
        """Types by name of what is traced."""
        types = {name: value.type for name, value in self.values.items()}
        return types | {name: potential_type(op) for name, op in self.potentials.items()}


def potential_type(op: Op) -> Type:
    """Return the type of a neuron's potential."""
    if op.name.startswith("int."):
        return op.result.type.with_element(I32)
    return op.result.type.with_element(F16 if op.values[0].type.element == F16 else F32)


def probes(module: Module, asked: Iterable[str]) -> Probes:
    """Return what is asked for, in the order asked; ("all",) is every value and potential.

    Raises:
        SnncError: `unknown-probe`.
    """
    ops = module.graph.ops
    values = {v.name: v for v in (*module.graph.inputs, *(r for op in ops for r in op.results))}
    potentials = {f"{op.result.name}.v": op for op in ops if op.kind == "neuron"}
    names = [asked] if isinstance(asked, str) else list(asked)
    if names == ["all"]:
        return Probes(values, potentials)
    for name in names:
        if name not in values and name not in potentials:
            raise fail(
                "unknown-probe",
                f"there is no value {name!r} to probe",
                help=nearest(name, [*values, *potentials]),
            )
    return Probes(
        {n: values[n] for n in names if n in values},
        {n: potentials[n] for n in names if n in potentials},
    )
