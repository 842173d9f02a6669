"""`snnc disassemble`: what the files of a build say, as IR text, or frames as a listing."""

import sys
from pathlib import Path

import click

from snnc.cli.parameters import Command
from snnc.cli.session import Session, is_build
from snnc.diagnostics import fail

FRAMES = (".bin", ".npy", ".txt")

EXAMPLE = """snnc disassemble build
snnc disassemble build/config_all.bin | head"""


@click.command(cls=Command, name="disassemble", example=EXAMPLE)
@click.argument("source", metavar="DIR|FILE")
@click.option("--full", is_flag=True, help="List weights and neuron records word for word.")
@click.pass_obj
def command(session: Session, source: str, full: bool) -> None:
    """Print what the files of a build say.

    For a build folder this is the placed program as IR text, read back from the target's own files.
    For a file of PAICORE frames (.bin, .npy, .txt) it is a listing, a line per frame. What is wrong
    with the file as a whole follows: that it is empty, cut short, or no configuration that a chip
    takes.
    """
    if is_build(source):
        if full:
            raise click.UsageError("--full is for a file of frames")
        from snnc.ir.write import write

        click.echo(write(session.open(source).placed, locs=False), nl=False)
        return
    path = Path(source)
    if path.suffix not in FRAMES:
        raise fail(
            "not-frames",
            f"{source} is neither a build folder nor a file of frames",
            help=f"give a folder that snnc compile wrote, or a file {', '.join(FRAMES)}",
        )
    from snnc.cli.paicore.listing import listing, problems
    from snnc.targets.paicore.artifact.files import read_words

    words = read_words(path)
    for line in listing(words, full):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    problems(words, source).check()
