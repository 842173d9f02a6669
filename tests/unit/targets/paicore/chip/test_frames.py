"""Layouts against recorded words, and encode/decode as inverses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.targets.paicore.chip import frames
from snnc.targets.paicore.chip.frames import (
    HEADER,
    PACKAGE,
    RECORD,
    REGISTER,
    SEED,
    SPIKE,
    Kind,
    Layout,
    decode,
    encode,
)

LAYOUTS = [HEADER, PACKAGE, SPIKE, SEED, REGISTER, RECORD]


def hexes(words):
    return [f"{int(w):016X}" for w in np.ravel(words)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.name)
def test_fields_neither_overlap_nor_leave_the_layout(layout: Layout):
    used = [bit for f in layout.fields for bit in range(f.low, f.low + f.width)]
    assert sorted(set(used)) == sorted(used)
    assert max(used) < layout.words * layout.word_bits


def test_register_has_67_bits_and_record_214():
    assert sum(f.width for f in REGISTER.fields) == 67
    assert sum(f.width for f in RECORD.fields) == 214


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.name)
@given(data=st.data())
def test_decoding_inverts_encoding(layout: Layout, data):
    fields = {
        f.name: data.draw(st.lists(st.integers(*f.range), min_size=3, max_size=3), label=f.name)
        for f in layout.fields
    }
    if layout is SEED:
        words = encode(layout, {"seed": np.array(fields["seed"], dtype=np.uint64)})
        assert [int(v) for v in frames.extract(SEED, "seed", words)] == fields["seed"]
        return
    decoded = decode(layout, encode(layout, fields))
    assert {name: list(map(int, v)) for name, v in decoded.items()} == fields


@given(st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4))
def test_encoding_inverts_decoding_up_to_the_unused_bits(words):
    given_words = np.array([words], dtype=np.uint64)
    given_words[0, 3] &= np.uint64((1 << 22) - 1)
    again = frames.encode_records(frames.decode_records(given_words))
    assert hexes(again) == hexes(given_words)


def test_work_words_match_the_recorded_ones():
    chip, core = (1, 2), (3, 4)
    assert hexes(frames.spike_words(chip, core, (5, 6), 1000, 9, 100)) == ["8088642983E80964"]
    assert hexes(frames.sync_word(chip, 77)) == ["908800000000004D"]
    assert hexes(frames.clear_word(chip)) == ["A088000000000000"]
    assert hexes(frames.init_word(chip)) == ["B088000000000000"]


def test_seed_words_match_the_recorded_ones():
    words = frames.seed_words((1, 2), (3, 4), 0x123456789ABCDEF1)
    masks = np.uint64(5 << 35 | 6 << 30)
    assert hexes(words | masks) == ["00886429848D159E", "0088642989ABCDEF", "0088642984000000"]


def test_register_words_match_the_recorded_ones():
    fields = {
        "weight_code": 2,
        "lcn": 1,
        "wide_input": 0,
        "wide_output": 0,
        "dendrites": 480,
        "max_pool": 0,
        "tick_start": 1,
        "tick_count": 0,
        "keep_potential": 1,
        "target_lcn": 0,
        "test_chip": frames.linear(1, 0),
    }
    payloads = frames.encode_register(fields)
    words = frames.plain_words(Kind.REGISTER, (0, 0), (0, 1), payloads[0])
    assert hexes(words) == ["100001002103C000", "1000010000800080", "1000010010000000"]
    assert {k: int(v[0]) for k, v in frames.decode_register(payloads).items()} == fields


def test_record_words_match_the_recorded_ones():
    fields = {f.name: 0 for f in RECORD.fields}
    fields |= {"truncation": 8, "leak": -1, "threshold": 3, "negative_threshold": 2**29 - 1}
    fields |= {"floor": 1, "reset_mode": 1, "chip_x": 1, "axon": [0, 1]}
    expected = ["FFFFFFF200000000", "7FFFFFFE00000033", "0000040800000000", "0000000000000000"]
    assert hexes(frames.encode_records(fields)) == [*expected, *expected[:3], "0000000000000008"]


def test_package_words_match_the_recorded_ones():
    assert hexes(frames.package_word(Kind.NEURONS, (0, 0), (0, 1), 0, 8)) == ["2000010000000008"]
    assert hexes(frames.package_word(Kind.WEIGHTS, (0, 0), (0, 0), 438, 324)) == [
        "300000001B600144"
    ]
    reads = frames.package_word(Kind.TEST_NEURONS, (0, 0), (0, 1), [0, 2, 4], 4, request=True)
    assert hexes(reads) == ["6000010000080004", "6000010000280004", "6000010000480004"]


@pytest.mark.parametrize("value", [-1, 2**29, 1.5])
def test_a_value_that_does_not_fit_is_refused(value):
    fields = {f.name: 0 for f in RECORD.fields} | {"threshold": value}
    with pytest.raises(SnncError) as caught:
        frames.encode_records(fields)
    assert caught.value.code == "frame-value"
    assert "threshold" in str(caught.value)


def test_missing_and_unknown_fields_are_refused():
    with pytest.raises(SnncError) as caught:
        frames.encode_register({"weight": 1})
    assert caught.value.code == "frame-fields"
    assert "weight_code" in str(caught.value)


def test_fields_of_different_lengths_are_refused():
    fields = {f.name: 0 for f in RECORD.fields}
    for odd in ({"leak": [1, 2], "axon": [1, 2, 3]}, {"leak": [[1, 2]]}):
        with pytest.raises(SnncError) as caught:
            frames.encode_records(fields | odd)
        assert caught.value.code == "frame-fields"
    assert frames.encode_records(fields | {"leak": np.zeros(0, int)}).shape == (0, 4)


def test_coordinates_and_linear_addresses_are_inverse():
    assert [frames.linear(*frames.coordinate(a)) for a in range(1024)] == list(range(1024))
    assert frames.linear(1, 0) == 32
