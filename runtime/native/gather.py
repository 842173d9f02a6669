"""The code of products: lists of events and sums of rows, or dense tiles of dot products.

Both make, for one output place and a block of channels, the currents (int32) of all ticks of a
sample in a small buffer, and hand it to the sink: the update of neurons, or a plain store. What
they add is exact for any order of the sums, for the accumulators were chosen for the layer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import frozen
from llvmlite import ir

from snnc.machine.assembly import I8, I16, I32, I64, Assembly, Loop, vector
from snnc.machine.paths import Path
from snnc.runtime.native.columns import LANES, MOST_TERMS
from snnc.runtime.native.window import Window

TERMS = tuple(f"term{n}" for n in range(MOST_TERMS))

FIELDS = (
    "samples",
    "ticks",
    "begin",
    "end",
    "inputs",
    "indices",
    "starts",
    "weights",
    "bias",
    "buffer",
    "potentials",
    "parameters",
    "spikes",
    "traces",
    "scale",
    "zeros",
    *TERMS,
)
"""What the argument block of a product holds, 64 bits each: numbers and addresses.

`scale` is the bits of a float32: what one of the units is worth in which float weights are counted.
`zeros` is where a row of zeros lies. Terms, where there are some, lie as the spikes do.
"""


TILES = {
    "baseline": (2,),
    "avx2": (4, 2),
    "avx512": (8, 8, 6, 4),
    "vnni": (8, 8, 6, 4),
}
"""Ticks of a dense tile by the vectors of channels that it has: its sums stay in registers."""

UNROLLED = 32
"""Bytes of a run up to which its words follow without a loop."""


@frozen
class Shape:
    """A product as code: its window, accumulators, blocks of channels and what follows it."""

    window: Window
    path: Path
    dense: bool
    element: int
    """Bytes of an input (dense), or bits of an accumulator (events)."""
    weight: int
    vectors: int
    lanes: int
    bias: bool
    state: int
    out: int
    traced: bool
    graded: bool = False
    """Whether a row counts as often as its input says (events of whole numbers)."""
    terms: tuple[int, ...] = ()
    """Bits of the values that are added to the currents by the sink."""

    @property
    def real(self) -> bool:
        """Whether sums are whole multiples of a unit, in 64 bits, that become floats."""
        return not self.dense and self.element == 64

    @property
    def block(self) -> int:
        """Channels of a block."""
        return self.vectors * self.lanes

    @property
    def blocks(self) -> int:
        """Blocks of channels of a group."""
        return -(-self.window.channels // self.block)

    @property
    def padded(self) -> int:
        """Channels of a group in potentials and parameters: whole vectors."""
        return -(-self.window.channels // LANES) * LANES


def blocking(channels: int, lanes: int, most: int) -> int:
    """Return how many vectors a block has so that few lanes are idle."""
    total = -(-channels // lanes)
    return min(range(min(most, total), 0, -1), key=lambda n: -(-total // n) * n)


class Product:
    """Writes the function `product` of a shape into a module that has its sink."""

    def __init__(self, module: Any, shape: Shape, name: str = "product") -> None:
        self.shape, self.window = shape, shape.window
        self.a = Assembly(module, name, 1)
        self.b = self.a.builder
        self.sink = module.globals["neuron"]
        block = self.a.arguments[0]
        self.given = {
            field: self.a.load(self.a.sum(block, 8 * n), I64) for n, field in enumerate(FIELDS)
        }
        self._emit()

    def _emit(self) -> None:
        a, b, w, given = self.a, self.b, self.window, self.given
        zero = a.number(0)
        with a.loop(w.groups, carried=[zero]) as groups:
            with a.loop(self.shape.blocks, carried=[groups.carried[0]]) as blocks:
                channel = a.times(blocks.index, self.shape.block)
                number = a.sum(a.times(groups.index, self.shape.blocks), blocks.index)
                with a.loop(given["samples"], carried=[blocks.carried[0]]) as samples:
                    with a.loop(w.out[0], carried=[samples.carried[0]]) as rows:
                        with a.loop(w.out[1], carried=[rows.carried[0]]) as columns:
                            place = (groups.index, channel, number, samples.index)
                            bad = self._place(*place, rows.index, columns.index)
                            columns.next = [b.or_(columns.carried[0], bad)]
                        rows.next = columns.results
                    samples.next = rows.results
                blocks.next = samples.results
            groups.next = blocks.results
        a.finish(groups.results[0])

    def _place(
        self, group: Any, channel: Any, number: Any, sample: Any, row: Any, column: Any
    ) -> Any:
        """Make the currents of one place and give them to the sink; return what that returns."""
        a, w = self.a, self.window
        unit = a.sum(
            a.times(row, w.stride[0] * w.size[1] * w.groups),
            a.times(column, w.stride[1] * w.groups),
            group,
        )
        run = w.length * self.shape.block * self.shape.weight // 8
        size = len(w.runs) * (self._bytes() if self.shape.dense else run)
        weights = a.sum(self.given["weights"], a.times(number, size))
        bias = a.sum(self.given["bias"], a.times(number, self._bias_bytes()))
        if self.shape.dense:
            self._dense(sample, unit, weights, bias)
        else:
            self._event(sample, unit, weights, bias)
        return self._sunk(group, channel, sample, row, column)

    def _bias_bytes(self) -> int:
        """Return the bytes of the constants of a block of channels."""
        return (8 if self.shape.real else 4) * self.shape.block

    def _sunk(self, group: Any, channel: Any, sample: Any, row: Any, column: Any) -> Any:
        a, b, w, s, given = self.a, self.b, self.window, self.shape, self.given
        place = a.sum(a.times(row, w.out[1]), column)
        neuron = a.sum(a.times(a.sum(a.times(place, w.groups), group), s.padded), channel)
        neurons = w.places * w.groups * s.padded
        held = a.sum(a.times(sample, neurons), neuron)
        out = a.sum(a.times(a.sum(a.times(place, w.groups), group), w.channels), channel)
        size = w.places * w.groups * w.channels
        tick = a.sum(b.mul(sample, given["ticks"]), given["begin"])
        out = a.sum(a.times(tick, size), out)
        left = b.sub(a.number(w.channels), channel)
        count = b.select(b.icmp_signed("<", left, a.number(s.block)), left, a.number(s.block))
        currents = a.sum(given["buffer"], a.times(given["begin"], 4 * s.block))
        terms: list[Any] = []
        for name, bits in zip(TERMS, s.terms, strict=False):
            terms += [a.sum(given[name], a.times(out, bits // 8)), a.number(size * bits // 8)]
        return b.call(
            self.sink,
            [
                currents,
                a.number(4 * s.block),
                a.sum(given["potentials"], a.times(held, s.state)),
                given["parameters"],
                a.sum(given["spikes"], a.times(out, s.out)),
                a.number(size * s.out),
                a.sum(given["traces"], a.times(out, 4)),
                a.number(size * 4),
                neuron,
                count,
                b.sub(given["end"], given["begin"]),
                *terms,
            ],
        )

    def _finished(self, sums: list[Any], bias: Any, tick: Any) -> None:
        """Store currents (vectors of 16 sums, in order) of a tick in the buffer, 32 bits each."""
        a = self.a
        address = a.sum(self.given["buffer"], a.times(tick, 4 * self.shape.block))
        for n, value in enumerate(sums):
            if self.shape.bias:
                size = LANES * value.type.element.width // 8
                value = self.b.add(value, a.load(a.sum(bias, size * n), value.type))
            if self.shape.real:
                value = self._real(value)
            a.store(value, a.sum(address, 64 * n))

    def _real(self, units: Any) -> Any:
        """Return numbers of units as float32: rounded once, as a power of two rounds nothing."""
        a, b = self.a, self.b
        scale = b.bitcast(b.trunc(self.given["scale"], I32), ir.FloatType())
        rounded = b.sitofp(units, vector(ir.FloatType(), LANES))
        return b.fmul(rounded, a.splat(scale, LANES))

    def _event(self, sample: Any, unit: Any, weights: Any, bias: Any) -> None:
        """Add up the weights of the active elements, tick by tick."""
        a, b, w, s, given = self.a, self.b, self.window, self.shape, self.given
        type = vector(ir.IntType(s.element), s.lanes)
        units = w.size[0] * w.size[1] * w.groups
        zeros = [a.number(0, type)] * s.vectors
        row_bytes = s.block * s.weight // 8
        with a.loop(given["end"], start=given["begin"]) as ticks:
            tick = a.sum(b.mul(sample, given["ticks"]), ticks.index)
            starts = a.sum(given["starts"], a.times(a.sum(a.times(tick, units), unit), 8))
            with self._runs(zeros) as (number, run, each):
                first = a.load(a.sum(starts, a.times(run, 8)), I64)
                last = a.load(a.sum(starts, a.times(run, 8), 8 * w.units), I64)
                base = a.times(a.sum(unit, run), w.unit)
                rows = b.sub(
                    a.sum(weights, a.times(number, w.length * row_bytes)),
                    a.times(base, row_bytes),
                )
                x = a.sum(given["inputs"], a.times(tick, self.window.inputs))
                each.next = self._rows(first, last, rows, x, each.carried)
            total = each.results
            self._finished(self._whole(total), bias, ticks.index)

    @contextmanager
    def _runs(self, sums: list[Any]) -> Iterator[tuple[Any, Any, Loop]]:
        """Loop over runs: number, distance in units from the place's first one, and the sums."""
        a, runs = self.a, self.window.runs
        type = ir.ArrayType(I64, len(runs))
        table = ir.GlobalVariable(a.module, type, a.module.get_unique_name("runs"))
        table.initializer, table.global_constant = ir.Constant(type, list(runs)), True
        table.linkage = "internal"
        address = self.b.ptrtoint(table, I64)
        with a.loop(len(runs), carried=sums) as each:
            run = a.load(a.sum(address, a.times(each.index, 8)), I64)
            yield each.index, run, each

    def _rows(self, first: Any, last: Any, rows: Any, x: Any, sums: list[Any]) -> list[Any]:
        """Add the rows of some events, two at a time; `x` is where the inputs of the tick are.

        An event without a second one has a row of zeros beside it: how many rows there are is hard
        to guess for a processor, and a loop for the last one would have it guess once more.
        """
        a, b, s = self.a, self.b, self.shape
        type, stored = sums[0].type, vector(ir.IntType(s.weight), s.lanes)

        def row(event: Any, there: Any = None) -> Callable[[int], Any]:
            index = b.sext(a.load(a.sum(self.given["indices"], a.times(event, 4)), I32), I64)
            at = a.sum(rows, a.times(index, s.block * s.weight // 8))
            if there is not None:
                index, at = (
                    b.select(there, index, a.number(0)),
                    b.select(there, at, self.given["zeros"]),
                )
            times = None
            if s.graded:
                times = a.splat(b.zext(a.load(a.sum(x, index), I8), type.element), s.lanes)

            def part(n: int) -> Any:
                found = a.load(a.sum(at, n * s.lanes * s.weight // 8), stored)
                found = found if found.type == type else b.sext(found, type)
                return found if times is None else b.mul(found, times)

            return part

        with a.loop(last, start=first, step=2, carried=sums) as pairs:
            second = a.sum(pairs.index, 1)
            one, other = row(pairs.index), row(second, b.icmp_signed("<", second, last))
            pairs.next = [b.add(v, b.add(one(n), other(n))) for n, v in enumerate(pairs.carried)]
        return pairs.results

    def _whole(self, sums: list[Any]) -> list[Any]:
        """Return sums as vectors of 16, of 32 bits at least."""
        wide = vector(I32, LANES)
        if self.shape.element >= 32:
            return sums
        parts = [
            self.a.part(v, at, LANES) for v in sums for at in range(0, self.shape.lanes, LANES)
        ]
        return [self.b.sext(part, wide) for part in parts]

    def _bytes(self) -> int:
        """Return the bytes of the packed weights of a run: whole words of four bytes per lane."""
        words = -(-self.window.length * self.shape.element // 4)
        return words * self.shape.block * 4

    def _dense(self, sample: Any, unit: Any, weights: Any, bias: Any) -> None:
        """Make tiles of some ticks and all channels of the block."""
        a, b, given = self.a, self.b, self.given
        rows = TILES[self.shape.path.name][self.shape.vectors - 1]
        ticks = b.sub(given["end"], given["begin"])
        whole = b.sub(given["end"], b.urem(ticks, a.number(rows)))
        with a.loop(whole, start=given["begin"], step=rows) as tiles:
            self._tile(sample, unit, weights, bias, tiles.index, rows)
        with a.loop(given["end"], start=whole) as rest:
            self._tile(sample, unit, weights, bias, rest.index, 1)

    def _tile(self, sample: Any, unit: Any, weights: Any, bias: Any, tick: Any, rows: int) -> None:
        a, b, w, s = self.a, self.b, self.window, self.shape
        step = w.inputs * s.element
        row = a.sum(b.mul(sample, self.given["ticks"]), tick)
        source = a.sum(self.given["inputs"], a.times(row, step), a.times(unit, w.unit * s.element))
        sums = [a.number(0, vector(I32, LANES))] * (rows * s.vectors)
        with self._runs(sums) as (number, run, each):
            x = a.sum(source, a.times(run, w.unit * s.element))
            packed = a.sum(weights, a.times(number, self._bytes()))
            each.next = self._run(each.carried, x, packed, rows, step)
        sums = each.results
        for r in range(rows):
            self._finished(sums[r * s.vectors : (r + 1) * s.vectors], bias, a.sum(tick, r))

    def _run(self, sums: list[Any], x: Any, packed: Any, rows: int, step: int) -> list[Any]:
        """Add the products of one run of each row."""
        a, s = self.a, self.shape
        length = self.window.length * s.element
        words = [(at, 4) for at in range(0, length - 3, 4)] if length <= UNROLLED else []
        if not words:
            with a.loop(length - length % 4, step=4, carried=sums) as quads:
                at = a.sum(packed, a.times(quads.index, s.block))
                quads.next = self._dots(quads.carried, a.sum(x, quads.index), at, rows, step, 4)
            sums = quads.results
        if length % 4:
            words.append((length - length % 4, length % 4))
        for start, size in words:
            sums = self._dots(
                sums, a.sum(x, start), a.sum(packed, start * s.block), rows, step, size
            )
        return sums

    def _dots(
        self, sums: list[Any], x: Any, packed: Any, rows: int, step: int, size: int
    ) -> list[Any]:
        """Add the products of `size` bytes of each row with a word of weights in every lane."""
        a, s = self.a, self.shape
        type = vector(I8, 64) if s.element == 1 else vector(I16, 32)
        weights = [a.load(a.sum(packed, 64 * n), type) for n in range(s.vectors)]
        added = []
        for r in range(rows):
            word = a.splat(self._word(a.sum(x, r * step), size), LANES)
            for n, w in enumerate(weights):
                added.append(self._dot(sums[r * s.vectors + n], word, w))
        return added

    def _word(self, address: Any, size: int) -> Any:
        """Return the next `size` bytes as a number of 32 bits, zeros above them."""
        a, b = self.a, self.b
        if size == 4:
            return a.load(address, I32)
        low = b.zext(a.load(address, I16 if size > 1 else I8), I32)
        if size < 3:
            return low
        high = b.zext(a.load(a.sum(address, 2), I8), I32)
        return b.or_(low, b.shl(high, a.number(16, I32)))

    def _dot(self, total: Any, word: Any, weights: Any) -> Any:
        a, b, path = self.a, self.b, self.shape.path
        x = b.bitcast(word, weights.type)
        if self.shape.element == 1:
            return a.call("llvm.x86.avx512.vpdpbusd.512", total.type, total, x, weights)
        if path.wide:
            return b.add(total, a.call("llvm.x86.avx512.pmaddw.d.512", total.type, x, weights))
        if path.name == "avx2":
            return b.add(total, self._halves(x, weights))
        wide = vector(I32, LANES)
        for odd in (0, 1):
            lanes = list(range(odd, 2 * LANES, 2))
            one, other = (b.sext(_picked(b, v, lanes), wide) for v in (x, weights))
            total = b.add(total, b.mul(one, other))
        return total

    def _halves(self, x: Any, weights: Any) -> Any:
        """Return sums of pairs of products, made in two vectors of 256 bits."""
        a, halves = self.a, []
        for at in (0, 16):
            parts = (a.part(v, at, 16) for v in (x, weights))
            halves.append(a.call("llvm.x86.avx2.pmadd.wd", vector(I32, 8), *parts))
        lanes = ir.Constant(vector(I32, LANES), list(range(LANES)))
        return self.b.shuffle_vector(*halves, lanes)


def _picked(builder: Any, value: Any, lanes: list[int]) -> Any:
    indices = ir.Constant(vector(I32, len(lanes)), lanes)
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), indices)
