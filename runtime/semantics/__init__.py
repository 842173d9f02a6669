"""What every op means, in plain numpy: one meaning per op, looked up by the op's full name.

A meaning is made once for an op of a module and then called tick by tick. Arrays carry samples in
axis 0 and have the storage dtype of their type. The meanings of the levels `snn`, `int` and
`lynxi`, which are not placed on cores, are in the modules of this folder.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from snnc.diagnostics import fail, nearest
from snnc.ir.graph import Module, Op
from snnc.ir.weights import Array

State = tuple[Array, ...]


class Meaning(Protocol):
    """One op made ready to run."""

    def start(self, samples: int, first_sample: int) -> State:
        """Return the state before tick 0."""

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the results of a tick, from the values of its value operands, and the state."""


Maker = Callable[[Module, Op], Meaning]
_MEANINGS: dict[str, Maker] = {}


class OutOfRange(Exception):
    """A number that its element cannot hold; the engine adds the tick and raises `overflow`."""

    def __init__(self, name: str, index: tuple[int, ...], value: object, holds: str) -> None:
        super().__init__(f"%{name}")
        self.name, self.index, self.value, self.holds = name, index, value, holds


class Stateless:
    """A meaning that is a function of this tick's operands."""

    def __init__(self, function: Callable[..., Array]) -> None:
        self.function = function

    def start(self, samples: int, first_sample: int) -> State:
        """Return no state."""
        return ()

    def step(self, tick: int, operands: list[Array], state: State) -> tuple[list[Array], State]:
        """Return the one result."""
        return [self.function(*operands)], state


def semantics(*names: str) -> Callable[[Maker], Maker]:
    """Register a maker as the meaning of ops by full name; a second meaning is refused."""

    def register(maker: Maker) -> Maker:
        for name in names:
            if name in _MEANINGS:
                raise fail("duplicate-semantics", f"{name} has two meanings")
            _MEANINGS[name] = maker
        return maker

    return register


def has_meaning(name: str) -> bool:
    """Return whether an op has a meaning."""
    _load()
    return name in _MEANINGS


def meaning(module: Module, op: Op) -> Meaning:
    """Return the meaning of an op of a module.

    Raises:
        SnncError: `no-semantics` for an op that no engine knows.
    """
    _load()
    if op.name not in _MEANINGS:
        raise fail(
            "no-semantics",
            f"{op.name} has no meaning that can be run",
            op.loc,
            help=nearest(op.name, list(_MEANINGS)),
        )
    return _MEANINGS[op.name](module, op)


def _load() -> None:
    for name in ("coding", "integer_neuron", "movements", "real_neuron", "relay", "sums"):
        import_module(f"snnc.runtime.semantics.{name}")
