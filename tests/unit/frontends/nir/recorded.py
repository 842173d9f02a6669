"""What the frameworks gave, read from the archive that `exported` writes, and its comparison."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from attrs import field, frozen

from snnc.runtime.reference import Reference

SAMPLES, TICKS = 8, 40

ARCHIVE = Path(__file__).parent / "data" / "exports.zip"


def names():
    with zipfile.ZipFile(ARCHIVE) as archive:
        return [name[:-4] for name in archive.namelist() if name.endswith(".nir")]


@frozen(eq=False)
class Recorded:
    """One network: its file, who wrote it, the input, and what the neuron layers gave there."""

    path: Path
    producer: str
    layer: str
    options: dict[str, Any]
    version: str
    nir: str
    x: np.ndarray = field(repr=False)
    layers: dict[str, np.ndarray] = field(repr=False)


def recorded(name, folder):
    """Return one network of the archive; its file is put into a folder."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        path = Path(folder) / f"{name}.nir"
        path.write_bytes(archive.read(f"{name}.nir"))
        data = np.load(io.BytesIO(archive.read(f"{name}.npz")))
    layers = {k.partition(":")[2]: data[k] for k in data.files if k.startswith("layer:")}
    return Recorded(path, x=data["x"], layers=layers, **json.loads(str(data["about"])))


@frozen
class Agreement:
    """How many spikes layers gave, how many values of theirs differ, the worst of potentials."""

    spikes: int
    differing: int
    potential: float | None

    def __str__(self):
        said = [f"{self.spikes} spikes, {self.differing} differ"] if self.spikes else []
        if self.potential is not None:
            exact = "bit for bit" if self.potential == 0 else "to float32 rounding"
            said.append(f"potential {exact}")
        return "; ".join(said)


def compare(module, x, layers):
    """Compare every layer with the values of a module's nodes of the same names.

    Each spiking layer must spike, and each potential lie within float32's rounding of sums.
    """
    name = module.graph.inputs[0].name
    shape = (*x.shape[:2], *module.graph.inputs[0].type.shape)
    inputs = {name: x.reshape(shape).astype(module.graph.inputs[0].type.element.storage)}
    trace = Reference().prepare(module).run(inputs, probe=tuple(layers)).trace
    spikes, differing, potential = 0, 0, None
    for key, wanted in layers.items():
        found = trace[key].reshape(wanted.shape)
        if found.dtype.kind == "f":
            error = np.abs(found - wanted).max() / np.abs(wanted).max()
            assert error < 1e-5
            potential = max(potential or 0.0, float(error))
        else:
            assert wanted.any()
            spikes += int(wanted.sum())
            differing += int((found != wanted).sum())
    return Agreement(spikes, differing, potential)
