"""`snnc passes`, `targets`, `frontends`, `ops`: what is known by name, told from the registry."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.parameters import Command, Named, as_json
from snnc.cli.printing import show_json, show_pairs, show_table
from snnc.cli.session import Session
from snnc.extend.options import Option, declared

if TYPE_CHECKING:
    from snnc.ir.opset import OpSpec


def first_line(text: str | None) -> str:
    """Return the first line of a docstring."""
    return (text or "").strip().partition("\n")[0]


def _paragraphs(text: str | None) -> str:
    from inspect import cleandoc

    return cleandoc(text or "")


def _option_data(option: Option) -> dict[str, Any]:
    return {
        "name": option.name.replace("_", "-"),
        "kind": option.kind,
        "default": option.default,
        "choices": list(option.choices),
        "help": option.help,
    }


def _show_options(options: tuple[Option, ...], empty: str) -> None:
    rows = [
        (
            option.name.replace("_", "-"),
            "|".join(map(str, option.choices)) or option.kind,
            "none" if option.default is None else option.default,
            option.help,
        )
        for option in options
    ]
    show_table(("option", "value", "default", "what it does"), rows, "\nOptions", empty)


@click.command(cls=Command, name="passes", example="snnc passes\nsnnc passes quantize")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("-t", "--target", type=Named("targets"), metavar="NAME", help="Passes of one target.")
@as_json
@click.pass_obj
def passes(session: Session, name: str | None, target: str | None, as_json: bool) -> None:
    """List the passes, or explain one.

    Exactness is what a pass promises: exact, delayed (equal up to a constant number of ticks), or
    approximate. --check of compile and opt executes it.
    """
    rows = _pass_rows(session, target)
    if name is not None:
        rows = [row for row in rows if row["name"] == name]
        if not rows:
            session.registry.get_pass(name, (target or "").partition(":")[0])
    if as_json:
        shown = [{k: v for k, v in row.items() if k not in ("class", "options")} for row in rows]
        for data, row in zip(shown, rows, strict=True):
            data["options"] = [_option_data(o) for o in row["options"]]
        show_json(shown if name is None else shown[0])
    elif name is not None:
        _show_pass(rows[0])
    else:
        columns = ("name", "target", "reads", "leaves", "exactness", "does")
        show_table(
            ("pass", *columns[1:]),
            [[row[c] for c in columns[:-1]] + [first_line(row["doc"])] for row in rows],
        )
        found = [(f"@{preset}", text) for preset, text in session.registry.presets.items()]
        show_table(("preset", "stands for"), found, "\nPresets")


def _pass_rows(session: Session, target: str | None) -> list[dict[str, Any]]:
    """Return the passes of the registry, then those of one target or of all."""
    registry = session.registry
    chosen = (target or "").partition(":")[0]
    owners = [chosen] if chosen else list(registry.names("targets"))
    pairs = [] if chosen else [(name, "") for name in registry.names("passes")]
    pairs += [(name, owner) for owner in owners for name in registry.get_target(owner).passes()]
    rows = []
    for name, owner in pairs:
        found = registry.get_pass(name, owner)
        rows.append(
            {
                "name": name,
                "target": owner,
                "reads": found.level,
                "leaves": found.to or found.level,
                "exactness": found.exactness.value,
                "origin": registry.pass_entry(name, owner).origin.name,
                "doc": _paragraphs(found.__doc__),
                "options": declared(found),
            }
        )
    return rows


def _show_pass(row: dict[str, Any]) -> None:
    owner = f" of target {row['target']}" if row["target"] else ""
    click.secho(f"{row['name']}{owner}", bold=True)
    click.echo(f"  {row['exactness']}, from level {row['reads']} to {row['leaves']}\n")
    click.echo(row["doc"])
    _show_options(row["options"], "  it takes none")


@click.command(cls=Command, name="targets", example="snnc targets\nsnnc targets paicore --json")
@click.argument("name", required=False, metavar="[NAME]", type=Named("targets"))
@as_json
@click.pass_obj
def targets(session: Session, name: str | None, as_json: bool) -> None:
    """List the targets, or explain one: variants, options, limits of the hardware."""
    from snnc.driver.pipeline import choose

    names = [name] if name else list(session.registry.names("targets"))
    rows: list[dict[str, Any]] = []
    for text in names:
        chosen = choose(session.registry, text)
        rows.append(
            {
                "name": chosen.name,
                "variants": list(chosen.target.variants()),
                "level": chosen.target.level,
                "doc": chosen.target.doc,
                "pipeline": chosen.target.pipeline(chosen.options),
                "origin": session.registry.entry("targets", chosen.name).origin.name,
                "options": [_option_data(o) for o in declared(chosen.target.Options)],
                "hardware": dict(chosen.hardware()),
            }
        )
    if as_json:
        show_json(rows[0] if name else rows)
    elif name:
        chosen = choose(session.registry, name)
        click.secho(rows[0]["name"], bold=True)
        click.echo(f"  {rows[0]['doc']}\n")
        show_pairs({key: rows[0][key] for key in ("variants", "level", "pipeline")}, "  ")
        _show_options(declared(chosen.target.Options), "  it takes none")
        click.secho("\nHardware", bold=True)
        _show_hardware(rows[0]["hardware"])
    else:
        columns = ("name", "variants", "level", "doc")
        show_table(
            ("target", "variants", "level", "what it is"),
            [[row[c] for c in columns] for row in rows],
        )


def _show_hardware(hardware: Mapping[str, Any]) -> None:
    """Print limits as pairs, and what is a table (such as the memories of each core) as one."""
    tables = {name: _table(value) for name, value in hardware.items() if _table(value)}
    show_pairs({k: _plain(v) for k, v in hardware.items() if k not in tables}, "  ")
    for name, found in tables.items():
        columns = list(dict.fromkeys(column for _, row in found for column in row))
        cells = [[str(key), *(_plain(row.get(c, "")) for c in columns)] for key, row in found]
        show_table((name, *columns), cells)


def _table(value: Any) -> list[tuple[Any, Mapping[str, Any]]]:
    """Return the rows of a list, or mapping, of mappings; none of anything else."""
    if isinstance(value, Mapping):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
    return items if all(isinstance(row, Mapping) for _, row in items) else []


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)


@click.command(cls=Command, name="frontends", example="snnc frontends\nsnnc frontends pytorch")
@click.argument("name", required=False, metavar="[NAME]", type=Named("frontends"))
@as_json
@click.pass_obj
def frontends(session: Session, name: str | None, as_json: bool) -> None:
    """List the front ends, or explain one: what it reads, the options that --set gives it."""
    rows = [_front_end(session, one) for one in session.registry.names("frontends")]
    if name:
        rows = [row for row in rows if row["name"] == name]
    if as_json:
        shown = [
            {
                **row,
                "options": [_option_data(o) for o in row["options"]] if row["declares"] else None,
            }
            for row in rows
        ]
        for row in shown:
            del row["declares"]
        show_json(shown[0] if name else shown)
    elif name:
        (row,) = rows
        click.secho(row["name"], bold=True)
        click.echo(f"  {row['doc']}")
        if row["data"]:
            click.echo(f"  takes arrays, or files of them: {', '.join(row['data'])}")
        judges = "  it takes none" if row["declares"] else "  names that depend on the network"
        _show_options(row["options"], judges)
    else:
        cells = [(r["name"], ", ".join(r["suffixes"]) or "objects", r["doc"]) for r in rows]
        show_table(("front end", "files", "what it reads"), cells)


def _front_end(session: Session, name: str) -> dict[str, Any]:
    found = session.registry.get_frontend(name)
    options = getattr(found, "Options", None)
    return {
        "name": name,
        "suffixes": list(found.suffixes),
        "doc": first_line(found.__doc__),
        "origin": session.registry.entry("frontends", name).origin.name,
        "data": list(getattr(found, "data", ())),
        "options": () if options is None else declared(options),
        "declares": options is not None,
    }


@click.command(cls=Command, name="ops", example="snnc ops\nsnnc ops int.neuron")
@click.argument("name", required=False, metavar="[LEVEL|LEVEL.OP]")
@as_json
@click.pass_obj
def ops(session: Session, name: str | None, as_json: bool) -> None:
    """List the ops, or explain one: what it computes, operands, attributes."""
    from snnc.diagnostics import fail, nearest
    from snnc.ir.levels import int as _int  # noqa: F401  (registers the level)
    from snnc.ir.levels import snn as _snn  # noqa: F401
    from snnc.ir.opset import level, lookup

    names = ["snn", "int", *session.registry.names("levels")]
    if name and "." in name:
        found = lookup(name)
        show_json(_op_data(found)) if as_json else _show_op(found)
        return
    if name and name not in names:
        close = [op for one in names for op in level(one).ops if op.partition(".")[2] == name]
        raise fail(
            "unknown-op",
            f"there is no level {name!r}",
            help=f"did you mean {' or '.join(close)}?" if close else nearest(name, names),
        )
    found_levels = [level(one) for one in ([name] if name else names)]
    if as_json:
        data = [_op_data(spec) for one in found_levels for spec in one.ops.values()]
        show_json(data)
        return
    for one in found_levels:
        rows = [(spec.name, _operands(spec), first_line(spec.doc)) for spec in one.ops.values()]
        show_table(("op", "operands", "what it computes"), rows, f"Level {one.name}: {one.doc}")
        click.echo("")


def _operands(spec: "OpSpec") -> str:
    def shown(operand: Any) -> str:
        text = ("@" if operand.constant else "%") + operand.name + ("..." if operand.many else "")
        return f"[{text}]" if operand.optional else text

    return " ".join(shown(operand) for operand in spec.operands)


def _op_data(spec: "OpSpec") -> dict[str, Any]:
    from snnc.ir.opset import REQUIRED

    return {
        "name": spec.name,
        "doc": _paragraphs(spec.doc),
        "stateful": spec.stateful,
        "operands": [
            {"name": o.name, "constant": o.constant, "optional": o.optional, "many": o.many}
            for o in spec.operands
        ],
        "attributes": [
            {
                "name": a.name,
                "kind": a.kind,
                "required": a.default is REQUIRED,
                "default": None if a.default is REQUIRED else a.default,
                "choices": list(a.choices),
                "doc": a.doc,
            }
            for a in spec.attrs
        ],
    }


def _show_op(spec: "OpSpec") -> None:
    click.secho(f"{spec.name} {_operands(spec)}", bold=True)
    click.echo(f"\n{_paragraphs(spec.doc)}")
    data = _op_data(spec)["attributes"]
    rows = [
        (
            a["name"],
            "|".join(a["choices"]) or a["kind"],
            "required" if a["required"] else "none" if a["default"] is None else a["default"],
            a["doc"],
        )
        for a in data
    ]
    show_table(
        ("attribute", "value", "default", "what it is"), rows, "\nAttributes", "  it has none"
    )
