"""An interrupt ends a command with status 130, and leaves nothing half-written behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from snnc.cli import failures

SLOW = """
import time
from pathlib import Path
from attrs import frozen
from snnc.extend.passes import Pass
from snnc.extend.plugin import Plugin
from snnc.runtime.reference import Reference

def wait():
    Path("started").touch()
    time.sleep(60)

class Slow(Reference):
    def prepare(self, module):
        wait()

@frozen
class Sleep(Pass):
    name = "sleep"
    def run(self, module, context):
        wait()

plugin = Plugin(engines={"slow": "slow:Slow"}, passes={"sleep": "slow:Sleep"})
"""

COMMANDS = {
    "run": ("run", "net.snn", "-i", "x.npz", "-o", "y.npz", "--engine", "slow"),
    "compile": ("compile", "net.snn", "-o", "out", "-p", "clean,sleep,@paicore", "--dump", "d"),
    "eval": ("eval", "net.snn", "--data", "data.npz", "--engine", "slow", "--resume", "r.json"),
    "sweep": ("sweep", "net.snn", "--data", "data.npz", "--grid", 'pipeline="sleep,@paicore"'),
    "opt": ("opt", "net.snn", "-p", "sleep", "-o", "o.snn"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_leaves_nothing_half_written(folder, name):
    (folder / "slow.py").write_text(SLOW)
    (folder / "tmp").mkdir()
    before = sorted(p.name for p in folder.iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "snnc", "--plugin", "slow.py", *COMMANDS[name]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    while not (folder / "started").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (failures.INTERRUPTED, "", "") == (process.returncode, out, err.strip())
    left = sorted(p.name for p in folder.iterdir() if p.name not in ("started", "d"))
    assert before == left
    assert [] == list((folder / "tmp").iterdir())


EARLY = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "snnc.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from snnc.cli import main
main()
"""


def test_an_interrupt_before_a_command_has_begun_is_quiet_too():
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, check=False)
    assert (failures.INTERRUPTED, b"", b"") == (done.returncode, done.stdout, done.stderr)


INTERRUPTING = """
import os, signal, sys

if "--multiprocessing-fork" in sys.orig_argv:
    os.killpg(0, signal.SIGINT)
"""


def test_an_interrupt_while_processes_begin_is_quiet_too(folder):
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(INTERRUPTING)
    done = subprocess.run(
        [sys.executable, "-m", "snnc", "eval", "net.snn", "--data", "data.npz", "--jobs", "2"],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(folder / "site")},
    )
    assert (failures.INTERRUPTED, "", "") == (done.returncode, done.stdout, done.stderr.strip())
