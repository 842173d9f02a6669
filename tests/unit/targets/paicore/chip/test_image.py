"""Configurations to words and back; damaged words are refused or mean something else."""

import hashlib

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.targets.paicore.chip.image import ChipImage, CoreImage, Register, core_words, parse


def digest(words):
    return hashlib.sha256(words.astype("<u8").tobytes()).hexdigest()


def refusal(words):
    with pytest.raises(SnncError) as caught:
        parse(words)
    return caught.value.code, str(caught.value)


def changed(words, place, value):
    words = words.copy()
    words[place] = value
    return words


def test_the_tiny_system_has_the_recorded_bytes(tiny_image):
    words = tiny_image.words()
    assert len(words) == 18472
    assert digest(words) == "9482cede1d80c9054441520f7f459191820cf4f3dcd3426fe1fd76cc938bbeae"


def test_the_system_with_wide_axons_has_the_recorded_bytes(wide_image):
    words = wide_image.words()
    assert len(words) == 33438
    assert digest(words) == "75f7aa41724beef4626dbe168bbbf4da40f93169ba42b4deba566c0360899b3d"


def test_parsing_inverts_writing(tiny_image, wide_image):
    for image in (tiny_image, wide_image):
        again = parse(image.words())
        assert image == again
        np.testing.assert_array_equal(image.words(), again.words())


def test_segments_and_seeds_survive(simple_core):
    core = simple_core((3, 4), np.ones((5, 2)), chip=(2, 7))
    core = evolve(core, segments=(2, 3), seed=0xFEDCBA9876543210)
    again = parse(core_words(core)).core((2, 7), (3, 4))
    assert core == again
    assert evolve(core, segments=(5,)) != again


def test_a_core_gives_back_its_neurons_and_weights(simple_core):
    weights = np.arange(-6, 6).reshape(4, 3)
    core = simple_core((0, 0), weights, weight_code=2, leak=[1, -2, 3, -4])
    assert core.neurons["leak"].tolist() == [1, -2, 3, -4]
    np.testing.assert_array_equal(weights, core.weights[:, :3])
    assert not core.weights[:, 3:].any()


def test_every_truncation_of_the_words_is_refused(tiny_image):
    words = tiny_image.words()
    for length in [*range(1, 40), 9239, 9241, 9244, 9247, 9256, 18471]:
        code, message = refusal(words[:length])
        assert code == "config-truncated"
        assert f"word {length}" in message


def test_trailing_words_are_refused(tiny_image):
    words = tiny_image.words()
    code, message = refusal(np.append(words, np.uint64(0xF << 60)))
    assert code == "config-frame"
    assert f"word {len(words)}" in message
    assert refusal(np.append(words, np.zeros(3, np.uint64)))[0] == "config-truncated"


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (0, 0x1 << 60, "config-frame"),
        (0, 1 << 35, "config-address"),
        (1, 1 << 40, "config-address"),
        (2, 1, "config-stray-bits"),
        (4, 0x1000010000800080, "config-address"),
        (5, 0x1000000010000001, "config-stray-bits"),
        (3, 0x1000000017000800, "config-register"),
        (3, 0x1000000010000A00, "config-register"),
        (3, 0x1000000010000900, "config-register"),
        (3, 0x1000000010800800, "config-register"),
        (6, 0x2000000000080010, "config-frame"),
        (6, 0x2000000000000018, "config-records"),
        (6, 0x200000000000000F, "config-records"),
        (6, 0x2000000000200010, "config-records"),
        (6, 0x2000010000000010, "config-address"),
        (6, 0x3000000000000010, "config-frame"),
        (7, 0x0000000200000001, "config-copies"),
        (23, 0x3000000000102400, "config-weights"),
        (23, 0x30000000000023EE, "config-weights"),
        (24 + 18 * 5, 1, "config-stray-bits"),
        (9240, 0, "config-address"),
    ],
)
def test_a_damaged_word_is_located(tiny_image, place, value, code):
    found, message = refusal(changed(tiny_image.words(), place, np.uint64(value)))
    assert code == found
    assert "word " in message


def test_8_bit_input_that_keeps_its_potential_is_no_mode(tiny_image):
    words = tiny_image.words()
    words[3] |= np.uint64(1 << 23)
    code, message = refusal(words)
    assert code == "config-register"
    assert "no mode" in message


def test_illegal_record_fields_are_refused(simple_core):
    for field, value in [("truncation", 30), ("reset_mode", 3), ("axon", 1152), ("potential", 1)]:
        with pytest.raises(SnncError) as caught:
            simple_core((0, 0), [[1]], **{field: value})
        assert caught.value.code == "config-records"
        assert field in str(caught.value)


def test_records_must_agree_with_the_register(neuron_fields):
    with pytest.raises(SnncError) as caught:
        CoreImage.build(
            (0, 0),
            (0, 0),
            Register(dendrites=3),
            neuron_fields(),
            np.zeros((2, 1152), np.int8),
        )
    assert caught.value.code == "config-records"


def test_a_core_without_its_weights_is_refused(tiny_image):
    with pytest.raises(SnncError) as caught:
        evolve(tiny_image.cores[0], rows=np.zeros((0, 18), np.uint64))
    assert caught.value.code == "config-weights"


def test_learning_cores_are_refused(tiny_image):
    with pytest.raises(SnncError) as caught:
        CoreImage.idle((0, 0), (28, 31))
    assert caught.value.code == "online-core"
    words = core_words(CoreImage.idle((0, 0), (27, 31)))
    assert refusal(words ^ np.uint64((27 ^ 28) << 45))[0] == "online-core"


@pytest.mark.parametrize("place", [((32, 0), (0, 0)), ((0, 0), (0, -1))])
def test_cores_lie_on_the_grid(place):
    with pytest.raises(SnncError) as caught:
        CoreImage.idle(*place)
    assert caught.value.code == "core-coordinate"


def test_a_core_configured_twice_is_refused(tiny_image):
    words = tiny_image.words()
    code, message = refusal(np.concatenate([words, words]))
    assert code == "core-twice"
    assert f"word {len(words)}" in message
    with pytest.raises(SnncError) as caught:
        ChipImage(tiny_image.cores * 2)
    assert caught.value.code == "core-twice"


def test_the_output_chip_must_not_be_a_target_chip(tiny_image):
    with pytest.raises(SnncError) as caught:
        ChipImage((*tiny_image.cores, CoreImage.idle((1, 0), (0, 0), (2, 0))))
    assert caught.value.code == "output-chip"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_refused_or_means_something_else(tiny_image, data):
    words = tiny_image.words()
    interesting = [*range(30), *range(36, 80), *range(9235, 9280)]
    places = st.sampled_from(interesting) | st.integers(0, len(words) - 1)
    place, bit = data.draw(places), data.draw(st.integers(0, 63))
    words[place] ^= np.uint64(1 << bit)
    try:
        image = parse(words)
    except SnncError:
        return
    assert image != tiny_image
    np.testing.assert_array_equal(words, image.words())
