import hashlib

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.ir.types import ELEMENTS, F16, F32, I4, I8, I32, Type
from snnc.ir.weights import (
    Tensor,
    load_npz,
    load_safetensors,
    packed_tensors,
    save_tensors,
    tensor,
)


def refused(code, *args, **kwargs):
    with pytest.raises(SnncError) as caught:
        tensor(*args, **kwargs)
    assert code == caught.value.code
    return str(caught.value)


def test_values_outside_the_element_are_refused_with_numbers():
    assert "-9..7; i4 holds -8..7" in refused("weight-range", np.array([-9, 7]), I4)


def test_a_fraction_is_no_integer():
    refused("weight-range", np.array([0.5]), I8)


def test_a_float_beyond_its_element_is_refused():
    refused("weight-range", np.array([1e39]), F32)
    refused("weight-range", np.array([70000.0], np.float32), F16)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
    assert "1 of 2 values" in refused("weight-not-finite", np.array([1.0, bad]), F32)


def test_what_is_no_number_is_refused():
    refused("weight-dtype", np.array(["a"]), I8)


def test_a_tensor_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        tensor(np.arange(3), I8).array()[0] = 1


def test_the_digest_covers_element_shape_and_values():
    plain = tensor(np.arange(6).reshape(2, 3), I8)
    text = b"i8[2, 3]" + bytes(range(6))
    assert hashlib.sha256(text).hexdigest() == plain.digest
    others = [
        tensor(np.arange(6), I8),
        tensor(np.arange(6).reshape(2, 3), I4),
        tensor(np.arange(1, 7).reshape(2, 3), I8),
        tensor(np.arange(6).reshape(2, 3), I32),
    ]
    assert 5 == len({plain.digest, *(other.digest for other in others)})


def test_the_digest_does_not_depend_on_memory_order():
    values = np.arange(6).reshape(2, 3)
    assert tensor(values, I8).digest == tensor(np.asfortranarray(values), I8).digest


def test_up_to_64_elements_and_two_axes_stand_in_the_text():
    assert tensor(np.zeros((8, 8)), I8).inline
    assert not tensor(np.zeros(65), I8).inline
    assert not tensor(np.zeros((1, 1, 1)), I8).inline


def test_a_lazy_tensor_is_made_and_checked_when_asked_for():
    made = []

    def make():
        made.append(1)
        return np.array([1, 200])

    lazy = Tensor(Type(I8, (2,)), make=make)
    assert (True, []) == (lazy.lazy, made)
    with pytest.raises(SnncError, match=r"i8 holds -128\.\.127") as caught:
        lazy.array()
    assert caught.value.code == "weight-range"
    with pytest.raises(SnncError, match="have shape") as caught:
        Tensor(Type(I8, (3,)), make=make).array()
    assert caught.value.code == "weight-shape"


def test_tensors_are_stored_once_by_digest(tmp_path):
    one, same, other = (tensor(np.array([n]), I8) for n in (1, 1, 2))
    save_tensors(tmp_path / "w.safetensors", [one, same, other])
    stored = load_safetensors(tmp_path / "w.safetensors")
    assert sorted([one.digest, other.digest]) == sorted(stored)
    assert [1] == stored[one.digest].tolist()


def test_stored_bytes_are_those_of_the_library():
    from safetensors.numpy import save

    elements = {e.storage: e for e in ELEMENTS.values()}
    shapes = [(3, 5), (7,), (), (0, 2)]
    tensors = [tensor(np.ones(s), e) for e in elements.values() for s in shapes]
    packed = b"".join(packed_tensors(tensors))
    assert save({t.digest: np.asarray(t.array()) for t in tensors}) == packed
    assert save({}) == b"".join(packed_tensors([]))


def test_npz_files_load_without_pickle(tmp_path):
    np.savez(tmp_path / "good.npz", a=np.arange(3))
    assert [0, 1, 2] == load_npz(tmp_path / "good.npz")["a"].tolist()
    np.savez(tmp_path / "bad.npz", a=np.array([{}], dtype=object))
    with pytest.raises(SnncError, match=r"bad\.npz") as caught:
        load_npz(tmp_path / "bad.npz")
    assert caught.value.code == "weights-unreadable"


@pytest.mark.parametrize("load", [load_npz, load_safetensors])
def test_files_that_are_missing_or_cut_are_refused(load, tmp_path):
    np.savez(tmp_path / "whole", a=np.arange(1000))
    save_tensors(tmp_path / "whole.safetensors", [tensor(np.arange(100), I8)])
    name = "whole.npz" if load is load_npz else "whole.safetensors"
    (tmp_path / "cut").write_bytes((tmp_path / name).read_bytes()[:-50])
    for file, code in [("nothing", "weights-missing"), ("cut", "weights-unreadable")]:
        with pytest.raises(SnncError) as caught:
            load(tmp_path / file)
        assert code == caught.value.code
