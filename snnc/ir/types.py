"""Types of values: element, shape and time.

`u1[784]` is a constant, `u1[784]~` one value per tick, and `u1[512]~+1`, at placed levels, a train
whose core starts one tick after the inputs. Types compare by value and read like numpy shapes.
"""

import math
import re
from functools import lru_cache

import numpy as np
from attrs import evolve, field, frozen

from snnc.diagnostics import UNKNOWN, Location, fail


@frozen
class Element:
    """Kind and width of one number; `low` and `high` are the integer range (0, 0 for floats).

    The name says all of it.
    """

    name: str
    bits: int = field(eq=False)
    low: int = field(eq=False)
    high: int = field(eq=False)
    storage: np.dtype = field(eq=False)

    @property
    def is_float(self) -> bool:
        """Whether values are real numbers."""
        return self.name.startswith("f")

    @property
    def is_signed(self) -> bool:
        """Whether the integer range reaches below zero."""
        return self.low < 0

    @property
    def fills_storage(self) -> bool:
        """Whether every value of the storage is one of the element."""
        return self.bits == 8 * self.storage.itemsize

    def __str__(self) -> str:
        return self.name


def _integer(name: str, bits: int, storage: str) -> Element:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if name[0] == "i" else (0, (1 << bits) - 1)
    return Element(name, bits, low, high, np.dtype(storage))


# Sub-byte integers are held one per byte; only emitters pack them.
U1 = _integer("u1", 1, "uint8")
U8 = _integer("u8", 8, "uint8")
U16 = _integer("u16", 16, "uint16")
I2 = _integer("i2", 2, "int8")
I4 = _integer("i4", 4, "int8")
I8 = _integer("i8", 8, "int8")
I16 = _integer("i16", 16, "int16")
I32 = _integer("i32", 32, "int32")
F16 = Element("f16", 16, 0, 0, np.dtype("float16"))
F32 = Element("f32", 32, 0, 0, np.dtype("float32"))

ELEMENTS = {e.name: e for e in (U1, U8, U16, I2, I4, I8, I16, I32, F16, F32)}
INTEGERS = tuple(e for e in ELEMENTS.values() if not e.is_float)
FLOATS = (F16, F32)


@frozen
class Type:
    """Element and shape; `phase` is None for a constant, else the start tick of a train."""

    element: Element
    shape: tuple[int, ...]
    phase: int | None = None

    @property
    def timed(self) -> bool:
        """Whether there is one value per tick."""
        return self.phase is not None

    @property
    def size(self) -> int:
        """Number of elements of one value."""
        return math.prod(self.shape)

    def with_element(self, element: Element) -> "Type":
        """Return the same shape and time with another element."""
        return evolve(self, element=element)

    def with_shape(self, shape: tuple[int, ...]) -> "Type":
        """Return the same element and time with another shape."""
        return evolve(self, shape=tuple(shape))

    def __str__(self) -> str:
        time = "" if self.phase is None else "~" + (f"+{self.phase}" if self.phase else "")
        return f"{self.element}[{', '.join(map(str, self.shape))}]{time}"


_TYPE = re.compile(r"([a-z]+\d+)\[((?: *\d{1,18} *,)* *(?:\d{1,18} *)?)\](~(?:\+(\d{1,18}))?)?")


@lru_cache(maxsize=4096)
def parse_type(text: str, loc: Location = UNKNOWN) -> Type:
    """Return the type that a text such as `i32[10]~` names.

    >>> str(parse_type("u1[1, 28,28]~+2"))
    'u1[1, 28, 28]~+2'
    """
    match = _TYPE.fullmatch(text)
    if match is None or match[1] not in ELEMENTS:
        raise fail(
            "bad-type",
            f"{text!r} is not a type",
            loc,
            help=f"write ELEMENT[SHAPE] or ELEMENT[SHAPE]~ with one of {', '.join(ELEMENTS)}",
        )
    shape = tuple(int(part) for part in match[2].split(",") if part.strip())
    phase = None if match[3] is None else int(match[4] or 0)
    return Type(ELEMENTS[match[1]], shape, phase)


def train(element: Element, *shape: int) -> Type:
    """Return the type of one value per tick."""
    return Type(element, shape, 0)


def smallest_weight(low: int, high: int) -> Element | None:
    """Return the narrowest weight element (u1, i2, i4, i8) that holds a range, or None.

    A one-bit weight is 0 or 1, wider ones are two's complement (paicore.md, section 1.4).
    """
    for element in (U1, I2, I4, I8):
        if element.low <= low and high <= element.high:
            return element
    return None
