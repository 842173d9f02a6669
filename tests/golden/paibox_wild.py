"""Random networks of PAIBox beyond `paibox_random`: every register of a neuron, loops, long delays.

`spiking` draws neurons of every class and any registers, wired by every kind of synapse in any
direction, itself included; `graded` draws chains of the 8-bit neurons and modules.
"""

import numpy as np
import paibox as pb
from paibox.components.neuron import neurons as classes
from paibox.components.neuron.base import OfflineNeuron
from paicorelib import LCM, LDM, NTM, RM

KINDS = ("IF", "LIF", "Tonic", "Phasic", "Always1", "Bypass", "Store", "raw", "raw", "raw")
SHAPES = ((6,), (2, 6), (6, 3), (2, 4, 4))


def spiking(seed):
    """Return a network of 2 to 6 neuron layers and up to 12 synapses."""
    rng, top = np.random.default_rng(seed), pb.Network()
    inputs = [pb.InputProj(None, shape_out=shape(rng)) for _ in range(int(rng.integers(1, 3)))]
    layers = [neurons(rng, shape(rng)) for _ in range(int(rng.integers(2, 7)))]
    for name, made in zip("ij", inputs, strict=False):
        setattr(top, name, made)
    for number, made in enumerate(layers):
        setattr(top, f"n{number}", made)
    count = 0
    for target in layers:
        for _ in range(int(rng.integers(1, 4))):
            source = (inputs + layers)[rng.integers(len(inputs) + len(layers))]
            setattr(top, f"s{count}", synapse(rng, source, target))
            count += 1
    return top


def shape(rng):
    return SHAPES[rng.integers(len(SHAPES))]


def clock(rng):
    return {
        "tick_wait_start": int(rng.choice([1, 1, 2, 3, 7, 12])),
        "tick_wait_end": int(rng.choice([0, 0, 0, 5, 14])),
        "delay": int(rng.choice([1, 1, 1, 2, 4, 11, 255, 256, 300])),
    }


def neurons(rng, size):
    kind, times = str(rng.choice(KINDS)), clock(rng)
    lowest = None if rng.random() < 0.3 else -int(rng.integers(0, 12))
    reset = None if rng.random() < 0.4 else int(rng.integers(-4, 3))
    threshold = int(rng.integers(1, 9))
    if kind == "IF":
        return pb.IF(size, threshold, reset, lowest, **times)
    if kind == "LIF":
        bias = rng.integers(-2, 4, size[0]) if rng.random() < 0.5 else int(rng.integers(-2, 4))
        leak = int(rng.integers(-2, 1))
        return pb.LIF(size, threshold, reset, leak, bias, neg_threshold=lowest, **times)
    if kind == "Tonic":
        return pb.TonicSpiking(size, int(rng.integers(1, 5)), **times)
    if kind == "Phasic":
        return pb.PhasicSpiking(size, int(rng.integers(1, 4)), -int(rng.integers(1, 12)), **times)
    if kind == "Store":
        return pb.StoreVoltageNeuron(size, 0, int(rng.integers(-3, 4)), **times)
    if kind in ("Always1", "Bypass"):
        return getattr(classes, f"{kind}Neuron")(size, **times)
    return raw(rng, size, times)


def raw(rng, size, times):
    """Return neurons of registers in any combination."""
    spread = rng.integers(-3, 4, size[0]).astype(np.int32)
    leak = spread if rng.random() < 0.4 else int(rng.integers(-4, 5))
    return OfflineNeuron(
        size,
        reset_mode=list(RM)[rng.integers(3)],
        reset_v=int(rng.integers(-5, 4)),
        leak_comparison=list(LCM)[rng.integers(2)],
        neg_thres_mode=list(NTM)[rng.integers(2)],
        neg_threshold=-int(rng.integers(0, 15)),
        pos_threshold=int(rng.integers(0, 12)),
        leak_direction=list(LDM)[rng.integers(2)],
        leak_v=leak,
        **times,
    )


