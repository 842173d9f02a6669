"""Which bindings work element by element in code of their own, and what a region of them is given.

A value of a region lies in memory as its elements in order, so what only changes its shape changes
nothing. Operands of one op have one kind; what the host sends in profile f16, before an op has
rounded it, and whatever else has no code, is left to `kernels`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from attrs import frozen

from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import LOAD, SAVE, Arg, Binding, TensorType, TupleType, Var
from snnc.targets.lynxi.artifact.records import Node as Ref
from snnc.targets.lynxi.emulation.kernels import storage
from snnc.targets.lynxi.limits import LIMITS
from snnc.targets.lynxi.native.region_code import (
    BIT,
    BYTE,
    FLOAT,
    HALF,
    LANES,
    OPS,
    Form,
    Node,
)

if TYPE_CHECKING:
    from snnc.targets.lynxi.emulate import Emulator

Source: TypeAlias = int | str
"""A train from outside: the number of a binding, or the name of a parameter that the host sends."""

_BITS = ("logical_and",)
SHAPES = ("reshape", "expand_dims", "squeeze", SAVE)
_COMPARISONS = ("greater", "greater_equal", "less", "less_equal")
_REALS = (FLOAT, HALF)
_NUMBERS = {
    "clip": ("a_min", "a_max"),
    "cmpandfire": ("theta",),
    "resetwithdecay": ("lowest", "theta", "v_0", "alpha", "beta"),
}
"""Attributes that are operands of the code."""


def tensor(binding: Binding) -> TensorType:
    """Return the type of a binding's value, of a group's first one."""
    type = binding.type
    first = type.fields[0] if isinstance(type, TupleType) else type
    assert isinstance(first, TensorType)
    return first


def size_of(program: "Emulator", binding: Binding, args: Sequence[Arg]) -> int:
    """Return the elements of a binding that has code here, else 0."""
    if binding.op not in OPS | {LOAD}:
        return 0
    if binding.op in ("reshape", "expand_dims", "squeeze", SAVE, "cast"):
        args = args[:1]
    profile = program.artifact.profile
    kind = storage(tensor(binding).dtype, profile).name
    size = int(np.prod(tensor(binding).shape))
    timed = [arg for arg in args if program.constant(arg) is None]
    if binding.op != LOAD:
        if any(_elements(program, arg) != size for arg in timed):
            return 0
        kinds = [kind_of(program, arg) for arg in args]
        if not timed or not _fits(binding, kind, kinds):
            return 0
        if binding.op == "nn.batch_norm" and len(timed) > 1:
            return 0
    return size if kind in (BIT, *_REALS) else 0


def _fits(binding: Binding, kind: str, kinds: list[str]) -> bool:
    """Return whether there is code for a kind of result and kinds of operands."""
    op, alike = binding.op, len(set(kinds)) == 1
    if op == "cast":
        return (
            kinds[0] in (BIT, BYTE, *_REALS) and kind in (BIT, *_REALS) and _exact(kinds[0], kind)
        )
    if op in SHAPES:
        return kinds == [kind]
    if op in _BITS:
        return alike and kinds[0] == kind == BIT
    if op in _COMPARISONS:
        return alike and kinds[0] in _REALS and kind == BIT
    if op == "where":
        return kinds[0] == BIT and kinds[1] == kinds[2] == kind and kind in _REALS
    return alike and kinds[0] == kind and kind in _REALS


def _exact(kind: str, to: str) -> bool:
    return (kind, to) != (HALF, BYTE)


def kind_of(program: "Emulator", arg: Arg) -> str:
    """Return the element of an argument as it is held."""
    held = program.constant(arg)
    if held is not None:
        return held.dtype.name
    if isinstance(arg, Var):
        return next(p.dtype for p in program.artifact.inputs if p.param == arg.name)
    assert isinstance(arg, Ref)
    return storage(tensor(program.graph.bindings[arg.index]).dtype, program.artifact.profile).name


def shape_seen(program: "Emulator", arg: Arg) -> tuple[int, ...]:
    """Return the shape of an argument that depends on the tick."""
    if isinstance(arg, Var):
        return program.graph.params[arg.name].shape
    assert isinstance(arg, Ref)
    return tensor(program.graph.bindings[arg.index]).shape


def _elements(program: "Emulator", arg: Arg) -> int:
    return int(np.prod(shape_seen(program, arg)))


@frozen(eq=False)
class Region:
    """A form with what its code is given: trains, constants, flags of states, numbers stored."""

    form: Form
    trains: tuple[Source, ...]
    arrays: tuple[Array, ...]
    scalars: tuple[int, ...]
    flags: tuple[str, ...]
    stored: tuple[int, ...]
    size: int


class Assembling:
    """Numbers the values of a region; those of the form come in the order that it wants."""

    def __init__(self, program: "Emulator", members: Sequence[int], size: int) -> None:
        self.program, self.members, self.size = program, set(members), size
        self.trains: dict[Source, str] = {}
        self.arrays: list[Array] = []
        self.scalars: list[Array] = []
        self.flags: dict[str, str] = {}
        self.nodes: list[tuple[str, str, list[tuple[str, Any]]]] = []
        self.values: dict[int, tuple[str, Any]] = {}
        self.kept: dict[str, tuple[str, Any]] = {}
        for index in members:
            self._member(index)

    @property
    def computes(self) -> bool:
        """Whether there is more than elements that keep their places."""
        return bool(self.nodes or self.flags)

    def _member(self, index: int) -> None:
        graph = self.program.graph
        binding = graph.bindings[index]
        if binding.op == LOAD:
            flag = self.program.flags[index]
            self.flags[flag] = storage(tensor(binding).dtype, self.program.artifact.profile).name
            self.values[index] = ("state", flag)
            return
        args = self.program.expanded(binding)
        shape = tensor(binding).shape
        kind = storage(tensor(binding).dtype, self.program.artifact.profile).name
        if binding.op in SHAPES:
            self.values[index] = self._operand(args[0], shape)
            if binding.op == SAVE:
                self.kept[self.program.flags[index]] = self.values[index]
            return
        self.nodes.append((binding.op, kind, self._operands(binding, args, shape, kind)))
        self.values[index] = ("node", len(self.nodes) - 1)

    def _operands(
        self, binding: Binding, args: Sequence[Arg], shape: tuple[int, ...], kind: str
    ) -> list[tuple[str, Any]]:
        if binding.op == "cast":
            return [self._operand(args[0], shape)]
        if binding.op == "nn.batch_norm":
            return [self._operand(args[0], shape), *self._statistics(binding, args[1:], shape)]
        if binding.op == "nn.bias_add":
            held = self.program.constant(args[1])
            x = self._operand(args[0], shape)
            if held is None:
                return [x, self._operand(args[1], shape)]
            axis = int(binding.attrs.get("axis", 1)) % len(shape)
            return [x, self._constant(held.reshape(-1, *[1] * (len(shape) - 1 - axis)), shape)]
        found = [self._operand(arg, shape) for arg in args]
        for name in _NUMBERS.get(binding.op, ()):
            value = binding.attrs.get(name, LIMITS.fit_lowest if name == "lowest" else None)
            with np.errstate(over="ignore"):
                number = np.asarray(value).astype(kind)
            found.append(self._constant(number, shape))
        return found

    def _statistics(
        self, binding: Binding, args: Sequence[Arg], shape: tuple[int, ...]
    ) -> list[tuple[str, Any]]:
        """Return mean, root of the variance, gamma and beta of a batch norm, in float64."""
        held = [self.program.constant(arg) for arg in args]
        wide = [np.asarray(a, np.float64).reshape(-1, *[1] * (len(shape) - 2)) for a in held]
        gamma, beta, mean, variance = wide
        root = np.sqrt(variance + np.float64(binding.attrs.get("epsilon", 1e-5)))
        return [self._constant(a, shape) for a in (mean, root, gamma, beta)]

    def _operand(self, arg: Arg, shape: tuple[int, ...]) -> tuple[str, Any]:
        held = self.program.constant(arg)
        if held is not None:
            return self._constant(held[0], shape)
        if isinstance(arg, Ref) and arg.index in self.members:
            return self.values[arg.index]
        source: Source = arg.name if isinstance(arg, Var) else arg.index  # type: ignore[union-attr]
        self.trains.setdefault(source, kind_of(self.program, arg))
        return ("train", source)

    def _constant(self, array: Array, shape: tuple[int, ...]) -> tuple[str, Any]:
        if array.size == 1:
            self.scalars.append(array.reshape(()))
            return ("scalar", len(self.scalars) - 1)
        self.arrays.append(np.ascontiguousarray(np.broadcast_to(array, shape)).reshape(-1))
        return ("array", len(self.arrays) - 1)

    def region(self, stored: Sequence[int], wide: bool, own_halves: bool) -> Region:
        """Return the region; the trains of some members are written to memory."""
        starts, at = {}, 0
        counts = (
            ("train", self.trains),
            ("array", self.arrays),
            ("scalar", self.scalars),
            ("state", self.flags),
            ("node", self.nodes),
        )
        for name, found in counts:
            starts[name], at = at, at + len(found)
        trains, flags = list(self.trains), list(self.flags)

        def number(value: tuple[str, Any]) -> int:
            name, which = value
            if name == "train":
                which = trains.index(which)
            elif name == "state":
                which = flags.index(which)
            return starts[name] + int(which)

        form = Form(
            tuple(self.trains.values()),
            tuple(a.dtype.name for a in self.arrays),
            tuple(a.dtype.name for a in self.scalars),
            tuple(self.flags.values()),
            tuple(Node(op, kind, tuple(map(number, given))) for op, kind, given in self.nodes),
            tuple(number(self.kept[flag]) for flag in flags),
            tuple(number(self.values[index]) for index in stored),
            self.size % LANES,
            wide,
            own_halves,
        )
        return Region(
            form,
            tuple(trains),
            tuple(self.arrays),
            tuple(_bits(a) for a in self.scalars),
            tuple(flags),
            tuple(stored),
            self.size,
        )


def _bits(scalar: Array) -> int:
    """Return the bits of a number, as the lowest ones of a word."""
    raw = scalar.tobytes()
    return int.from_bytes(raw, "little", signed=len(raw) == 8)
