"""The command line: the only place of the project that prints or exits.

`main` is what `snnc` runs. Nothing heavy is imported here: a command's module is imported when the
command is called, so that `snnc --help` and completion stay quick.
"""

INTERRUPTED = 130
"""Exit status by the custom of shells: 128 + SIGINT."""


def main() -> None:
    """Run the command that the process was started with, and exit with its status."""
    try:
        from snnc.cli.app import app
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    app.main(prog_name="snnc")