def weights(rng, *size):
    high = int(rng.choice([2, 4, 8, 128]))
    low = 0 if high == 2 else -high
    return rng.integers(low, high, size).astype(np.int8)


def synapse(rng, source, target):
    """Return one of the synapses that fit two shapes."""
    a, b = source.shape_out, target.shape_in
    n, m = int(np.prod(a)), int(np.prod(b))
    kinds = pb.SynConnType
    choices = [lambda: pb.FullConn(source, target, weights(rng, n, m))]
    choices.append(lambda: pb.FullConn(source, target, int(rng.integers(-2, 3))))
    if len(a) == len(b) <= 2 and a[:-1] == b[:-1]:
        some = weights(rng, a[-1], b[-1]) * (rng.random((a[-1], b[-1])) < 0.3)
        masked = {"conn_type": kinds.MatConn}
        choices.append(lambda: pb.FullConn(source, target, some.astype(np.int8), **masked))
    if n == m:
        one = {"conn_type": kinds.One2One}
        choices.append(lambda: pb.FullConn(source, target, weights(rng, n), **one))
        choices.append(lambda: pb.FullConn(source, target, 2, conn_type=kinds.Identity))
    if len(a) == len(b) == 2 and a[0] == b[0]:
        choices.append(lambda: pb.MatMul2d(source, target, weights(rng, a[1], b[1])))
    if a == b == (2, 6):
        kernel = weights(rng, 2, 2, 3)
        choices.append(lambda: pb.Conv1d(source, target, kernel, padding=1))
        choices.append(lambda: pb.ConvTranspose1d(source, target, kernel, padding=1))
    if a == b == (2, 4, 4):
        groups = int(rng.integers(1, 3))
        kernel = weights(rng, 2, 2 // groups, 3, 3)
        choices.append(lambda: pb.Conv2d(source, target, kernel, padding=1, groups=groups))
        whole = weights(rng, 2, 2, 3, 3)
        choices.append(lambda: pb.ConvTranspose2d(source, target, whole, padding=1))
    return choices[rng.integers(len(choices))]()


def graded(seed):
    """Return a chain of 2 to 5 parts that take and give bytes."""
    rng, top = np.random.default_rng(seed), pb.Network()
    flat = rng.random() < 0.4
    top.i = last = pb.InputProj(None, shape_out=(3, 11) if flat else (2, 9, 9))
    for number in range(int(rng.integers(2, 6))):
        times = {"tick_wait_start": number + 1}
        made, links = part(rng, last, times)
        setattr(top, f"n{number}", made)
        for place, link in enumerate(links):
            setattr(top, f"s{number}_{place}", link)
        last = made
        if len(made.shape_out) == 1:
            break
    return top


def part(rng, source, times):
    """Return neurons or a module that reads bytes, and its synapses."""
    size, kind = source.shape_out, int(rng.integers(4))
    cut = int(rng.integers(8, 16))
    smallest = min(size[1:]) if len(size) > 1 else 0
    if kind == 0 or smallest < 3:
        bias = int(rng.integers(-300, 300))
        matrix = rng.integers(-128, 128, (int(np.prod(size)), 6)).astype(np.int8)
        return pb.Linear(source, 6, matrix, bias=bias, bit_trunc=cut, **times), ()
    dims = len(size) - 1
    if kind == 1:
        bias = rng.integers(-200, 200, 3).astype(np.int32)
        made = pb.ANNNeuron((3, *[n - 2 for n in size[1:]]), bias, bit_trunc=cut, **times)
        kernel = rng.integers(-40, 60, (3, size[0], *[3] * dims)).astype(np.int8)
        return made, [(pb.Conv1d if dims == 1 else pb.Conv2d)(source, made, kernel)]
    window, step = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    around = {"stride": step, "padding": int(rng.integers(0, 2)), "keep_shape": True}
    name = f"{'Max' if kind == 2 else 'Avg'}Pool{dims}d"
    return getattr(pb, name)(source, window, **around, **times), ()
