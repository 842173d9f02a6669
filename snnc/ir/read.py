"""Reads `.snn` text: names to values, lines to ops, declared types against inferred ones.

- One module per text; a version newer than ours is refused, older ones are read.
- Names may be used before they are made (recurrence); each is made exactly once.
- Attributes come out canonical: defaults dropped, declared order.
- The types of a signature must be those of the operands, and what the op's rule infers.
- Where a line says no location, the place in the text is the location.
- Errors point into the text; all of them are collected, except that a syntax error stops.

`read(write(module))` equals `module` as text.
"""

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from snnc.diagnostics import Diagnostics, Location, SnncError, at, fail, nearest
from snnc.ir.build import check_call
from snnc.ir.graph import Graph, Module, Op, Operand, Value, Weight
from snnc.ir.opset import Symbol, level
from snnc.ir.parse import RawModule, RawOp, RawUse, RawWeight, parse
from snnc.ir.stored import Stored
from snnc.ir.terminals import Name
from snnc.ir.types import Type
from snnc.ir.weights import Array


def read(
    text: str,
    file: str = "<string>",
    weights: Mapping[str, Array] | None = None,
    folder: Path | None = None,
) -> Module:
    """Return the module that a text describes.

    Args:
        text: the text form.
        file: what locations and errors call the text.
        weights: arrays by digest (64 hexadecimal digits), in place of the sidecar file.
        folder: where files of weights are looked up; the sidecar of `net.snn` is `net.safetensors`.

    Raises:
        SnncError: every problem found, each at its place in the text.
    """
    stored = Stored(weights, folder, Path(file).stem)
    return _Reader(parse(text, file), file, stored).module()


