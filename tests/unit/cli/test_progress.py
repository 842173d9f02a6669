"""Progress: on a terminal, and nowhere else."""

import os
import pty
import subprocess
import sys

import pytest

from snnc.cli.progress import shown

COMMANDS = {
    "compile": (("compile", "net.snn", "-o", "build", "--check"), "verifying"),
    "check": (("check", "net.snn", "-t", "paicore"), "writing files"),
    "eval": (("eval", "net.snn", "--data", "data.npz", "--batch", "1"), "3 of 3"),
    "sweep": (("sweep", "net.snn", "--data", "data.npz", "--grid", "shrink=true"), "shrink=true"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_sees_what_is_being_done(folder, name):
    args, said = COMMANDS[name]
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "snnc", *args],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(reader, 1 << 16)
        except OSError:  # Linux tells the end of a terminal so.
            break
        if not part:
            break
        seen += part
    out, _ = process.communicate()
    os.close(reader)
    assert process.returncode == 0, seen
    assert said in seen.decode()
    assert b"\x1b" not in out


def test_nothing_is_shown_elsewhere(capsys):
    with shown() as progress:
        progress("something", 1, 2)
    assert ("", "") == tuple(capsys.readouterr())
