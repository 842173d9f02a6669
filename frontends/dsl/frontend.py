"""The front end for `.snnl` files: text to module, at the level that the numbers allow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnc.diagnostics import UNKNOWN, Location, fail, nearest
from snnc.frontends.dsl import tree
from snnc.frontends.dsl.evaluate import Evaluator
from snnc.frontends.dsl.interpret import Interpreter
from snnc.frontends.dsl.parse import parse, parse_expression
from snnc.frontends.dsl.scope import Frame
from snnc.frontends.dsl.sketch import Choice, NeedsReal, Sketch
from snnc.ir.graph import Module

LEVELS = ("int", "snn")


class Dsl:
    """Reads `.snnl`. Options: `network` names the one to build, others are its parameters."""

    name = "dsl"
    suffixes = (".snnl",)

    def accepts(self, source: Any) -> bool:
        """Return False: a network of this language is always a file."""
        return False

    def names(self, source: Path) -> tuple[str, ...]:
        """Return the options that a file has: `network`, and the parameters of its networks."""
        program = parse(_text(source), str(source))
        found = [p.name for network in _networks(program) for p in network.parameters]
        return ("network", *dict.fromkeys(found))

    def read(self, source: Path | Any, options: Mapping[str, Any]) -> Module:
        """Return the module of a file; every op has the place of its call.

        A parameter given as text is read as a constant of the language: `"16"`, `"[1, 2]"`.

        Raises:
            SnncError: `source-missing`, `source-unreadable`, and every error of the language.
        """
        path = Path(source)
        return read_text(_text(path), str(path), path.parent, options)


def read_text(
    text: str, file: str = "<text>", folder: Path | None = None, options: Mapping[str, Any] = {}
) -> Module:
    """Return the module of a text; weights are looked for in `folder`."""
    program = parse(text, file)
    network = str(options.get("network") or "")
    stated = _stated(program)
    choice = stated or Choice("int", False, "", UNKNOWN)
    given = {name: value for name, value in options.items() if name != "network"}
    _check_names(program, network, given)
    parameters = {name: _option(name, value) for name, value in given.items()}
    try:
        return Interpreter(program, choice, folder).build(network, parameters)
    except NeedsReal as met:
        real = Choice("snn", False, met.reason, met.loc)
        return Interpreter(program, real, folder).build(network, parameters)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise fail("source-missing", f"there is no file {str(path)!r}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise fail("source-unreadable", f"cannot read {str(path)!r}: {reason}") from error


def _networks(program: tree.Program) -> list[tree.Network]:
    return [item for item in program.items if isinstance(item, tree.Network)]


def _check_names(program: tree.Program, name: str, given: Mapping[str, Any]) -> None:
    """Refuse values for parameters that no network has, before they are read as constants.

    Those of another network than the one that is built are refused with its place, later.
    """
    networks = [n for n in _networks(program) if name in ("", n.name)]
    known = [p.name for network in networks for p in network.parameters]
    for key in given:
        if networks and key not in known:
            raise fail(
                "unknown-keyword",
                f"{networks[-1].name} has no parameter {key!r}",
                networks[-1].loc,
                help=nearest(key, known) if known else "it has no parameters",
            )


def _stated(program: tree.Program) -> Choice | None:
    lines = [i for i in program.items if isinstance(i, tree.LevelLine)]
    if not lines:
        return None
    if lines[0].name not in LEVELS:
        raise fail(
            "unknown-level",
            f"a network is written at level int or snn, not {lines[0].name!r}",
            lines[0].loc,
            help=nearest(lines[0].name, LEVELS),
        )
    if len(lines) > 1:
        raise fail("duplicate-name", f"the level is named at {lines[0].loc} already", lines[1].loc)
    return Choice(lines[0].name, True, "the file says so", lines[0].loc)


def _option(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    node = parse_expression(value, f"option {name}")
    if isinstance(node, tree.Name):
        return node.name

    def no_network(*_: Any) -> Any:
        raise fail("wrong-kind", f"option {name} must be a constant", Location(name=name))

    sketch = Sketch("option", Choice("int", True, "", UNKNOWN), {}, UNKNOWN)
    return Evaluator(sketch, {}, no_network).constant(node, Frame({}, {}), f"option {name}")
