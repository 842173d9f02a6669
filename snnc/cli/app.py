"""The `snnc` command: its table of commands, each imported when called, and how a run ends.

The contract: exit status 0 ok, 1 input refused, 2 usage, 3 results differ, 4 does not fit, 70 our
own fault; whatever happens, no traceback is shown. Errors go to stderr, results to stdout.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from snnc.cli.failures import ending

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Compile": {
        "compile": ("compile:command", "Compile a network for a target, into a folder."),
        "convert": ("convert:command", "Turn a ReLU network into a spiking one, step by step."),
        "check": ("check:command", "Say whether a network fits each target, and why not."),
    },
    "Run and compare": {
        "run": ("run:command", "Run a network or a build on inputs."),
        "verify": ("verify:command", "Emulate a build and compare it with the reference."),
        "diff": ("diff:command", "Find where two networks or builds part."),
        "eval": ("eval:command", "Measure accuracy, speed and spikes on labelled data."),
        "sweep": ("sweep:command", "Compile and evaluate a product of options."),
        "compare": ("compare:command", "Compile and evaluate for several targets, side by side."),
    },
    "Look inside": {
        "opt": ("opt:opt", "Run passes over a network and print it."),
        "dump": ("opt:dump", "Print a network at any level, or after any pass."),
        "disassemble": ("disassemble:command", "Print what the files of a build say."),
        "inspect": ("inspect:inspect", "Tables of a build: cores, layers, use of the chip."),
        "where": ("inspect:where", "Where a layer or neuron lies; what a core holds."),
        "matrix": ("matrix:command", "Slice a Lynxi build over devices; run and time them."),
    },
    "To and from a board": {
        "encode": ("board:encode", "Turn inputs into the frames or events to send."),
        "decode": ("board:decode", "Turn received frames or events into outputs or potentials."),
    },
    "Reference": {
        "passes": ("catalog:passes", "List the passes, or explain one."),
        "targets": ("catalog:targets", "List the targets, or explain one."),
        "frontends": ("catalog:frontends", "List the front ends, or explain one."),
        "ops": ("catalog:ops", "List the ops, or explain one."),
        "explain": ("explain:command", "Explain an error code."),
    },
    "Tools": {
        "doctor": ("doctor:command", "Versions, packages, plugins and settings, for a report."),
        "bench": ("bench:command", "Measure the compiler and the emulators."),
        "completion": ("completion:command", "Print the completion script of a shell."),
    },
}
"""Section -> command -> (module below `snnc.cli.commands` and attribute, one line of help)."""

COMMANDS = {name: entry for table in SECTIONS.values() for name, entry in table.items()}

HELP = """Compiler for spiking neural networks: trained networks in, chip configurations out.

Every build can be emulated from its files and compared, spike for spike, with the reference.

\b
  snnc compile net.snnl -t paicore -o build
  snnc verify build
  snnc run build -i x.npz -o y.npz
"""


class App(click.Group):
    """The group of all commands; a command's module is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(f"snnc.cli.commands.{module}"), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments begin with; a wrong name gets a suggestion."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "see snnc --help"
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from the table alone."""
        for section, table in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(11), help) for name, (_, help) in table.items()])

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run, and exit with the status of the contract, whatever is raised."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            result = super().main(given, "snnc", standalone_mode=False)
            status = result if isinstance(result, int) else 0
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            status = ending(error, given)
        sys.exit(status)


@click.group(cls=App, help=HELP, invoke_without_command=True)
@click.option(
    "--plugin",
    multiple=True,
    metavar="FILE.py",
    type=click.Path(dir_okay=False),
    help="Load a plugin; may be repeated.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say on stderr what is being done.")
@click.option("--version", is_flag=True, is_eager=True, help="Print the version.")
@click.pass_context
def app(ctx: click.Context, plugin: tuple[str, ...], verbose: bool, version: bool) -> None:
    """Read the options that stand before the command."""
    if version:
        import snnc

        click.echo(f"snnc {snnc.__version__}")
        ctx.exit(0)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        ctx.exit(0)
    from snnc.cli.session import Session
    from snnc.cli.settings import read_settings

    if os.environ.get("NO_COLOR"):
        ctx.color = False
    settings = read_settings()
    ctx.obj = Session((*settings.plugins, *plugin), verbose, settings)
