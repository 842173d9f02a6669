"""Grouping and placing: regions, copies, slices, coordinates."""

import numpy as np
import pytest
from attrs import evolve

import snnc
from snnc.diagnostics import SnncError
from snnc.extend.passes import Context
from snnc.ir import Builder, Module, Op, Value
from snnc.targets.paicore.chip.frames import coordinate
from snnc.targets.paicore.chip.regions import Wish, allocate, core_at
from snnc.targets.paicore.group import Group
from snnc.targets.paicore.legalise import Legalise
from snnc.targets.paicore.place import Place
from snnc.targets.paicore.schedule import Schedule


def matrix(build: Builder, size: int, fan_in: int, low: int = -8, high: int = 7) -> Value:
    values = np.resize(np.arange(low, high + 1), (size, fan_in)).astype(np.int8)
    return build.weight("w", values)  # type: ignore[return-value]


def layer(build: Builder, name: str, source: Value, size: int, **attrs: object) -> Value:
    current = build.op("linear", source, matrix(build, size, source.type.size))
    return build.op("neuron", current, name=name, threshold=1, **attrs)


def grouped(module: Module, **options: str) -> Module:
    for step in (Legalise(), Schedule(), Group(**options)):  # type: ignore[arg-type]
        module = step.run(module, Context())
    return module


def placed(module: Module, **hardware: object) -> Module:
    return Place().run(grouped(module), Context(hardware=hardware))


def hints(module: Module) -> dict[str, dict[str, object]]:
    return {op.result.name: dict(op["place"]) for op in module.ops("neuron")}


def cores(module: Module) -> list[Op]:
    return list(module.ops("core"))


def test_weights_of_four_bits_put_128_neurons_into_a_core() -> None:
    build = Builder("net", "int")
    module = build.finish(layer(build, "a", build.input("x", "u1[9]~"), 129))
    assert [(0, 0, 65, 0), (1, 65, 129, 0)] == list(hints(grouped(module))["a"]["slices"])


def test_grouping_for_cores_fills_cores() -> None:
    build = Builder("net", "int")
    module = build.finish(layer(build, "a", build.input("x", "u1[9]~"), 129))
    slices = hints(grouped(module, for_="cores"))["a"]["slices"]
    assert [(0, 0, 128, 0), (1, 128, 129, 0)] == list(slices)


def example(**options: str) -> list[list[tuple[str, int]]]:
    """Three layers of 300, 100 and 50 neurons in one region; capacity 256 (2-bit weights)."""
    build = Builder("net", "int")
    x = build.input("x", "u1[9]~")
    hub = layer(build, "hub", x, 9)
    made = []
    for name, size in (("a", 300), ("b", 100), ("c", 50)):
        current = build.op("linear", hub, matrix(build, size, 9, -2, 1))
        made.append(build.op("neuron", current, name=name, threshold=1))
    module = grouped(build.finish(*made), **options)
    found: dict[int, list[tuple[str, int]]] = {}
    for name, hint in hints(module).items():
        for core, first, last, _ in hint["slices"] if name != "hub" else ():  # type: ignore[attr-defined]
            found.setdefault(core, []).append((name, last - first))
    return [found[core] for core in sorted(found)]


def test_the_three_goals_of_grouping_differ_as_documented() -> None:
    assert [[("a", 150)], [("a", 150)], [("b", 100)], [("c", 50)]] == example(for_="latency")
    assert [[("a", 150), ("b", 100)], [("a", 150), ("c", 50)]] == example(for_="both")
    assert [[("a", 256)], [("a", 44), ("b", 100), ("c", 50)]] == example(for_="cores")


def test_readers_of_one_source_share_a_region() -> None:
    build = Builder("net", "int")
    a = layer(build, "a", build.input("x", "u1[9]~"), 20)
    found = hints(grouped(build.finish(layer(build, "b", a, 5), layer(build, "c", a, 6))))
    assert found["b"]["group"] == found["c"]["group"] != found["a"]["group"]
    assert {copy for *_, copy in found["a"]["slices"]} == {0}  # type: ignore[attr-defined]


