"""Builds the main network of a program, and the networks it calls, into one module."""

from collections.abc import Mapping
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from snnc.diagnostics import Location, SnncError, fail, nearest
from snnc.frontends.dsl import tree
from snnc.frontends.dsl.arguments import Given, Parameter, bind
from snnc.frontends.dsl.constants import integer
from snnc.frontends.dsl.evaluate import Evaluator
from snnc.frontends.dsl.files import open_weights
from snnc.frontends.dsl.parse import parse
from snnc.frontends.dsl.report import Report
from snnc.frontends.dsl.scope import Frame, Skipped
from snnc.frontends.dsl.sketch import Choice, Sketch
from snnc.frontends.dsl.statements import Returned, Statements, made_by
from snnc.ir.graph import Module
from snnc.ir.opset import REQUIRED

NETWORK_LIMIT = 24
"""How many networks may stand inside each other."""


@lru_cache(maxsize=1)
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
        self.active: list[str] = []
        self.sketch = Sketch("main", choice, {}, program.loc)
        self.evaluator = Evaluator(self.sketch, self.networks, self._call_network)
        self.report = Report(self.sketch)
        self.statements = Statements(self.evaluator, self.report)
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
            self.report.guarded(partial(self._item, item, top), made_by(item), top)
        network = self._main(name)
        self.sketch.builder.name = network.name
        self.sketch.builder.loc = network.loc
        outputs = self._run_main(network, given)
        self.report.found.check()
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
        taken = set(Evaluator(self.sketch, {}, self._call_network).calls.names())
        taken |= {n.name for n in self.shared}
        for network in self.own:
            if network.name in seen or network.name in taken:
                where = f"at {seen[network.name]}" if network.name in seen else "in the language"
                self.report.add(
                    fail(
                        "duplicate-name",
                        f"{network.name!r} is defined {where} already",
                        network.loc,
                        help="choose another name",
                    )
                )
            seen.setdefault(network.name, network.loc)
            names = [p.name for p in network.parameters]
            for place, parameter in enumerate(network.parameters):
                if parameter.name in names[:place]:
                    message = f"parameter {parameter.name!r} is there twice"
                    self.report.add(fail("duplicate-name", message, parameter.loc))

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
            return self._run(network, Frame(names, self.globals, network.name, main=True))
        except SnncError as error:
            self.report.add(error)
        except Skipped:
            pass
        return None

    def _item(self, item: tree.Node, top: Frame) -> None:
        match item:
            case tree.WeightsLine():
                self.globals[item.name] = open_weights(item.path, self.folder, item.loc)
            case tree.Let():
                self.statements.let(item, top)
            case tree.TicksLine():
                ticks = integer(self.evaluator.value(item.count, top), item.loc, "ticks")
                if ticks < 1:
                    raise fail("too-small", f"ticks {ticks} must be at least 1", item.loc)
                self.sketch.builder.attrs["ticks"] = ticks

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
        inner = Frame(names, self.globals, call.name, prefix=prefix)
        before = (self.sketch.target, self.sketch.fixed, self.evaluator.outermost)
        if network in self.shared:
            self.sketch.fixed = self.sketch.fixed or call.loc
        count = len(self.report.found.items)
        try:
            made = self._run(network, inner)
        finally:
            self.sketch.target, self.sketch.fixed, self.evaluator.outermost = before
            self.report.note(count, f"in network {network.name}, called at {call.loc}")
        if made is None:
            raise fail("no-output", f"network {network.name} returns nothing", call.loc)
        return made[0] if len(made) == 1 else made

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
        errors = len(self.report.found.errors)
        self.active.append(network.name)
        self.sketch.target = frame.prefix
        try:
            made = self.statements.block(network.body, frame)
        finally:
            self.active.pop()
        for later, loc in frame.states.values():
            if frame.names.get(later.name) is later:
                self.report.add(
                    fail(
                        "never-assigned",
                        f"state {later.name} is never assigned",
                        loc,
                        help=f"write {later.name} = ... in the same network",
                    )
                )
        if made is None and len(self.report.found.errors) > errors:
            raise Skipped
        return made
