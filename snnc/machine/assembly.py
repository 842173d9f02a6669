"""A thin layer over llvmlite's builder: addresses as 64-bit integers, loops as context managers.

Pointers are integers until the moment of a load or store, so that address arithmetic is plain.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
POINTER = ir.PointerType()
_FLOATS = (ir.HalfType, ir.FloatType, ir.DoubleType)


def vector(type: Any, lanes: int) -> Any:
    """Return a vector type."""
    return ir.VectorType(type, lanes)


def bytes_of(type: Any) -> int:
    """Return the bytes of a number in memory."""
    sizes = {"half": 2, "float": 4, "double": 8}
    return sizes.get(str(type)) or max(1, type.width // 8)


class Loop:
    """A running loop: its index, what it carries, and what it carries on (set `next`)."""

    def __init__(self, index: Any, carried: list[Any]) -> None:
        self.index, self.carried = index, carried
        self.next: Sequence[Any] = ()
        self.results: list[Any] = []


class Assembly:
    """Instructions of one function."""

    def __init__(self, module: Any, name: str, arguments: int) -> None:
        type = ir.FunctionType(I64, [I64] * arguments)
        self.function = ir.Function(module, type, name)
        self.module, self.builder = module, ir.IRBuilder(self.function.append_basic_block())

    @property
    def arguments(self) -> list[Any]:
        """The arguments, all 64-bit integers."""
        return list(self.function.args)

    def number(self, value: int, type: Any = I64) -> Any:
        """Return a constant, repeated in every lane of a vector type."""
        if isinstance(type, ir.VectorType):
            return ir.Constant(type, [value] * type.count)
        return ir.Constant(type, value)

    def sum(self, *terms: Any) -> Any:
        """Return a sum of 64-bit integers, numbers or values."""
        constant = sum(t for t in terms if isinstance(t, int))
        total = None
        for term in terms:
            if not isinstance(term, int):
                total = term if total is None else self.builder.add(total, term)
        if total is None:
            return self.number(constant)
        return self.builder.add(total, self.number(constant)) if constant else total

    def times(self, value: Any, factor: int) -> Any:
        """Return a multiple of a 64-bit integer."""
        return value if factor == 1 else self.builder.mul(value, self.number(factor))

    def load(self, address: Any, type: Any) -> Any:
        """Return what is stored at an address of any alignment."""
        loaded = self.builder.load(self.builder.inttoptr(address, POINTER), typ=type)
        loaded.align = 1
        return loaded

    def store(self, value: Any, address: Any) -> None:
        """Store a value at an address of any alignment."""
        self.builder.store(value, self.builder.inttoptr(address, POINTER)).align = 1

    def load_first(self, address: Any, type: Any, lanes: int) -> Any:
        """Return a vector of which only the first `lanes` are read; the others are 0."""
        found, size = ir.Constant(type, None), bytes_of(type.element)
        for at, count in _powers(lanes):
            piece = self.load(self.sum(address, at * size), vector(type.element, count))
            places = [lane - at if at <= lane < at + count else 0 for lane in range(type.count)]
            wide = self.shuffled(piece, piece, places)
            places = [lane + type.count * (at <= lane < at + count) for lane in range(type.count)]
            found = self.shuffled(found, wide, places)
        return found

    def store_first(self, value: Any, address: Any, lanes: int) -> None:
        """Store the first `lanes` of a vector and nothing behind them.

        Masked stores would do, but LLVM 22 writes too much where it makes one lane of a narrowed
        vector a plain store.
        """
        size = bytes_of(value.type.element)
        for at, count in _powers(lanes):
            self.store(self.part(value, at, count), self.sum(address, at * size))

    def intrinsic(self, name: str, *operands: Any) -> Any:
        """Return an operation of LLVM on vectors of one type, of which the result is one too."""
        type = operands[0].type
        return self.call(f"llvm.{name}.{self._suffix(type)}", type, *operands)

    def call(self, name: str, result: Any, *operands: Any) -> Any:
        """Return what a declared function gives."""
        return self.builder.call(
            self._declared(name, result, [o.type for o in operands]), list(operands)
        )

    def splat(self, value: Any, lanes: int) -> Any:
        """Return a vector with one value in every lane."""
        type = vector(value.type, lanes)
        nothing = ir.Constant(type, ir.Undefined)
        one = self.builder.insert_element(nothing, value, self.number(0, I32))
        return self.builder.shuffle_vector(one, nothing, ir.Constant(vector(I32, lanes), None))

    def part(self, value: Any, start: int, lanes: int) -> Any:
        """Return some lanes of a vector."""
        return self.shuffled(value, value, list(range(start, start + lanes)))

    def shuffled(self, one: Any, other: Any, lanes: list[int]) -> Any:
        """Return lanes of two vectors, those of the other one counted behind those of the one."""
        indices = ir.Constant(vector(I32, len(lanes)), lanes)
        return self.builder.shuffle_vector(one, other, indices)

    @contextmanager
    def loop(
        self, stop: Any, *, start: Any = 0, step: int = 1, carried: Sequence[Any] = ()
    ) -> Iterator[Loop]:
        """Count from `start` while below `stop`; carried values of no round are the given ones."""
        b = self.builder
        start, stop = self.sum(start), self.sum(stop)
        before = b.block
        body, after = self.function.append_basic_block(), self.function.append_basic_block()
        b.cbranch(b.icmp_signed("<", start, stop), body, after)
        b.position_at_end(body)
        index = b.phi(I64)
        index.add_incoming(start, before)
        phis = [b.phi(value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value, before)
        running = Loop(index, phis)
        yield running
        last, following = b.block, b.add(index, self.number(step))
        index.add_incoming(following, last)
        for phi, value in zip(phis, running.next, strict=True):
            phi.add_incoming(value, last)
        b.cbranch(b.icmp_signed("<", following, stop), body, after)
        b.position_at_end(after)
        for value, new in zip(carried, running.next, strict=True):
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            phi.add_incoming(new, last)
            running.results.append(phi)

    @contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        """Run what is inside only where a condition holds."""
        with self.builder.if_then(condition):
            yield

    def finish(self, value: Any) -> None:
        """Return a 64-bit integer."""
        self.builder.ret(value)

    def _suffix(self, type: Any) -> str:
        if isinstance(type, ir.VectorType):
            return f"v{type.count}{self._suffix(type.element)}"
        return type.intrinsic_name if isinstance(type, _FLOATS) else f"i{type.width}"

    def _declared(self, name: str, result: Any, operands: list[Any]) -> Any:
        found = self.module.globals.get(name)
        return found or ir.Function(self.module, ir.FunctionType(result, operands), name)


def _powers(count: int) -> list[tuple[int, int]]:
    """Return pieces (start, size) of a count, each a power of two, the largest first."""
    found, at = [], 0
    while at < count:
        found.append((at, 1 << ((count - at).bit_length() - 1)))
        at += found[-1][1]
    return found
