"""Native kernels: products with the neurons that read them, products alone, neurons alone.

They take and give what the kernels of the numpy engine do, states of the reference included. An
array that they give may be a view in which channels lie next to each other.
"""

from functools import cached_property
from typing import Any

import numpy as np
from attrs import evolve

from snnc.ir.graph import Op
from snnc.ir.weights import Array
from snnc.machine.addresses import address
from snnc.machine.compiler import Compiler, Function
from snnc.runtime.native import packing
from snnc.runtime.native.arrangement import Arrangement
from snnc.runtime.native.choice import dense_is_faster
from snnc.runtime.native.columns import LANES, Framed
from snnc.runtime.native.events import SLACK, Events
from snnc.runtime.native.gather import FIELDS, TERMS, TILES, Product, Shape, blocking
from snnc.runtime.native.neurons import Neurons
from snnc.runtime.native.real_neurons import RealNeurons
from snnc.runtime.native.sinks import Scan, Store
from snnc.runtime.native.source import Source
from snnc.runtime.native.steps import Called
from snnc.runtime.semantics import State

ZEROS = np.zeros(1024, dtype=np.uint8)
"""A row of weights for events that are not there: as long as the longest block."""


def arguments_of(fields: dict[str, int]) -> Array:
    """Return the block of arguments of a product or scan."""
    return np.array([fields.get(name, 0) for name in FIELDS], dtype=np.int64)


