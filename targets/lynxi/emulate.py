"""Runs the files of a build: one graph per time step, states loaded before it and saved after it.

In a step all loads read the states as they were, then every op runs in the order of the text, then
all saves take effect. Samples are independent lanes, so all of them run at once; the batch of a
build has no influence on numbers. It is exact by docs/lynxi.md, which says how every op rounds in
profiles f32 and f16; nobody outside the vendor knows how the chip does.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from attrs import frozen

from snnc.diagnostics import SnncError, fail, nearest
from snnc.extend.engine import Result
from snnc.ir.weights import Array
from snnc.targets.lynxi import kernels
from snnc.targets.lynxi.check import check_states
from snnc.targets.lynxi.layout import read_files
from snnc.targets.lynxi.limits import LIMITS
from snnc.targets.lynxi.ports import made_output, read_inputs
from snnc.targets.lynxi.records import (
    LOAD,
    RANDOM,
    SAVE,
    TIE,
    TUPLE,
    Arg,
    Artifact,
    Binding,
    Constant,
    Node,
    Port,
    Scalar,
    TensorType,
    TupleType,
    Var,
)

_ELEMENTS = 1 << 22
"""Elements of all values of a step, and of a sample's draws, that are held at a time."""


@frozen(eq=False)
class State:
    """Where a run stopped: states `(samples, *shape)` by flag, the next tick, the first sample."""

    owner: str
    held: Mapping[str, Array]
    tick: int
    first_sample: int

    @property
    def samples(self) -> int:
        """Number of samples, 0 where there is no state at all."""
        return len(next(iter(self.held.values()), ()))


