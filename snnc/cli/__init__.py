"""The command line: the only place of the project that prints or exits.

`main` is what `snnc` runs. Nothing heavy is imported here: a command's module is imported when the
command is called, so that `snnc --help` and completion stay quick.
"""


def main() -> None:
    """Run the command that the process was started with, and exit with its status."""
    from snnc.cli.app import app

    app.main(prog_name="snnc")
