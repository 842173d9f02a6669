"""The laws of the target over random networks: the files say the program, and are judged right."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, given, settings

from snnc.diagnostics import SnncError
from snnc.driver import Build
from snnc.ir.write import save, write
from snnc.runtime.reference import Reference
from snnc.targets.dynapcnn import Dynapcnn
from snnc.targets.dynapcnn.artifact.assemble import read_module, to_module
from snnc.targets.dynapcnn.artifact.records import Destination, Pixels, Placed
from tests.laws.effort import examples
from tests.unit.targets.dynapcnn.networks import compiled, flat, flat_maps, small
from tests.unit.targets.dynapcnn.random_networks import Wish, wishes

ROOT = Path(__file__).resolve().parents[4]
TARGET = Dynapcnn()
REFUSALS = {
    "too-many-destinations",
    "kernel-not-square",
    "threshold-vanishes",
    "weights-vanish",
    "kernel-size",
    "no-core-fits",
    "too-few-cores",
    "pixel-block",
}
"""What a legal network may meet on its way to a chip: its sizes, and the one pixel block."""

RELAXED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
"""Without the phase that explains: it traces every line, and networks take ten times as long."""


def built(wish: Wish) -> Build | None:
    """Return the build of a network, None where the chip is too small for it."""
    try:
        return compiled(wish.module, wish.device, **wish.options)
    except SnncError as error:
        if error.code not in REFUSALS:
            raise
        wish.marks.add(f"refused {error.code}")
        return None


def obey(wish: Wish) -> None:
    build = built(wish)
    if build is None:
        return
    placed = build.placed
    assert [] == [str(d) for d in TARGET.check(placed).errors]
    with tempfile.TemporaryDirectory() as folder:
        TARGET.emit(placed, Path(folder), TARGET.Options())
        assert write(placed, locs=False) == write(TARGET.load(Path(folder)), locs=False)
    draw = np.random.Generator(np.random.PCG64(7))
    x = {v.name: draw.integers(0, 2, (2, 4, *v.type.shape)) for v in wish.module.graph.inputs}
    expected = Reference().prepare(build.module).run(x, probe=("all",))
    actual = build.run(x, probe=("all",))
    for name, array in actual.outputs.items():
        assert np.array_equal(expected.outputs[name], array), name
    shared = [name for name in actual.trace if name in expected.trace]
    for name in shared:
        assert np.array_equal(expected.trace[name], actual.trace[name]), name
    names = [op.result.name for op in placed.ops("core")]
    wish.marks.update(word for word in ("relay", "readout") if any(word in n for n in names))
    wish.marks.update(["relay of pixels"] * any(n.startswith("x.relay") for n in names))
    wish.marks.update(["split"] * any(n.endswith(".1") for n in names))
    assert shared or not names or {"split", "relay", "readout"} & wish.marks
    rejects(read_module(placed), wish)


def rejects(placed: Placed, wish: Wish) -> None:
    """Change a placed network in every way that can be changed in it; each is rejected."""
    for name, change in MUTATIONS.items():
        try:
            changed = change(placed)
        except (IndexError, TypeError):
            continue  # Nothing there to change.
        wish.marks.add(f"mutation {name}")
        assert rejected(changed), name


def rejected(placed: Placed) -> bool:
    try:
        return bool(TARGET.check(to_module(placed)).errors)
    except SnncError:
        return True


def _core(**changes: object) -> Callable[[Placed], Placed]:
    return lambda p: evolve(p, cores=(evolve(p.cores[0], **changes), *p.cores[1:]))


def _sent(**changes: object) -> Callable[[Placed], Placed]:
    """Change the first destination of the first core that has one; IndexError where none has."""

    def change(p: Placed) -> Placed:
        at = [n for n, core in enumerate(p.cores) if core.destinations][0]  # noqa: RUF015
        first, *rest = p.cores[at].destinations
        cores = list(p.cores)
        cores[at] = evolve(cores[at], destinations=(evolve(first, **changes), *rest))
        return evolve(p, cores=tuple(cores))

    return change


def _tripled(p: Placed) -> Placed:
    at = [n for n, core in enumerate(p.cores) if core.destinations][0]  # noqa: RUF015
    cores = list(p.cores)
    cores[at] = evolve(cores[at], destinations=cores[at].destinations[:1] * 3)
    return evolve(p, cores=tuple(cores))


def _moved(old: int, new: Callable[[Placed], int]) -> Callable[[Placed], Placed]:
    """Put a layer on another core, wherever its number stands; IndexError where there is none."""

    def change(p: Placed) -> Placed:
        now = {core.core: core.core for core in p.cores}
        now[p.cores[old].core] = new(p)

        def sent(to: tuple[Destination, ...]) -> tuple[Destination, ...]:
            return tuple(evolve(one, core=now[one.core]) for one in to)

        cores = (evolve(c, core=now[c.core], destinations=sent(c.destinations)) for c in p.cores)
        outs = (evolve(o, cores=tuple(now.get(c, c) for c in o.cores)) for o in p.outputs)
        ins = (evolve(i, destinations=sent(i.destinations)) for i in p.inputs)
        pixels = p.pixels and evolve(p.pixels, destinations=sent(p.pixels.destinations))
        return evolve(p, cores=tuple(cores), outputs=tuple(outs), inputs=tuple(ins), pixels=pixels)

    return change


def _pixels(p: Placed) -> Pixels:
    found = [p.pixels] if p.pixels else []
    return found[0]


def _spare(p: Placed) -> int:
    return next(n for n in range(-1, 10) if n not in {core.core for core in p.cores})


MUTATIONS: dict[str, Callable[[Placed], Placed]] = {
    "core-number": _moved(0, lambda p: 9),
    "core-memory": lambda p: _core(
        output=(40, 8, 8), weights=np.ones((40, 513, 3, 3), np.int8), input=(513, 10, 10)
    )(p),
    "state-range": _core(high=40000),
    "low-above-zero": _core(low=1),
    "layer-shape": _core(bias=np.ones(3000, np.int16)),
    "initial-shape": _core(initial=np.ones((1, 99, 1), np.int16)),
    "kernel-shape": lambda p: _core(weights=p.cores[0].weights[:, :0])(p),
    "stride-size": _core(stride=(3, 3)),
    "padding-size": _core(padding=(9, 9)),
    "same-core": _moved(1, lambda p: p.cores[0].core),
    "destination-unused": lambda p: _sent(core=_spare(p))(p),
    "destination-shape": _sent(shift=999),
    "pool-size": _sent(pool=3),
    "too-many-destinations": _tripled,
    "output-unseen": lambda p: evolve(
        p,
        cores=tuple(evolve(core, monitor=False) for core in p.cores),
        pixels=p.pixels and evolve(p.pixels, monitor=False),
    ),
    "cut": lambda p: evolve(p, pixels=evolve(_pixels(p), last=(200, 200))),
    "pixel-pool": lambda p: evolve(p, pixels=evolve(_pixels(p), pool=(3, 1))),
    "device": lambda p: evolve(p, device="speck9"),
}
"""Changes of a placed network after which no chip, or not the one named, takes it."""


@settings(RELAXED, max_examples=examples(20))
@given(wishes())
def test_emulated_files_equal_the_reference(wish: Wish) -> None:
    obey(wish)


CAPABILITIES = """
    merge,mirror,crop,swap,view sum_pool2d,view avg_pool2d,through pixels,input returned,
    two entries,sum_pool2d,avg_pool2d,add,concat,flat,linear,groups,dilation,kernel not square,
    bias,initial,leak,three readers,three readers of an input,relay,relay of pixels,wide,split,
    readout,output sum_pool2d,output avg_pool2d,joined outputs,
    reset soft,reset hard,spike count,spike single,floor -1.0,floor -0.25,floor None
