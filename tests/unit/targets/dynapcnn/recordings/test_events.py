"""Events and rasters: there and back, and what is refused."""

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.targets.dynapcnn.recordings.events import EVENT, events_to_raster, raster_to_events


def test_a_raster_comes_back() -> None:
    raster = np.random.Generator(np.random.PCG64(5)).integers(0, 3, (7, 2, 4, 5))
    events = raster_to_events(raster, 3, dt=250)
    assert int(raster.sum()) == len(events)
    assert {3} == set(events["layer"].tolist())
    assert (np.diff(events["timestamp"]) >= 0).all()
    assert np.array_equal(raster, events_to_raster(events, 3, (2, 4, 5), 7, dt=250))
    assert 0 == events_to_raster(events, 2, (2, 4, 5), 7, dt=250).sum()


def test_no_events_are_an_empty_raster() -> None:
    events = raster_to_events(np.zeros((2, 1, 1, 1), np.uint8), 0)
    assert np.array_equal(np.zeros((2, 1, 1, 1)), events_to_raster(events, 0, (1, 1, 1), 2))


def refused(events: list[tuple[int, ...]], dt: int = 10) -> str:
    with pytest.raises(SnncError) as error:
        events_to_raster(np.array(events, dtype=EVENT), 0, (1, 4, 4), 2, dt)
    return error.value.code


def test_events_that_are_wrong_are_refused() -> None:
    assert "event-order" == refused([(0, 0, 0, 0, 5), (0, 0, 0, 0, 4)])
    assert "event-time" == refused([(0, 0, 0, 0, -1)])
    assert "event-time" == refused([(0, 0, 0, 0, 20)])
    assert "event-time" == refused([], dt=0)
    assert "event-place" == refused([(4, 0, 0, 0, 5)])


def test_rasters_that_are_wrong_are_refused() -> None:
    for raster, code in ((np.full((1, 1, 1, 1), -1), "input-range"), (np.zeros(3), "input-shape")):
        with pytest.raises(SnncError) as error:
            raster_to_events(raster, 0)
        assert code == error.value.code
