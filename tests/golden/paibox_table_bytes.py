"""The entries of `paibox_table` whose parts take or give bytes; importing this adds them."""

import numpy as np
import paibox as pb
from paibox_table import conv, entry, graded, long, registers, start_of, window

MODES = {
    "values": {"input_width": 8, "spike_width": 8, "snn_en": False},
    "values_to_spikes": {"input_width": 8, "spike_width": 1, "snn_en": False},
    "spikes_to_values": {"input_width": 1, "spike_width": 8, "snn_en": False},
    "spikes_kept_to_values": {"input_width": 1, "spike_width": 8, "snn_en": True},
    "spikes_forgotten": {"input_width": 1, "spike_width": 1, "snn_en": False},
    "spikes": {"input_width": 1, "spike_width": 1, "snn_en": True},
}


def ann(d, source, shape, weights, synapse, **options):
    """Add 8-bit neurons that read a source."""
    times = d.times(start_of(source))
    bias = d.one(0, 500, -3000, d.spread(900, shape[0]))
    made = pb.ANNNeuron(shape, bias, bit_trunc=d.one(0, 3, 7, 8, 11, 14, 29), **times)
    d.add(n=made, s=synapse(source, made, weights, **options))


@graded
def ann_all2all(d):
    source = d.source(d.one(1, 30, 144, 145, 400))
    m = d.one(1, 9, 50)
    w = d.weights(source.num_out, m, bits=d.bits())
    ann(d, source, (m,), w, pb.FullConn)


@graded
def ann_one2one(d):
    source = d.source(2, 9)
    kind = d.one(pb.SynConnType.One2One, pb.SynConnType.Identity)
    weight = int(d.weights(1, bits=d.bits())[0])
    ann(d, source, (2, 9), weight, pb.FullConn, conn_type=kind)


@graded
def ann_matmul(d):
    size = d.one((6,), (4, 6), (6, 4), (6, 6))
    source = d.source(*size)
    rows = size[-1] if size[0] == 6 else size[0]
    w = d.weights(6, 5, bits=d.bits())
    shape = (5,) if len(size) == 1 else (rows, 5)
    if d.one(0, 1):
        return ann(d, source, shape, w, pb.MatMul2d)
    return ann(d, source, shape, w, pb.FullConn, conn_type=pb.SynConnType.MatConn)


@graded
def ann_conv1d(d):
    ann_convolved(d, 1)


@graded
def ann_conv2d(d):
    ann_convolved(d, 2)


