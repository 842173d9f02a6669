"""Events as structured arrays, from rasters and back.

A raster counts events (ticks, features, y, x); an event has x, y, feature, layer (the core that it
goes to or comes from) and a timestamp in microseconds. Tick k is the time from k dt on.
"""

import numpy as np

from snnc.diagnostics import fail
from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Shape

EVENT = np.dtype(
    [("x", "u2"), ("y", "u2"), ("feature", "u2"), ("layer", "u1"), ("timestamp", "i8")]
)
"""Fields of an event; names are those of the vendor's Spike objects."""

TICK = 1000
"""Microseconds of a tick where nothing else is said (the vendor's default)."""


def raster_to_events(raster: Array, layer: int, dt: int = TICK) -> Array:
    """Return the events of counts (ticks, features, y, x) in the order of tick, feature, y and x.

    A count of n is n events; `dt` is the length of a tick in microseconds.

    Raises:
        SnncError: `input-range` for what is no count, `input-shape`, `event-time`.
    """
    array = np.asarray(raster)
    if array.ndim != 4:
        raise fail(
            "input-shape",
            f"a raster has axes (ticks, features, y, x), not {list(array.shape)}",
            help="give one sample",
        )
    if array.dtype.kind not in "biu" or (array.size and array.min() < 0):
        raise fail(
            "input-range",
            f"the raster ({array.dtype}) holds values that are no counts of events",
            help="give whole numbers from 0 on",
        )
    _check_tick(dt)
    places = np.argwhere(array > 0)
    rows = np.repeat(places, array[tuple(places.T)].astype(np.int64), axis=0)
    events = np.zeros(len(rows), dtype=EVENT)
    for name, column in zip(("feature", "y", "x"), rows[:, 1:].T, strict=True):
        events[name] = column
    events["layer"] = layer
    events["timestamp"] = rows[:, 0] * dt
    return events


def events_to_raster(events: Array, layer: int, shape: Shape, ticks: int, dt: int = TICK) -> Array:
    """Return the counts int64 (ticks, *shape) of a layer's events; shape is (features, y, x).

    Raises:
        SnncError: `event-order` where timestamps go back, `event-time` for one before 0 or after
            the last tick, `event-place` outside the map.
    """
    times = events["timestamp"].astype(np.int64)
    check_order(times, dt)
    if len(times) and times[-1] >= ticks * dt:
        raise fail(
            "event-time",
            f"timestamps from {times[0]} to {times[-1]} us leave {ticks} ticks of {dt} us",
            help="subtract the start of the recording, or allow more ticks",
        )
    mine = events[events["layer"] == layer]
    place = np.column_stack([mine[name] for name in ("feature", "y", "x")]).astype(np.int64)
    outside = np.flatnonzero((place >= np.array(shape)).any(axis=1))
    if len(outside):
        feature, y, x = place[outside[0]]
        raise fail(
            "event-place",
            f"an event of layer {layer} has feature {feature}, y {y}, x {x}, outside {list(shape)}",
            help="compare with the shape of the layer",
        )
    raster = np.zeros((ticks, *shape), dtype=np.int64)
    np.add.at(raster, (mine["timestamp"] // dt, *place.T), 1)
    return raster


def check_order(times: Array, dt: int) -> None:
    """Refuse timestamps that go back or begin before 0, and ticks without length.

    Raises:
        SnncError: `event-order`, `event-time`.
    """
    _check_tick(dt)
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        at = int(back[0]) + 1
        raise fail(
            "event-order",
            f"event {at} has timestamp {times[at]}, the one before it {times[at - 1]}",
            help="sort events by time; a counter that wrapped must be unrolled",
        )
    if len(times) and times[0] < 0:
        raise fail(
            "event-time",
            f"the first event has timestamp {times[0]} us",
            help="subtract the start of the recording: time begins at 0",
        )


def _check_tick(dt: int) -> None:
    if dt < 1:
        raise fail(
            "event-time",
            f"a tick of {dt} us has no length",
            help="give a whole number of microseconds from 1 on",
        )
