"""Files of values: what goes in comes out, the same bytes every time, bad files refused."""

import zipfile

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir import parse_type
from snnc.runtime.values import read_values, write_values

SPIKES = np.random.default_rng(0).integers(0, 2, (2, 5, 3)).astype(np.uint8)


def codes(caught: pytest.ExceptionInfo[SnncError]) -> list[str]:
    return [d.code for d in caught.value.diagnostics]


def test_values_survive_a_file(tmp_path):
    given = {
        "x": SPIKES,
        "count": np.array([[[65535]]], dtype=np.uint16),
        "v": np.array([[[-7]]], dtype=np.int32),
        "rate": np.array([[0.25, 0.5]], dtype=np.float32),
    }
    types = {"x": "u1[3]~", "count": "u16[1]~", "v": "i32[1]~", "rate": "f32[2]"}
    write_values(tmp_path / "x.npz", given)
    read = read_values(tmp_path / "x.npz", {k: parse_type(t) for k, t in types.items()})
    for name, array in given.items():
        assert array.dtype == read[name].dtype
        assert np.array_equal(array, read[name])


def test_counts_stand_as_int32_in_files(tmp_path):
    write_values(tmp_path / "x.npz", {"count": np.array([[[7]]], dtype=np.uint16)})
    assert np.int32 == np.load(tmp_path / "x.npz")["count"].dtype


def test_the_same_values_give_the_same_bytes_and_a_fixed_date(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_values(tmp_path / name, {"x": SPIKES, "y": np.asfortranarray(SPIKES)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {(1980, 1, 1, 0, 0, 0)} == {entry.date_time for entry in archive.infolist()}


def test_all_wrong_names_are_reported_at_once_with_the_nearest(tmp_path):
    write_values(tmp_path / "x.npz", {"imput": SPIKES})
    with pytest.raises(SnncError) as caught:
        read_values(tmp_path / "x.npz", {"input": parse_type("u1[3]~")})
    assert ["unknown-value", "missing-value"] == codes(caught)
    assert "did you mean 'input'?" == caught.value.diagnostics[0].help


@pytest.mark.parametrize(
    ("array", "type", "code"),
    [
        (SPIKES[0], "u1[3]~", "input-shape"),
        (SPIKES.astype(np.int64), "u1[3]~", "input-dtype"),
        (SPIKES * np.uint8(2), "u1[3]~", "input-range"),
        (np.full((1, 2), np.nan, np.float32), "f32[2]", "input-range"),
        (np.full((1, 2), 0.1), "f32[2]", "input-dtype"),
    ],
)
def test_an_array_that_does_not_fit_its_type_is_refused(tmp_path, array, type, code):
    np.savez(tmp_path / "x.npz", x=array)
    with pytest.raises(SnncError) as caught:
        read_values(tmp_path / "x.npz", {"x": parse_type(type)})
    assert [code] == codes(caught)
    assert caught.value.diagnostics[0].help


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x93NUMPY nonsense", b"text"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(SnncError) as caught:
        read_values(tmp_path / "x.npz", {})
    assert ["values-unreadable"] == codes(caught)
    assert "pickle" not in str(caught.value)


def test_a_lone_array_a_missing_file_and_python_objects_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", SPIKES)
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object))
    for name, code in (
        ("x.npy", "values-unreadable"),
        ("o.npz", "values-unreadable"),
        ("none.npz", "values-missing"),
    ):
        with pytest.raises(SnncError) as caught:
            read_values(tmp_path / name, {"x": parse_type("u1[3]~")})
        assert [code] == codes(caught)


def test_a_name_with_a_slash_is_written_and_read_back(tmp_path):
    write_values(tmp_path / "x.npz", {"block/1/y": SPIKES})
    read = read_values(tmp_path / "x.npz", {"block/1/y": parse_type("u1[3]~")})
    assert np.array_equal(SPIKES, read["block/1/y"])


@pytest.mark.parametrize(
    ("name", "array", "code"),
    [
        ("x", np.array([2**31]), "input-range"),
        ("x", np.array([0.5]), "input-dtype"),
        ("a\\b", SPIKES, "bad-value-name"),
        ("/a", SPIKES, "bad-value-name"),
        ("a/../b", SPIKES, "bad-value-name"),
    ],
)
def test_what_no_file_can_hold_is_not_written(tmp_path, name, array, code):
    with pytest.raises(SnncError) as caught:
        write_values(tmp_path / "x.npz", {name: array})
    assert [code] == codes(caught)
    assert [] == list(tmp_path.iterdir())
