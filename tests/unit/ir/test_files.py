import os
import zipfile

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir.files import read_npz, write_atomically, write_composed


def test_a_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "a.bin"
    write_atomically(path, [b"one", b"two"])
    write_atomically(path, b"three")
    assert b"three" == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def chunks():
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, chunks())
    assert b"old" == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_atomically, write_composed])
def test_a_folder_that_is_a_file_is_refused(tmp_path, write):
    (tmp_path / "file").write_text("")
    with pytest.raises(SnncError) as caught:
        write(tmp_path / "file" / "a.bin", b"x")
    assert caught.value.code == "output-unwritable"


def test_a_folder_in_the_way_is_refused_and_the_temporary_file_removed(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(SnncError, match="cannot write"):
        write_atomically(tmp_path / "a.bin", b"x")
    assert ["a.bin"] == [p.name for p in tmp_path.iterdir()]


def header(shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "entry",
    [header((1 << 22, 1 << 22)), header((3, -1)), header("(" * 500), b"no array", b""],
    ids=["larger than memory", "negative", "deep", "text", "empty"],
)
def test_an_archive_with_an_entry_that_is_no_array_is_refused(tmp_path, entry):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", entry)
    with pytest.raises(ValueError, match=r"\w"):
        read_npz(tmp_path / "x.npz")


def test_arrays_come_in_the_order_of_the_file(tmp_path):
    np.savez(tmp_path / "x.npz", b=np.arange(2), a=np.zeros(0))
    assert ["b", "a"] == [*read_npz(tmp_path / "x.npz")]


def test_a_pipe_is_written_into_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, [b"one", b"two"])
        assert b"onetwo" == os.read(reading, 100)
    finally:
        os.close(reading)
    assert pipe.is_fifo()
    assert [pipe] == list(tmp_path.iterdir())


def test_the_file_behind_a_link_is_written(tmp_path):
    (tmp_path / "link").symlink_to("file")
    for data in (b"new", b"again"):
        write_atomically(tmp_path / "link", data)
        assert data == (tmp_path / "file").read_bytes()
    assert (tmp_path / "link").is_symlink()
