"""Irregular regions from end to end: fewer cores, judged, equal to the reference in each layer."""

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import snnc
from snnc.diagnostics import SnncError
from snnc.driver.pipeline import run_pipeline
from snnc.extend.passes import Context
from snnc.ir import Module
from snnc.ir.read import read
from snnc.ir.write import arrays_by_digest, write
from snnc.targets.paicore.place import Place
from tests.unit.targets.paicore.tiling.sparse import (
    Sparse,
    band,
    blocks,
    chain,
    random,
    reservoir,
    shuffled,
    spikes,
)


def cores(module: Module, **options: str) -> int:
    made = snnc.compile(module, target="paicore", **options)
    return int(made.manifest["resources"]["cores"])


def verified(module: Module, **options: str) -> snnc.Build:
    made = snnc.compile(module, target="paicore", **options)
    assert made.verify(spikes(module))
    return made


SHUFFLED = shuffled(band(1300, 8))


@pytest.mark.parametrize(
    ("mask", "whole", "tiled"),
    [
        (band(1300, 8), 41, 21),
        (SHUFFLED, 41, 21),
        (shuffled(blocks(2560, 20)), 160, 40),
        (shuffled(np.eye(1280, dtype=bool)), 40, 20),
        (random(192, 2400, 12), 12, 3),
    ],
    ids=["band", "shuffled", "blocks", "diagonal", "inputs"],
)
def test_a_sparse_layer_takes_the_cores_of_its_memory(mask, whole, tiled) -> None:
    made = verified(chain(mask))
    assert (whole, tiled) == (
        cores(chain(mask), partition="off"),
        made.manifest["resources"]["cores"],
    )


def test_what_spreads_evenly_is_left_whole() -> None:
    mask = random(1300, 1300, 15)
    module = reservoir(mask, random(1300, 40, 3))
    assert cores(module, partition="off") == cores(module)


def test_a_local_reservoir_that_reads_itself_late() -> None:
    module = reservoir(SHUFFLED, random(1300, 40, 3))
    made = verified(module)
    whole = cores(module, partition="off")
    assert (83, 43) == (whole, made.manifest["resources"]["cores"])


def test_layers_of_one_source_share_an_irregular_region() -> None:
    net = Sparse()
    x = net.build.input("x", "u1[1300]~")
    first = net.fire("first", net.sums(x, band(1300, 5)))
    both = [net.fire(name, net.sums(first, shuffled(band(640, 9, 1300)))) for name in "ab"]
    module = net.build.finish(*both)
    made = verified(module)
    assert {"a", "b", "first"} == set(made.manifest["report"]["partition"])
    assert 0 == made.manifest["resources"]["neuron_copies"]
    assert 41 == made.manifest["resources"]["cores"]


def test_the_report_says_what_found_the_tiles() -> None:
    made = snnc.compile(chain(SHUFFLED), target="paicore")
    assert {"l0": {"by": "walk", "tiles": 21}} == made.manifest["report"]["partition"]


def test_dense_layers_report_nothing() -> None:
    made = snnc.compile(chain(np.ones((20, 1300), dtype=bool)), target="paicore")
    assert "partition" not in made.manifest["report"]


def test_compiling_twice_gives_the_same_bytes() -> None:
    first, second = (snnc.compile(chain(SHUFFLED), target="paicore") for _ in range(2))
    assert first.frames.tobytes() == second.frames.tobytes()


def test_elements_that_nobody_reads_arrive_where_they_do_no_harm() -> None:
    mask = shuffled(band(1300, 8))
    mask[:, ::3] = False
    made = verified(chain(mask, mask))
    assert 42 == made.manifest["resources"]["cores"]


def test_tiles_pass_through_text() -> None:
    module = chain(SHUFFLED)
    grouped = run_pipeline(module, "legalise,shrink-weights,schedule,group", target="paicore")
    assert "codes" in next(grouped.ops("neuron"))["place"]
    again = read(write(grouped), weights=arrays_by_digest(grouped))
    assert next(grouped.ops("neuron"))["place"] == next(again.ops("neuron"))["place"]


@pytest.mark.parametrize("codes", [(0,) * 3, (-1,) + (0,) * 1299, (0, 900) + (0,) * 1298])
def test_codes_that_are_no_tiles_are_refused(codes) -> None:
    net = Sparse()
    x = net.build.input("x", "u1[1300]~")
    sums = net.sums(x, SHUFFLED)
    place = {"start": 0, "group": 0, "extension": 1, "bits": 8, "split": 0, "codes": codes}
    place |= {"slices": ((0, 0, 64, 0),)}
    y = net.build.op("neuron", sums, name="y", threshold=9, width=30, place=place)
    with pytest.raises(SnncError) as caught:
        Place().run(net.build.finish(y), Context())
    assert ["bad-place"] == [d.code for d in caught.value.diagnostics]


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_random_sparse_networks_are_exact_and_never_larger(data: st.DataObject) -> None:
    """Cores of values have 144 axons, so networks of this size extend them."""
    seed = data.draw(st.integers(0, 1 << 16), label="seed")
    draw, net = np.random.default_rng(seed), Sparse(seed)
    size = data.draw(st.integers(500, 1100), label="size")
    made = [net.build.input("x", f"u8[{size}]~")]
    for number in range(data.draw(st.integers(1, 3), label="layers")):
        source = made[data.draw(st.integers(0, number), label="source")]
        count = data.draw(st.integers(150, 500), label="neurons")
        width = data.draw(st.integers(0, 20), label="width")
        mask = shuffled(band(count, width, source.type.size), seed)
        mask |= draw.random(mask.shape) < data.draw(st.sampled_from([0, 0.001, 0.01]), label="far")
        current = net.sums(source, mask)
        if number and data.draw(st.booleans(), label="late"):
            before = net.build.op("delay", made[0], by=2)
            current = net.build.op(
                "add", current, net.sums(before, draw.random((count, size)) < 0.02)
            )
        made.append(net.values(f"l{number}", current))
    module = net.build.finish(*made[1:])
    built = verified(module)
    event("irregular" if "partition" in built.manifest["report"] else "as before")
    assert built.manifest["resources"]["cores"] <= cores(module, partition="off")