"""


@pytest.mark.slow
def test_500_networks_reach_every_capability_and_obey() -> None:
    found: Counter[str] = Counter()

    def one(wish: Wish) -> None:
        obey(wish)
        refused = [mark for mark in wish.marks if mark.startswith("refused")]
        found.update(refused or wish.marks)
        found["compiled"] += not refused

    settings(RELAXED, max_examples=500)(given(wishes())(one))()
    wanted = [word.strip() for word in CAPABILITIES.split(",")]
    wanted += [f"mutation {name}" for name in MUTATIONS]
    assert {} == {mark: found[mark] for mark in wanted if found[mark] < 5}
    assert found["compiled"] > 350


PROGRAM = """
import hashlib, json, sys
from pathlib import Path
import snnc
from snnc.diagnostics import SnncError
for path in sorted(Path(sys.argv[1]).glob("*.snn")):
    device, options = json.loads(path.with_suffix(".json").read_text())
    try:
        build = snnc.compile(str(path), f"dynapcnn:{device}", **options)
    except SnncError as refused:
        print(path.name, refused)
        continue
    files = sorted(p for p in build._files.rglob("*") if p.is_file())
    print(path.name, hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest())
"""


def compiled_with(folder: Path, seed: str) -> list[str]:
    """Return the digest of every build, or why there is none, in a process with a hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return ran.stdout.decode().splitlines()


def same_bytes(folder: Path, count: int) -> None:
    """Compile random networks in processes of different hash seeds."""
    kept = iter(range(count))

    def one(wish: Wish) -> None:
        number = next(kept, None)
        if number is not None:
            save(wish.module, folder / f"{number}.snn")
            said = json.dumps([wish.device, wish.options])
            (folder / f"{number}.json").write_text(said)

    settings(RELAXED, max_examples=count)(given(wishes())(one))()
    first = compiled_with(folder, "1")
    digests = {word for line in first for word in line.split()[1:] if len(word) == 64}
    assert len(digests) > count // 4
    assert first == compiled_with(folder, "7")


def test_files_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    same_bytes(tmp_path, 12)


@pytest.mark.slow
def test_files_of_500_networks_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    same_bytes(tmp_path, 500)


def test_flat_neurons_and_joined_outputs() -> None:
    build = compiled(flat())
    assert build.verify()
    assert [1, 2] == [len(op.values) for op in build.placed.ops("output")]
    for module in (flat(), flat_maps()):
        obey(Wish(module, "speck2fmodule", {}))


CODES = {
    **{
        name: MUTATIONS[name]
        for name in ("core-number", "core-memory", "state-range", "layer-shape", "stride-size")
    },
    **{name: MUTATIONS[name] for name in ("destination-unused", "pool-size", "output-unseen")},
    "destination-shape": _sent(shift=1),
    "too-many-destinations": MUTATIONS["too-many-destinations"],
}


@pytest.mark.parametrize("code", CODES)
def test_the_checker_names_what_is_wrong(code: str) -> None:
    changed = CODES[code](read_module(compiled(small()).placed))
    assert code in [d.code for d in TARGET.check(to_module(changed)).errors]


def test_a_module_of_another_level_is_not_placed() -> None:
    with pytest.raises(SnncError) as refused:
        TARGET.check(small())
    assert refused.value.code == "placed-malformed"


def test_a_lower_bound_of_zero_is_warned_about() -> None:
    found = TARGET.check(compiled(small(floor=0.0)).placed)
    assert ["lower-bound-zero"] == [d.code for d in found]
