"""NIRData: signals and events of nodes, as snnc and as the nir package write them."""

import h5py
import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.nir import read_data, save_data

RNG = np.random.default_rng(5)
SPIKES = (RNG.random((2, 7, 3)) < 0.5).astype(np.uint8)
VOLTAGES = RNG.normal(size=(2, 7, 3)).astype(np.float32)


def signal(**found):
    """One signal: datasets, and attributes by names with an underscore at the end."""

    def write(path, node="n", key="spikes"):
        with h5py.File(path, "w") as file:
            group = file.create_group(f"nodes/{node}/observables/{key}")
            for name, value in found.items():
                if name.endswith("_"):
                    group.attrs[name[:-1]] = value
                else:
                    group[name] = value
        return path

    return write


def events(**changed):
    usual = {
        "idx": np.array([[0, 2, -1], [1, 1, 1]]),
        "time": np.array([[0.0, 0.3, np.inf], [0.1, 0.6, 0.7 - 1e-9]]),
        "n_neurons_": 3,
        "t_max_": 0.8,
    }
    return signal(**{k: v for k, v in {**usual, **changed}.items() if v is not None})


def test_what_is_written_is_read_back(tmp_path):
    arrays = {"lif": SPIKES, "lif.v": VOLTAGES, "counts": SPIKES * np.int32(3), "x": VOLTAGES}
    save_data(arrays, tmp_path / "d.nir", dt=1e-3)
    found = read_data(tmp_path / "d.nir")
    assert 1e-3 == found.dt
    assert {"lif", "lif.v", "counts", "x.values"} == {*found.arrays}
    for name, array in arrays.items():
        again = found.arrays["x.values" if name == "x" else name]
        assert array.dtype == again.dtype
        assert (array == again).all()


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_data({"n": SPIKES}, tmp_path / name, dt=1.0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_axes_of_a_shape_become_one(tmp_path):
    save_data({"n": SPIKES.reshape(2, 7, 1, 3, 1)}, tmp_path / "d.nir", dt=1.0)
    assert (read_data(tmp_path / "d.nir").arrays["n"] == SPIKES).all()


def test_events_are_counted_in_their_ticks(tmp_path):
    found = read_data(events()(tmp_path / "d.nir"), dt=0.1).arrays["n"]
    wanted = np.zeros((2, 8, 3), int)
    wanted[0, 0, 0] = wanted[0, 3, 2] = wanted[1, 1, 1] = wanted[1, 6, 1] = wanted[1, 7, 1] = 1
    assert wanted.tolist() == found.tolist()


def test_events_of_one_tick_add_up(tmp_path):
    found = read_data(events()(tmp_path / "d.nir"), dt=0.4).arrays["n"]
    assert [1, 2] == found[1, :, 1].tolist()


def test_events_with_values_keep_them(tmp_path):
    path = events(value=np.array([[2.5, -1.0, 0.0], [1.0, 2.0, 3.0]]))(tmp_path / "d.nir")
    found = read_data(path, dt=0.1).arrays["n"]
    assert (2.5, -1.0, 3.0) == (found[0, 0, 0], found[0, 3, 2], found[1, 7, 1])


GRID = {"data": SPIKES.astype(bool), "dt_": 1e-3}
WRONG = {
    "no time step": (signal(data=SPIKES), {}, "nir-value"),
    "a time step that is text": (signal(data=SPIKES, dt_="soon"), {}, "nir-value"),
    "a time step of 0": (signal(data=SPIKES, dt_=0.0), {}, "nir-value"),
    "an array as time step": (signal(data=SPIKES, dt_=np.ones(4)), {}, "nir-value"),
    "another time step": (signal(**GRID), {"dt": 2e-3}, "nir-dt"),
    "a negative time step": (signal(**GRID), {"dt": -1.0}, "nir-dt"),
    "two axes": (signal(data=SPIKES[0], dt_=1.0), {}, "nir-shape"),
    "text": (signal(data="spikes", dt_=1.0), {}, "nir-dtype"),
    "neither data nor events": (signal(dt_=1.0), {}, "nir-field"),
    "no index": (events(idx=None), {"dt": 0.1}, "nir-field"),
    "events without a time step": (events(), {}, "nir-dt"),
    "a neuron that is not there": (events(n_neurons_=2), {"dt": 0.1}, "nir-value"),
    "a time after the end": (events(t_max_=0.5), {"dt": 0.1}, "nir-value"),
    "no whole number of ticks": (events(t_max_=0.85), {"dt": 0.1}, "nir-value"),
    "endless time": (events(t_max_=np.inf), {"dt": 0.1}, "nir-value"),
    "absurd time": (events(t_max_=1e12), {"dt": 0.1}, "nir-size"),
    "absurd neurons": (events(n_neurons_=2**40), {"dt": 0.1}, "nir-size"),
    "times of another shape": (events(time=np.zeros((2, 2))), {"dt": 0.1}, "nir-shape"),
    "NaN as time": (events(time=np.full((2, 3), np.nan)), {"dt": 0.1}, "nir-value"),
    "two values in a tick": (events(value=np.ones((2, 3))), {"dt": 0.4}, "nir-value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_signal_is_refused_by_name(case, tmp_path):
    write, options, code = WRONG[case]
    with pytest.raises(SnncError) as caught:
        read_data(write(tmp_path / "d.nir"), **options)
    assert code == caught.value.code


def test_a_file_without_nodes_is_refused(tmp_path):
    for path in ("other", "nodes/n/other", "nodes"):
        with h5py.File(tmp_path / "d.nir", "w") as file:
            file.create_group(path)
        with pytest.raises(SnncError) as caught:
            read_data(tmp_path / "d.nir")
        assert "nir-field" == caught.value.code


@pytest.mark.parametrize(
    ("arrays", "dt", "code"),
    [
        ({"n": SPIKES}, 0.0, "nir-dt"),
        ({"n": SPIKES[0, 0]}, 1.0, "nir-shape"),
        ({"a/b": SPIKES}, 1.0, "nir-unwritable"),
        ({"n": SPIKES.astype(str)}, 1.0, "nir-unwritable"),
    ],
)
def test_what_nirdata_cannot_hold_is_refused(arrays, dt, code, tmp_path):
    with pytest.raises(SnncError) as caught:
        save_data(arrays, tmp_path / "d.nir", dt=dt)
    assert code == caught.value.code