def test_a_value_that_is_returned_and_read_is_stored_twice() -> None:
    build = Builder("net", "int")
    a = layer(build, "a", build.input("x", "u1[9]~"), 20)
    found = hints(grouped(build.finish(layer(build, "b", a, 5), a)))
    assert {copy for *_, copy in found["a"]["slices"]} == {0, 1}  # type: ignore[attr-defined]


def test_a_source_read_at_two_delays_is_stored_twice() -> None:
    build = Builder("net", "int")
    a = layer(build, "a", build.input("x", "u1[9]~"), 20)
    late = build.op("delay", a, by=2)
    found = hints(grouped(build.finish(layer(build, "b", a, 5), layer(build, "c", late, 6))))
    assert {copy for *_, copy in found["a"]["slices"]} == {0, 1}  # type: ignore[attr-defined]


def test_readers_stay_apart_where_sharing_would_double_the_extension() -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[9]~")
    hub = layer(build, "hub", x, 20)
    wide = layer(build, "wide", x, 1150)
    both = build.op(
        "add",
        build.op("linear", hub, matrix(build, 400, 20)),
        build.op("linear", hub, matrix(build, 400, 20, 0, 0)),
    )
    b = build.op("neuron", both, name="b", threshold=1)
    mixed = build.op(
        "add",
        build.op("linear", wide, matrix(build, 4, 1150)),
        build.op("linear", hub, matrix(build, 4, 20)),
    )
    c = build.op("neuron", mixed, name="c", threshold=1)
    found = hints(grouped(build.finish(b, c)))
    assert found["b"]["group"] != found["c"]["group"]
    assert (1, 2) == (found["b"]["extension"], found["c"]["extension"])


def test_the_quad_tree_is_walked_with_y_in_the_low_digit() -> None:
    places = {
        0: (0, 0),
        1: (0, 1),
        2: (1, 0),
        4: (0, 2),
        16: (0, 4),
        256: (0, 16),
        1007: (31, 27),
        1008: (28, 28),
        1023: (31, 31),
    }
    assert places == {p: coordinate(core_at(p)) for p in places}


def test_larger_regions_come_first_and_are_aligned() -> None:
    regions = allocate([Wish.block(0, 1), Wish.block(1, 5), Wish.block(2, 2)], [(0, 0)])
    assert {0: (10, 1), 1: (0, 8), 2: (8, 2)} == {g: (r.start, r.size) for g, r in regions.items()}


def test_a_chip_holds_regions_up_to_the_online_cores() -> None:
    sizes = (512, 256, 128, 64, 32, 16)
    regions = allocate([Wish.block(g, size) for g, size in enumerate(sizes)], [(0, 0)])
    assert max(r.start + r.size for r in regions.values()) == 1008


def wish(number: int, needs: list[int], used: list[int], **more: int) -> Wish:
    return Wish(number, np.array(needs, bool), np.array(used, bool), **more)


def test_a_core_that_is_only_reached_holds_another_region_on_axons_of_its_own() -> None:
    first = wish(0, [1, 1, 1, 1], [1, 1, 1, 0], axons=700, room=1152)
    second = wish(1, [1], [1], axons=400, room=1152)
    regions = allocate([first, second], [(0, 0)])
    assert [(0, 0), (3, 700)] == [(r.start, r.axon) for r in regions.values()]


@pytest.mark.parametrize("change", [{"axons": 500}, {"kind": 2}])
def test_it_holds_none_that_counts_otherwise_or_finds_no_axons(change: dict[str, int]) -> None:
    first = wish(0, [1, 1, 1, 1], [1, 1, 1, 0], axons=700, room=1152)
    second = wish(1, [1], [1], **({"axons": 400, "room": 1152} | change))
    regions = allocate([first, second], [(0, 0)])
    assert [(0, 0), (4, 0)] == [(r.start, r.axon) for r in regions.values()]