class Gathered:
    """A product, with the neurons that alone read it or without."""

    def __init__(
        self, compiler: Compiler, source: Source, neurons: Neurons | RealNeurons | None
    ) -> None:
        self.compiler, self.source, self.neurons = compiler, source, neurons
        self.scale = int(np.float32(source.unit).view(np.int32))
        if source.real:
            self.element, self.weight, self.sums = None, 64, 64
        else:
            self.element = source.element(compiler.path.vnni)
            self.weight = source.bits()
            self.sums = 16 if self.weight <= 16 and source.reach() < 2**15 else 32
        self._codes: dict[tuple[int, int, bool], tuple[Shape, Function]] = {}
        self._packed: dict[tuple[int, ...], tuple[dict[str, int], dict[str, Array]]] = {}

    @property
    def looped(self) -> int:
        """Bytes of an input in dot products, 0 for events, where a call has only a few ticks."""
        binary = self.source.binary or self.element is None
        return 0 if binary else self.element or 0

    @cached_property
    def reading(self) -> tuple[Array | None, Array | None, int]:
        """How an input lies: elements in the order in which they are read, their places, the size.

        Each is None if it is plain; other places have zeros.
        """
        type = self.source.op.values[0].type
        laid = self.source.layout(np.arange(1, type.size + 1).reshape(1, 1, *type.shape))
        (places,) = np.nonzero(laid.reshape(-1))
        elements = laid.reshape(-1)[places] - 1
        full = len(places) == laid.size
        plain = np.array_equal(elements, np.arange(type.size))
        return None if plain else elements, None if full else places, laid.size

    def start(self, samples: int, first_sample: int) -> State:
        """Return the initial potentials, or no state."""
        return self.neurons.start(samples) if self.neurons else ()

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return spikes and potentials, or the sums; see `snnc.runtime.numpy_trains.Kernel`."""
        x, terms = self.source.layout(operands[0]), operands[1:]
        active = x.size
        if self.source.binary or self.source.real:
            x = np.ascontiguousarray(x, dtype=np.uint8)
            active = active_inputs(x)
        element = self._chosen(active / max(1, x.size))
        # An event's number is the place of a byte, a dot product reads bytes or pairs of them.
        x = np.ascontiguousarray(x, dtype=np.int16 if element == 2 else np.uint8)
        if self.neurons is None:
            arrangement = self.source.result
            shape = (len(x), ticks, arrangement.rows, arrangement.channels)
            sums = np.empty(shape, dtype=np.float32 if self.sums == 64 else np.int32)
            fields = {"end": ticks, "spikes": address(sums)}
            self._call(x, ticks, active, fields, self.code(element, None, 4))
            return [arrangement.outer(sums, 2)], state
        work = self.neurons.work(tick, ticks, state, potentials)
        code = self.code(element, work.form, work.spikes.itemsize)
        placed = [self._placed(y, bits) for y, bits in zip(terms, work.form.terms, strict=True)]
        fields = work.fields() | {n: address(a) for n, a in zip(TERMS, placed, strict=False)}
        return work.results(self._call(x, ticks, active, fields, code))

    def _placed(self, term: Array, bits: int) -> Array:
        """Return a term as the spikes lie, in bytes or as currents are."""
        kind: Any = np.uint8 if bits == 8 else np.float32 if self.sums == 64 else np.int32
        return np.ascontiguousarray(self.source.result.inner(term, 2), dtype=kind)

    def _chosen(self, share: float) -> int:
        """Return the bytes of an input in dot products, or 0 for events."""
        if self.element is None:
            return 0
        if not self.source.binary:
            return self.element
        path, window = self.compiler.path.name, self.source.window
        dense = dense_is_faster(path, window, share, self.sums, self.element)
        return self.element if dense else 0

    def _shape(
        self, element: int, state: int, out: int, traced: bool, terms: tuple[int, ...]
    ) -> Shape:
        source, path = self.source, self.compiler.path
        window = source.window
        if element:
            lanes, vectors, sums = (
                LANES,
                blocking(window.channels, LANES, len(TILES[path.name])),
                element,
            )
        else:
            sums = self.sums
            lanes = 32 if sums == 16 and window.channels > LANES else LANES
            vectors = blocking(window.channels, lanes, 8)
        return Shape(
            window,
            path,
            bool(element),
            sums,
            self.weight,
            vectors,
            lanes,
            source.bias is not None,
            state,
            out,
            traced,
            source.real and not source.binary,
            terms,
        )

    def _call(
        self,
        x: Array,
        ticks: int,
        active: int,
        fields: dict[str, int],
        code: tuple[Shape, Function],
    ) -> int:
        shape, function = code
        kept = self.kept(shape, x, ticks, active)
        if not shape.dense:
            rows = len(x) * ticks
            self.listed()(rows, *(address(a) for a in (x, kept["indices"], kept["starts"])))
        sizes = {"samples": len(x), "ticks": ticks}
        addresses = {name: address(array) for name, array in kept.items()}
        arguments = arguments_of({**sizes, **addresses, **self.lasting(shape), **fields})
        return function(address(arguments))

    def kept(self, shape: Shape, x: Array, ticks: int, active: int) -> dict[str, Array]:
        """Return the arrays of one call by the names of their addresses: inputs and buffers."""
        found = {"inputs": x, "buffer": np.empty((ticks + 1) * shape.block, dtype=np.int32)}
        if not shape.dense:
            window = self.source.window
            units = window.size[0] * window.size[1] * window.groups
            found["indices"] = np.empty(active + SLACK, dtype=np.int32)
            found["starts"] = np.empty(len(x) * ticks * units + 1, dtype=np.int64)
        return found

    def listed(self, name: str = "events") -> Function:
        """Return the function that lists events, or `called`: the same with a block of words."""
        window = self.source.window

        def emit(module: Any) -> None:
            Events(module, window, self.compiler.path)
            if name == "called":
                Called(module, "events")

        about = (window.size, window.groups, window.unit)
        return self.compiler.function(name, about, emit)

    def code(self, element: int, form: Framed | None, out: int) -> tuple[Shape, Function]:
        """Return the shape and the function of a call, made once.

        `element` is the bytes of an input in dot products, 0 for events; `out` those of a result.
        """
        # Of all that forms have, only these differ between the calls of one layer.
        state, traced = (form.bits // 8, form.traced) if form else (4, False)
        if (element, state, traced) not in self._codes:
            terms = form.terms if form else ()
            shape = self._shape(element, state, out, traced, terms)
            self._codes[element, state, traced] = shape, self._function(shape, form)
        return self._codes[element, state, traced]

    def _function(self, shape: Shape, form: Framed | None) -> Function:
        form = evolve(form, wide=shape.path.wide) if form else None

        def emit(module: Any) -> None:
            if form is None:
                Store(module, shape.window.channels % LANES)
            else:
                form.emit(module)
            Product(module, shape)

        return self.compiler.function("product", (shape, form), emit)

    def lasting(self, shape: Shape) -> dict[str, int]:
        """Return what arguments are the same in every call: the addresses of weights and bias."""
        key = (shape.dense, shape.element, shape.block)
        if key not in self._packed:
            w = self.source.weights
            packed = (
                packing.words(w, shape.block, shape.element)
                if shape.dense
                else packing.rows(w, shape.block, shape.weight)
            )
            bias = self.source.bias
            bias = np.zeros(0, np.int32) if bias is None else bias
            kind = np.dtype(np.int64 if shape.real else np.int32)
            constants = packing.constants(bias, shape.window.groups, shape.block, kind)
            arrays = {"weights": packed, "bias": constants, "zeros": ZEROS}
            fields = {name: address(array) for name, array in arrays.items()}
            # Another thread may have been first: its arrays stay, whoever has their addresses.
            self._packed.setdefault(key, (fields | {"scale": self.scale}, arrays))
        return self._packed[key][0]


class Scanned:
    """Neurons whose input is there already."""

    def __init__(self, compiler: Compiler, neurons: Neurons | RealNeurons) -> None:
        self.compiler, self.neurons = compiler, neurons
        self.kind = np.float32 if isinstance(neurons, RealNeurons) else np.int32

    def start(self, samples: int, first_sample: int) -> State:
        """Return the initial potentials."""
        return self.neurons.start(samples)

    def run(
        self, tick: int, ticks: int, operands: list[Array], state: State, potentials: bool
    ) -> tuple[list[Array], State]:
        """Return spikes, and potentials if asked for, of the chunk."""
        x = self.neurons.arrangement.inner(operands[0], 2)
        x = np.ascontiguousarray(x, dtype=self.kind)
        work = self.neurons.work(tick, ticks, state, potentials)
        fields = work.fields() | {"samples": len(x), "ticks": ticks, "inputs": address(x)}
        block = arguments_of(fields)
        return work.results(self.code(work.form, work.spikes.itemsize)(address(block)))

    def code(self, form: Framed, out: int) -> Function:
        """Return the function of a call; `out` is the bytes of a spike."""
        arrangement, form = self.neurons.arrangement, evolve(form, wide=self.compiler.path.wide)

        def emit(module: Any) -> None:
            form.emit(module)
            Scan(module, arrangement.channels, arrangement.padded, form.bits // 8, out)

        return self.compiler.function("scan", (form, arrangement, out), emit)


def active_inputs(x: Array) -> int:
    """Return how many inputs, contiguous bytes, are not 0."""
    # numpy counts truth values many times faster than numbers, and only they may be seen so.
    return int(np.count_nonzero(x.view(np.bool_) if x.max(initial=0) <= 1 else x))


def flat(op: Op, together: bool) -> Arrangement:
    """Return the arrangement of neurons as one row, in which channels may lie together."""
    shape = op.result.type.shape
    return Arrangement(shape, 1, op.result.type.size, last=not together)
