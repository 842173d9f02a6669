"""Writes the fixtures of this folder with the `nir` package itself, whatever version is installed.

    pip install nir==1.0.8 && python make.py       # most producers, all primitives
    pip install nir==1.0.4 && python make.py       # sinabs' version
    pip install nir==0.2 && python make.py         # and 1.0.3, 1.0.6, 1.0.7

They are members of `fixtures.zip`, as HDF5 fills each with some 20 KB of zeros; those of the other
versions in it are kept.

The neurons of a producer are written as its exporter computes their fields: snnTorch 1.0, Norse
1.1, SpikingJelly 2.0, sinabs 3.1 and Rockpool 3.1, with the numbers of the tests.
"""

import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np

HERE = Path(__file__).parent
VERSION = nir.version


def one(value, dtype="f4", n=1):
    return np.full((n,), value, dtype=dtype)


def chain(*nodes, shape=(1,), out=(1,)):
    """A graph of nodes one after the other, named after their types."""
    named = {"input": nir.Input(input_type=np.array(shape))}
    for node in nodes:
        named[f"{type(node).__name__.lower()}{len(named)}"] = node
    named["output"] = nir.Output(output_type=np.array(out))
    names = list(named)
    return nir.NIRGraph(nodes=named, edges=list(pairwise(names)))


def snntorch():
    dt = 1e-4
    beta, alpha = one(0.5), one(0.5)
    tau, tau_syn = dt / (1 - beta), dt / (1 - alpha)
    reset = {"v_reset": np.zeros(1, "f4")}
    lif = nir.LIF(tau=tau, r=tau / dt, v_leak=one(0), v_threshold=one(1), **reset)
    yield "leaky", chain(lif)
    cuba = {"tau_syn": tau_syn, "tau_mem": tau, "r": tau / dt, "w_in": tau_syn / dt}
    yield "synaptic", chain(nir.CubaLIF(v_leak=one(0), v_threshold=one(1), **cuba, **reset))
    wide = {k: np.ones(2) * v for k, v in {"tau": dt / (1 - 0.9), "r": 1 / (1 - 0.9)}.items()}
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input(input_type=np.array([2])),
            "lif": nir.LIF(v_leak=np.zeros(2), v_threshold=np.ones(2), v_reset=np.zeros(2), **wide),
            "w_rec": nir.Affine(
                weight=np.array([[0.0, 1.0], [0.5, 0.0]], "f4"), bias=np.array([0.25, 0], "f4")
            ),
            "output": nir.Output(output_type=np.array([2])),
        },
        edges=[("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )
    nodes = {
        "input": nir.Input(input_type=np.array([3])),
        "fc": nir.Affine(
            weight=np.array([[1, 0, 0.5], [0, 1, 0.25]], "f4"), bias=np.zeros(2, "f4")
        ),
        "rleaky": inner,
        "output": nir.Output(output_type=np.array([2])),
    }
    edges = [("input", "fc"), ("fc", "rleaky"), ("rleaky", "output")]
    yield "rleaky", nir.NIRGraph(nodes=nodes, edges=edges)


def spikingjelly():
    dt, tau = 1e-4, 2.0

    def full(value):
        return np.full((1,), value)

    reset = {"v_threshold": full(1.0), "v_reset": full(0.0)}
    yield "if", chain(nir.IF(r=full(1.0 / dt), **reset))
    lif = {"tau": full(tau * dt), "v_leak": full(0.0), **reset}
    yield "lif", chain(nir.LIF(r=full(1.0), **lif))
    yield "lif_plain", chain(nir.LIF(r=full(tau), **lif))
    steps = dt / (1.0 - 0.5)
    cuba = {"tau_syn": full(steps), "tau_mem": full(dt / (1.0 - 0.75)), "w_in": full(steps / dt)}
    cuba["r"] = cuba["tau_mem"] / dt
    yield "cubalif", chain(nir.CubaLIF(v_leak=full(0.0), **cuba, **reset))


def norse():
    dt, inverse = 1e-3, 500.0
    tau = one(dt / inverse)
    lif = {"v_leak": one(0), "r": one(1)}
    yield "lifbox", chain(nir.LIF(tau=tau, v_threshold=one(1), **lif))
    yield "lifcell", chain(nir.CubaLIF(tau_mem=tau, tau_syn=tau, v_threshold=one(1), **lif))
    yield "li", chain(nir.LI(tau=tau, **lif))
    yield "iaf", chain(nir.IF(r=one(1), v_threshold=one(1)))


def sinabs():
    tau = one(-1 / np.log(0.5))
    yield (
        "iaf",
        chain(
            nir.SumPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0)),
            nir.IF(r=np.ones((1, 1, 1), "f4"), v_threshold=np.ones((1, 1, 1), "f4")),
            shape=(1, 2, 2),
            out=(1, 1, 1),
        ),
    )
    yield "lif", chain(nir.LIF(tau=tau, v_threshold=one(1), v_leak=one(0), r=one(1)))
    yield "expleak", chain(nir.LI(tau=tau, v_leak=one(0), r=one(1)))


