"""Parts of the native program: conversions of float16, and which bindings run together."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from llvmlite import ir

from snnc.machine.assembly import I16, Assembly, vector
from snnc.machine.compiler import Compiler
from snnc.machine.paths import available, choose
from snnc.targets.lynxi.native.halves import Halves
from snnc.targets.lynxi.native.stages import stages

LANES = 16


def converted(path, array, how, kind):
    """Return what a conversion of `Halves` makes of an array, as 16-bit words or `kind`."""
    memory = {"uint16": I16, "float32": ir.FloatType(), "float64": ir.DoubleType()}
    made = np.empty(array.shape, kind)

    def emit(module):
        a = Assembly(module, "convert", 3)
        source, target, count = a.arguments
        halves = Halves(a, path.halves)
        with a.loop(count, step=LANES) as at:
            x = a.sum(source, a.times(at.index, array.itemsize))
            word = a.load(x, vector(memory[array.dtype.name], LANES))
            y = a.sum(target, a.times(at.index, made.itemsize))
            a.store(how(halves, word), y)
        a.finish(a.number(0))

    function = Compiler(path, None).function("convert", how, emit)
    function(array.ctypes.data, made.ctypes.data, array.size)
    return made


WORDS = np.arange(1 << 16, dtype=np.uint16)


@pytest.mark.parametrize("name", available())
def test_every_float16_keeps_its_value_in_a_register(name):
    path = choose(name)
    wide = converted(path, WORDS, lambda h, x: h.widened(x), "float32")
    expected = WORDS.view(np.float16).astype(np.float32)
    assert np.array_equal(expected, wide, equal_nan=True)
    assert np.array_equal(np.signbit(expected), np.signbit(wide))
    back = converted(path, wide, lambda h, x: h.narrowed(x), "uint16")
    numbers = ~np.isnan(expected)
    assert np.array_equal(WORDS[numbers], back[numbers])
    assert np.isnan(back[~numbers].view(np.float16)).all()


def hard_floats(kind):
    """Numbers around every float16 and halfway to the next one, and of every size."""
    values = WORDS.view(np.float16).astype(kind)
    values = np.sort(values[np.isfinite(values)])
    middle = (values[1:] + values[:-1]) / kind(2)
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 2**32, 1 << 14, dtype=np.uint64)
    with np.errstate(invalid="ignore"):
        many = [whole.astype(np.uint32).view(np.float32).astype(kind), middle, values]
    many += [np.nextafter(middle, kind(sign)) for sign in (np.inf, -np.inf)]
    many.append(kind([65519.99, 65520, -65520, 1e9, np.inf, -np.inf, np.nan, 2.0**-25, 2.0**-26]))
    array = np.concatenate(many)
    return np.concatenate([array, np.zeros(-len(array) % LANES, kind)])


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_are_rounded_to_float16_once(name, kind):
    x = hard_floats(kind)

    def how(halves, word):
        single = kind is np.float32
        return halves.rounded(word) if single else halves.from_doubles(word)

    made = converted(choose(name), x, how, "float32")
    with np.errstate(all="ignore"):
        expected = x.astype(np.float16).astype(np.float32)
    assert np.array_equal(expected, made, equal_nan=True)
    assert np.array_equal(np.signbit(expected)[x == x], np.signbit(made)[x == x])


def parts(reads, sizes, loads=None):
    found = stages(reads, sizes, loads or {})
    return [(stage.members, stage.size, stage.loop) for stage in found]


def test_neighbors_of_one_size_run_together():
    reads = {0: [], 1: [0], 2: [1], 3: [2]}
    assert [((0, 1, 2, 3), 8, False)] == parts(reads, dict.fromkeys(reads, 8))
    sizes = {0: 8, 1: 8, 2: 0, 3: 8}
    assert [((0, 1), 8, False), ((2,), 0, False), ((3,), 8, False)] == parts(reads, sizes)


def test_a_region_waits_for_nothing_that_waits_for_it():
    """4 reads 0 and the product 3, which waits for 0: it can't run with 0."""
    reads = {0: [], 1: [0], 3: [1], 4: [0, 3]}
    sizes = {0: 8, 1: 8, 3: 0, 4: 8}
    assert [((0, 1), 8, False), ((3,), 0, False), ((4,), 8, False)] == parts(reads, sizes)


def test_regions_that_wait_for_each_other_stay_apart():
    """Of 0 and 1, each is read by a product that the other's reader needs."""
    reads = {0: [], 1: [], 2: [0], 3: [1], 4: [0, 3], 5: [1, 2]}
    sizes = {0: 8, 1: 8, 2: 0, 3: 0, 4: 8, 5: 8}
    order = [members for members, _, _ in parts(reads, sizes)]
    place = {n: at for at, members in enumerate(order) for n in members}
    assert sorted(place) == list(reads)
    for n, sources in reads.items():
        for source in sources:
            assert place[source] <= place[n]
            assert place[source] < place[n] or sizes[source] == sizes[n] == 8


def test_a_loop_is_one_stage_and_a_load_alone_is_another():
    reads = {0: [], 1: [0], 2: [1]}
    assert [((0, 1, 2), 8, True)] == parts(reads, dict.fromkeys(reads, 8), {0: 2})
    assert [((0, 1, 2), 0, True)] == parts(reads, {0: 8, 1: 0, 2: 8}, {0: 2})
    reads = {0: [], 1: [0], 3: []}
    late = [((3,), 8, False), ((0,), 0, False), ((1,), 8, False)]
    assert late == parts(reads, dict.fromkeys(reads, 8), {0: 3})
