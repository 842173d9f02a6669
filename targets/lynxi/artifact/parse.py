"""Reads the printed form of a graph back, with or without its metadata section.

The contract: bindings are numbered 0, 1, 2 ... and read only what stands above them; every call has
its type; the function is whole. What is not so is refused with its line and column. A text without
the section is read as the tutorial prints it; its states then have no pairing.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.diagnostics import Location, SnncError, at, fail
from snnc.ir.weights import Array
from snnc.targets.lynxi.artifact.records import (
    CONSTANT_KEY,
    FAMILIES,
    KEY_OF,
    TUPLE,
    AnyType,
    Arg,
    Binding,
    Constant,
    Graph,
    Node,
    Scalar,
    TensorType,
    TupleType,
    Var,
)
from snnc.targets.lynxi.artifact.text import SECTION, UNITS

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<open>/\*\s*ty=)|(?P<close>\*/)|(?P<value>%[A-Za-z0-9_.]+)"
    r"|(?P<meta>meta\[[A-Za-z0-9_.]+\]\[\d+\])|(?P<name>@?[A-Za-z_][A-Za-z0-9_.]*)"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?:f16|f)?(?![A-Za-z0-9_.]))"
    r'|(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>->|[(){}\[\],;:=])'
)
_NUMBERED = re.compile(r"(\d+)(?:\.(\d+))?")
_FAMILY = re.compile(rf"({'|'.join(FAMILIES)})_(\d+)_(\d+)")
_WORDS = {"None": None, "True": True, "False": False}


@frozen
class _Token:
    kind: str
    text: str
    place: int


def read(text: str, file: str = "graph", images: Mapping[str, Array] | None = None) -> Graph:
    """Return the graph that a text says; `images` are constants that it names.

    Raises:
        SnncError: `graph-syntax`, `graph-reference`, `graph-metadata`.
    """
    body, found, section = text.partition(f"\n{SECTION}\n")
    metas, constants = _metadata(section, images or {}, file) if found else ({}, None)
    return _Reader(body, file, metas, constants).graph()


def _metadata(
    section: str, images: Mapping[str, Array], file: str
) -> tuple[dict[str, tuple[dict[str, Any], ...]], tuple[Array, ...]]:
    try:
        given = json.loads(section)
        constants = []
        for entry in given.pop(CONSTANT_KEY):
            kind, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
            image = images[entry["param"]] if "param" in entry else entry["value"]
            array = np.broadcast_to(np.asarray(image, dtype=kind), shape)
            if "param" in entry and np.shape(image) != shape:
                raise ValueError(f"{entry['param']} has shape {np.shape(image)}, not {shape}")
            constants.append(array)
        metas = {k: tuple(dict(row) for row in given[k]) for k in KEY_OF.values() if k in given}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise fail(
            "graph-metadata",
            f"the metadata section of {file} cannot be read: {reason}",
            at(file, 1),
            help="compile again; the section is JSON that lists constants, states and random ops",
        ) from None
    return metas, tuple(constants)


class _Reader:
    """Tokens of one function, read from left to right."""

    def __init__(
        self,
        text: str,
        file: str,
        metas: Mapping[str, tuple[dict[str, Any], ...]],
        constants: tuple[Array, ...] | None,
    ) -> None:
        self.text, self.file = text, file
        self.metas, self.constants = metas, constants
        self.images: dict[int, TensorType] = {}
        self.params: dict[str, TensorType] = {}
        self.bindings: list[Binding] = []
        self.tokens = self._split()
        self.next = 0

    def _split(self) -> list[_Token]:
        tokens, place = [], 0
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if match is None or match.lastgroup is None:
                raise self.wrong(f"{self.text[place : place + 12]!r} is no part of a graph", place)
            if match.lastgroup != "space":
                tokens.append(_Token(match.lastgroup, match[0], place))
            place = match.end()
        return [*tokens, _Token("end", "the end of the text", place)]

    def loc(self, place: int) -> Location:
        """Return the line and column of a place in the text."""
        line = self.text.count("\n", 0, place) + 1
        return at(self.file, line, place - self.text.rfind("\n", 0, place))

    def wrong(self, reason: str, place: int, code: str = "graph-syntax") -> SnncError:
        """Return the error for a place."""
        help = "the text was cut or edited; compile again"
        return fail(code, f"{self.file} is no whole graph: {reason}", self.loc(place), help=help)

    def peek(self, text: str) -> bool:
        """Whether the next token is this one."""
        return self.tokens[self.next].text == text

    def take(self, text: str = "", kind: str = "") -> _Token:
        """Return the next token, which must be of a text or kind."""
        token = self.tokens[self.next]
        if (text and token.text != text) or (kind and token.kind != kind):
            raise self.wrong(f"{text or f'a {kind}'} is missing before {token.text}", token.place)
        self.next += 1
        return token

    def accept(self, text: str) -> bool:
        """Take the next token if it is this one."""
        if self.peek(text):
            self.next += 1
            return True
        return False

    def graph(self) -> Graph:
        """Return the function."""
        self.take("def")
        name = self.take(kind="name").text.removeprefix("@")
        self.take("(")
        while not self.accept(")"):
            param = self.take(kind="value").text[1:]
            self.take(":")
            self.params[param] = self.tensor()
            if not self.peek(")"):
                self.take(",")
        self.take("->")
        returned, place = self.type(), self.tokens[self.next].place
        self.take("{")
        while self.tokens[self.next].kind == "value" and self.tokens[self.next + 1].text == "=":
            token = self.take()
            if token.text != f"%{len(self.bindings)}":
                reason = f"%{len(self.bindings)} is expected, not {token.text}"
                raise self.wrong(reason, token.place, "graph-reference")
            self.take("=")
            self.bindings.append(self.call())
            self.take(";")
        self.bindings.append(self.call())
        self.take("}")
        self.take(kind="end")
        if self.bindings[-1].type != returned:
            raise self.wrong(f"it returns {self.bindings[-1].type}, not {returned}", place)
        return Graph(name, self.params, tuple(self.bindings), self.metas, self._constants())

    def _constants(self) -> tuple[Array, ...]:
        """Return the images; without a section they are zeros, as states begin."""
        count = 1 + max(self.images, default=-1)
        held = self.constants
        if held is None:
            zero = {i: np.zeros(t.shape, t.dtype) for i, t in self.images.items()}
            return tuple(zero[i] for i in range(count))
        for index, type in self.images.items():
            if index >= len(held) or (held[index].shape, held[index].dtype.name) != (
                type.shape,
                type.dtype,
            ):
                reason = f"meta[{CONSTANT_KEY}][{index}] is not the {type} that the section holds"
                raise self.wrong(reason, 0, "graph-metadata")
        return held

    def call(self) -> Binding:
        """Return a call, or a group of values, with its type."""
        token = self.tokens[self.next]
        if self.accept("("):
            args: list[Arg] = []
            while not self.accept(")"):
                args.append(self.arg())
                if not self.peek(")"):
                    self.take(",")
            return Binding(TUPLE, tuple(args), self.annotation())
        name = self.take(kind="name").text
        self.take("(")
        args, attrs, meta = self._inside(name)
        family, serial = _FAMILY.fullmatch(name), None
        if family:
            name, serial = family[1], int(family[3])
            if int(family[2]) != len(args):
                raise self.wrong(f"{family[0]} has {len(args)} inputs", token.place)
        if self.metas and (meta is None) != (name not in KEY_OF):
            raise self.wrong(f"{name} has no entry in the metadata", token.place)
        return Binding(name, tuple(args), self.annotation(), attrs, meta, serial)

    def _inside(self, name: str) -> tuple[list[Arg], dict[str, Any], int | None]:
        args: list[Arg] = []
        attrs: dict[str, Any] = {}
        meta: int | None = None
        while not self.accept(")"):
            token = self.tokens[self.next]
            if token.kind == "name" and self.tokens[self.next + 1].text == "=":
                self.next += 2
                attrs[token.text] = self.value()
            elif token.kind == "meta" and not token.text.startswith(f"meta[{CONSTANT_KEY}]"):
                self.next += 1
                meta = self._meta(token)
            else:
                args.append(self.arg())
            if not self.peek(")"):
                self.take(",")
        said = UNITS.get(name, "").partition("=")[0]
        return args, {k: v for k, v in attrs.items() if k != said or v is not None}, meta

    def _meta(self, token: _Token) -> int:
        key, _, index = token.text[5:-1].partition("][")
        if self.metas and int(index) >= len(self.metas.get(key, ())):
            raise self.wrong(f"the section has no {token.text}", token.place, "graph-metadata")
        return int(index)

    def arg(self) -> Arg:
        """Return an argument."""
        token = self.take()
        if token.kind == "value":
            return self._reference(token)
        if token.kind == "meta":
            index = int(token.text.rpartition("[")[2][:-1])
            type = self.annotation()
            if self.annotation() != type or not isinstance(type, TensorType):
                raise self.wrong("the types of a constant differ", token.place)
            self.images[index] = type
            return Constant(index, type)
        if token.kind == "number" or token.text in ("True", "False"):
            kind = self.annotation()
            if not isinstance(kind, TensorType) or kind.shape:
                raise self.wrong(f"{token.text} is no {kind}", token.place)
            if token.text in _WORDS:
                return Scalar(token.text == "True", kind.dtype)
            return Scalar(_number(token.text), kind.dtype)
        raise self.wrong(f"{token.text} is no argument", token.place)

    def _reference(self, token: _Token) -> Arg:
        name = token.text[1:]
        numbered = _NUMBERED.fullmatch(name)
        if numbered and int(numbered[1]) < len(self.bindings):
            return Node(int(numbered[1]), None if numbered[2] is None else int(numbered[2]))
        if name in self.params:
            return Var(name)
        raise self.wrong(f"nothing above makes {token.text}", token.place, "graph-reference")

    def value(self) -> Any:
        """Return the value of an attribute."""
        token = self.take()
        if token.text == "[":
            items = []
            while not self.accept("]"):
                items.append(self.value())
                if not self.peek("]"):
                    self.take(",")
            return tuple(items)
        if token.kind == "text":
            return json.loads(token.text)
        if token.kind == "number":
            return _number(token.text)
        if token.text in _WORDS:
            return _WORDS[token.text]
        raise self.wrong(f"{token.text} is no value of an attribute", token.place)

    def annotation(self) -> AnyType:
        """Return the type in `/* ty=... */`."""
        self.take(kind="open")
        type = self.type()
        self.take(kind="close")
        return type

    def type(self) -> AnyType:
        """Return a tensor's type, or that of a group."""
        if not self.accept("("):
            return self.tensor()
        fields = []
        while not self.accept(")"):
            fields.append(self.tensor())
            if not self.peek(")"):
                self.take(",")
        return TupleType(tuple(fields))

    def tensor(self) -> TensorType:
        """Return `Tensor[(1, 10), float32]` or a bare element."""
        name = self.take(kind="name")
        if name.text != "Tensor":
            return TensorType(name.text, ())
        self.take("[")
        self.take("(")
        shape = []
        while not self.accept(")"):
            size = self.take(kind="number")
            if not size.text.isdigit():
                raise self.wrong(f"{size.text} is no size", size.place)
            shape.append(int(size.text))
            if not self.peek(")"):
                self.take(",")
        self.take(",")
        dtype = self.take(kind="name").text
        self.take("]")
        return TensorType(dtype, tuple(shape))


def _number(text: str) -> int | float:
    digits = text.removesuffix("f16").removesuffix("f")
    return float(digits) if digits != text or set("e.") & set(text) else int(text)