def passing(number: int, met: list[int]) -> Wish:
    """Return a region whose last core hears what has no weight there, on axons of which some."""
    flags = np.zeros((1, 1000), dtype=bool)
    flags[0, met] = True
    needs, used = np.ones(4, bool), np.array([1, 1, 1, 0], bool)
    return Wish(number, needs, used, axons=1000, room=1152, passing=flags)


@pytest.mark.parametrize(
    ("met", "first"), [([999], 0), ([0, 999], 1), ([99, 500], 100), ([300, 800], 301)]
)
def test_a_region_lies_between_the_axons_that_come_by_the_way(met: list[int], first: int) -> None:
    regions = allocate([passing(0, met), wish(1, [1], [1], axons=400, room=1152)], [(0, 0)])
    assert [(0, 0), (3, first)] == [(r.start, r.axon) for r in regions.values()]


def test_what_comes_by_the_way_keeps_clear_of_neurons_that_are_there() -> None:
    # The second region's neurons lie at the hole; its other core reads 700 axons and may not hear.
    first = wish(0, [1, 1, 1, 1], [1, 1, 1, 0], axons=700, room=1152)
    met = np.zeros((1, 500), dtype=bool)
    met[0, 60] = True
    needs, used = np.ones(2, bool), np.array([0, 1], bool)
    second = Wish(1, needs, used, axons=500, room=1152, passing=met)
    known = evolve(first, passing=np.zeros((1, 700), dtype=bool))
    laid = allocate([known, second], [(0, 0)])
    assert [(0, 0), (2, 640)] == [(r.start, r.axon) for r in laid.values()]


def test_codes_that_nothing_goes_to_are_free_for_others() -> None:
    first = wish(0, [1, 0, 1, 1], [1, 0, 1, 1])
    regions = allocate([first, Wish.block(1, 1), Wish.block(2, 1)], [(0, 0)])
    assert [0, 1, 4] == [region.start for region in regions.values()]


def test_a_full_chip_goes_on_with_the_next() -> None:
    regions = allocate([Wish.block(0, 512), Wish.block(1, 512)], [(0, 0), (0, 1)])
    assert [(0, 0), (0, 1)] == [regions[g].chip for g in (0, 1)]


def test_what_the_chips_cannot_take_is_refused() -> None:
    with pytest.raises(SnncError) as error:
        allocate([Wish.block(0, 512), Wish.block(1, 512)], [(0, 0)])
    assert ("chip-full", 4) == (error.value.code, error.value.exit_status)


def test_a_chip_that_is_not_in_the_list_is_refused_by_the_layer_that_is_pinned_to_it() -> None:
    build = Builder("net", "int")
    a = layer(build, "a", build.input("x", "u1[9]~"), 20, place={"chip": 2})
    with pytest.raises(SnncError) as error:
        placed(build.finish(a), chips=[(0, 0), (0, 1)], output_chip=(2, 0))
    assert ("bad-chip", 4) == (error.value.code, error.value.exit_status)
    message = error.value.diagnostics[0].message
    assert "%a is pinned to chip 2, which is not in the list: 0 is 0,0, 1 is 0,1" == message


def test_a_population_goes_to_the_chip_it_is_pinned_to() -> None:
    build = Builder("net", "int")
    a = layer(build, "a", build.input("x", "u1[9]~"), 20)
    b = layer(build, "b", a, 5, place={"chip": 1})
    module = placed(build.finish(b), chips=[(0, 0), (0, 1)], output_chip=(2, 0))
    assert [(0, 0, 0, 0), (0, 1, 0, 0)] == [op["at"] for op in cores(module)]


def large(size: int, **place: int) -> Module:
    """Return a layer of neurons that take 64 to a core."""
    build = Builder("net", "int")
    x = build.input("x", "u1[2]~")
    current = build.op("linear", x, matrix(build, size, 2, -128, -100))
    return build.finish(build.op("neuron", current, name="a", threshold=1, place=place or None))


def test_a_region_above_half_a_chip_is_refused() -> None:
    with pytest.raises(SnncError) as error:
        grouped(large(640, unroll=512), for_="latency")
    assert error.value.code == "region-too-large"


