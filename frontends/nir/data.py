"""NIRData: what the nodes of a NIR graph gave, read from a file as arrays by value, and written.

The contract: a signal on a grid of time is `(samples, ticks, neurons)` as it stands; events become
the number of them (or their value) in each tick, every one of them, or the file is refused. A
node's `spikes` have its name, its `voltages` that name and `.v`, as in traces; what else is
observed has the observable's name behind the node's.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Location, fail, named
from snnc.frontends.nir.reading import loaded
from snnc.frontends.nir.storage import LARGEST, Leaf, Tree, load_h5py, open_tree
from snnc.ir.files import write_atomically
from snnc.ir.weights import Array

NEAR = 1e-6
"""Part of a tick by which the time of an event may lie before the tick that it means: times are
products of ticks and dt, which float64 rounds."""

NUMBERS = ("dt", "n_neurons", "t_max")
"""The attributes that say something; which class a group is follows from its members."""


@frozen
class Data:
    """Signals by value name, each (samples, ticks, neurons), and the time step of their ticks."""

    arrays: Mapping[str, Array]
    dt: float


def read_data(path: Path | str, dt: float | None = None) -> Data:
    """Return the signals of a file that `nir.write_data` or `save_data` wrote.

    Args:
        path: the file.
        dt: the time step, which a file of events does not say; one on a grid must agree.

    Raises:
        SnncError: `missing-package`, `nir-unreadable`, `nir-link`, `nir-size`, `nir-dtype`,
            `nir-field`, `nir-shape`, `nir-value`, `nir-dt`.
    """
    path = Path(path)
    with open_tree(path, NUMBERS) as tree:
        nodes = _group(tree, "nodes", path.name, Location(file=str(path)))
        read = _Reading(dt)
        read.graph(loaded(nodes), "")
    if not read.arrays or read.dt is None:
        raise fail("nir-field", f"{path.name} holds no signals", Location(file=str(path)))
    return Data(read.arrays, read.dt)


def _group(tree: Tree, key: str, what: str, where: Location) -> Tree:
    found = tree.get(key)
    if not isinstance(found, Mapping):
        raise fail(
            "nir-field", f"{what} has no group {key!r}", where, help="write it with nir.write_data"
        )
    return found


class _Reading:
    """Collects signals, and the time step on which they agree."""

    def __init__(self, dt: float | None) -> None:
        self.dt, self.arrays = dt, dict[str, Array]()
        if dt is not None and not dt > 0:
            raise fail("nir-dt", f"dt = {dt} must be positive", help="for example dt=1e-3")

    def graph(self, nodes: Tree, prefix: str) -> None:
        for name, node in nodes.items():
            where = named(f"{prefix}{name}")
            if not isinstance(node, Mapping):
                raise fail("nir-field", f"{where} is a dataset, not a node", where)
            if "nodes" in node:
                self.graph(_group(node, "nodes", str(where), where), f"{prefix}{name}.")
                continue
            for key, signal in _group(node, "observables", str(where), where).items():
                value = {"spikes": "", "voltages": ".v"}.get(key, f".{key}")
                if not isinstance(signal, Mapping):
                    raise fail("nir-field", f"{where}: {key} is a dataset, not a signal", where)
                self.arrays[f"{where}{value}"] = self.signal(signal, named(f"{where}.{key}"))

    def signal(self, group: Tree, where: Location) -> Array:
        """Return one signal as (samples, ticks, neurons)."""
        if "data" not in group:
            return self.events(group, where)
        data, dt = _numbers(group, "data", where), _number(group, "dt", where)
        if data.ndim != 3:
            raise fail("nir-shape", f"{where}: data {list(data.shape)} has not 3 axes", where)
        if self.dt is not None and abs(dt - self.dt) > NEAR * self.dt:
            raise fail(
                "nir-dt",
                f"{where} has dt = {dt!r}, not {self.dt!r}",
                where,
                help="all signals of a file are read with one time step",
            )
        self.dt = self.dt or dt
        return data.astype(np.uint8) if data.dtype == bool else data

    def events(self, group: Tree, where: Location) -> Array:
        """Return events as counts, or as the values that they carry."""
        index, time = _numbers(group, "idx", where), _numbers(group, "time", where)
        value = _numbers(group, "value", where) if "value" in group else None
        arrays = [index, time] if value is None else [index, time, value]
        if index.ndim != 2 or len({a.shape for a in arrays}) > 1:
            shapes = ", ".join(str(list(a.shape)) for a in arrays)
            raise fail("nir-shape", f"{where}: events of shapes {shapes} do not match", where)
        if self.dt is None:
            raise fail(
                "nir-dt",
                f"{where} holds events, whose file says no time step",
                where,
                help="give it, for example dt=1e-3",
            )
        neurons, ticks = self._extent(group, len(index), where)
        there = index >= 0
        tick = np.floor(np.where(there, time, 0.0) / self.dt + NEAR)
        wrong = there & ~((index < neurons) & (tick >= 0) & (tick < ticks))
        if wrong.any() or (index != np.round(index)).any():
            raise fail(
                "nir-value",
                f"{where}: {int(wrong.sum())} of {int(there.sum())} events lie outside {neurons} "
                f"neurons and {ticks} ticks",
                where,
                help="another dt, or the file is damaged",
            )
        places = (np.nonzero(there)[0], tick[there].astype(np.int64), index[there].astype(np.int64))
        counts = np.zeros((len(index), ticks, neurons), np.int32)
        np.add.at(counts, places, 1)
        if value is None:
            return counts
        if counts.max(initial=0) > 1:
            raise fail(
                "nir-value",
                f"{where}: two events of one neuron fall into one tick, and each has a value",
                where,
                help="give a smaller dt",
            )
        found = np.zeros(counts.shape, value.dtype)
        found[places] = value[there]
        return found

    def _extent(self, group: Tree, samples: int, where: Location) -> tuple[int, int]:
        """Return the neurons and ticks of events."""
        neurons, end = _number(group, "n_neurons", where), _number(group, "t_max", where)
        assert self.dt is not None
        ticks = np.round(end / self.dt)
        if not abs(end / self.dt - ticks) <= NEAR * max(ticks, 1) or neurons != round(neurons):
            raise fail(
                "nir-value",
                f"{where}: {end!r} is no whole number of ticks of {self.dt!r}, or {neurons!r} "
                "none of neurons",
                where,
                help="give the time step of the recording",
            )
        if not 0 < samples * ticks * neurons <= LARGEST:
            raise fail(
                "nir-size",
                f"{where} stands for {samples} samples of {ticks:.0f} ticks and {neurons:.0f} "
                "neurons",
                where,
                help="the file is damaged, or dt is far too small",
            )
        return int(neurons), int(ticks)


def _numbers(group: Tree, key: str, where: Location) -> Array:
    leaf = group.get(key)
    if not isinstance(leaf, Leaf):
        raise fail("nir-field", f"{where} has no {key}", where, help="write it with nir.write_data")
    return leaf.numbers()


def _number(group: Tree, key: str, where: Location) -> float:
    leaf = group.get(f"@{key}")
    value = float(leaf.numbers()) if isinstance(leaf, Leaf) else np.nan
    if not np.isfinite(value) or value <= 0:
        raise fail("nir-value", f"{where}: {key} = {value} is not a positive number", where)
    return value


def save_data(arrays: Mapping[str, Any], path: Path | str, dt: float) -> None:
    """Write arrays by value name, `(samples, ticks, *shape)`, as signals on a grid of time.

    Integers are `spikes`, those of 0 and 1 in uint8 as truth values; `NAME.v` are the `voltages` of
    a node, other real numbers its `values`. The axes of a shape become one, as NIRData has it.

    Raises:
        SnncError: `nir-dt`, `nir-shape`, `nir-unwritable`, `missing-package`, `output-unwritable`.
    """
    if not dt > 0:
        raise fail("nir-dt", f"dt = {dt} must be positive", help="for example dt=1e-3")
    h5py = load_h5py()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["__type__"] = "NIRGraphData"
        nodes = file.create_group("nodes")
        for name in arrays:
            _save_signal(nodes, name, np.asarray(arrays[name]), dt)
    write_atomically(Path(path), buffer.getvalue())


def _save_signal(nodes: Any, name: str, array: Array, dt: float) -> None:
    if array.ndim < 2 or not array.size:
        raise fail(
            "nir-shape",
            f"{name} {list(array.shape)} is not (samples, ticks, ...)",
            help="signals have an axis of samples and one of ticks",
        )
    if "/" in name or not name or array.dtype.kind not in "biuf":
        raise fail(
            "nir-unwritable",
            f"NIRData has no place for {name!r} of {array.dtype}",
            help="give arrays of numbers by names without '/'",
        )
    node, key = (name[:-2], "voltages") if name.endswith(".v") else (name, "spikes")
    if key == "spikes" and array.dtype.kind == "f":
        key = "values"
    if array.dtype == np.uint8 and array.max() <= 1:
        array = array.astype(bool)
    group = nodes.require_group(node)
    group.attrs["__type__"] = "NIRNodeData"
    signal = group.require_group("observables").create_group(key)
    signal.attrs["__type__"] = "TimeGriddedData"
    signal.attrs["dt"] = dt
    data = array.reshape(*array.shape[:2], -1)
    signal.create_dataset("data", data=data, compression="gzip")
