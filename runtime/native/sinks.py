"""What follows a product besides the update: a plain store; and the update without a product."""

from typing import Any

from snnc.machine.assembly import I32, I64, Assembly, vector
from snnc.runtime.native.columns import ARGUMENTS, LANES
from snnc.runtime.native.gather import FIELDS


class Store:
    """Writes, under the name of the update, a sink that stores currents instead (int32)."""

    def __init__(self, module: Any, tail: int) -> None:
        a = Assembly(module, "neuron", ARGUMENTS)
        b = a.builder
        current, step, _, _, out, out_step, _, _, _, count, ticks = a.arguments
        type = vector(I32, LANES)
        full = b.and_(count, a.number(-LANES))
        with a.loop(ticks) as loop:
            source = a.sum(current, b.mul(loop.index, step))
            target = a.sum(out, b.mul(loop.index, out_step))
            with a.loop(full, step=LANES) as lanes:
                at = a.times(lanes.index, 4)
                a.store(a.load(a.sum(source, at), type), a.sum(target, at))
            if tail:
                with a.when(b.icmp_signed(">", count, full)):
                    at = a.times(full, 4)
                    a.store_first(a.load(a.sum(source, at), type), a.sum(target, at), tail)
        a.finish(a.number(0))


class Scan:
    """Writes the function `scan`: the update over currents that lie in memory already.

    It takes the argument block of a product; `neurons` is how many a sample has, and `state` and
    `out` are the bytes of a potential and of a spike.
    """

    def __init__(self, module: Any, neurons: int, padded: int, state: int, out: int) -> None:
        a = Assembly(module, "scan", 1)
        b = a.builder
        block = a.arguments[0]
        given = {name: a.load(a.sum(block, 8 * n), I64) for n, name in enumerate(FIELDS)}
        ticks = b.sub(given["end"], given["begin"])
        with a.loop(given["samples"], carried=[a.number(0)]) as samples:
            first = a.sum(b.mul(samples.index, given["ticks"]), given["begin"])
            bad = b.call(
                module.globals["neuron"],
                [
                    a.sum(given["inputs"], a.times(first, 4 * neurons)),
                    a.number(4 * neurons),
                    a.sum(given["potentials"], a.times(samples.index, state * padded)),
                    given["parameters"],
                    a.sum(given["spikes"], a.times(first, out * neurons)),
                    a.number(out * neurons),
                    a.sum(given["traces"], a.times(first, 4 * neurons)),
                    a.number(4 * neurons),
                    a.number(0),
                    a.number(neurons),
                    ticks,
                ],
            )
            samples.next = [b.or_(samples.carried[0], bad)]
        a.finish(samples.results[0])
