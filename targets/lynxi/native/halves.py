"""Numbers of 16 bits in registers of 32: rounding to them, and how they lie in memory.

In registers a float16 is a float32 of the same value. Processors with the instructions for it
convert; others get the same bits from whole numbers.
"""

from typing import Any

from llvmlite import ir

from snnc.machine.assembly import I16, I32, Assembly, vector

_SIGN, _INFINITE, _GREATEST = 1 << 31, 0x7F800000, 0x477FE000
_LEAST_NORMAL = 0x38800000
_SCALE = 2.0**112
"""Ratio of what the bits of a float16, moved to those of a float32, mean in the one and other."""


class Halves:
    """Conversions of vectors; `own` is whether the processor has instructions for them."""

    def __init__(self, assembly: Assembly, own: bool) -> None:
        self.a, self.b, self.own = assembly, assembly.builder, own

    def rounded(self, x: Any) -> Any:
        """Return floats rounded to float16, to the even neighbor of two."""
        if self.own:
            half = vector(ir.HalfType(), x.type.count)
            return self.b.fpext(self.b.fptrunc(x, half), x.type)
        magnitude, sign = self._parts(x)
        return self._joined(self._nearest(magnitude, x.type), sign, x.type)

    def _nearest(self, magnitude: Any, floats: Any) -> Any:
        """Return the bits of magnitudes, rounded; what is no number stays as it is."""
        b, n = self.b, self._number(magnitude.type)
        odd = b.and_(b.lshr(magnitude, n(13)), n(1))
        kept = b.and_(b.add(b.add(magnitude, n(0xFFF)), odd), n(0xFFFFE000))
        kept = b.select(b.icmp_unsigned(">", kept, n(_GREATEST)), n(_INFINITE), kept)
        # Below the normal numbers floats near 1/2 have the spacing that is wanted.
        half = ir.Constant(floats, [0.5] * floats.count)
        small = b.fsub(b.fadd(b.bitcast(magnitude, floats), half), half)
        below = b.icmp_unsigned("<", magnitude, n(_LEAST_NORMAL))
        kept = b.select(below, b.bitcast(small, magnitude.type), kept)
        return b.select(b.icmp_unsigned(">", magnitude, n(_INFINITE)), magnitude, kept)

    def from_doubles(self, x: Any) -> Any:
        """Return doubles rounded once to float16: on the way, what is inexact is made odd."""
        b, floats = self.b, vector(ir.FloatType(), x.type.count)
        near = b.fptrunc(x, floats)
        back, bits = b.fpext(near, x.type), b.bitcast(near, vector(I32, x.type.count))
        n = self._number(bits.type)
        inexact = b.fcmp_ordered("!=", back, x)
        even = b.icmp_unsigned("==", b.and_(bits, n(1)), n(0))
        beyond = b.fcmp_ordered(">", self.a.intrinsic("fabs", back), self.a.intrinsic("fabs", x))
        moved = b.add(bits, b.select(beyond, n(-1), n(1)))
        return self.rounded(b.bitcast(b.select(b.and_(inexact, even), moved, bits), floats))

    def widened(self, bits: Any) -> Any:
        """Return the floats that 16-bit words mean."""
        floats = vector(ir.FloatType(), bits.type.count)
        if self.own:
            return self.b.fpext(self.b.bitcast(bits, vector(ir.HalfType(), floats.count)), floats)
        b = self.b
        word = b.zext(bits, vector(I32, floats.count))
        n = self._number(word.type)
        magnitude = b.shl(b.and_(word, n(0x7FFF)), n(13))
        scale = ir.Constant(floats, [_SCALE] * floats.count)
        finite = b.bitcast(b.fmul(b.bitcast(magnitude, floats), scale), word.type)
        beyond = b.icmp_unsigned(">=", magnitude, n(0x7C00 << 13))
        value = b.select(beyond, b.or_(magnitude, n(_INFINITE)), finite)
        return self._joined(value, b.shl(b.and_(word, n(0x8000)), n(16)), floats)

    def narrowed(self, x: Any) -> Any:
        """Return the 16-bit words of floats that are rounded already."""
        words = vector(I16, x.type.count)
        if self.own:
            return self.b.bitcast(self.b.fptrunc(x, vector(ir.HalfType(), words.count)), words)
        b = self.b
        magnitude, sign = self._parts(x)
        n = self._number(magnitude.type)
        scale = ir.Constant(x.type, [1 / _SCALE] * x.type.count)
        finite = b.bitcast(b.fmul(b.bitcast(magnitude, x.type), scale), magnitude.type)
        beyond = b.icmp_unsigned(">=", magnitude, n(_INFINITE))
        bits = b.select(beyond, b.and_(magnitude, n(0x7C00 << 13 | 0x7FE000)), finite)
        word = b.or_(b.lshr(bits, n(13)), b.lshr(sign, n(16)))
        return b.trunc(word, words)

    def _parts(self, x: Any) -> tuple[Any, Any]:
        bits = self.b.bitcast(x, vector(I32, x.type.count))
        n = self._number(bits.type)
        return self.b.and_(bits, n(_SIGN - 1)), self.b.and_(bits, n(_SIGN))

    def _joined(self, magnitude: Any, sign: Any, floats: Any) -> Any:
        return self.b.bitcast(self.b.or_(magnitude, sign), floats)

    def _number(self, type: Any) -> Any:
        return lambda value: self.a.number(value, type)