def load(path: Path | str) -> Module:
    """Return the module of a `.snn` file, with the weights beside it.

    Raises:
        SnncError: `file-unreadable`, `not-text`, and what `read` raises.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise fail("file-unreadable", f"cannot read {path}: {error.strerror or error}") from None
    return read(decode(data, str(path)), str(path), folder=path.parent)


def decode(data: bytes, file: str) -> str:
    """Return the text of UTF-8 bytes (a byte order mark is dropped).

    Raises:
        SnncError: `not-text`, with the line of the first byte that is none.
    """
    try:
        text = data.decode("utf-8-sig")
        bad = text.find("\0")
        before = text[:bad] if bad >= 0 else ""
    except UnicodeDecodeError as error:
        bad, before = error.start, data[: error.start].decode("utf-8", "replace")
    if bad < 0:
        return text
    raise fail(
        "not-text",
        f"{file} is not UTF-8 text: byte 0x{data[bad]:02x} in line {before.count(chr(10)) + 1}",
        at(file, before.count("\n") + 1),
        help="give the .snn text, not the weights file",
    )


class _Reader:
    """Resolves the records of one text; `found` collects what is wrong."""

    def __init__(self, raw: RawModule, file: str, stored: Stored) -> None:
        self.raw, self.file, self.stored = raw, file, stored
        self.found = Diagnostics()
        self.values: dict[str, Value] = {}
        self.weights: dict[str, Weight] = {}
        self.refused: set[str] = set()

    def module(self) -> Module:
        raw = self.raw
        level(raw.level.text, self._at(raw.level))
        self._read_weights()
        inputs = tuple(self._define(p.name, p.type, p.loc) for p in raw.graph.params)
        made = [
            tuple(
                self._define(n, t, o.loc, o.name) for n, t in zip(o.results, o.gives, strict=False)
            )
            for o in raw.graph.ops
        ]
        ops = [self._op(o, r) for o, r in zip(raw.graph.ops, made, strict=True)]
        outputs = self._outputs()
        self.found.items.sort(key=lambda d: (d.loc.line, d.loc.column))
        self.found.check()
        graph = Graph(
            raw.graph.name.text,
            inputs,
            tuple(o for o in ops if o is not None),
            outputs,
            self._loc(raw.graph.loc, raw.graph.name),
        )
        loc = self._loc(raw.loc, raw.name)
        return Module(raw.name.text, raw.level.text, raw.attrs, self.weights, graph, loc)

    def _at(self, name: Name | RawUse) -> Location:
        return at(self.file, name.line, name.column)

    def _loc(self, given: Location | None, name: Name) -> Location:
        return self._at(name) if given is None else given

    def _read_weights(self) -> None:
        self.stored.open((w, self._at(w.name)) for w in self.raw.weights)
        for raw in self.raw.weights:
            if raw.name.text in self.weights:
                self._twice("@", raw.name)
                continue
            try:
                self.weights[raw.name.text] = self._weight(raw)
            except SnncError as error:
                self._collect(error, raw.loc)
                self.refused.add(raw.name.text)

    def _weight(self, raw: RawWeight) -> Weight:
        tensor = self.stored.tensor(raw, self._at(raw.name))
        return Weight(raw.name.text, tensor, self._loc(raw.loc, raw.name))

    def _define(
        self, name: Name, type: Type, loc: Location | None, place: Name | None = None
    ) -> Value:
        value = Value(name.text, type, self._loc(loc, place or name))
        if name.text in self.values:
            self._twice("%", name)
        else:
            self.values[name.text] = value
        return value

    def _twice(self, sigil: str, name: Name) -> None:
        self.found.error(
            "duplicate-name",
            f"{sigil}{name.text} is defined twice",
            self._at(name),
            help="rename one of the two",
        )

    def _collect(self, error: SnncError, origin: Location | None) -> None:
        """Take over errors of a line; `origin` is what the line says of its own origin."""
        note = (f"it comes from {origin}",) if origin is not None and origin.known else ()
        self.found.items += [evolve(d, notes=d.notes + note) for d in error.diagnostics]

    def _value(self, name: Name) -> Value | None:
        if name.text not in self.values:
            self.found.error(
                "undefined-name",
                f"no op or input makes %{name.text}",
                self._at(name),
                help=nearest(name.text, list(self.values)),
            )
        return self.values.get(name.text)

    def _op(self, raw: RawOp, results: tuple[Value, ...]) -> Op | None:
        place = self._at(raw.name)
        operands: list[Operand] = []
        for use in raw.operands:
            operand = use.symbol if isinstance(use, RawUse) else self._value(use)
            if operand is not None:
                operands.append(operand)
        if len(operands) < len(raw.operands):
            return None
        try:
            attrs, takes, gives = check_call(
                raw.name.text, operands, raw.attrs, place, self.weights
            )
        except SnncError as error:
            used = [o for o in (*operands, *raw.attrs.values()) if isinstance(o, Symbol)]
            if not any(symbol.name in self.refused for symbol in used):
                self._collect(error, raw.loc)
            return None
        if tuple(takes) != raw.takes:
            self._mismatch(f"{raw.name.text}: the operands", takes, raw.takes, place)
        elif gives != raw.gives:
            self._mismatch(f"{raw.name.text}: the results", gives, raw.gives, place)
        elif len(raw.results) != len(gives):
            names = f"{len(raw.results)} names are given to {len(gives)} results"
            self.found.error(
                "result-count",
                f"{raw.name.text}: {names}",
                place,
                help=f"snnc ops {raw.name.text} says what it gives",
            )
        return Op(raw.name.text, tuple(operands), attrs, results, self._loc(raw.loc, raw.name))

    def _outputs(self) -> tuple[Value, ...]:
        graph = self.raw.graph
        outputs = [self._value(name) for name in graph.outputs]
        found = tuple(v for v in outputs if v is not None)
        if len(found) == len(outputs) and tuple(v.type for v in found) != graph.gives:
            types = [v.type for v in found]
            place = self._at(graph.outputs[0] if graph.outputs else graph.name)
            self._mismatch(f"graph @{graph.name.text}: what it returns", types, graph.gives, place)
        return found

    def _mismatch(
        self,
        subject: str,
        actual: list[Type] | tuple[Type, ...],
        declared: tuple[Type, ...],
        place: Location,
    ) -> None:
        is_, says = (f"({', '.join(map(str, types))})" for types in (actual, declared))
        self.found.error(
            "type-mismatch",
            f"{subject} are {is_}, but the text declares {says}",
            place,
            help=f"declare {is_}, or change what is read",
        )
