"""Which program runs the files of a build: the target's emulator, or its fast path on an engine.

Both give the same values; verification uses the emulator alone, as the judge of the other.
"""

from pathlib import Path

from snnc.extend.engine import Program
from snnc.extend.registry import Registry
from snnc.extend.target import Target

EMULATOR = "emulator"


def emulation(registry: Registry, target: Target, folder: Path, engine: str = "auto") -> Program:
    """Return a program for the files of a build.

    `emulator` is the target's emulator itself; `auto` runs the files on the fastest engine if the
    target can, else on the emulator.
    """
    on = getattr(target, "emulate_on", None)
    if engine == EMULATOR or on is None:
        return target.emulate(folder)
    found: Program = on(folder, registry.get_engine("native"))
    return found
