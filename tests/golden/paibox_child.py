"""Runs where PAIBox is installed: builds networks, simulates them, writes objects as plain data.

`python paibox_child.py OUT CASE...`: a case is a golden folder, `zoo:NAME`, a network written here,
or `random:SEED`, of `paibox_random.py`, `spiking:SEED` or `graded:SEED`, of `paibox_wild.py`, or
`table:ENTRY.DRAW`, of `paibox_table.py`. For each, OUT gets `NAME.json` and `NAME.npz` with the
objects' class paths and attributes; for all but golden folders also input trains and what PAIBox's
simulation shows. Needs numpy and PAIBox only.
"""

import json
import sys
import warnings
from enum import Enum
from pathlib import Path

import numpy as np
import paibox as pb
import paibox_random
import paibox_table
import paibox_table_bytes  # noqa: F401 (adds entries)
import paibox_table_mixed  # noqa: F401 (adds entries)
import paibox_wild

SHOWN = (
    "name",
    "shape_out",
    "delay_relative",
    "tick_wait_start",
    "tick_wait_end",
    "unrolling_factor",
    "source",
    "target",
)
HIDDEN = ("_memories", "_memories_rv", "_func_input", "_num_input", "master_nodes", "rng")


class Freezer:
    """Turns objects into JSON, each once; arrays go into a table."""

    def __init__(self):
        self.objects, self.arrays, self.numbers = [], {}, {}

    def value(self, given):
        if isinstance(given, Enum):
            return {"enum": [given.name, given.value]}
        if isinstance(given, (np.ndarray, np.generic)):
            key = f"a{len(self.arrays)}"
            self.arrays[key] = np.asarray(given)
            return {"array": key}
        if isinstance(given, (list, tuple, set)):
            return {"list": [self.value(v) for v in given]}
        if isinstance(given, dict):
            return {"dict": [[str(k), self.value(v)] for k, v in given.items()]}
        if given is None or isinstance(given, (bool, int, float, str)):
            return given
        return {"ref": self.object(given)} if hasattr(given, "__dict__") else str(given)

    def object(self, given):
        if id(given) not in self.numbers:
            number = self.numbers[id(given)] = len(self.objects)
            self.objects.append(None)
            names = [k for k in vars(given) if k not in HIDDEN]
            found = {k: self.value(vars(given)[k]) for k in names}
            if any(c.__module__.startswith("paibox.") for c in type(given).__mro__):
                for name in SHOWN:
                    try:
                        found[name] = self.value(getattr(given, name))
                    except (AttributeError, NotImplementedError):
                        continue
            mro = [f"{c.__module__}.{c.__qualname__}" for c in type(given).__mro__]
            self.objects[number] = {"class": mro, "attrs": found}
        return self.numbers[id(given)]


def given_args(args, arrays):
    found = {k: arrays[v["array"]] if isinstance(v, dict) else v for k, v in args.items()}
    return {k: getattr(Words, v, v) if isinstance(v, str) else v for k, v in found.items()}


class Words:
    """Enumerations by the names that descriptions use."""


def load_words():
    from paicorelib import LCM, LDM, LIM, NTM, RM

    for kind in (RM, NTM, LDM, LCM, LIM):
        for word in kind:
            setattr(Words, word.name, word)


def network(folder):
    net = json.loads((folder / "net.json").read_text())
    with np.load(folder / "arrays.npz") as archive:
        arrays = {k: archive[k] for k in archive.files}
    top = pb.Network()
    made = {}
    for node in net["nodes"]:
        name, kind = node["id"], node["kind"]
        args = given_args(node.get("args", {}), arrays)
        if kind == "input":
            made[name] = pb.InputProj(None, shape_out=tuple(node["shape"]))
        elif kind == "module":
            operands = [made[o] for o in node["operands"]]
            made[name] = getattr(pb, node["type"])(*operands, **args)
        else:
            made[name] = neuron_class(node["type"])(tuple(node["shape"]), **args)
        setattr(top, name, made[name])
    for edge in net["edges"]:
        setattr(top, edge["id"], synapse(edge, made, arrays))
    return top


def neuron_class(name):
    if hasattr(pb, name):
        return getattr(pb, name)
    from paibox.components.neuron import base, neurons

    return getattr(neurons, name, None) or getattr(base, name)


