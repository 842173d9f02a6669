"""The numbers of the hardware are complete, sourced and consistent with the layouts."""

import tomllib
from importlib.resources import files

from snnc.targets.paicore.chip.frames import RECORD, REGISTER
from snnc.targets.paicore.limits import LIMITS


def test_every_number_names_its_source():
    text = files("snnc.targets.paicore").joinpath("limits.toml").read_text(encoding="utf-8")
    for section in tomllib.loads(text).values():
        for entry in section.values():
            assert set(entry) == {"value", "source"}
            assert entry["source"]


def test_the_numbers_fit_the_fields_that_carry_them():
    assert REGISTER.by_name["tick_start"].range[1] == LIMITS.max_tick
    assert REGISTER.by_name["lcn"].range[1] >= LIMITS.max_lcn
    assert REGISTER.by_name["dendrites"].range[1] >= LIMITS.wide_dendrites
    assert RECORD.by_name["potential"].width == LIMITS.potential_bits
    assert RECORD.by_name["threshold"].range[1] == LIMITS.potential_max
    assert RECORD.by_name["tick"].range[1] == LIMITS.slots - 1
    assert 64 * LIMITS.weight_row_words == LIMITS.axons == 8 * LIMITS.wide_axons
    assert len(LIMITS.wide_neurons) == LIMITS.max_lcn + len(LIMITS.weight_bits)


def test_learning_cores_are_the_last_corner():
    online = [(x, y) for x in range(32) for y in range(32) if LIMITS.is_online(x, y)]
    assert online == [(x, y) for x in range(28, 32) for y in range(28, 32)]


def test_weights_of_one_bit_are_unsigned():
    ranges = [LIMITS.weight_range(bits) for bits in LIMITS.weight_bits]
    assert ranges == [(0, 1), (-2, 1), (-8, 7), (-128, 127)]
