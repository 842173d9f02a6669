"""Running what the user names: a network by an engine, a build by the emulator of its files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from snnc.builtins import open_registry
from snnc.diagnostics import Diagnostics, fail
from snnc.driver.build import Build, named
from snnc.driver.emulation import EMULATOR
from snnc.driver.engines import pick_engine
from snnc.driver.host import numbering
from snnc.driver.sources import MANIFEST, read_source, with_sample
from snnc.driver.verification import Verification
from snnc.extend.engine import Result, notes_of


def run(
    source: Any,
    inputs: Mapping[str, ArrayLike] | ArrayLike | str | Path,
    *,
    ticks: int | None = None,
    state: Any = None,
    probe: Iterable[str] = (),
    engine: str = "auto",
    first_sample: int = 0,
    semantics: str | None = None,
    sample: Any = None,
    plugin: Iterable[str | Path] = (),
    diagnostics: Diagnostics | None = None,
) -> Result:
    """Return what a network or a build gives for a batch of inputs.

    Of a build, or a build folder, the files run: on the fastest engine (`auto`), or on the
    emulator of the target itself (`emulator`); with another engine its program runs. `auto` is the
    fastest engine for a network too. `first_sample` is the number of the first sample in a larger
    batch, by which encoders draw. `semantics` names one of several emulators of a build's target.
    `sample` is an example input for a network of PyTorch, as of `load`. `diagnostics` collects
    what there is to say of how it runs, such as ops for which there is no machine code.
    """
    told = Diagnostics() if diagnostics is None else diagnostics
    if isinstance(source, (str, Path)) and (Path(source) / MANIFEST).is_file():
        source = Build.open(source, plugin)
    if isinstance(source, Build):
        if sample is not None:
            raise fail("unknown-option", "a build takes no sample", help="leave it out")
        if engine in ("auto", "emulator"):
            told.items += source.notes(engine, semantics)
            return source.run(
                named(source.module, inputs),
                ticks=ticks,
                state=state,
                probe=probe,
                engine=engine,
                first_sample=first_sample,
                semantics=semantics,
            )
    build = source if isinstance(source, Build) else None
    registry = open_registry(plugin)
    module = build.module if build else read_source(registry, source, with_sample({}, sample))
    program = pick_engine(registry, engine, module).prepare(module)
    told.items += notes_of(program)
    numbers = numbering(module, first_sample)
    given = named(module, inputs)
    if build is None or not build.reads_out:
        return program.run(given, ticks=ticks, state=state, probe=probe, **numbers)
    own, behind = (None, None) if state is None else state
    ran = program.run(given, ticks=ticks, state=own, probe=probe, **numbers)
    outputs, behind = build.read_out(ran.outputs, behind)
    return Result(outputs, (ran.state, behind), ran.trace)


def verify(
    folder: str | Path,
    inputs: Mapping[str, ArrayLike] | ArrayLike | str | Path | None = None,
    against: Any = None,
    *,
    plugin: Iterable[str | Path] = (),
    engine: str = EMULATOR,
) -> Verification:
    """Return how a build, emulated from its files alone, compares with the reference.

    Args:
        folder: a build folder.
        inputs: inputs of the network; None: seeded random and adversarial ones.
        against: the network to compare with, in place of the build's `model.snn`.
        plugin: files of plugins.
        engine: what runs the files: the target's emulator, `auto` as `run` does, or an engine.

    Raises:
        SnncError: `not-a-build`, `build-corrupt`, and what the network's source finds.
    """
    build = Build.open(folder, plugin)
    network = None if against is None else read_source(open_registry(plugin), against, {})
    given = None if inputs is None else named(network or build.module, inputs)
    return build.verify(given, network, engine=engine)
