"""Runs the files of a build: one graph per time step, states loaded before it and saved after it.

In a step all loads read the states as they were, then every op runs in the order of the text, then
all saves take effect. Samples are independent lanes, so all of them run at once; the batch of a
build has no influence on numbers. It is exact by docs/lynxi.md, which says how every op rounds in
profiles f32 and f16; nobody outside the vendor knows how the chip does.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Event

import numpy as np
from attrs import frozen

from snnc.diagnostics import Diagnostic, SnncError, fail, nearest
from snnc.extend.engine import Result
from snnc.ir.weights import Array
from snnc.machine.threads import check as check_halted
from snnc.targets.lynxi.artifact.records import (
    BINDING,
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
from snnc.targets.lynxi.check import check_states
from snnc.targets.lynxi.emulation import kernels
from snnc.targets.lynxi.emulation.ports import made_output, read_inputs
from snnc.targets.lynxi.limits import LIMITS
from snnc.targets.lynxi.load import read

ELEMENTS = 1 << 22
"""Elements of all values of a step, and of a sample's draws, that are held at a time."""


Ran = tuple[dict[str, Array], dict[str, Array]]
"""What was recorded, by name, and the states after the last step."""


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
    """The program of a build's files; `notes` say how it runs.

    Raises:
        SnncError: what reading the files refuses; what `check_states` finds; `op-unknown` for an op
            that has no kernel.
    """

    notes: tuple[Diagnostic, ...] = ()

    def __init__(self, folder: Path, notes: tuple[Diagnostic, ...] = ()) -> None:
        self.notes = notes
        self.artifact, _ = read(folder)
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
        args = self.expanded(binding)
        held = [self.constant(arg) for arg in args]
        run = kernels.make(binding, held, self.artifact.profile)
        constant = [array for array in held if array is not None]
        if len(constant) == len(held):
            self.constants[index] = self.checked(index, binding, run(*constant))
        else:
            self.steps.append((index, binding, args, run))

    def expanded(self, binding: Binding) -> list[Arg]:
        """Return the arguments of a binding, a group's members in its place."""
        found: list[Arg] = []
        for arg in binding.args:
            group = self.graph.bindings[arg.index] if isinstance(arg, Node) else None
            many = group is not None and group.op == TUPLE
            found += group.args if many and group is not None else [arg]
        return found

    def constant(self, arg: Arg) -> Array | None:
        """Return the value of an argument, with one row, where no tick changes it."""
        if isinstance(arg, Var):
            return self.params.get(arg.name)
        if isinstance(arg, Constant):
            return self.images[arg.index]
        if isinstance(arg, Scalar):
            return np.asarray(arg.value, kernels.storage(arg.dtype, self.artifact.profile))[None]
        return self.constants.get(arg.index)

    def checked(self, index: int, binding: Binding, array: Array) -> Array:
        """Return a binding's value, which must be of the type that is printed."""
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
        asked = (probe,) if isinstance(probe, str) else tuple(probe)
        wanted = self._probed(asked)
        sent, samples, count = read_inputs(self.artifact.inputs, inputs, ticks)
        before = self._before(state, samples, first_sample)
        given = self._drawn(draws or {}, samples, count)
        drawn = sum(_size(b) for _, b in self.graph.of(RANDOM)) * max(count, 1)
        step = max(1, min(self.together(count), ELEMENTS // max(1, drawn)))
        halt = Event()

        def some(start: int) -> Ran:
            cut = slice(start, min(start + step, samples))
            states = {f: a[cut] for f, a in before.held.items()}
            lanes = self.lanes(
                {n: a[cut] for n, a in sent.items()},
                State("", states, before.tick, before.first_sample + start),
                {i: a[cut] for i, a in given.items()},
                wanted,
            )
            return lanes.run(cut.stop - cut.start, count, halt)

        parts = self.each(some, range(0, max(samples, 1), step), halt)
        records = {n: np.concatenate([p[0][n] for p in parts]) for n in parts[0][0]}
        held = {f: np.concatenate([p[1][f] for p in parts]) for f in parts[0][1]}
        outputs = {p.name: made_output(p, records[f"out {p.name}"]) for p in self.artifact.outputs}
        trace = {name: records[name] for name in wanted}
        trace |= {n: outputs[n] for n in asked if n in outputs and n not in trace}
        after = State(self._owner, held, before.tick + count, before.first_sample)
        return Result(outputs, after, trace)

    def each(self, some: Callable[[int], Ran], starts: range, halt: Event) -> list[Ran]:
        """Return what samples from each start on give; soon after `halt` is set, runs give up."""
        return [some(start) for start in starts]

    def together(self, ticks: int) -> int:
        """Return how many samples run at a time."""
        return ELEMENTS // self.size

    def lanes(
        self,
        sent: Mapping[str, Array],
        before: State,
        draws: Mapping[int, Array],
        wanted: Mapping[str, int],
    ) -> "Lanes":
        """Return samples that are ready to run."""
        return Lanes(self, sent, before, draws, wanted)

    @property
    def _owner(self) -> str:
        shapes = [f"{self.flags[i]} {b.type}" for i, b in self.graph.of(LOAD)]
        return "; ".join([self.artifact.name, self.artifact.profile, *shapes])

    def _probed(self, probe: Iterable[str]) -> dict[str, int]:
        """Return the bindings to trace by name; ("all",) asks for those that have a name."""
        known = {name: index for index, name in self.artifact.names.items()}
        wanted = [probe] if isinstance(probe, str) else list(dict.fromkeys(probe))
        if wanted == ["all"]:
            return {name: index for name, index in known.items() if name != f"{index}{BINDING}"}
        found = {}
        returned = {p.name for p in self.artifact.outputs} - set(known)
        for name in wanted:
            if name in returned:
                continue
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
                image = self.constant(binding.args[0])
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


class Lanes:
    """Some samples at a time: the values of a step, the states, the records being filled.

    Arrays have an axis of rows in front: the samples, each with the steps of `part` together.
    """

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
        self.samples, self.part, self.halt = before.samples, slice(0, 0), Event()

    def run(self, samples: int, ticks: int, halt: Event) -> Ran:
        """Return what was recorded, by name, and the states after the last step.

        Raises:
            Halted: nobody waits for it any more.
        """
        program, self.samples, self.halt = self.program, samples, halt
        for index, binding in program.graph.of(RANDOM):
            if index not in self.draws:
                self.draws[index] = _stream(program, binding, self.before, samples, ticks)
        outputs = zip(program.artifact.outputs, program.outputs, strict=True)
        shown = {f"out {p.name}": r for p, r in outputs}
        rows: dict[str, list[Array]] = {name: [] for name in (*shown, *self.wanted)}
        longest = self.longest()
        for first in range(0, ticks, longest):
            self.part = slice(first, min(first + longest, ticks))
            check_halted(self.halt)
            self._receive()
            self.step()
            self._finish()
            for name, arg in shown.items():
                rows[name].append(self.train(self.value(arg)))
            for name, index in self.wanted.items():
                value = self.train(self.value(Node(index)))
                # A value of the program has no batch axis; with its steps inside, it has no other.
                lane = value.ndim > 2 and value.shape[2] == 1
                named = index in program.artifact.names and lane
                rows[name].append(
                    value.reshape(*value.shape[:2], *value.shape[3:]) if named else value
                )
        made = {n: np.concatenate(r, axis=1) if r else self._none(n) for n, r in rows.items()}
        return made, self.states

    def longest(self) -> int:
        """Return how many steps run together."""
        return 1

    @property
    def ticks(self) -> int:
        """Steps of the part that runs."""
        return self.part.stop - self.part.start

    def train(self, array: Array) -> Array:
        """Return `(samples, steps, *shape)` of a value, repeated where it is a constant."""
        rows = np.broadcast_to(array, (self.samples * self.ticks, *array.shape[1:]))
        return rows.reshape(self.samples, self.ticks, *array.shape[1:])

    def _none(self, name: str) -> Array:
        """Return the record of a run without ticks."""
        for port in self.program.artifact.outputs:
            if name == f"out {port.name}":
                from snnc.ir.types import parse_type

                return np.zeros((self.samples, 0, *parse_type(port.type).shape))
        return np.zeros((self.samples, 0))

    def _receive(self) -> None:
        """Take what the host sends, and what is drawn."""
        program = self.program
        self.data = {p.param: self._sent(p) for p in program.artifact.inputs if p.param}
        self.now = dict(program.constants)
        for index, _ in program.graph.of(RANDOM):
            drawn = self.draws[index][:, self.part]
            self.now[index] = drawn.reshape(-1, *drawn.shape[2:])

    def step(self) -> None:
        """Run the part: all loads, then every op, then all saves."""
        program = self.program
        for index, _ in program.graph.of(LOAD):
            self.now[index] = self.states[program.flags[index]]
        kept: dict[str, Array] = {}
        for index, binding, args, run in program.steps:
            made = run(*(self.value(arg) for arg in args))
            self.now[index] = program.checked(index, binding, made)
        for index, binding in program.graph.of(SAVE):
            self.now[index] = self.value(binding.args[0])
            kept[program.flags[index]] = self.now[index]
        self.states = {
            flag: np.broadcast_to(kept[flag], old.shape) for flag, old in self.states.items()
        }

    def _finish(self) -> None:
        """Name the value of the result."""
        program = self.program
        result = program.graph.result
        if result.op == TIE and len(program.outputs) == 1:
            self.now[len(program.graph.bindings) - 1] = self.value(result.args[0])

    def _sent(self, port: Port) -> Array:
        array = self.sent[port.name][:, self.part]
        return array.reshape(-1, *self.program.graph.params[port.param].shape)

    def value(self, arg: Arg) -> Array:
        """Return the value of an argument, a constant with one row."""
        if isinstance(arg, Node):
            return self.now[arg.index]
        if isinstance(arg, Var) and arg.name in self.data:
            kind = self.program.ports[arg.name].dtype
            self.data[arg.name] = self.data[arg.name].astype(kind, copy=False)
            return self.data[arg.name]
        found = self.program.constant(arg)
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
