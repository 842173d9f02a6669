"""Runs events in and events out, in either semantics, as the host and the chip speak.

An event goes to a core (`layer`) or, with the number of the pixel block, to that. Event by event
their order is kept and an answer has the timestamp of its cause; in time steps all events of a
tick come together and answers have the time of the tick.
"""

from collections.abc import Mapping

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import fail
from snnc.ir.types import Type, parse_type
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Placed, Shape
from snnc.targets.dynapcnn.emulation.commands import STEP, from_stream, passing
from snnc.targets.dynapcnn.emulation.convolve import see
from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
from snnc.targets.dynapcnn.emulation.played import Activity, Played, Wanted, named
from snnc.targets.dynapcnn.emulation.timestep import Timestep
from snnc.targets.dynapcnn.emulation.trains import probed, read_trains
from snnc.targets.dynapcnn.limits import LIMITS
from snnc.targets.dynapcnn.ops import map_of
from snnc.targets.dynapcnn.recordings.event_files import made
from snnc.targets.dynapcnn.recordings.events import (
    EVENT,
    check_order,
    events_to_raster,
    raster_to_events,
)


@frozen(eq=False)
class Streamed:
    """Counts (1, ticks, *shape) by name, what was probed, what monitored cores said in order."""

    outputs: dict[str, Array]
    trace: dict[str, Array]
    events: Array
    activity: Activity


def maps(placed: Placed, types: dict[str, Type]) -> dict[int, Shape]:
    """Return the maps (features, height, width) that events may be sent to, by layer."""
    found = {core.core: core.input for core in placed.cores}
    if placed.pixels is not None:
        _, height, width = map_of(types[placed.pixels.input].shape)
        found[LIMITS.dvs_layer] = (LIMITS.dvs_polarities, height, width)
    return found


def addressed(placed: Placed, events: Array) -> Array:
    """Return events with a layer: where the file names none, those that the only input goes to.

    Raises:
        SnncError: `event-layer` where there are several inputs.
    """
    if "layer" in (events.dtype.names or ()):
        return events
    if len(placed.inputs) != 1:
        names = ", ".join(i.name for i in placed.inputs)
        raise fail(
            "event-layer",
            f"the events name no layer, and the network has inputs {names}",
            help="add a field `layer`: the number of the core that an event goes to",
        )
    columns = {name: events[name] for name in ("x", "y", "feature", "timestamp")}
    if placed.pixels is not None:
        return made(**columns, layer=np.full(len(events), LIMITS.dvs_layer))
    sent = placed.inputs[0].destinations
    repeated = {name: np.repeat(column, len(sent)) for name, column in columns.items()}
    repeated["feature"] = repeated["feature"] + np.tile([to.shift for to in sent], len(events))
    return made(**repeated, layer=np.tile([to.core for to in sent], len(events)))


def check_events(events: Array, known: dict[int, Shape], dt: int) -> None:
    """Refuse events out of order, before 0, to a layer that is none, or outside of its map.

    Raises:
        SnncError: `event-order`, `event-time`, `event-layer`, `event-place`.
    """
    check_order(events["timestamp"], dt)
    for layer in np.unique(events["layer"]).tolist():
        if layer not in known:
            raise fail(
                "event-layer",
                f"events go to layer {layer}, which takes none",
                help="layers are numbers of cores: " + ", ".join(map(str, sorted(known))),
            )
        mine = events[events["layer"] == layer]
        place = np.column_stack([mine[name] for name in ("feature", "y", "x")])
        outside = np.flatnonzero(((place < 0) | (place >= np.array(known[layer]))).any(axis=1))
        if len(outside):
            feature, y, x = place[outside[0]].tolist()
            raise fail(
                "event-place",
                f"an event to layer {layer} has feature {feature}, y {y}, x {x}, outside its map "
                f"{list(known[layer])}",
                help="cut or shift the recording to the input of the network",
            )


def run(
    program: Timestep | Eventwise,
    events: Array,
    dt: int,
    ticks: int | None = None,
    probe: tuple[str, ...] = (),
) -> Streamed:
    """Return what events cause; `dt` is the length of a tick in microseconds.

    `ticks` is by default as many as the last event needs.

    Raises:
        SnncError: what `check_events` finds, `unknown-probe`, `event-time` behind the last tick.
    """
    placed = program.placed
    probes = probed(placed, probe)
    sent = addressed(placed, events)
    check_events(sent, maps(placed, program.inputs), dt)
    last = int(sent["timestamp"][-1]) // dt + 1 if len(sent) else 0
    count = last if ticks is None else ticks
    if last > count:
        raise fail(
            "event-time",
            f"the last event is in tick {last - 1}, the run has {count} of {dt} us",
            help="allow more ticks, or cut the events",
        )
    step = sent["timestamp"] // dt
    wanted = Wanted.of(placed, probes)
    if isinstance(program, Eventwise):
        played, answers = _by_events(program, sent, step, count, wanted, dt)
    else:
        played, answers = _by_steps(program, sent, step, count, wanted, dt)
    outputs, traces = named(placed, played, probes)
    return Streamed(outputs, traces, answers, played.activity)


