"""Commands with a target, whose further options are those that the target declares."""

from collections.abc import Sequence
from typing import Any

import click

from snnc.cli.parameters import DEFAULT_TARGET, Command
from snnc.cli.session import Session
from snnc.extend.options import Option, convert, declared, from_text

DECLARED = "snnc.target_options"
CHOSEN = "snnc.chosen"
"""Where the context keeps the options of the target, and the values given for them."""


class OptionText(click.ParamType):  # type: ignore[type-arg]
    """The value of a declared option of a target: text of the command line, or data of TOML."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value in the option's own type."""
        from snnc.diagnostics import SnncError

        try:
            if isinstance(value, str):
                return from_text(self.option, value)
            one = self.option.kind.startswith("[") and not isinstance(value, (list, tuple))
            return convert(self.option, [value] if one else value)
        except SnncError as error:
            self.fail(error.diagnostics[0].message.partition(": ")[2], param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class TargetCommand(Command):
    """A command with `-t TARGET` whose further options are those that the target declares.

    `chosen_options` has the values given for them; what is not given is the target's default.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's parameters and those of the chosen target."""
        return [*super().get_params(ctx), *ctx.meta.get(DECLARED, [])]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse with the options of the target that the arguments name."""
        session = ctx.find_object(Session)
        target = self._target(session, args) if session else ""
        if session is not None and target in session.registry.names("targets"):
            options = declared(session.registry.get_target(target).Options)
            own = {name for param in self.params for name in param.opts}
            made = [target_option(o, target) for o in options]
            ctx.meta[DECLARED] = [o for o in made if not own & set(o.opts)]
        return super().parse_args(ctx, args)

    def _target(self, session: Session, args: Sequence[str]) -> str:
        """Return the one target that is named (without variant), or the default."""
        found = _values_of(("-t", "--target"), args)
        if not found:
            stated = session.settings.of(self.name or "").get("target", DEFAULT_TARGET)
            found = list(stated) if isinstance(stated, list) else [stated]
        names = {str(name).partition(":")[0] for name in found}
        return names.pop() if len(names) == 1 else ""

    def strict_keys(self, session: Session, name: str) -> set[str]:
        """Return every setting for `compile`; `check` leaves out those that it has no use for."""
        common = session.settings.common if name == "compile" else {}
        return super().strict_keys(session, name) | {key.replace("-", "_") for key in common}

    def invoke(self, ctx: click.Context) -> Any:
        """Take the target's options out of the parameters, and run."""
        chosen = {}
        for param in ctx.meta.get(DECLARED, []):
            value = ctx.params.pop(param.name)
            if value is not None and value != ():
                many = param.multiple and isinstance(value, tuple)
                chosen[param.name] = tuple(x for one in value for x in one) if many else value
        ctx.meta[CHOSEN] = chosen
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those of the target."""
        theirs = ctx.meta.get(DECLARED, [])
        for title, params in (("Options", super().get_params(ctx)), (_title(ctx), theirs)):
            options = [p for p in params if isinstance(p, click.Option)]
            records = [r for p in options if (r := p.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def chosen_options(ctx: click.Context, target: str) -> dict[str, Any]:
    """Return the values given for the options of a target, none for another one's."""
    mine = [o for o in ctx.meta.get(DECLARED, []) if o.target == target.partition(":")[0]]
    return dict(ctx.meta[CHOSEN]) if mine else {}


def _title(ctx: click.Context) -> str:
    first = next(iter(ctx.meta.get(DECLARED, [])), None)
    return f"Options of target {first.target}" if first else ""


def _values_of(flags: tuple[str, ...], args: Sequence[str]) -> list[str]:
    """Return what stands after one of some flags: `-t X`, `-tX`, `--target X`, `--target=X`."""
    found: list[str] = []
    for number, arg in enumerate(args):
        short = next((f for f in flags if not f.startswith("--") and arg.startswith(f)), "")
        if arg in flags:
            found += args[number + 1 : number + 2]
        elif arg.startswith("--") and arg.partition("=")[0] in flags:
            found.append(arg.partition("=")[2])
        elif short:
            found.append(arg[len(short) :])
    return found


class TargetOption(click.Option):
    """An option that a target declares."""

    target = ""


def target_option(option: Option, target: str) -> TargetOption:
    """Return the option of the command line for a declared one; lists may be given repeatedly."""
    name = option.name.replace("_", "-")
    default = option.default if option.kind != "bool" else None
    shown = f"  [default: {_text(default)}]" if default not in (None, (), "") else ""
    if option.kind == "bool":
        text = f"{option.help}  [default: {'yes' if option.default else 'no'}]"
        made = TargetOption([f"--{name}/--no-{name}"], default=None, help=text)
    else:
        made = TargetOption(
            [f"--{name}"],
            type=OptionText(option),
            multiple=option.kind.startswith("["),
            metavar=_metavar(option),
            help=option.help + shown,
        )
    made.target = target
    return made


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _metavar(option: Option) -> str:
    if option.choices:
        mark = "," if option.kind.startswith("[") else "|"
        return mark.join(map(str, option.choices))
    if option.kind == "[int]" and "X,Y" in option.help:
        return "X,Y"
    return {"int": "N", "float": "NUMBER", "str": "TEXT", "[int]": "N,..."}.get(
        option.kind, "TEXT,..."
    )
