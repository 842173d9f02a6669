"""Word files of each format and split; damage and refusal by the system."""

import errno
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from snnc.diagnostics import SnncError
from snnc.targets.paicore.artifact import files
from snnc.targets.paicore.artifact.files import read_image, read_words, write_image
from snnc.targets.paicore.chip.image import ChipImage, CoreImage


def refusal(action, *arguments):
    with pytest.raises(SnncError) as caught:
        action(*arguments)
    return caught.value.code, str(caught.value)


@pytest.fixture(scope="module")
def system(simple_core):
    """Five cores on two chips."""
    return ChipImage(
        (
            simple_core((0, 1), [[1, 2]], chip=(0, 3), chip_x=2),
            CoreImage.idle((0, 3), (0, 0), (2, 0)),
            CoreImage.idle((0, 2), (4, 0), (2, 0)),
        )
    )


@pytest.mark.parametrize("suffix", files.FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(words=hnp.arrays(np.uint64, st.integers(0, 9)))
def test_reading_inverts_writing(tmp_path, suffix, words):
    path = tmp_path / f"words.{suffix}"
    files.write_words(path, words)
    np.testing.assert_array_equal(words, read_words(path))


def test_the_formats_are_what_their_description_says(tmp_path):
    words = np.array([0x8000000000020001, 3], dtype=np.uint64)
    for suffix in files.FORMATS:
        files.write_words(tmp_path / f"w.{suffix}", words)
    assert (tmp_path / "w.bin").read_bytes() == bytes([1, 0, 2, 0, 0, 0, 0, 0x80, 3] + [0] * 7)
    assert (tmp_path / "w.txt").read_text() == "".join(f"{int(w):064b}\n" for w in words)
    assert np.load(tmp_path / "w.npy").dtype == np.dtype("<u8")


@pytest.mark.parametrize("suffix", files.FORMATS)
@pytest.mark.parametrize("split", ["none", "chip", "core"])
def test_a_system_is_read_back_from_its_files(tmp_path, system, split, suffix):
    paths = write_image(system, tmp_path, [suffix], split)
    again = read_image(tmp_path)
    assert set(system.index) == set(again.index)
    for core in system.cores:
        assert core == again.core(core.chip, core.at)
    if split == "none":
        assert system == again
        assert system == read_image(paths[0])


@pytest.mark.parametrize(
    ("split", "suffix", "names"),
    [
        ("none", "bin", ["config_all.bin"]),
        ("chip", "npy", ["config_chip2_cores_all.npy", "config_chip3_cores_all.npy"]),
        (
            "core",
            "txt",
            ["config_chip2_core128.txt", "config_chip3_core0.txt", "config_chip3_core1.txt"],
        ),
    ],
)
def test_file_names_carry_linear_addresses(tmp_path, system, split, suffix, names):
    assert names == [path.name for path in write_image(system, tmp_path, [suffix], split)]


def test_several_formats_are_one_configuration(tmp_path, system):
    write_image(system, tmp_path, ["txt", "npy", "bin"])
    assert system == read_image(tmp_path)


def test_two_ways_to_split_in_one_folder_are_refused(tmp_path, system):
    write_image(system, tmp_path, split="chip")
    write_image(system, tmp_path)
    assert refusal(read_image, tmp_path)[0] == "config-split"


def test_nothing_to_read_is_refused(tmp_path):
    assert refusal(read_image, tmp_path)[0] == "config-missing"
    assert refusal(read_words, tmp_path / "absent.bin")[0] == "config-missing"
    assert refusal(read_words, tmp_path / "file.hex")[0] == "words-format"
    (tmp_path / "folder.bin").mkdir()
    assert refusal(read_words, tmp_path / "folder.bin")[0] == "input-unreadable"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.bin", b"1234567"),
        ("w.txt", b"01\n"),
        ("w.txt", b"0" * 63 + b"2\n"),
        ("w.txt", b"0" * 64 + b" "),
        ("w.npy", b""),
        ("w.npy", b"\x93NUMPY\x01\x00v\x00{'descr'"),
        ("w.npy", b"PK\x03\x04"),
    ],
)
def test_malformed_files_are_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    code, message = refusal(read_words, path)
    assert code == "words-malformed"
    assert name in message


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.zeros((1, 3), np.uint64), np.array([{}], dtype=object)]
)
def test_npy_of_another_type_is_refused(tmp_path, array):
    np.save(tmp_path / "w.npy", array, allow_pickle=True)
    assert refusal(read_words, tmp_path / "w.npy")[0] == "words-malformed"


def test_an_archive_named_npy_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.zeros(2, np.uint64))
    (tmp_path / "w.npz").rename(tmp_path / "w.npy")
    assert refusal(read_words, tmp_path / "w.npy")[0] == "words-malformed"


def test_bytes_beyond_the_array_are_refused(tmp_path):
    path = tmp_path / "w.npy"
    files.write_words(path, np.array([1], np.uint64))
    path.write_bytes(path.read_bytes() + b"x")
    assert refusal(read_words, path)[0] == "words-malformed"


def test_errors_in_a_file_name_the_file(tmp_path):
    files.write_words(tmp_path / "config_all.bin", np.array([1 << 63], np.uint64))
    code, message = refusal(read_image, tmp_path)
    assert code == "config-frame"
    assert "config_all.bin" in message
    assert "word 0" in message


def test_a_full_disk_leaves_nothing_behind(tmp_path, system, monkeypatch):
    calls = []

    def replace(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.rename(source, target)

    monkeypatch.setattr("os.replace", replace)
    code, message = refusal(write_image, system, tmp_path, ["bin"], "core")
    assert code == "output-unwritable"
    assert "space" in message
    assert list(tmp_path.iterdir()) == []


def test_an_unusable_folder_is_refused(tmp_path, system):
    (tmp_path / "file").write_text("")
    assert refusal(write_image, system, tmp_path / "file")[0] == "output-unwritable"


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.bin"
    files.write_words(path, np.array([1], np.uint64))

    def replace(source, target):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("os.replace", replace)
    assert refusal(files.write_words, path, np.array([2], np.uint64))[0] == "output-unwritable"
    assert [p.name for p in tmp_path.iterdir()] == ["w.bin"]
    assert read_words(path).tolist() == [1]