def rockpool():
    dt, tau = np.float32(0.01), one(0.02)
    r = {"r": (tau * np.exp(-dt / tau) / dt).astype("f4"), "v_leak": one(0)}
    first = {"input_type": np.array([1, 10, 1])}
    nodes = {
        "liftorch": nir.CubaLIF(tau_mem=tau, tau_syn=tau, v_threshold=one(1), **r),
        "lifneurontorch": nir.LIF(tau=tau, v_threshold=one(1), **r),
        "expsyntorch": nir.LI(tau=tau, **r),
    }
    for name, node in nodes.items():
        graph = chain(node)
        graph.nodes["input"] = nir.Input(**first)
        yield name, graph


def convolution(size, space, **fields):
    rng = np.random.default_rng(len(size) + 7)
    kind = nir.Conv1d if len(size) == 3 else nir.Conv2d
    weight = rng.integers(-2, 3, size).astype("f4")
    bias = rng.integers(-1, 2, size[:1]).astype("f4")
    if VERSION != "0.2.0":
        fields = {"input_shape": space[0] if len(space) == 1 else np.array(space), **fields}
    return kind(weight=weight, bias=bias, **fields)


def spec():
    usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    two = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    yield "conv1d", chain(convolution((4, 3, 3), (8,), **usual), shape=(3, 8), out=(4, 6))
    cases = {
        "conv2d": ((4, 3, 3, 3), two, (3, 8, 8), (4, 6, 6)),
        "strided": ((4, 3, 3, 3), {**two, "stride": (2, 1)}, (3, 8, 8), (4, 3, 6)),
        "dilated": ((4, 3, 3, 3), {**two, "dilation": (2, 2)}, (3, 8, 8), (4, 4, 4)),
        "same": ((4, 3, 4, 4), {**two, "padding": "same"}, (3, 8, 8), (4, 8, 8)),
        "valid": ((4, 3, 3, 3), {**two, "padding": "valid"}, (3, 8, 8), (4, 6, 6)),
    }
    for name, (size, fields, shape, out) in cases.items():
        if VERSION != "0.2.0" or not isinstance(fields["padding"], str):
            yield name, chain(convolution(size, shape[1:], **fields), shape=shape, out=out)
    pools = {"kernel_size": np.array([2, 4]), "stride": np.array([2, 4])}
    for kind in (nir.SumPool2d, nir.AvgPool2d) if VERSION != "0.2.0" else ():
        pool = kind(padding=np.array([0, 0]), **pools)
        yield kind.__name__.lower(), chain(pool, shape=(2, 4, 8), out=(2, 2, 2))
    flat = nir.Flatten(input_type={"input": np.array([2, 3, 4])}, start_dim=0, end_dim=-1)
    yield "flatten", chain(flat, shape=(2, 3, 4), out=(24,))
    yield "delay", chain(nir.Delay(delay=np.array([1e-3, 3e-3])), shape=(2,), out=(2,))
    yield "threshold", chain(nir.Threshold(threshold=np.array([0.5, 1.5])), shape=(2,), out=(2,))
    yield "scale", chain(nir.Scale(scale=np.array([0.5, -2.0], "f4")), shape=(2,), out=(2,))
    weight = np.arange(6, dtype="f4").reshape(2, 3) - 2
    yield "linear", chain(nir.Linear(weight=weight), shape=(3,), out=(2,))
    yield (
        "affine",
        chain(nir.Affine(weight=weight, bias=np.array([1, -1], "f4")), shape=(3,), out=(2,)),
    )
    yield "i", chain(nir.I(r=np.array([100.0])))
    both = {"tau": one(2e-3, "f8"), "r": one(1.0, "f8"), "v_leak": one(0.5, "f8")}
    yield "li", chain(nir.LI(**both))
    fires = {"v_threshold": one(1.0, "f8")}
    if VERSION >= "1.0.6":
        fires["v_reset"] = one(0.25, "f8")
    if VERSION == "1.0.8":
        cuba = {k: v for k, v in both.items() if k != "tau"}
        cuba |= {"tau_syn": one(2e-3, "f8"), "tau_mem": one(4e-3, "f8"), "w_in": 2.0}
        yield "cubali", chain(nir.CubaLI(**cuba))
        yield "cubalif", chain(nir.CubaLIF(**cuba, **fires))
    yield "if", chain(nir.IF(r=np.array([1000.0]), **fires))
    yield "lif", chain(nir.LIF(**both, **fires))


PRODUCERS = {
    "0.2.0": [spec],
    "1.0.3": [spec],
    "1.0.6": [spec],
    "1.0.7": [spec],
    "1.0.4": [sinabs, spec],
    "1.0.8": [snntorch, spikingjelly, norse, rockpool, spec],
}
ONLY_OLD = ("conv2d", "same", "sumpool2d", "flatten", "if", "lif", "affine")


def main():
    archive = HERE / "fixtures.zip"
    members = {}
    if archive.exists():
        with zipfile.ZipFile(archive) as old:
            kept = [n for n in old.namelist() if not n.endswith(f"_{VERSION}.nir")]
            members = {name: old.read(name) for name in kept}
    with tempfile.TemporaryDirectory() as folder:
        add(Path(folder), members)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in sorted(members):
            new.writestr(zipfile.ZipInfo(name), members[name], zipfile.ZIP_DEFLATED)


def add(folder, members):
    for producer in PRODUCERS[VERSION]:
        for name, graph in producer():
            if VERSION == "1.0.8" or producer is not spec or name in ONLY_OLD:
                file = folder / "graph.nir"
                nir.write(file, graph)
                members[f"{producer.__name__}_{name}_{VERSION}.nir"] = file.read_bytes()


if __name__ == "__main__":
    main()