def synapse(edge, made, arrays):
    args = given_args(edge.get("args", {}), arrays)
    if "lut_array" in args:
        args["lut"] = arrays[args.pop("lut_array")]
    if "conn_type" in args:
        args["conn_type"] = getattr(pb.SynConnType, edge["args"]["conn_type"])
    given = edge.get("weights", 1)
    weights = arrays[given["array"]] if isinstance(given, dict) else given
    ends = made[edge["src"]], made[edge["dst"]]
    return getattr(pb, edge["type"])(*ends, weights, **args)


class Zoo:
    """Networks with what the golden cases lack; every input is called `i` or `j`."""

    def logic(self, n):
        n.i, n.j = (pb.InputProj(None, shape_out=(6,)) for _ in "ij")
        n.a, n.b = pb.IF(6, 1, 0), pb.IF(6, 1, 0)
        n.sa = pb.FullConn(n.i, n.a, 1, conn_type=pb.SynConnType.One2One)
        n.sb = pb.FullConn(n.j, n.b, 1, conn_type=pb.SynConnType.Identity)
        n.x = pb.BitwiseXOR(n.a, n.b, tick_wait_start=2, delay=2)
        n.o = pb.BitwiseOR(n.a, n.b, tick_wait_start=2)
        n.m = pb.BitwiseAND(n.x, n.o, tick_wait_start=5)
        n.add = pb.SpikingAdd(n.a, n.b, 2, 3, pos_thres=4, reset_v=1, tick_wait_start=2)
        n.sub = pb.SpikingSub(n.a, n.b, tick_wait_start=2, tick_wait_end=9)

    def pools(self, n):
        n.i = pb.InputProj(None, shape_out=(2, 6, 6))
        n.a = pb.IF((2, 6, 6), 1, 0)
        n.s = pb.FullConn(n.i, n.a, 1, conn_type=pb.SynConnType.One2One)
        n.p = pb.SpikingAvgPool2d(n.a, 3, padding=1, tick_wait_start=2)
        n.q = pb.SpikingAvgPool2dWithV(n.a, 3, stride=1, padding=1, tick_wait_start=2)
        n.r = pb.SpikingMaxPool2d(n.a, 2, stride=1, tick_wait_start=2, delay=3)
        n.t = pb.SpikingAvgPool2d(n.a, (2, 3), threshold=2, tick_wait_start=2)

    def pools1d(self, n):
        n.i = pb.InputProj(None, shape_out=(2, 9))
        n.a = pb.IF((2, 9), 1, 0)
        n.s = pb.FullConn(n.i, n.a, 1, conn_type=pb.SynConnType.One2One)
        n.p = pb.SpikingAvgPool1dWithV(n.a, 3, tick_wait_start=2)
        n.q = pb.SpikingAvgPool1d(n.a, 2, stride=1, tick_wait_start=2)
        n.r = pb.SpikingMaxPool1d(n.a, 3, tick_wait_start=2)

    def synapses(self, n):
        rng = np.random.default_rng(5)
        n.i = pb.InputProj(None, shape_out=(4, 8))
        n.j = pb.InputProj(None, shape_out=(2, 5, 5))

        def w(*shape):
            return rng.integers(-4, 6, shape).astype(np.int8)

        n.a = pb.LIF((4, 3), 5, leak_v=-1, bias=w(4))
        n.sa = pb.MatMul2d(n.i, n.a, w(8, 3))
        n.b = pb.IF((8, 3), 5)
        n.sb = pb.MatMul2d(n.i, n.b, w(4, 3))
        n.c = pb.IF((3, 10), 4, 1, neg_threshold=-6)
        n.sc = pb.ConvTranspose1d(n.i, n.c, w(3, 4, 3))
        n.d = pb.IF((3, 10, 10), 6)
        n.sd = pb.ConvTranspose2d(n.j, n.d, w(3, 2, 3, 3), stride=2, padding=1, output_padding=1)
        n.e = pb.IF((4, 3, 3), 5)
        n.se = pb.Conv2d(n.j, n.e, w(4, 1, 3, 3), groups=2)
        n.f = pb.IF((3, 5, 5), 5)
        n.sf = pb.Conv2d(n.j, n.f, w(2, 3, 3, 3), padding=1, kernel_order="IOHW")
        n.g = pb.IF((3, 2), 5)
        n.sg = pb.Conv1d(n.i, n.g, w(3, 4, 5), stride=3)
        n.h = pb.TonicSpiking(7, 3)
        n.sh = pb.FullConn(n.i, n.h, 1)
        n.k = pb.IF((4, 5), 3)
        n.sk = pb.FullConn(n.i, n.k, w(8, 5), conn_type=pb.SynConnType.MatConn)
        n.q = pb.IF((4, 4), 5)
        n.sq0 = pb.MatMul2d(n.i, n.q, w(8, 4))
        n.r = pb.IF((4, 4), 5, tick_wait_start=2)
        n.sr = pb.MatMul2d(n.q, n.r, w(4, 4))

    def nested(self, n):
        class Sub(pb.Network):
            def __init__(self, w):
                super().__init__()
                self.pre, self.post = pb.IF(4, 2), pb.IF(4, 3, tick_wait_start=2)
                self.syn = pb.FullConn(self.pre, self.post, w)

        rng = np.random.default_rng(3)
        n.i = pb.InputProj(None, shape_out=(4,))
        n.first = Sub(rng.integers(-3, 5, (4, 4)).astype(np.int8))
        n.s = pb.FullConn(n.i, n.first.pre, 2, conn_type=pb.SynConnType.One2One)
        n.many = pb.NodeList([pb.IF(4, 2, tick_wait_start=3), pb.IF(4, 1, tick_wait_start=4)])
        n.s1 = pb.FullConn(n.first.post, n.many[0], rng.integers(-3, 5, (4, 4)).astype(np.int8))
        n.s2 = pb.FullConn(n.many[0], n.many[1], 1, conn_type=pb.SynConnType.One2One)

    def streamed(self, n):
        rng = np.random.default_rng(1)
        n.i = pb.InputProj(None, shape_out=(2, 8))
        k = rng.integers(-3, 4, (3, 2, 3, 3)).astype(np.int8)
        n.c = pb.Conv2dSemiFolded(n.i, k, padding=1, bit_trunc=9, bias=np.arange(3))
        k = rng.integers(-2, 4, (2, 3, 3, 3)).astype(np.int8)
        n.d = pb.Conv2dSemiFolded(n.c, k, stride=2, padding=1, bit_trunc=10, tick_wait_start=3)
        w = rng.integers(-2, 3, (2 * 4 * 4, 5)).astype(np.int8)
        n.l = pb.LinearSemiFolded(n.d, 5, w, bit_trunc=10, tick_wait_start=5)

    def averaged(self, n):
        rng = np.random.default_rng(2)
        n.i = pb.InputProj(None, shape_out=(2, 8))
        n.c = pb.AvgPool2dSemiFolded(n.i, 2)
        n.m = pb.MaxPool2dSemiFolded(n.c, 2, tick_wait_start=3)
        w = rng.integers(-2, 3, (2 * 2 * 2, 5)).astype(np.int8)
        n.l = pb.LinearSemiFolded(n.m, 5, w, bit_trunc=9, tick_wait_start=5)

    def padded(self, n):
        rng = np.random.default_rng(6)
        n.i = pb.InputProj(None, shape_out=(2, 8))
        n.c = pb.AvgPool2dSemiFolded(n.i, 3, stride=2, padding=1)
        n.m = pb.AvgPool2dSemiFolded(n.c, 3, stride=1, padding=1, tick_wait_start=3)
        w = rng.integers(-2, 3, (2 * 4 * 4, 5)).astype(np.int8)
        n.l = pb.LinearSemiFolded(n.m, 5, w, bit_trunc=9, tick_wait_start=5)

    def bytes(self, n):
        rng = np.random.default_rng(4)
        n.i = pb.InputProj(None, shape_out=(3, 9))
        n.a = pb.ANNBypassNeuron((3, 9))
        n.s = pb.FullConn(n.i, n.a, 1, conn_type=pb.SynConnType.One2One)
        n.m = pb.MaxPool1d(n.a, 3, stride=2, padding=1, tick_wait_start=2)
        n.p = pb.AvgPool1d(n.a, 3, tick_wait_start=2)
        w = rng.integers(-20, 20, (9, 4)).astype(np.int8)
        n.l = pb.Linear(n.p, 4, w, bias=7, bit_trunc=9, tick_wait_start=3)