def _by_events(
    program: Eventwise, sent: Array, step: Array, count: int, wanted: Wanted, dt: int
) -> tuple[Played, Array]:
    placed = program.placed
    words, numbers = from_stream(placed, sent, step, count, LIMITS.dvs_layer)
    listen = frozenset(core.core for core in placed.cores if core.monitor)
    played, heard = program.chip().play(words, count, wanted, listen)
    cause = numbers[heard.causes]
    # A tick of the leak has no event; its time is that of its tick.
    ends = np.cumsum(words >> np.uint64(56) == STEP)
    times = np.where(cause >= 0, sent["timestamp"][np.maximum(cause, 0)] if len(sent) else 0, 0)
    times = np.where(cause >= 0, times, ends[heard.causes] * dt)
    answers = _events(heard.places[:, 1:], heard.places[:, 0], times)
    if placed.pixels is None:
        return played, answers
    mine = sent[sent["layer"] == LIMITS.dvs_layer]
    places = np.column_stack([mine[name] for name in ("feature", "y", "x")])
    kept, passed = passing(placed.pixels, places)
    said = _events(passed, LIMITS.dvs_layer, mine["timestamp"][kept])
    counts = {**played.counts, -1: _seen(program, sent, step, count)}
    whole = Played(counts, played.potentials, played.activity)
    return whole, _with_pixels(placed, said, answers)


def _events(places: Array, layer: Array | int, times: Array) -> Array:
    """Return events at places (feature, y, x)."""
    made = np.zeros(len(places), dtype=EVENT)
    for name, column in zip(("feature", "y", "x"), places.T, strict=True):
        made[name] = column
    made["layer"], made["timestamp"] = layer, times
    return made


def _by_steps(
    program: Timestep, sent: Array, step: Array, count: int, wanted: Wanted, dt: int
) -> tuple[Played, Array]:
    placed = program.placed
    reported = frozenset(core.core for core in placed.cores if core.monitor)
    given: dict[int, Array] = {}
    for core in placed.cores:
        mine = sent["layer"] == core.core
        if mine.any():
            given[core.core] = _counts(sent[mine], step[mine], count, core.input)
    seen = None
    if placed.pixels is not None:
        seen = _seen(program, sent, step, count)
        for to in placed.pixels.destinations:
            whole = given.setdefault(
                to.core, np.zeros((1, count, *placed.by_number[to.core].input), np.int64)
            )
            whole[:, :, to.shift : to.shift + seen.shape[2]] += seen
    played = program.play(given, seen, count, Wanted(wanted.counts | reported, wanted.potentials))
    parts = [np.zeros(0, EVENT)]
    parts += [raster_to_events(played.counts[n][0], n, dt) for n in sorted(reported)]
    answers = np.concatenate(parts)
    answers = answers[np.argsort(answers["timestamp"], kind="stable")]
    if seen is None:
        return played, answers
    return played, _with_pixels(placed, raster_to_events(seen[0], LIMITS.dvs_layer, dt), answers)


def _counts(events: Array, step: Array, count: int, shape: Shape) -> Array:
    whole = np.zeros((1, count, *shape), dtype=np.int64)
    np.add.at(whole[0], (step, events["feature"], events["y"], events["x"]), 1)
    return whole


def _seen(program: Timestep | Eventwise, sent: Array, step: Array, count: int) -> Array:
    """Return what the pixel block sends on, counts (1, ticks, f, y, x)."""
    pixels = program.placed.pixels
    assert pixels is not None
    mine = sent["layer"] == LIMITS.dvs_layer
    shape = maps(program.placed, program.inputs)[LIMITS.dvs_layer]
    return see(pixels, _counts(sent[mine], step[mine], count, shape))


def _with_pixels(placed: Placed, said: Array, answers: Array) -> Array:
    """Return answers in order of time with those of the pixel block, if it is monitored."""
    if placed.pixels is None or not placed.pixels.monitor:
        return answers
    both = np.concatenate([said, answers])
    return both[np.argsort(both["timestamp"], kind="stable")]


def encode_sample(placed: Placed, inputs: Mapping[str, Array], ticks: int | None, dt: int) -> Array:
    """Return the events to send for a batch of one sample (1, ticks, *shape).

    Raises:
        SnncError: `one-sample`, and what `read_trains` refuses.
    """
    types = {one.name: parse_type(one.type) for one in placed.inputs}
    trains, samples, _ = read_trains(types, inputs, ticks)
    if samples != 1:
        raise fail(
            "one-sample",
            f"the inputs hold {samples} samples; a chip runs one at a time",
            help="give one, as an array of one sample",
        )
    return encode(placed, types, {name: train[0] for name, train in trains.items()}, dt)


def encode(placed: Placed, types: dict[str, Type], trains: dict[str, Array], dt: int) -> Array:
    """Return the events to send for one sample: counts (ticks, *shape) by input.

    In a tick the inputs follow in their order, events in the order of feature, y and x; what goes
    to two cores is sent twice.
    """
    parts = [np.zeros(0, EVENT)]
    for one in placed.inputs:
        raster = trains[one.name].reshape(-1, *map_of(types[one.name].shape))
        if placed.pixels is not None and placed.pixels.input == one.name:
            parts.append(raster_to_events(raster, LIMITS.dvs_layer, dt))
            continue
        for to in one.destinations:
            events = raster_to_events(raster, to.core, dt)
            events["feature"] += to.shift
            parts.append(events)
    events = np.concatenate(parts)
    return events[np.argsort(events["timestamp"], kind="stable")]


def decode(placed: Placed, events: Array, ticks: int, dt: int) -> dict[str, Array]:
    """Return outputs (1, ticks, *shape) by name from what monitored cores said; only those seen.

    Raises:
        SnncError: what `events_to_raster` refuses.
    """
    placed = evolve(placed, outputs=tuple(o for o in placed.outputs if o.seen))
    counts = {}
    for number in sorted({core for o in placed.outputs for core in o.cores}):
        layer = LIMITS.dvs_layer if number == -1 else number
        shape = placed.pixels.output if number == -1 and placed.pixels else None
        shape = placed.by_number[number].output if shape is None else shape
        counts[number] = events_to_raster(events, layer, shape, ticks, dt)[None]
    return named(placed, Played(counts, {}), ())[0]
