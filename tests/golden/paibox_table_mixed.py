"""The entries of `paibox_table` that join parts in unusual ways; importing this adds them."""

import numpy as np
import paibox as pb
from paibox_table import entry, graded, registers
from paicorelib import LCM, LDM

ONE = pb.SynConnType.One2One


def link(d, name, source, target, weights, kind=pb.FullConn, **options):
    d.add(**{name: kind(source, target, weights, **options)})


@entry
def skips(d):
    """A chain whose last layer reads each of the layers before it, at the delay that meets."""
    source, chain = d.input(6), []
    for number in range(5):
        delay = d.one(1, 5 - number, 9)
        made = pb.IF(6, d.one(2, 9), d.one(None, 0), tick_wait_start=number + 1, delay=delay)
        link(d, f"s{number}", source, made, d.weights(6, 6, bits=4))
        d.add(**{f"n{number}": made})
        chain.append(made)
        source = made
    last = pb.LIF(4, 9, None, 0, d.one(-1, 2), tick_wait_start=6)
    for number, part in enumerate(chain):
        link(d, f"t{number}", part, last, d.weights(6, 4, bits=d.bits()))
    d.add(last=last)


@entry
def late_and_stopped(d):
    """Two branches that begin and stop at other steps, joined by one that begins before them."""
    source, joined = d.input(5), pb.IF(5, 3, None, tick_wait_start=2)
    for number in range(2):
        times = {"tick_wait_start": d.one(1, 4, 40), "tick_wait_end": d.one(0, 5, 60)}
        made = pb.LIF(5, 4, d.one(None, -2), d.one(-1, 0), delay=d.one(1, 2, 50), **times)
        link(d, f"s{number}", source, made, d.weights(5, 5, bits=4))
        link(d, f"t{number}", made, joined, d.weights(5, 5, bits=2))
        d.add(**{f"n{number}": made})
    d.add(joined=joined)


@entry
def late_readers(d):
    """Readers that begin at several steps, after what they read and each other."""
    source = pb.IF(6, 2, 0)
    link(d, "s", d.input(6), source, d.weights(6, 6, bits=4))
    d.add(a=source)
    for number in range(4):
        start, size = d.one(2, 3, 9, 33), d.one(1, 5)
        made = pb.LIF(size, 5, d.one(None, 1), 0, d.one(-1, 1), tick_wait_start=start)
        link(d, f"s{number}", source, made, d.weights(6, size, bits=d.bits()))
        d.add(**{f"n{number}": made})


@entry
def many_axons(d):
    """More inputs than a slot has axons, from two places, beside a long delay."""
    source, delay = d.input(d.one(1152, 1300)), d.one(1, 40, 120)
    made = pb.IF(1400, 2, 0, delay=delay)
    every = d.rng.integers(0, source.num_out, 1400)
    weights = np.zeros((source.num_out, 1400), np.int8)
    weights[every, np.arange(1400)] = 2
    link(d, "s", source, made, weights)
    last = pb.IF(3, d.one(5, 60), None, tick_wait_start=2)
    link(d, "t", made, last, d.weights(1400, 3, bits=d.bits()))
    d.add(n=made, last=last)


@entry
def logic_of_maps(d):
    """Modules behind modules: pools of a convolution, combined bit by bit."""
    source = d.input(1, 8, 8)
    made = pb.IF((2, 8, 8), d.one(1, 4), 0)
    options = {"padding": 1, "stride": 1}
    link(d, "s", source, made, d.weights(2, 1, 3, 3, bits=4), pb.Conv2d, **options)
    d.add(n=made)
    d.add(p=pb.SpikingMaxPool2d(made, 2, 2, tick_wait_start=2))
    d.add(q=pb.SpikingAvgPool2d(made, 2, 2, threshold=d.one(1, 3), tick_wait_start=2))
    d.add(x=pb.BitwiseXOR(d.top.p, d.top.q, tick_wait_start=3))
    d.add(y=pb.BitwiseAND(d.top.p, d.top.q, tick_wait_start=3))


@entry
def reversal_chain(d):
    """Leaks after the compare and leaks that turn, one behind the other, a bias per channel."""
    source = d.input(3, 4)
    for number in range(3):
        made = registers(d, (3, 4), tick_wait_start=number + 1)
        made.leak_comparison = list(LCM)[d.one(0, 1)]
        made.leak_direction = list(LDM)[d.one(0, 1)]
        link(d, f"s{number}", source, made, d.weights(12, bits=d.bits()), conn_type=ONE)
        d.add(**{f"n{number}": made})
        source = made


@entry
def spread_chain(d):
    """Layers spread over more cores than they need, in parts of unequal size."""
    source = d.input(30)
    for number, size in enumerate((70, 33, 7)):
        factor = d.one(1, 2, 3)
        made = pb.IF(size, d.one(3, 20), None, unrolling_factor=factor, tick_wait_start=number + 1)
        link(d, f"s{number}", source, made, d.weights(source.num_out, size, bits=d.bits()))
        d.add(**{f"n{number}": made})
        source = made


@entry
def values_between(d):
    """Spikes kept as values, multiplied, pooled and turned into spikes again."""
    source = d.input(2, 6, 6)
    mode = {"input_width": 1, "spike_width": 8, "snn_en": True}
    made = registers(d, (2, 6, 6), **mode)
    link(d, "s", source, made, d.weights(72, bits=d.bits()), conn_type=ONE)
    values = pb.ANNNeuron((3, 4, 4), d.one(0, 40), bit_trunc=d.one(8, 10), tick_wait_start=2)
    link(d, "t", made, values, d.weights(3, 2, 3, 3, bits=d.bits()), pb.Conv2d)
    back = {"input_width": 8, "spike_width": 1, "snn_en": False}
    last = registers(d, (5,), **back, tick_wait_start=3)
    link(d, "u", values, last, d.weights(48, 5, bits=d.bits()))
    d.add(n=made, values=values, last=last)


@graded
def streams_between(d):
    """A semi-folded convolution and pool, and a product with all that they give."""
    size, taps = d.one(6, 8), d.one(2, 3)
    source = d.input(2, size)
    # PAIBox wraps what the sums are beyond 16 bits.
    kernel = d.weights(3, 2, taps, taps, bits=d.one(2, 4), most=4)
    first = pb.Conv2dSemiFolded(source, kernel, 1, 0, tick_wait_start=1)
    pooled = pb.AvgPool2dSemiFolded(first, (2, 2), None, tick_wait_start=3)
    rows = 3 * ((size - taps + 1) // 2) ** 2
    last = pb.LinearSemiFolded(pooled, 4, d.weights(rows, 4, bits=4), tick_wait_start=5)
    d.add(first=first, pooled=pooled, last=last)


@entry
def one_into_many_widths(d):
    """One layer read with weights of every width, through parallel ways of the same source."""
    source = pb.IF(20, d.one(1, 5), 0)
    link(d, "s", d.input(20), source, d.weights(20, 20, bits=2))
    d.add(a=source)
    for number, bits in enumerate((1, 2, 4, 8)):
        times = {"tick_wait_start": 2, "delay": number + 1}
        made = pb.LIF(9, d.one(4, 40), d.one(None, 0), d.one(-2, 0), **times)
        link(d, f"s{number}", source, made, d.weights(20, 9, bits=bits))
        d.add(**{f"n{number}": made})
    last = pb.IF(9, 2, None, tick_wait_start=3)
    for number in range(4):
        part = getattr(d.top, f"n{number}")
        link(d, f"t{number}", part, last, d.weights(9, bits=d.one(1, 8)), conn_type=ONE)
    d.add(last=last)
