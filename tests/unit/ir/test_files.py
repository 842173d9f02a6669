import pytest

from snnc.diagnostics import SnncError
from snnc.ir.files import write_atomically


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


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SnncError) as caught:
        write_atomically(tmp_path / "file" / "a.bin", b"x")
    assert caught.value.code == "output-unwritable"


def test_a_folder_in_the_way_is_refused_and_the_temporary_file_removed(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(SnncError, match="cannot write"):
        write_atomically(tmp_path / "a.bin", b"x")
    assert ["a.bin"] == [p.name for p in tmp_path.iterdir()]
