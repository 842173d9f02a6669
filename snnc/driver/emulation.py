"""Which program runs the files of a build: the target's emulator, or its fast path on an engine.

Both give the same values; verification uses the emulator alone, as the judge of the other.
"""

from pathlib import Path

from snnc.diagnostics import fail, nearest
from snnc.extend.engine import Engine, Program
from snnc.extend.registry import Registry
from snnc.extend.target import Target

EMULATOR = "emulator"


def emulation(
    registry: Registry,
    target: Target,
    folder: Path,
    engine: str = "auto",
    semantics: str | None = None,
) -> Program:
    """Return a program for the files of a build.

    `emulator` is the target's emulator itself; `auto` runs the files on the fastest engine if the
    target can, else on the emulator, and a name on that engine. `semantics` names one of a target's
    several emulators.

    Raises:
        SnncError: `unknown-semantics`, `unknown-engine`.
    """
    if semantics is not None:
        several = getattr(target, "emulators", None)
        known = {} if several is None else dict(several())
        if semantics not in known:
            raise fail(
                "unknown-semantics",
                f"target {target.name} has no emulator of {semantics!r} semantics",
                help=nearest(semantics, list(known)) if known else "it has one emulator only",
            )
        chosen: Program = known[semantics](folder)
        return chosen
    if engine == EMULATOR:
        return target.emulate(folder)
    name = "native" if engine == "auto" else engine
    return emulated_on(target, folder, registry.get_engine(name))


def emulated_on(target: Target, folder: Path, engine: Engine) -> Program:
    """Return a program for the files of a build: on an engine if the target can."""
    on = getattr(target, "emulate_on", None)
    found: Program = target.emulate(folder) if on is None else on(folder, engine)
    return found
