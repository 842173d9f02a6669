"""Expressions of `.snnl`: a constant is computed, a call adds ops and gives values.

What an expression can be: a number, word, list, array or mapping (constants), a `Value` of the
network, a tuple of values (several results), a `Later` (a state not assigned yet), or `BROKEN`, the
result of something that has been reported already; reading that raises `Skipped`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from snnc.diagnostics import Location, fail, nearest
from snnc.frontends.dsl import constants, tree
from snnc.frontends.dsl.arguments import Given, Later, value_of
from snnc.frontends.dsl.calls import Calls, NetworkCall
from snnc.frontends.dsl.constants import Array, as_array, integer, spoken, too_large
from snnc.frontends.dsl.files import WeightsFile
from snnc.frontends.dsl.functions import LIST_LIMIT
from snnc.frontends.dsl.layers import check_real
from snnc.frontends.dsl.scope import BROKEN, Frame, Skipped
from snnc.frontends.dsl.sketch import Sketch
from snnc.ir.graph import Value

DEPTH_LIMIT = 100


class Evaluator:
    """Evaluates expressions into a sketch; networks are called through `call_network`."""

    def __init__(
        self, sketch: Sketch, networks: Mapping[str, tree.Network], call_network: NetworkCall
    ) -> None:
        self.sketch = sketch
        self.calls = Calls(self, networks, call_network)
        self.outermost: tree.Node | None = None
        self.depth = 0
        self._rules: Mapping[type[tree.Node], Callable[[Any, Frame], Any]] = {
            tree.Number: lambda node, frame: node.value,
            tree.Literal: lambda node, frame: node.value,
            Given: lambda node, frame: node.value,
            tree.Name: self._name,
            tree.Member: self._member,
            tree.Index: self._index,
            tree.Unary: self._unary,
            tree.Binary: self._binary,
            tree.Choose: self._choose,
            tree.Span: self._span,
            tree.Sequence: self._sequence,
            tree.Comprehension: self._comprehension,
            tree.Mapping: self._mapping,
            tree.Call: self.calls.call,
            tree.Pipe: self._pipe,
        }

    @contextmanager
    def deeper(self, loc: Location) -> Iterator[None]:
        """Count one level of nesting; beyond the limit it is refused."""
        self.depth += 1
        try:
            if self.depth > DEPTH_LIMIT:
                raise fail(
                    "nested-too-deep",
                    f"more than {DEPTH_LIMIT} expressions, blocks and networks inside each other",
                    loc,
                    help="name the parts with let, or shorten the chain with a list and sum",
                )
            yield
        finally:
            self.depth -= 1

    def value(self, node: tree.Node, frame: Frame) -> Any:
        """Return what an expression gives.

        Raises:
            SnncError: any error of the language, at its place.
            Skipped: where it reads something whose error was reported.
        """
        with self.deeper(node.loc):
            return self._rules[type(node)](node, frame)

    def constant(self, node: tree.Node, frame: Frame, what: str) -> Any:
        """Return the value of an expression that must be a constant."""
        found = self.value(node, frame)
        if isinstance(found, (Value, Later, tuple)):
            raise fail("wrong-kind", f"{what} must be a constant, not a value", node.loc)
        return found

    def flag(self, node: tree.Node, frame: Frame) -> bool:
        """Return the value of a condition."""
        found = self.value(node, frame)
        if not isinstance(found, bool):
            raise fail(
                "wrong-kind",
                f"a condition must be true or false, not {spoken(found)}",
                node.loc,
                help="conditions are decided while the network is built: compare constants",
            )
        return found

    def _name(self, node: tree.Name, frame: Frame) -> Any:
        try:
            found = frame.find(node.name)
        except KeyError:
            kind = "network or layer, to be called" if node.name in self.calls.names() else ""
            raise fail(
                "undefined-name",
                f"{node.name!r} is a {kind}" if kind else f"there is no {node.name!r} here",
                node.loc,
                help=f"write {node.name}(...)" if kind else nearest(node.name, frame.known()),
            ) from None
        if found is BROKEN:
            raise Skipped
        return found

    def _member(self, node: tree.Member, frame: Frame) -> Any:
        base = self.value(node.base, frame)
        if isinstance(base, WeightsFile):
            return base.member(node.name, node.loc)
        raise fail("wrong-kind", f"{spoken(base)} has no member {node.name!r}", node.loc)

    def _index(self, node: tree.Index, frame: Frame) -> Any:
        base = self.value(node.base, frame)
        cuts = [self._cut(cut, frame) for cut in node.cuts]
        if isinstance(base, WeightsFile):
            if len(cuts) != 1 or not isinstance(cuts[0], str):
                raise fail("wrong-kind", 'weights are named by a string: w["fc1.weight"]', node.loc)
            return base.member(cuts[0], node.loc)
        numbers = [
            c if isinstance(c, slice) else integer(c, cut.loc, "an index")
            for c, cut in zip(cuts, node.cuts, strict=True)
        ]
        if isinstance(base, (Value, Later)):
            return self._sliced(value_of(base, node.loc, "index"), numbers, node.loc)
        return constants.index(base, numbers, node.loc)

    def _cut(self, node: tree.Node, frame: Frame) -> Any:
        if not isinstance(node, tree.Between):
            return self.value(node, frame)
        ends = [
            None if end is None else integer(self.value(end, frame), end.loc, "an index")
            for end in (node.low, node.high)
        ]
        return slice(*ends)

    def _sliced(self, value: Value, cuts: list[Any], loc: Location) -> Value:
        shape = list(value.type.shape)
        if len(cuts) > len(shape):
            raise fail("bad-index", f"{len(cuts)} indices for {len(shape)} axes", loc)
        kept = []
        for axis, (cut, size) in enumerate(zip(cuts, shape, strict=False)):
            constants.check_cut(cut, size, loc)
            single = not isinstance(cut, slice)
            start, stop = (cut % size, cut % size + 1) if single else cut.indices(size)[:2]
            if (start, stop) != (0, size):
                value = self.sketch.op("slice", value, loc=loc, axis=axis, start=start, stop=stop)
            kept += [] if single else [stop - start]
        kept += shape[len(cuts) :]
        if len(kept) != len(shape):
            value = self.sketch.op("reshape", value, loc=loc, shape=tuple(kept))
        return value

    def _unary(self, node: tree.Unary, frame: Frame) -> Any:
        if node.sign == "not":
            return not self.flag(node.operand, frame)
        found = self.value(node.operand, frame)
        if isinstance(found, (Value, Later)):
            return found if node.sign == "+" else self._scaled(found, -1, node.loc)
        return constants.negated(found, node.loc) if node.sign == "-" else found

    def _binary(self, node: tree.Binary, frame: Frame) -> Any:
        if node.sign in ("and", "or"):
            left = self.flag(node.left, frame)
            decided = left == (node.sign == "or")
            return left if decided else self.flag(node.right, frame)
        a, b = self.value(node.left, frame), self.value(node.right, frame)
        timed = [isinstance(v, (Value, Later, tuple)) for v in (a, b)]
        if not any(timed):
            return constants.binary(node.sign, a, b, node.loc)
        if all(timed) and node.sign in "+-":
            places = (node.left.loc, node.right.loc)
            pair = [
                value_of(v, loc, f"operand of {node.sign}")
                for v, loc in zip((a, b), places, strict=True)
            ]
            check_real(self.sketch, node.sign, pair, node.loc)
            return self.sketch.op("add" if node.sign == "+" else "sub", *pair, loc=node.loc)
        if node.sign == "*" and not all(timed):
            return self._scaled(a, b, node.loc) if timed[0] else self._scaled(b, a, node.loc)
        raise fail(
            "wrong-kind",
            f"values of the network have no {node.sign!r} with this operand",
            node.loc,
            help="values are added, subtracted, and multiplied by constants; a constant is added "
            "as a bias of a layer or a leak of a neuron",
        )

    def _scaled(self, value: Any, factor: Any, loc: Location) -> Value:
        x = value_of(value, loc, "factor")
        check_real(self.sketch, "*", [x], loc)
        array = as_array(factor, loc, "factor")
        symbol = self.sketch.symbol(array, self.sketch.below("w"), loc)
        return self.sketch.op("scale", x, symbol, loc=loc)

    def _choose(self, node: tree.Choose, frame: Frame) -> Any:
        return self.value(node.yes if self.flag(node.condition, frame) else node.no, frame)

    def _span(self, node: tree.Span, frame: Frame) -> range:
        ends = (node.start, node.stop)
        start, stop = (integer(self.value(e, frame), e.loc, "the end of a range") for e in ends)
        if stop - start > LIST_LIMIT:
            raise too_large("length of a range", stop - start, LIST_LIMIT, node.loc)
        return range(start, stop)

    def _sequence(self, node: tree.Sequence, frame: Frame) -> list[Any]:
        return [self.value(item, frame) for item in node.items]

    def _comprehension(self, node: tree.Comprehension, frame: Frame) -> list[Any]:
        found = []
        saved = {node.name: frame.names[node.name]} if node.name in frame.names else {}
        for item in self.items(node.over, frame):
            frame.names[node.name] = item
            found.append(self.value(node.body, frame))
        frame.names.pop(node.name, None)
        frame.names.update(saved)
        return found

    def items(self, node: tree.Node, frame: Frame) -> list[Any]:
        """Return what a loop runs over: a range, a list or the rows of an array."""
        over = self.value(node, frame)
        if isinstance(over, Array) and over.data.ndim:
            return [constants.index(over, [i], node.loc) for i in range(len(over.data))]
        if isinstance(over, (range, list)):
            return list(over)
        raise fail(
            "wrong-kind",
            f"a loop runs over a range or a list, not over {spoken(over)}",
            node.loc,
            help="for i in 0..4 { }, or repeat 4 { }",
        )

    def _mapping(self, node: tree.Mapping, frame: Frame) -> dict[str, Any]:
        return {key: self._entry(value, frame) for key, value in node.entries}

    def _entry(self, node: tree.Node, frame: Frame) -> Any:
        found = self.constant(node, frame, "an entry of a mapping")
        found = found.data.tolist() if isinstance(found, Array) else found
        return tuple(found) if isinstance(found, (list, range)) else found

    def _pipe(self, node: tree.Pipe, frame: Frame) -> Any:
        value = self.value(node.source, frame)
        for call in node.calls:
            with self.deeper(call.loc):
                first = tree.Argument(call.loc, "", Given(call.loc, value))
                value = self.calls.call(call, frame, (first,))
        return value
