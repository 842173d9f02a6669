"""Statements of `.snnl`: builds the main network, and the networks it calls, into one module.

Errors are collected: a statement that fails is reported, what it should have made is `BROKEN`, and
what reads that is passed over in silence, so that each slip is reported once.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import evolve

from snnc.diagnostics import Diagnostics, Location, SnncError, fail, nearest
from snnc.frontends.dsl import tree
from snnc.frontends.dsl.arguments import Given, Later, Parameter, bind, value_of
from snnc.frontends.dsl.constants import integer, integers, spoken, too_large
from snnc.frontends.dsl.evaluate import BROKEN, Evaluator, Frame, Skipped
from snnc.frontends.dsl.files import open_weights
from snnc.frontends.dsl.functions import LIST_LIMIT
from snnc.frontends.dsl.parse import parse
from snnc.frontends.dsl.sketch import VALUE_LIMIT, Choice, Sketch
from snnc.ir.graph import Module, Value
from snnc.ir.opset import REQUIRED
from snnc.ir.types import ELEMENTS, Type

NETWORK_LIMIT = 24
STATEMENT_LIMIT = 200_000
ERROR_LIMIT = 50

Returned = tuple[Value, ...] | None


def library() -> tuple[tree.Network, ...]:
    """Return the networks that every file can call."""
    text = files("snnc.frontends.dsl").joinpath("library.snnl").read_text(encoding="utf-8")
    items = parse(text, "library.snnl").items
    return tuple(item for item in items if isinstance(item, tree.Network))


class Interpreter:
    """Builds one program at one level."""

    def __init__(self, program: tree.Program, choice: Choice, folder: Path | None) -> None:
        self.program, self.choice, self.folder = program, choice, folder
        self.shared = library()
        self.own = [i for i in program.items if isinstance(i, tree.Network)]
        self.networks = {n.name: n for n in (*self.shared, *self.own)}
        self.found = Diagnostics()
        self.seen: set[tuple[str, Location]] = set()
        self.active: list[str] = []
        self.sketch = Sketch("main", choice, {}, program.loc)
        self.evaluator = Evaluator(self.sketch, self.networks, self._call_network)
        self.statements = 0
        self.globals: dict[str, Any] = {}

    # Whole programs.

    def build(self, name: str, given: Mapping[str, Any]) -> Module:
        """Return the module of a network (`main`, or the last one, if `name` is empty).

        `given` are values for its parameters.

        Raises:
            SnncError: every error found.
            NeedsReal: at `int` on trial, where something real is met.
        """
        self._check_names()
        top = Frame(self.globals, {})
        for item in self.program.items:
            self._guarded(lambda item=item: self._item(item, top), self._made_by(item), top)
        network = self._main(name)
        self.sketch.builder.name = network.name
        self.sketch.builder.loc = network.loc
        outputs = self._run_main(network, given)
        self.found.check()
        if not outputs:
            raise fail(
                "no-output",
                f"network {network.name} returns nothing",
                network.loc,
                help="end it with `return` and the values to observe",
            )
        return self.sketch.finish(outputs)

    def _check_names(self) -> None:
        seen: dict[str, Location] = {}
        taken = set(Evaluator(self.sketch, {}, self._call_network).callables())
        taken |= {n.name for n in self.shared}
        for network in self.own:
            if network.name in seen or network.name in taken:
                where = f"at {seen[network.name]}" if network.name in seen else "in the language"
                self._report(
                    fail(
                        "duplicate-name",
                        f"{network.name!r} is defined {where} already",
                        network.loc,
                        help="choose another name",
                    )
                )
            seen.setdefault(network.name, network.loc)

    def _main(self, name: str) -> tree.Network:
        if not self.own:
            raise fail(
                "no-network",
                "this file has no network",
                self.program.loc,
                help="write network main { ... }",
            )
        by_name = {n.name: n for n in self.own}
        if name and name not in by_name:
            raise fail(
                "undefined-name",
                f"there is no network {name!r}",
                self.program.loc,
                help=nearest(name, list(by_name)),
            )
        return by_name[name] if name else by_name.get("main", self.own[-1])

    def _run_main(self, network: tree.Network, given: Mapping[str, Any]) -> Returned:
        arguments = [
            tree.Argument(network.loc, key, Given(network.loc, value))
            for key, value in given.items()
        ]
        try:
            names = self._parameters(network, arguments, Frame({}, self.globals), network.loc)
            return self._run(network, Frame(names, self.globals))
        except SnncError as error:
            self._report(error)
        except Skipped:
            pass
        return None

    def _item(self, item: tree.Node, top: Frame) -> None:
        match item:
            case tree.WeightsLine():
                self._define(top, item.name, item.loc)
                self.globals[item.name] = open_weights(item.path, self.folder, item.loc)
            case tree.Let():
                self._let(item, top)
            case tree.TicksLine():
                ticks = integer(self.evaluator.value(item.count, top), item.loc, "ticks")
                if ticks < 1:
                    raise fail("too-small", f"ticks {ticks} must be at least 1", item.loc)
                self.sketch.builder.attrs["ticks"] = ticks

    # Reporting.

    def _report(self, error: SnncError) -> None:
        for diagnostic in error.diagnostics:
            fixed = self.sketch.fixed
            placed = evolve(diagnostic, loc=fixed) if fixed else diagnostic
            key = (placed.code, placed.loc)
            if key not in self.seen:
                self.seen.add(key)
                self.found.items.append(placed)
        if len(self.found.items) >= ERROR_LIMIT:
            self.found.check()

    def _guarded(self, run: Any, makes: Sequence[str], frame: Frame) -> Any:
        """Run a statement; report its error, and mark what it should have made as broken."""
        try:
            return run()
        except SnncError as error:
            if error.code in ("too-large", "nested-too-deep"):
                raise
            self._report(error)
        except Skipped:
            pass
        for name in makes:
            frame.names[name] = BROKEN
        return None

    def _made_by(self, node: tree.Node) -> list[str]:
        match node:
            case tree.Let() | tree.WeightsLine():
                return [node.name]
            case tree.Assign() | tree.Input() | tree.State():
                return [n.name for n in node.names]
            case tree.For():
                return [node.name] * bool(node.name) + self._made_by(node.body)
            case tree.Branch():
                blocks = [b for b in (node.yes, node.no) if b]
                return [n for b in blocks for n in self._made_by(b)]
            case tree.Block():
                return [n for s in node.statements for n in self._made_by(s)]
        return []

    # Networks.

    def _call_network(
        self, call: tree.Call, arguments: list[tree.Argument], frame: Frame, prefix: str
    ) -> Any:
        network = self.networks[call.name]
        if call.name in self.active or len(self.active) >= NETWORK_LIMIT:
            chain = " -> ".join([*self.active, call.name])
            raise fail(
                "recursive-network" if call.name in self.active else "nested-too-deep",
                f"networks call each other: {chain}",
                call.loc,
                help="repeat a network with for or repeat; it cannot contain itself",
            )
        names = self._parameters(network, arguments, frame, call.loc)
        inner = Frame(names, self.globals, prefix)
        before = (self.sketch.target, self.sketch.fixed, self.evaluator.outermost)
        if network in self.shared:
            self.sketch.fixed = self.sketch.fixed or call.loc
        count = len(self.found.items)
        try:
            made = self._run(network, inner)
        finally:
            self.sketch.target, self.sketch.fixed, self.evaluator.outermost = before
            self._note(count, f"in network {network.name}, called at {call.loc}")
        if made is None:
            raise fail("no-output", f"network {network.name} returns nothing", call.loc)
        return made[0] if len(made) == 1 else made

    def _note(self, first: int, note: str) -> None:
        items = self.found.items
        items[first:] = [evolve(d, notes=(*d.notes, note)) for d in items[first:]]

    def _parameters(
        self,
        network: tree.Network,
        arguments: list[tree.Argument],
        frame: Frame,
        loc: Location,
    ) -> dict[str, Any]:
        parameters = [
            Parameter(p.name, default=REQUIRED if p.default is None else None)
            for p in network.parameters
        ]
        given = bind(network.name, parameters, arguments, loc)
        names: dict[str, Any] = {}
        for parameter in network.parameters:
            if parameter.name in names:
                raise fail("duplicate-name", f"{parameter.name!r} is there twice", parameter.loc)
            if parameter.name in given:
                names[parameter.name] = self.evaluator.value(given[parameter.name].value, frame)
            elif parameter.default is not None:
                scope = Frame(names, self.globals)
                names[parameter.name] = self.evaluator.value(parameter.default, scope)
        return names

    def _run(self, network: tree.Network, frame: Frame) -> Returned:
        """Build a network's body and return what it returns.

        Raises:
            Skipped: where what it returns could not be made.
        """
        errors = len(self.found.errors)
        self.active.append(network.name)
        self.sketch.target = frame.prefix
        try:
            made = self._block(network.body, frame)
        finally:
            self.active.pop()
        for later, loc in frame.states.values():
            if frame.names.get(later.name) is later:
                self._report(
                    fail(
                        "never-assigned",
                        f"state {later.name} is never assigned",
                        loc,
                        help=f"write {later.name} = ... in the same network",
                    )
                )
        if made is None and len(self.found.errors) > errors:
            raise Skipped
        return made

    # Statements.

    def _block(self, block: tree.Block, frame: Frame) -> Returned:
        with self.evaluator.deeper(block.loc):
            for statement in block.statements:
                self.statements += 1
                if self.statements > STATEMENT_LIMIT:
                    raise too_large("statements", self.statements, STATEMENT_LIMIT, statement.loc)
                made: Returned = self._guarded(
                    lambda statement=statement: self._statement(statement, frame),
                    self._made_by(statement),
                    frame,
                )
                if made is not None:
                    self._last(block, statement)
                    return made
        return None

    def _last(self, block: tree.Block, statement: tree.Node) -> None:
        after = block.statements[block.statements.index(statement) + 1 :]
        if isinstance(statement, tree.Return) and after:
            self._report(fail("never-reached", "this stands behind a return", after[0].loc))

    def _statement(self, node: tree.Node, frame: Frame) -> Returned:
        match node:
            case tree.Let():
                self._let(node, frame)
            case tree.Assign():
                self._assign(node, frame)
            case tree.Input():
                self._input(node, frame)
            case tree.State():
                self._state(node, frame)
            case tree.For():
                return self._for(node, frame)
            case tree.Branch():
                chosen = node.yes if self.evaluator.flag(node.condition, frame) else node.no
                return None if chosen is None else self._block(chosen, frame)
            case tree.Return():
                return self._return(node, frame)
        return None

    def _define(self, frame: Frame, name: str, loc: Location) -> None:
        if name in self.evaluator.callables():
            raise fail(
                "duplicate-name",
                f"{name!r} is a network, layer or function already",
                loc,
                help="choose another name",
            )

    def _let(self, node: tree.Let, frame: Frame) -> None:
        self._define(frame, node.name, node.loc)
        if isinstance(frame.names.get(node.name), (Value, Later)):
            raise fail("duplicate-name", f"{node.name!r} is a value of the network", node.loc)
        self.sketch.target = frame.prefix
        frame.names[node.name] = self.evaluator.constant(node.value, frame, f"let {node.name}")

    def _input(self, node: tree.Input, frame: Frame) -> None:
        if len(self.active) > 1:
            raise fail(
                "inner-input",
                "only the main network has inputs",
                node.loc,
                help=f"make {node.names[0].name} a parameter: network "
                f"{self.active[-1]}({node.names[0].name}, ...)",
            )
        type = self._type(node.type, frame)
        for name in node.names:
            self._define(frame, name.name, name.loc)
            if name.name in frame.names:
                raise fail("duplicate-name", f"{name.name!r} is there already", name.loc)
            frame.names[name.name] = self.sketch.builder.input(name.name, type, name.loc)

    def _state(self, node: tree.State, frame: Frame) -> None:
        type = self._type(node.type, frame)
        if not type.timed:
            raise fail("bad-type", f"a state has one value per tick: {type}~", node.type.loc)
        for name in node.names:
            self._define(frame, name.name, name.loc)
            stand_in = self.sketch.builder.forward(frame.label(name.name), type, name.loc)
            later = Later(name.name, stand_in)
            frame.names[name.name] = later
            frame.states[name.name] = (later, name.loc)

    def _type(self, node: tree.TypeNode, frame: Frame) -> Type:
        if node.element not in ELEMENTS:
            raise fail(
                "bad-type",
                f"{node.element!r} is not an element",
                node.loc,
                help=nearest(node.element, list(ELEMENTS)),
            )
        sizes: list[int] = []
        for size in node.sizes:
            sizes += integers(self.evaluator.value(size, frame), size.loc, "a size")
        type = Type(ELEMENTS[node.element], tuple(sizes), 0 if node.timed else None)
        if any(n < 1 for n in sizes):
            raise fail("bad-type", f"{type} has a size below 1", node.loc)
        count = 1
        for n in sizes:
            count *= n
        if count > VALUE_LIMIT:
            raise too_large("elements of a value", count, VALUE_LIMIT, node.loc)
        return type

    def _assign(self, node: tree.Assign, frame: Frame) -> None:
        for name in node.names:
            self._define(frame, name.name, name.loc)
        self.sketch.target = frame.label(node.names[0].name)
        self.evaluator.outermost = _outermost(node.value)
        first = len(self.sketch.builder.ops)
        found = self.evaluator.value(node.value, frame)
        values = found if isinstance(found, tuple) else (found,)
        if len(values) != len(node.names):
            raise fail(
                "wrong-count",
                f"{len(values)} values for {len(node.names)} names",
                node.loc,
                help="name all of them: a, b = ...",
            )
        made = {r for op in self.sketch.builder.ops[first:] for r in op.results}
        for name, value in zip(node.names, values, strict=True):
            self._bind(name, value, frame)
            if value in made:
                self.sketch.wanted[value] = frame.label(name.name)

    def _bind(self, name: tree.Name, found: Any, frame: Frame) -> None:
        if not isinstance(found, (Value, Later)):
            raise fail(
                "wrong-kind",
                f"{name.name} = {spoken(found)} is a constant",
                name.loc,
                help=f"write let {name.name} = ...",
            )
        value = value_of(found, name.loc, name.name)
        later = frame.names.get(name.name)
        if isinstance(later, Later):
            if later.value.type != value.type:
                raise fail(
                    "type-mismatch",
                    f"state {name.name} is declared {later.value.type}, but is {value.type}",
                    name.loc,
                    help="make the declaration and the value agree",
                )
            self.sketch.builder.bind(later.value, value)
        frame.names[name.name] = value

    def _for(self, node: tree.For, frame: Frame) -> Returned:
        if node.name:
            self._define(frame, node.name, node.loc)
            items: Sequence[Any] = self.evaluator.items(node.over, frame)
        else:
            count = integer(self.evaluator.value(node.over, frame), node.loc, "repeat")
            if not 0 <= count <= LIST_LIMIT:
                raise too_large("repeat", count, LIST_LIMIT, node.loc)
            items = range(count)
        for place, item in enumerate(items):
            plain = isinstance(item, int) and isinstance(items, (range, list))
            frame.indices.append(item if plain and len(set(items)) == len(items) else place)
            if node.name:
                frame.names[node.name] = item
            try:
                made = self._block(node.body, frame)
            finally:
                frame.indices.pop()
            if made is not None:
                raise fail("return-in-loop", "a return cannot stand in a loop", node.loc)
        return None

    def _return(self, node: tree.Return, frame: Frame) -> Returned:
        self.sketch.target = frame.prefix
        self.evaluator.outermost = None
        values: list[Value] = []
        for item in node.values:
            found = self.evaluator.value(item, frame)
            for raw in found if isinstance(found, (list, tuple)) else [found]:
                values.append(value_of(raw, item.loc, "return"))
        if len(set(values)) != len(values) and len(self.active) == 1:
            raise fail("duplicate-name", "the same value is returned twice", node.loc)
        return tuple(values)


def _outermost(node: tree.Node) -> tree.Node:
    return node.calls[-1] if isinstance(node, tree.Pipe) else node
