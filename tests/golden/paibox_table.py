"""One kind of network for every operator and mode of PAIBox 1.3, its parameters drawn at random.

`network("conv2d.5")` is the fifth draw of `conv2d`; every fourth has random weights, the others the
largest, the smallest, or those two mixed. Needs numpy and PAIBox only.
"""

import zlib

import numpy as np
import paibox as pb
from paibox.components.neuron.base import OfflineNeuron
from paicorelib import LCM, LDM, NTM, RM

WEIGHTS = ("random", "largest", "smallest", "mixed")
TABLE = {}
GRADED, LONG = set(), set()
"""Entries whose inputs are bytes; entries that take long to show anything."""


class Draw:
    """Draws parameters and weights of one network, and holds the network."""

    def __init__(self, name):
        self.kind, _, number = name.partition(".")
        self.number = int(number)
        self.rng = np.random.default_rng([zlib.crc32(self.kind.encode()), self.number])
        self.top = pb.Network()

    def one(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def weights(self, *size, bits=8, most=None):
        low, high = (0, 1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        if most is not None:
            low, high = max(low, -most), min(high, most)
        way = WEIGHTS[self.number % 4]
        if way == "random":
            return self.rng.integers(low, high + 1, size).astype(np.int8)
        if way == "mixed":
            return np.where(self.rng.random(size) < 0.5, low, high).astype(np.int8)
        return np.full(size, high if way == "largest" else low, np.int8)

    def bits(self):
        return self.one(1, 2, 4, 8)

    def times(self, start=1):
        """Return a clock that follows the depth, at times late, or one that stops."""
        made = {"tick_wait_start": start + self.one(0, 0, 0, 3)}
        made["tick_wait_end"] = self.one(0, 0, 0, 11)
        made["delay"] = self.one(1, 1, 1, 2, 7)
        return made

    def spread(self, most, size):
        """Return a number for each, or one where PAIBox takes no list of one."""
        return self.rng.integers(-most, most, size) if size > 1 else -most

    def threshold(self, weights, way=1):
        """Return a threshold near what the weights add up to."""
        total = int(np.abs(weights.astype(np.int64)).sum() // max(1, way))
        return max(1, int(total * self.rng.random()))

    def add(self, **parts):
        for name, part in parts.items():
            setattr(self.top, name, part)

    def input(self, *shape):
        self.top.i = pb.InputProj(None, shape_out=shape)
        return self.top.i

    def source(self, *shape):
        """Return an input, or neurons that repeat one."""
        made = self.input(*shape)
        return self.repeat(made, "a") if self.one(0, 1) else made

    def repeat(self, source, name, **times):
        kind = pb.ANNBypassNeuron if self.kind in GRADED else pb.BypassNeuron
        made = kind(source.shape_out, **times)
        link = pb.FullConn(source, made, 1, conn_type=pb.SynConnType.One2One)
        self.add(**{name: made, f"{name}_from": link})
        return made

    def second(self):
        self.top.j = pb.InputProj(None, shape_out=self.top.i.shape_out)
        return self.top.j


def entry(function):
    TABLE[function.__name__] = function
    return function


def graded(function):
    GRADED.add(function.__name__)
    return entry(function)


def long(function):
    LONG.add(function.__name__)
    return function


def network(name):
    """Return a network of the table."""
    draw = Draw(name)
    TABLE[draw.kind](draw)
    return draw.top


def start_of(source):
    return 1 if isinstance(source, pb.InputProj) else 2


def read(d, source, shape, weights, synapse, way=1, **options):
    """Add neurons of a random kind that read a source through a synapse."""
    times = d.times(start_of(source))
    threshold, reset = d.threshold(weights, way), d.one(None, 0, -3)
    lowest = d.one(None, 0, -40, -d.threshold(weights, way))
    if d.one(0, 1):
        made = pb.IF(shape, threshold, reset, lowest, **times)
    else:
        bias = d.one(-2, 3, d.spread(9, shape[0]))
        made = pb.LIF(shape, threshold, reset, d.one(0, -1), bias, lowest, **times)
    d.add(n=made, s=synapse(source, made, weights, **options))
    return made


# Synapses


@entry
def all2all(d):
    n, m = d.one(1, 5, 40), d.one(1, 7, 30)
    source = d.source(n)
    w = d.weights(n, m, bits=d.bits())
    read(d, source, (m,), w, pb.FullConn, m)


@entry
def all2all_scalar(d):
    source = d.source(3, 4)
    w = d.weights(1, bits=d.bits())
    read(d, source, (5,), w, lambda s, t, w: pb.FullConn(s, t, int(w[0])))


@entry
def one2one(d):
    source = d.source(2, 9)
    w = d.weights(18, bits=d.bits())
    given = d.one(w, int(w[0]))
    kind = pb.SynConnType.One2One
    read(d, source, (2, 9), w, lambda s, t, w: pb.FullConn(s, t, given, conn_type=kind), 18)


@entry
def identity(d):
    source = d.source(2, 9)
    w = d.weights(1, bits=d.bits())
    kind = pb.SynConnType.Identity
    read(d, source, (3, 6), w, lambda s, t, w: pb.FullConn(s, t, int(w[0]), conn_type=kind))


@entry
def matconn(d):
    size = d.one((6,), (4, 6), (6, 4), (6, 6), (1, 6))
    source = d.source(*size)
    m = d.one(1, 3, 6)
    w = d.weights(6, m, bits=d.bits()) * d.rng.integers(0, 2, (6, m)).astype(np.int8)
    rows = 1 if len(size) == 1 else (size[1] if size[0] == 6 else size[0])
    shape = (m,) if len(size) == 1 else (rows, m)
    kind = pb.SynConnType.MatConn
    read(d, source, shape, w, pb.FullConn, m, conn_type=kind)


@entry
def matmul(d):
    size = d.one((6,), (4, 6), (6, 4), (6, 6), (1, 6))
    source = d.source(*size)
    m = d.one(1, 3, 6)
    w = d.weights(6, m, bits=d.bits())
    rows = 1 if len(size) == 1 else (size[1] if size[0] == 6 else size[0])
    read(d, source, (m,) if len(size) == 1 else (rows, m), w, pb.MatMul2d, m)


@entry
def matmul_joined(d):
    """A product with a matrix beside another synapse into the same neurons."""
    source = d.source(4, 6)
    made = read(d, source, (4, 5), d.weights(6, 5, bits=d.bits()), pb.MatMul2d, 5)
    other = d.second()
    if made.tick_wait_start > 1:
        other = d.repeat(other, "b", tick_wait_start=made.tick_wait_start - 1)
    d.add(t=pb.MatMul2d(other, made, d.weights(6, 5, bits=d.bits())))


def conv(d, axes):
    channels, groups = d.one(1, 2, 4), 1
    if channels > 1:
        groups = d.one(1, 2, channels)
    out = groups * d.one(1, 2)
    size = tuple(d.one(5, 7, 8) for _ in range(axes))
    taps = tuple(d.one(1, 2, 3, 5) for _ in range(axes))
    stride = tuple(d.one(1, 1, 2, 3) for _ in range(axes))
    padding = tuple(d.one(0, 0, 1, 2) for _ in range(axes))
    return channels, groups, out, size, taps, stride, padding


def convolved(d, axes):
    channels, groups, out, size, taps, stride, padding = conv(d, axes)
    source = d.source(channels, *size)
    w = d.weights(out, channels // groups, *taps, bits=d.bits())
    zipped = zip(size, taps, stride, padding, strict=True)
    shape = (out, *((n + 2 * p - k) // s + 1 for n, k, s, p in zipped))
    options = {"stride": stride, "padding": padding, "groups": groups}
    order = "OIL" if axes == 1 else "OIHW"
    if groups == 1 and d.one(0, 1):
        w, order = np.swapaxes(w, 0, 1).copy(), order.replace("OI", "IO")
    read(d, source, shape, w, SYNAPSES[axes][0], out, kernel_order=order, **options)


SYNAPSES = {1: (pb.Conv1d, pb.ConvTranspose1d), 2: (pb.Conv2d, pb.ConvTranspose2d)}


@entry
def conv1d(d):
    convolved(d, 1)


@entry
def conv2d(d):
    convolved(d, 2)


def transposed(d, axes):
    channels, _, out, size, taps, stride, padding = conv(d, axes)
    size = tuple(n - 2 for n in size)
    padding = tuple(min(p, k - 1) for p, k in zip(padding, taps, strict=True))
    more = tuple(d.one(0, 0, s - 1) for s in stride)
    if any(padding):
        more = (0,) * axes
    source = d.source(channels, *size)
    w = d.weights(out, channels, *taps, bits=d.bits())
    zipped = zip(size, taps, stride, padding, more, strict=True)
    shape = (out, *((n - 1) * s - 2 * p + k + m for n, k, s, p, m in zipped))
    if min(shape) < 1:
        return d.add(n=pb.IF(3), s=pb.FullConn(source, d.top.n, 1))
    options = {"stride": stride, "padding": padding, "output_padding": more}
    read(d, source, shape, w, SYNAPSES[axes][1], out, **options)
    return None


@entry
def conv_transpose1d(d):
    transposed(d, 1)


@entry
def conv_transpose2d(d):
    transposed(d, 2)


@entry
def weights_of_other_types(d):
    kind = d.one(np.bool_, np.int16, np.int32, np.int64)
    bits = 1 if kind is np.bool_ else 8
    source = d.source(12)
    w = d.weights(12, 9, bits=bits).astype(kind)
    read(d, source, (9,), w, pb.FullConn, 9)


# Neurons


@entry
def neurons(d):
    """Every class of neurons, with every parameter of its own."""
    source, size = d.source(3, 4), d.one((6,), (2, 3))
    times, lowest = d.times(start_of(source)), d.one(None, 0, -7)
    made = [
        pb.IF(size, d.one(0, 1, 90), d.one(None, 0, 5, -5), lowest, **times),
        pb.LIF(size, 50, d.one(None, -20), d.one(-3, 2), d.rng.integers(-9, 9, 6), lowest, **times),
        pb.TonicSpiking(size, d.one(1, 60), **times),
        pb.PhasicSpiking(size, d.one(1, 30), d.one(-1, -10), **times),
        pb.BypassNeuron(size, **times),
        pb.StoreVoltageNeuron(size, d.one(0, -3), d.one(0, 2, d.rng.integers(-4, 4, 6)), **times),
    ]
    for number, part in enumerate(made):
        d.add(**{f"n{number}": part})
        w = d.weights(12, 6, bits=d.bits())
        d.add(**{f"s{number}": pb.FullConn(source, part, w)})


def registers(d, size, **more):
    leak = d.one(int(d.rng.integers(-90, 90)), d.rng.integers(-50, 50, size[0]).astype(np.int32))
    return OfflineNeuron(
        size,
        reset_mode=list(RM)[d.one(0, 1, 2)],
        reset_v=int(d.rng.integers(-300, 300)),
        leak_comparison=list(LCM)[d.one(0, 1)],
        neg_thres_mode=list(NTM)[d.one(0, 1)],
        neg_threshold=-int(d.rng.integers(0, 900)),
        pos_threshold=int(d.rng.integers(0, 900)),
        leak_direction=list(LDM)[d.one(0, 1)],
        leak_v=leak,
        bit_trunc=int(d.rng.integers(0, 30)) if d.one(0, 1) else d.one(8, 9, 10, 11, 12),
        **more,
    )


@entry
def any_registers(d):
    source = d.source(3, 4)
    made = registers(d, (7,), **d.times(start_of(source)))
    d.add(n=made, s=pb.FullConn(source, made, d.weights(12, 7, bits=d.bits())))


@entry
def started_and_stopped(d):
    """Layers in a chain, each with its own start, end and delay; one never works."""
    last = d.source(8)
    for number in range(4):
        times = {"tick_wait_start": number + d.one(1, 2, 5), "tick_wait_end": d.one(0, 3, 15)}
        if number == 3:
            times["tick_wait_start"] = d.one(0, 9)
        made = pb.IF(8, d.one(1, 9), 0, delay=d.one(1, 3, 30), **times)
        link = pb.FullConn(last, made, d.weights(8, 8, bits=d.one(2, 4)))
        d.add(**{f"n{number}": made, f"s{number}": link})
        last = made


@entry
def unrolled(d):
    """Layers spread over more cores than they need."""
    source = d.source(8)
    first, cores = {"tick_wait_start": start_of(source)}, d.one(1, 2, 3, 4)
    a = pb.IF(d.one(4, 9, 30), d.one(3, 9), 0, unrolling_factor=cores, **first)
    b = pb.IF(6, 9, unrolling_factor=d.one(2, 5), tick_wait_start=start_of(source) + 1)
    w = d.weights(8, a.num_out, bits=d.bits())
    d.add(n=a, s=pb.FullConn(source, a, w), m=b)
    d.add(t=pb.FullConn(a, b, d.weights(a.num_out, 6, bits=d.bits())))


@entry
def delayed(d):
    """A long delay into neurons with a wide fan-in, whose buffers hold fewer ticks."""
    inputs = d.input(d.one(20, 1300))
    size = d.one(5, 1200)
    a = pb.IF(size, 40, 0, delay=d.one(1, 60, 128, 200, 256))
    b = pb.IF(6, 300, tick_wait_start=d.one(2, 3))
    w = d.weights(inputs.num_out, size, bits=2)
    d.add(n=a, m=b, s=pb.FullConn(inputs, a, w))
    d.add(t=pb.FullConn(a, b, d.weights(size, 6, bits=d.bits())))


@entry
def looped(d):
    """A layer that reads itself, and two that read each other."""
    source = d.source(6)
    start = start_of(source)
    a, b = pb.IF(6, 9, 0, -20, tick_wait_start=start), pb.IF(5, 12, tick_wait_start=start + 1)
    d.add(n=a, m=b, s=pb.FullConn(source, a, d.weights(6, 6, bits=4)))
    d.add(t=pb.FullConn(a, b, d.weights(6, 5, bits=4)))
    d.add(u=pb.FullConn(b, a, d.weights(5, 6, bits=2)))
    d.add(v=pb.FullConn(a, a, d.weights(6, 6, bits=2)))


# Functional modules of spikes


def pair(d, size=(2, 5)):
    a = d.source(*size)
    b = d.second()
    if not isinstance(a, pb.InputProj):
        b = d.repeat(b, "b")
    return a, b, d.times(start_of(a))


@entry
def bitwise_and(d):
    a, b, times = pair(d)
    d.add(n=pb.BitwiseAND(a, b, **times))


@entry
def bitwise_or(d):
    a, b, times = pair(d)
    d.add(n=pb.BitwiseOR(a, b, **times))


@entry
def bitwise_not(d):
    a = d.source(2, 5)
    d.add(n=pb.BitwiseNOT(a, **d.times(start_of(a))))


@entry
def bitwise_xor(d):
    a, b, times = pair(d)
    d.add(n=pb.BitwiseXOR(a, b, **times))


@entry
def spiking_add(d):
    a, b, times = pair(d)
    factors = d.one(1, 3, 127), d.one(1, 2, 100)
    reset = d.one(None, 0, 2)
    d.add(n=pb.SpikingAdd(a, b, *factors, pos_thres=d.one(1, 5, 127), reset_v=reset, **times))


@entry
def spiking_sub(d):
    a, b, times = pair(d)
    d.add(n=pb.SpikingSub(a, b, **times))


def window(d, axes):
    size = (d.one(1, 3), *(d.one(5, 7, 8) for _ in range(axes)))
    kernel = tuple(d.one(2, 3) for _ in range(axes))
    stride = d.one(None, tuple(d.one(1, 2, 3) for _ in range(axes)))
    padding = tuple(d.one(0, 0, 1) for _ in range(axes))
    if axes == 1:
        kernel, padding = kernel[0], padding[0]
        stride = stride[0] if stride else None
    return size, {"kernel_size": kernel, "stride": stride, "padding": padding}


def pool_of_spikes(d, module, axes, threshold=False):
    size, options = window(d, axes)
    source = d.source(*size)
    if threshold:
        options["threshold"] = d.one(None, 1, 3, 4)
    d.add(n=module(source, **options, **d.times(start_of(source))))


@entry
def max_of_spikes1d(d):
    pool_of_spikes(d, pb.SpikingMaxPool1d, 1)


@entry
def max_of_spikes2d(d):
    pool_of_spikes(d, pb.SpikingMaxPool2d, 2)


@entry
def mean_of_spikes1d(d):
    pool_of_spikes(d, pb.SpikingAvgPool1d, 1, threshold=True)


@entry
def mean_of_spikes2d(d):
    pool_of_spikes(d, pb.SpikingAvgPool2d, 2, threshold=True)


@entry
def mean_with_potential1d(d):
    pool_of_spikes(d, pb.SpikingAvgPool1dWithV, 1, threshold=True)


@entry
def mean_with_potential2d(d):
    pool_of_spikes(d, pb.SpikingAvgPool2dWithV, 2, threshold=True)