def ann_convolved(d, axes):
    channels, groups, out, size, taps, stride, padding = conv(d, axes)
    source = d.source(channels, *size)
    zipped = list(zip(size, taps, stride, padding, strict=True))
    if groups == 1 and d.one(0, 1):
        synapse = (pb.ConvTranspose1d, pb.ConvTranspose2d)[axes - 1]
        shape = (out, *((n - 1) * s + k for n, k, s, _ in zipped))
        w = d.weights(out, channels, *taps, bits=d.bits())
        return ann(d, source, shape, w, synapse, stride=stride)
    synapse = (pb.Conv1d, pb.Conv2d)[axes - 1]
    shape = (out, *((n + 2 * p - k) // s + 1 for n, k, s, p in zipped))
    w = d.weights(out, channels // groups, *taps, bits=d.bits())
    options = {"stride": stride, "padding": padding, "groups": groups}
    return ann(d, source, shape, w, synapse, **options)


@graded
def linear(d):
    source = d.source(*d.one((30,), (3, 10)))
    out = d.one(1, 9, (2, 3))
    m = int(np.prod(out))
    bias = d.one(0, -900, d.spread(900, m))
    w, times = d.weights(30, m, bits=d.bits()), d.times(start_of(source))
    d.add(n=pb.Linear(source, out, w, bias, d.one(0, 7, 8, 12, 29), **times))


@graded
def crowded(d):
    """More neurons in a core than its neuron memory holds."""
    source = d.source(d.one(60, 144))
    m = d.one(513, 700, 876, 1364, 1888)
    w, times = d.weights(source.num_out, m, bits=d.one(1, 2, 4)), d.times(start_of(source))
    d.add(n=pb.Linear(source, m, w, d.rng.integers(-99, 99, m), d.one(8, 11), **times))


def pool_of_values(d, module, axes, cuts):
    size, options = window(d, axes)
    source = d.source(*size)
    given = {"bit_trunc": d.one(*cuts), "keep_shape": True}
    d.add(n=module(source, **options, **given, **d.times(start_of(source))))


@graded
def max_pool1d(d):
    pool_of_values(d, pb.MaxPool1d, 1, (8, 8, 5, 10))


@graded
def max_pool2d(d):
    pool_of_values(d, pb.MaxPool2d, 2, (8, 8, 5, 10))


@graded
def mean_pool1d(d):
    pool_of_values(d, pb.AvgPool1d, 1, (None, None, 8, 12))


@graded
def mean_pool2d(d):
    pool_of_values(d, pb.AvgPool2d, 2, (None, None, 8, 12))


def moded(d, source, name, mode, start):
    """Add neurons of any registers in a mode, with what PAIBox lets that mode have."""
    shape = (d.one(4, 7),)
    made = registers(d, shape, tick_wait_start=start, delay=d.one(1, 1, 3), **MODES[mode])
    w = d.weights(source.num_out, shape[0], bits=d.bits())
    d.add(**{name: made, f"{name}_from": pb.FullConn(source, made, w)})
    return made


@graded
def chain_of_values(d):
    """8-bit neurons, ones that turn values into spikes, and spiking neurons behind them."""
    last, start = d.input(20), 1
    for number in range(d.one(1, 2)):
        last = moded(d, last, f"a{number}", "values", start)
        start += 1
    last = moded(d, last, "b", "values_to_spikes", start)
    mode = d.one("spikes", "spikes_kept_to_values")
    last = moded(d, last, "c", mode, start + 1)
    if mode != "spikes":
        moded(d, last, "e", d.one("values", "values_to_spikes"), start + 2)


@entry
def chain_of_spikes(d):
    """Spiking neurons that send values, with and without memory, and 8-bit neurons behind them."""
    last = d.input(20)
    last = moded(d, last, "a", d.one("spikes", "spikes_forgotten"), 1)
    last = moded(d, last, "b", d.one("spikes_to_values", "spikes_kept_to_values"), 2)
    mode = d.one("values", "values_to_spikes")
    last = moded(d, last, "c", mode, 3)
    if mode == "values":
        moded(d, last, "e", "values_to_spikes", 4)


# Semi-folded modules: a square map, a column a step


def streamed_window(d, height):
    """Return taps, stride and padding per axis, and the height of what comes out."""
    taps = d.one((1, 1), (2, 2), (3, 3), (2, 3), (3, 1), (1, 3))
    # PAIBox folds a stride per axis wrongly: it goes on by the second along both axes.
    stride = d.one(1, 1, 2, (2, 2))
    padding = d.one(0, 0, 1, (1, 0), (0, 1)) if min(taps) > 1 else 0
    step, around = (v[0] if isinstance(v, tuple) else v for v in (stride, padding))
    return taps, stride, padding, (height + 2 * around - taps[0]) // step + 1


def streamed_times(d, start):
    return {"tick_wait_start": start, "rin_buffer_option": d.one(False, False, True)}


def streamed_conv(d, source, channels, height, start):
    taps, stride, padding, left = streamed_window(d, height)
    groups = d.one(1, 1, channels)
    out = groups * d.one(1, 2)
    most = 32767 // (255 * (channels // groups) * taps[0] * taps[1])
    w = d.weights(out, channels // groups, *taps, bits=d.bits(), most=most)
    bias, cut = d.one(0, 20, d.spread(99, out)), d.one(8, 10, 12)
    times = streamed_times(d, start)
    made = pb.Conv2dSemiFolded(source, w, stride, padding, bias, groups, cut, **times)
    return made, out, left


def streamed_pool(d, source, channels, height, start):
    taps, stride, padding, left = streamed_window(d, height)
    times = streamed_times(d, start)
    if d.one(0, 1):
        step = stride[0] if isinstance(stride, tuple) else stride
        made = pb.MaxPool2dSemiFolded(source, taps, stride, bit_trunc=d.one(8, 7), **times)
        return made, channels, (height - taps[0]) // step + 1
    made = pb.AvgPool2dSemiFolded(source, taps, stride, padding, d.one(None, 8), **times)
    return made, channels, left


@graded
def streamed(d):
    channels, height = d.one(1, 2, 3), d.one(6, 8, 11)
    last, start = d.input(channels, height), d.one(1, 1, 3)
    for number in range(d.one(1, 2, 3)):
        part = d.one(streamed_conv, streamed_conv, streamed_pool)
        made, channels, height = part(d, last, channels, height, start)
        d.add(**{f"n{number}": made})
        last, start = made, start + 2
        if height < 4:
            break
    most = 32767 // (255 * channels * height)
    w = d.weights(channels * height * height, 5, bits=d.bits(), most=most)
    bias, cut = d.one(0, 30), d.one(8, 11)
    d.add(last=pb.LinearSemiFolded(last, 5, w, bias, cut, **streamed_times(d, start)))


@long
@graded
def streamed_far(d):
    """Columns so far apart that delay neurons must stop early (PAIBox turns a ring on)."""
    last, start = d.input(1, 96), 1
    for number, stride in enumerate((2, 2, 3)):
        last = pb.AvgPool2dSemiFolded(last, stride, tick_wait_start=start)
        d.add(**{f"n{number}": last})
        start += 2
    wide = d.weights(d.one(30, 40), 1, 1, 1, bits=d.bits(), most=9)
    # PAIBox adds up in 16 bits, so what is added stays small.
    made = pb.Conv2dSemiFolded(last, wide, bias=9, bit_trunc=13, tick_wait_start=start)
    taps = d.weights(2, len(wide), 3, 3, bits=1)
    cut = d.one(8, 12)
    d.add(a=made)
    d.add(b=pb.Conv2dSemiFolded(made, taps, 1, 1, bit_trunc=cut, tick_wait_start=start + 2))