def test_a_layer_above_half_a_chip_is_divided() -> None:
    hint = hints(grouped(large(64 * 513)))["a"]
    assert [(0, 0, 0, 64 * 512, 9), (1, 0, 64 * 512, 64 * 513, 0)] == list(hint["shares"])
    assert {0, 1} == {share for *_, share in hint["slices"]}


def test_a_divided_layer_is_one_layer_whose_neurons_are_in_order() -> None:
    module = placed(large(64 * 513))
    (found,) = module.ops("layer")
    assert (513, (64 * 513,), None) == (len(found.values), found["shape"], found["order"])


def test_an_output_chip_among_the_target_chips_is_refused() -> None:
    build = Builder("net", "int")
    module = build.finish(layer(build, "a", build.input("x", "u1[9]~"), 20))
    with pytest.raises(SnncError) as error:
        placed(module, chips=[(1, 0)], output_chip=(1, 0))
    assert error.value.code == "output-chip"


def test_placing_needs_a_schedule_and_groups() -> None:
    build = Builder("net", "int")
    module = build.finish(layer(build, "a", build.input("x", "u1[9]~"), 20))
    with pytest.raises(SnncError) as error:
        Place().run(module, Context())
    assert error.value.code == "not-grouped"


def test_a_network_without_neurons_is_refused() -> None:
    build = Builder("net", "int")
    build.input("x", "u1[9]~")
    with pytest.raises(SnncError) as error:
        placed(build.finish())
    assert error.value.code == "nothing-to-place"


def test_a_way_whose_weights_multiply_to_nine_bits_is_refused() -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[2]~")
    full = build.weight("w", np.full((2, 2), 127, np.int8))
    twice = build.weight("two", np.asarray(2, np.int8))
    total = build.op("scale", build.op("linear", x, full), twice)
    with pytest.raises(SnncError) as error:
        grouped(build.finish(build.op("neuron", total, threshold=1)))
    assert error.value.code == "weight-range"


def test_an_input_read_by_layers_that_begin_at_different_ticks_is_sent_once_for_each() -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[9]~")
    module = placed(build.finish(layer(build, "a", x, 3), layer(build, "b", x, 3, first=4)))
    assert [0, 4] == [op["first"] for op in module.ops("input")]


def test_weights_of_a_core_stand_at_the_axons_of_their_sources() -> None:
    build = Builder("net", "int")
    x, y = build.input("x", "u1[2]~"), build.input("y", "u1[3]~")
    total = build.op(
        "add",
        build.op("linear", y, matrix(build, 2, 3, 1, 6)),
        build.op("linear", x, matrix(build, 2, 2, -4, -1)),
    )
    module = placed(build.finish(build.op("neuron", total, threshold=1)))
    (core,) = cores(module)
    weights = module.tensor(core.operands[0])  # type: ignore[arg-type]
    assert [[-4, -3, 1, 2, 3], [-2, -1, 4, 5, 6]] == weights[:, :5].tolist()
    assert not weights[:, 5:].any()


def test_small_readers_of_one_input_share_a_core() -> None:
    build = Builder("small", "int")
    x = build.input("x", "u1[20]~")
    made = []
    for name in "abc":
        weight = build.weight("w", np.ones((9, 20), np.int8))
        current = build.op("linear", x, weight)
        made.append(build.op("neuron", current, name=name, threshold=3, reset="hard"))
    module = build.finish(*made)
    cores = {
        goal: snnc.compile(module, target="paicore", group=goal).manifest["resources"]["cores"]
        for goal in ("latency", "both", "cores")
    }
    assert {"latency": 3, "both": 1, "cores": 1} == cores


def test_neurons_that_send_nowhere_take_no_cores() -> None:
    build = Builder("net", "int")
    x = build.input("x", "u1[9]~")
    read = layer(build, "a", x, 20)
    layer(build, "b", x, 5)
    module = Group().run(Schedule().run(build.finish(read), Context()), Context())
    assert () == hints(module)["b"]["slices"]