RANDOM = {
    "random": paibox_random.network,
    "spiking": paibox_wild.spiking,
    "graded": paibox_wild.graded,
}
BYTES = ("streamed", "averaged", "padded", "bytes")


def plan(name):
    """Return steps of a run, whether inputs are bytes, whether it is built first, and how driven.

    One network in eight runs long enough to meet old registers again, or for 300 steps.
    """
    if name.startswith("table:"):
        kind, _, number = name[6:].partition(".")
        draw, graded = int(number), kind in paibox_table.GRADED
        length = 300 if draw % 8 == 7 or kind in paibox_table.LONG else 40
        return length, graded, True, "hard" if draw % 4 else "random"
    graded = name in BYTES or name.startswith("graded")
    length = 540 if name.startswith("spiking") and int(name[7:]) % 8 == 0 else 24
    return length, graded, graded or name.startswith("random"), "random"


def driven(rng, how, high, shape):
    """Return an input train: random, or the largest values for a while, then random, then none."""
    made = rng.integers(0, high, shape).astype(np.uint8)
    if how == "hard":
        made[: shape[0] // 3], made[-(shape[0] // 5) :] = high - 1, 0
    return made


def named(top, prefix=""):
    """Return the parts of a network by the path of their attributes."""
    found = {}
    for key, part in vars(top).items():
        if isinstance(part, pb.Network):
            found |= named(part, f"{prefix}{key}.")
        elif isinstance(part, pb.NodeList):
            found |= {f"{prefix}{key}.{n}": item for n, item in enumerate(part)}
        elif hasattr(part, "tick_wait_end"):
            found[prefix + key] = part
    return found


def simulate(name, top):
    """Return input trains and what every neuron and module does; bytes only after lowering."""
    rng, parts = np.random.default_rng(9), named(top)
    inputs = {k: p for k, p in parts.items() if isinstance(p, pb.InputProj)}
    shown = {k: p for k, p in parts.items() if k not in inputs}
    length, graded, rebuilt, how = plan(name)
    if rebuilt:
        pb.Mapper().build(top)
        built = {p.name: p for p in top.components.values()}
        shown = {k: lowered(p, built) for k, p in shown.items()}
    high = 256 if graded else 2
    trains = {k: driven(rng, how, high, (length, *p.shape_out)) for k, p in inputs.items()}
    probes = {
        f"{key}__{k}": pb.Probe(part, attr)
        for k, part in shown.items()
        for attr, key in (("spike", "spike"), ("voltage", "v"))
        if hasattr(part, attr)
    }
    simulator = pb.Simulator(top)
    for probe in probes.values():
        simulator.add_probe(probe)
    for step in range(length):
        for key, part in inputs.items():
            part.input = trains[key][step]
        simulator.run(1)
    data = {k: np.asarray(simulator.data[p]).reshape(length, -1) for k, p in probes.items()}
    return {f"in_{k}": v for k, v in trains.items()} | {f"out_{k}": v for k, v in data.items()}


def lowered(part, built):
    """Return the neurons that give the output of what was a module."""
    names = (f"{prefix}_{part.name}" for prefix in ("nd", "n1", "n0"))
    return next((built[name] for name in names if name in built), part)


def zoo(name):
    for word, make in RANDOM.items():
        if name.startswith(word):
            return make(int(name.removeprefix(word)))
    top = pb.Network()
    getattr(Zoo(), name)(top)
    return top


def main(out, cases):
    warnings.simplefilter("ignore")
    load_words()
    for case in cases:
        freezer, records = Freezer(), {}
        if case.startswith("table:"):
            name = case[6:]
            freezer.object(paibox_table.network(name))
            records = simulate(case, paibox_table.network(name))
        elif case.startswith(("zoo:", *(f"{word}:" for word in RANDOM))):
            name = case.removeprefix("zoo:").replace(":", "")
            freezer.object(zoo(name))
            rewritten = zoo(name)
            records = simulate(name, rewritten)
        else:
            name = Path(case).name
            try:
                freezer.object(network(Path(case)))
            except Exception as error:
                freezer.objects = [f"{type(error).__name__}: {error}"]
        (out / f"{name}.json").write_text(json.dumps(freezer.objects))
        np.savez(out / f"{name}.npz", **freezer.arrays, **records)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
