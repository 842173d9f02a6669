"""`snnc completion`: the script that completes commands and options in a shell."""

import click

from snnc.cli.parameters import Command

EXAMPLE = """snnc completion bash >> ~/.bashrc
snnc completion zsh >> ~/.zshrc
snnc completion fish > ~/.config/fish/completions/snnc.fish"""


@click.command(cls=Command, name="completion", example=EXAMPLE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from snnc.cli.app import app

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(app, {}, "snnc", "_SNNC_COMPLETE").source())