class Emulator:
    """The program of a build's files.

    Raises:
        SnncError: what reading the files refuses; what `check_states` finds; `op-unknown` for an op
            that has no kernel.
    """

    def __init__(self, folder: Path) -> None:
        self.artifact = read_files(folder)
        self._start(self.artifact)

    @classmethod
    def of(cls, artifact: Artifact) -> "Emulator":
        """Return the program of records."""
        made = cls.__new__(cls)
        made.artifact = artifact
        made._start(artifact)
        return made

    def _start(self, artifact: Artifact) -> None:
        self.graph = artifact.graph
        check_states(self.graph).check()
        self.steps: list[tuple[int, Binding, list[Arg], kernels.Function]] = []
        self.constants: dict[int, Array] = {}
        self.params = {n: self._held(a) for n, a in artifact.params.items()}
        self.images = [self._held(a) for a in self.graph.constants]
        self.ports = {p.param: p for p in artifact.inputs}
        self.flags = {
            index: str(self.graph.attrs_of(b)["flag"]) for index, b in self.graph.of(LOAD, SAVE)
        }
        for index, binding in enumerate(self.graph.bindings):
            self._prepare(index, binding)
        self.outputs = self._returned()
        self.size = max(1, sum(_size(b) for b in self.graph.bindings))

    def _held(self, array: Array) -> Array:
        kind = kernels.storage(array.dtype.name, self.artifact.profile)
        with np.errstate(over="ignore"):
            return np.asarray(array.astype(kind))[None]

    def _prepare(self, index: int, binding: Binding) -> None:
        """Make a binding ready; one of constants only is computed now."""
        if binding.op in (LOAD, SAVE, RANDOM, TIE, TUPLE):
            return
        if not kernels.known(binding.op):
            raise fail(
                "op-unknown",
                f"%{index} = {binding.op}: no kernel is known for this op",
                help="the emulator runs the ops that `snnc ops lynxi` lists",
            )
        args = self._expanded(binding)
        held = [self._constant(arg) for arg in args]
        run = kernels.make(binding, held, self.artifact.profile)
        constant = [array for array in held if array is not None]
        if len(constant) == len(held):
            self.constants[index] = self._checked(index, binding, run(*constant))
        else:
            self.steps.append((index, binding, args, run))

    def _expanded(self, binding: Binding) -> list[Arg]:
        """Return the arguments of a binding, a group's members in its place."""
        found: list[Arg] = []
        for arg in binding.args:
            group = self.graph.bindings[arg.index] if isinstance(arg, Node) else None
            many = group is not None and group.op == TUPLE
            found += group.args if many and group is not None else [arg]
        return found

    def _constant(self, arg: Arg) -> Array | None:
        if isinstance(arg, Var):
            return self.params.get(arg.name)
        if isinstance(arg, Constant):
            return self.images[arg.index]
        if isinstance(arg, Scalar):
            return np.asarray(arg.value, kernels.storage(arg.dtype, self.artifact.profile))[None]
        return self.constants.get(arg.index)

    def _checked(self, index: int, binding: Binding, array: Array) -> Array:
        type = binding.type.fields[0] if isinstance(binding.type, TupleType) else binding.type
        kind = kernels.storage(type.dtype, self.artifact.profile)
        if array.shape[1:] != type.shape or array.dtype != kind:
            raise fail(
                "graph-type",
                f"%{index} = {binding.op} is printed as {type}, but its operands give "
                f"{array.dtype}{list(array.shape[1:])}",
                help="the text was edited; compile again",
            )
        return array

    def _returned(self) -> list[Arg]:
        """Return what the result returns: one value, or the members of a group."""
        graph = self.graph
        last = len(graph.bindings) - 1
        if graph.result.op != TIE:
            return [Node(last)]
        first = graph.result.args[0]
        group = graph.bindings[first.index] if isinstance(first, Node) else None
        return list(group.args) if group is not None and group.op == TUPLE else [first]

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        ticks: int | None = None,
        state: object = None,
        probe: Iterable[str] = (),
        draws: Mapping[int, Array] | None = None,
        first_sample: int = 0,
    ) -> Result:
        """Run `ticks` steps of a batch; see `snnc.extend.engine.Program`.

        `draws` gives the numbers `(samples, ticks, *shape)` of random ops by the number of their
        binding, in place of the stream; `first_sample` is the index of the first sample, by which
        the stream is chosen. Without a state, the run begins after a reset.

        Raises:
            SnncError: what `read_inputs` refuses; `unknown-probe`, `bad-state`, `bad-draws`,
                `output-range`.
        """
        wanted = self._probed(probe)
        sent, samples, count = read_inputs(self.artifact.inputs, inputs, ticks)
        before = self._before(state, samples, first_sample)
        given = self._drawn(draws or {}, samples, count)
        drawn = sum(_size(b) for _, b in self.graph.of(RANDOM)) * max(count, 1)
        step = max(1, _ELEMENTS // max(self.size, drawn))
        parts = []
        for start in range(0, max(samples, 1), step):
            cut = slice(start, min(start + step, samples))
            parts.append(
                _Lanes(
                    self,
                    {n: a[cut] for n, a in sent.items()},
                    State(
                        "",
                        {f: a[cut] for f, a in before.held.items()},
                        before.tick,
                        before.first_sample + start,
                    ),
                    {i: a[cut] for i, a in given.items()},
                    wanted,
                ).run(cut.stop - cut.start, count)
            )
        records = {n: np.concatenate([p[0][n] for p in parts]) for n in parts[0][0]}
        held = {f: np.concatenate([p[1][f] for p in parts]) for f in parts[0][1]}
        outputs = {p.name: made_output(p, records[f"out {p.name}"]) for p in self.artifact.outputs}
        trace = {name: records[name] for name in wanted}
        after = State(self._owner, held, before.tick + count, before.first_sample)
        return Result(outputs, after, trace)

    @property
    def _owner(self) -> str:
        shapes = [f"{self.flags[i]} {b.type}" for i, b in self.graph.of(LOAD)]
        return "; ".join([self.artifact.name, self.artifact.profile, *shapes])

    def _probed(self, probe: Iterable[str]) -> dict[str, int]:
        """Return the bindings to trace by name; ("all",) asks for those that have a name."""
        known = {name: index for index, name in self.artifact.names.items()}
        wanted = [probe] if isinstance(probe, str) else list(dict.fromkeys(probe))
        if wanted == ["all"]:
            return known
        found = {}
        for name in wanted:
            number = int(name) if name.isdigit() and int(name) < len(self.graph.bindings) else None
            if name not in known and number is None:
                text = f"the build holds no value {name!r}"
                raise fail("unknown-probe", text, help=nearest(name, list(known)))
            found[name] = known[name] if name in known else int(name)
        return found

    def _before(self, state: object, samples: int, first_sample: int) -> State:
        if state is None:
            held = {}
            for index, binding in self.graph.of(LOAD):
                image = self._constant(binding.args[0])
                assert image is not None
                held[self.flags[index]] = np.repeat(image, samples, axis=0)
            return State(self._owner, held, 0, first_sample)
        if not isinstance(state, State) or state.owner != self._owner:
            raise _bad_state("it comes from another program")
        if state.held and state.samples != samples:
            raise _bad_state(f"it has {state.samples} samples, the inputs {samples}")
        return state

    def _drawn(self, draws: Mapping[int, Array], samples: int, ticks: int) -> dict[int, Array]:
        ops = dict(self.graph.of(RANDOM))
        for index, array in draws.items():
            type = ops[index].type if index in ops else None
            shape = type.shape if isinstance(type, TensorType) else ()
            if type is None or np.shape(array) != (samples, ticks, *shape):
                raise fail(
                    "bad-draws",
                    f"draws {list(np.shape(array))} for %{index} do not fit: "
                    f"random ops are {', '.join(f'%{i}: {b.type}' for i, b in ops.items())}",
                    help="give (samples, ticks, *shape) by the number of the binding",
                )
        return {index: np.asarray(array, np.float16) for index, array in draws.items()}


def _size(binding: Binding) -> int:
    type = binding.type
    return int(np.prod(type.shape)) if isinstance(type, TensorType) else 0


def _bad_state(reason: str) -> SnncError:
    return fail(
        "bad-state",
        f"this state can't be continued: {reason}",
        help="give the state that a run of this program returned",
    )


class _Lanes:
    """Some samples at a time: the values of a step, the states, the records being filled."""

    def __init__(
        self,
        program: Emulator,
        sent: Mapping[str, Array],
        before: State,
        draws: Mapping[int, Array],
        wanted: Mapping[str, int],
    ) -> None:
        self.program, self.sent, self.before = program, sent, before
        self.draws, self.wanted = dict(draws), wanted
        self.states = dict(before.held)
        self.now: dict[int, Array] = {}
        self.data: dict[str, Array] = {}

    def run(self, samples: int, ticks: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return what was recorded, by name, and the states after the last step."""
        program = self.program
        for index, binding in program.graph.of(RANDOM):
            if index not in self.draws:
                self.draws[index] = _stream(program, binding, self.before, samples, ticks)
        outputs = zip(program.artifact.outputs, program.outputs, strict=True)
        shown = {f"out {p.name}": r for p, r in outputs}
        rows: dict[str, list[Array]] = {name: [] for name in (*shown, *self.wanted)}
        for tick in range(ticks):
            self._step(tick)
            for name, arg in shown.items():
                rows[name].append(self._full(self._value(arg), samples))
            for name, index in self.wanted.items():
                value = self._full(self.now[index], samples)
                named = index in program.artifact.names and value.ndim > 1
                rows[name].append(value.reshape(samples, *value.shape[2:]) if named else value)
        made = {n: np.stack(r, axis=1) if r else self._none(n, samples) for n, r in rows.items()}
        return made, self.states

    def _none(self, name: str, samples: int) -> Array:
        """Return the record of a run without ticks."""
        for port in self.program.artifact.outputs:
            if name == f"out {port.name}":
                from snnc.ir.types import parse_type

                return np.zeros((samples, 0, *parse_type(port.type).shape))
        return np.zeros((samples, 0))

    def _full(self, array: Array, samples: int) -> Array:
        return np.broadcast_to(array, (samples, *array.shape[1:]))

    def _step(self, tick: int) -> None:
        program = self.program
        self.data = {p.param: self._sent(p, tick) for p in program.artifact.inputs if p.param}
        self.now = dict(program.constants)
        for index, _ in program.graph.of(LOAD):
            self.now[index] = self.states[program.flags[index]]
        for index, _ in program.graph.of(RANDOM):
            self.now[index] = self.draws[index][:, tick]
        kept: dict[str, Array] = {}
        for index, binding, args, run in program.steps:
            made = run(*(self._value(arg) for arg in args))
            self.now[index] = program._checked(index, binding, made)
        for index, binding in program.graph.of(SAVE):
            self.now[index] = self._value(binding.args[0])
            kept[program.flags[index]] = self.now[index]
        result = program.graph.result
        if result.op == TIE and len(program.outputs) == 1:
            self.now[len(program.graph.bindings) - 1] = self._value(result.args[0])
        self.states = {
            flag: np.broadcast_to(kept[flag], old.shape) for flag, old in self.states.items()
        }

    def _sent(self, port: Port, tick: int) -> Array:
        array = self.sent[port.name][:, tick]
        return array.reshape(len(array), *self.program.graph.params[port.param].shape)

    def _value(self, arg: Arg) -> Array:
        if isinstance(arg, Node):
            return self.now[arg.index]
        if isinstance(arg, Var) and arg.name in self.data:
            return self.data[arg.name]
        found = self.program._constant(arg)
        assert found is not None
        return found


def _stream(program: Emulator, binding: Binding, before: State, samples: int, ticks: int) -> Array:
    """Return the draws of a random op, `(samples, ticks, *shape)` float16.

    Word k of the stream PCG64(SeedSequence([seed, sample, serial])), shifted to 11 bits.
    """
    attrs = program.graph.attrs_of(binding)
    size = _size(binding)
    words = np.empty((samples, ticks * size), dtype=np.uint64)
    # A stream is an object of its own, so this is the one loop over samples.
    for row, sample in enumerate(range(before.first_sample, before.first_sample + samples)):
        seeds = np.random.SeedSequence([int(attrs["seed"]), sample, int(binding.serial or 0)])
        stream = np.random.PCG64(seeds)
        stream.advance(before.tick * size)
        words[row] = stream.random_raw(ticks * size)
    numbers = (words >> np.uint64(64 - LIMITS.grid_bits)).astype(np.float16)
    shape = binding.type.shape if isinstance(binding.type, TensorType) else ()
    return np.asarray(numbers / np.float16(2**LIMITS.grid_bits)).reshape(samples, ticks, *shape)
