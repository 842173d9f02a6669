"""`snnc explain`: what an error code means and what to do."""

import click

from snnc.cli.parameters import Command, as_json
from snnc.cli.printing import show_json, show_table
from snnc.cli.session import Session
from snnc.diagnostics import fail, nearest


def codes() -> dict[str, dict[str, str]]:
    """Return what codes.toml says: code -> `means` and `do`."""
    import tomllib
    from importlib.resources import files

    text = files("snnc.cli").joinpath("codes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@click.command(cls=Command, name="explain", example="snnc explain loop-without-delay\nsnnc explain")
@click.argument("code", required=False, metavar="[CODE]")
@as_json
@click.pass_obj
def command(session: Session, code: str | None, as_json: bool) -> None:
    """Explain an error code, or list them all."""
    known = codes()
    if code is None:
        if as_json:
            show_json(known)
        else:
            rows = [(name, entry["means"].partition(". ")[0]) for name, entry in known.items()]
            show_table(("code", "means"), rows)
        return
    if code.startswith("error[") and code.endswith("]"):
        code = code[len("error[") : -1]
    if code not in known:
        close = nearest(code, [*known])
        raise fail(
            "unknown-code",
            f"there is no error code {code!r}",
            help=close if close.startswith("did") else "snnc explain lists them all",
        )
    if as_json:
        show_json({"code": code, **known[code]})
        return
    click.secho(code, bold=True)
    for part in ("means", "do"):
        click.echo(_wrapped(known[code][part]))


def _wrapped(text: str) -> str:
    from textwrap import fill

    return "\n" + fill(" ".join(text.split()), 88, initial_indent="  ", subsequent_indent="  ")
