"""The calls by which the vendor's runtime drives a graph, as a simulation with streams and events.

Two streams work at once, each in its order: one sends, one receives; the model takes what was sent
in order, whenever it comes to it. So a reset, which acts at once, must wait until the last output
of the sample before has been received: that is what the event is for. Waits count records.

    sending    memcpy  [wait]  reset  send  send ...          per sample: T sends, one per step
    receiving  recv  recv ...  record  callback
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from attrs import define, field, frozen

from snnc.diagnostics import fail
from snnc.ir.weights import Array
from snnc.targets.lynxi.emulate import Emulator, State

BUFFERS = 3
"""Buffers that rotate; a sample waits for one that is free."""


@frozen
class Call:
    """One call of the runtime: its stream, its name there, the turn (batch) and the step."""

    stream: str
    name: str
    turn: int
    step: int = 0


def sequence(
    turns: int, ticks: int, reset: str = "sample", wait: bool = True
) -> dict[str, list[Call]]:
    """Return the calls of both streams for some turns; a turn is one batch of samples.

    With `reset` = keep, states go on from turn to turn. Without `wait` the event is not waited
    for, as a driver would have it that forgets it.

    Raises:
        SnncError: `device-calls`.
    """
    if reset not in ("sample", "keep") or turns < 1 or ticks < 1:
        raise fail(
            "device-calls",
            f"reset = {reset!r}, {turns} turns of {ticks} steps",
            help="reset is sample or keep; give at least one turn and one step",
        )
    sending: list[Call] = []
    receiving: list[Call] = []
    for turn in range(turns):
        sending.append(Call("s", "lyn_memcpy_async", turn))
        if reset == "sample":
            if turn and wait:
                sending.append(Call("s", "lyn_stream_wait_event", turn))
            sending.append(Call("s", "lyn_model_reset_async", turn))
        for step in range(ticks):
            sending.append(Call("s", "lyn_model_send_input_async", turn, step))
            receiving.append(Call("r", "lyn_model_recv_output_async", turn, step))
        receiving.append(Call("r", "lyn_record_event", turn, ticks - 1))
        receiving.append(Call("r", "lyn_stream_add_callback", turn, ticks - 1))
    return {"s": sending, "r": receiving}


@define
class _Device:
    """The model with its queues, states and the number of records of the event."""

    program: Emulator
    lanes: int
    waiting: deque[Mapping[str, Array]] = field(factory=deque)
    ready: deque[Mapping[str, Array]] = field(factory=deque)
    state: State | None = None
    records: int = 0
    buffers: int = BUFFERS

    def work(self) -> None:
        """Compute one step of what was sent first."""
        inputs = self.waiting.popleft()
        ran = self.program.run(inputs, ticks=1, state=self.state)
        self.state = ran.state
        self.ready.append(ran.outputs)


Choose = Callable[[Sequence[str]], str]
"""Which of the actors that can go on does so: `s`, `r`, or `m`, the model."""


def drive(
    program: Emulator,
    inputs: Mapping[str, Array],
    ticks: int,
    choose: Choose = lambda actors: actors[0],
    reset: str = "sample",
    wait: bool = True,
) -> tuple[dict[str, Array], list[Call]]:
    """Return outputs `(samples, ticks, *shape)` of samples driven in batches, and the calls made.

    Samples go in turns of the build's batch; the last turn is filled up with zeros, which are
    dropped again. `choose` decides who works next; with the event, it changes no number.

    Raises:
        SnncError: `device-calls` where nobody can go on; what the emulator refuses.
    """
    lanes = program.artifact.batch
    turns = list(_turns(inputs, lanes))
    streams = {k: deque(v) for k, v in sequence(len(turns), ticks, reset, wait).items()}
    device, log = _Device(program, lanes), list[Call]()
    rows: list[list[Mapping[str, Array]]] = [[] for _ in turns]
    while streams["s"] or streams["r"]:
        actors = [name for name in ("s", "r", "m") if _can(name, streams, device)]
        if not actors:
            stuck = ", ".join(c[0].name for c in streams.values() if c)
            text = f"nobody can go on; next are {stuck}"
            raise fail("device-calls", text, help="the order of the calls waits for itself")
        actor = choose(actors)
        if actor == "m":
            device.work()
            continue
        call = streams[actor].popleft()
        log.append(call)
        _act(call, device, turns, rows)
    samples = len(next(iter(inputs.values())))
    names = rows[0][0]
    return {
        name: np.concatenate([np.concatenate([r[name] for r in row], axis=1) for row in rows])[
            :samples
        ]
        for name in names
    }, log


def _turns(inputs: Mapping[str, Array], lanes: int) -> Iterator[dict[str, Array]]:
    """Yield batches of inputs; the last one is filled up with zeros."""
    samples = len(next(iter(inputs.values())))
    for start in range(0, samples, lanes):
        cut = {name: array[start : start + lanes] for name, array in inputs.items()}
        missing = lanes - len(next(iter(cut.values())))
        yield {
            name: np.concatenate([a, np.zeros((missing, *a.shape[1:]), dtype=a.dtype)])
            for name, a in cut.items()
        }


def _can(actor: str, streams: Mapping[str, deque[Call]], device: _Device) -> bool:
    """Whether an actor can go on now."""
    if actor == "m":
        return bool(device.waiting)
    if not streams[actor]:
        return False
    call = streams[actor][0]
    if call.name == "lyn_stream_wait_event":
        return device.records >= call.turn
    if call.name == "lyn_memcpy_async":
        return device.buffers > 0
    return call.name != "lyn_model_recv_output_async" or bool(device.ready)


def _act(
    call: Call,
    device: _Device,
    turns: Sequence[Mapping[str, Array]],
    rows: list[list[Mapping[str, Array]]],
) -> None:
    if call.name == "lyn_model_reset_async":
        device.state = None
    elif call.name == "lyn_memcpy_async":
        device.buffers -= 1
    elif call.name == "lyn_model_send_input_async":
        given = turns[call.turn]
        device.waiting.append({n: a[:, call.step : call.step + 1] for n, a in given.items()})
    elif call.name == "lyn_model_recv_output_async":
        rows[call.turn].append(device.ready.popleft())
    elif call.name == "lyn_record_event":
        device.records += 1
    elif call.name == "lyn_stream_add_callback":
        device.buffers += 1
