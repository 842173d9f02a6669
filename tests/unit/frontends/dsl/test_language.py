"""Levels, weights, options, places: what a file means beyond its ops."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from snnc.diagnostics import SnncError, at, render
from snnc.frontends.dsl import Dsl, read_text
from snnc.ir.weights import INLINE_LIMIT

NET = "network main { input x: u1[2]~ return x |> linear(w.fc.weight) |> IF(threshold=1) }"


def saved(folder, array, name="w.safetensors", key="fc.weight"):
    arrays = {key: np.asarray(array)}
    if name.endswith(".npz"):
        np.savez(folder / name, **arrays)
    else:
        save_file(arrays, folder / name)
    return f'weights "{name}" as w {NET}'


@pytest.mark.parametrize(
    ("array", "level", "element"),
    [
        (np.ones((3, 2), np.int8), "int", "i8"),
        (np.ones((3, 2), np.int64), "int", "i8"),
        (np.full((3, 2), -300, np.int64), "int", "i16"),
        (np.ones((3, 2), bool), "int", "u1"),
        (np.ones((3, 2), np.float32), "snn", "f32"),
        (np.ones((3, 2), np.float16), "snn", "f32"),
    ],
)
def test_the_dtype_of_the_weights_decides_the_level(tmp_path, array, level, element):
    module = read_text(saved(tmp_path, array), "net.snnl", tmp_path)
    assert (level, element) == (module.level, module.weights["fc.weight"].type.element.name)


def test_weights_of_whole_floats_fit_a_file_that_says_int(tmp_path):
    text = "level int " + saved(tmp_path, np.full((3, 2), 7.0))
    module = read_text(text, "net.snnl", tmp_path)
    assert "i8[3, 2]" == str(module.weights["fc.weight"].type)


def test_a_file_that_says_snn_is_real_whatever_its_numbers():
    module = read_text("level snn network m { input x: u1[2]~ return IF(x, 3) }")
    assert ("snn", 3.0) == (module.level, module.graph.ops[0]["threshold"])


def test_weights_come_from_npz_too_and_by_a_quoted_key(tmp_path):
    np.savez(tmp_path / "w.npz", **{"0.weight": np.eye(2, dtype=np.int8)})
    text = 'weights "w.npz" as w network m { input x: u1[2]~ return linear(x, w["0.weight"]) }'
    module = read_text(text, "net.snnl", tmp_path)
    assert [[1, 0], [0, 1]] == module.weights["0.weight"].tensor.array().tolist()


def test_a_weight_read_twice_is_one_weight(tmp_path):
    text = saved(tmp_path, np.ones((2, 2), np.int8)).replace(
        "return x", "a = x |> linear(w.fc.weight) |> IF(1) return a"
    )
    assert ["fc.weight"] == list(read_text(text, "net.snnl", tmp_path).weights)


def test_nan_is_refused_with_its_place(tmp_path, refused):
    error = refused(saved(tmp_path, np.full((3, 2), np.nan, np.float32)), tmp_path)
    assert ("weight-not-finite", 1) == (error.code, error.loc.line)


def test_a_missing_key_names_the_nearest(tmp_path, refused):
    text = saved(tmp_path, np.ones((3, 2), np.int8)).replace("fc.weight", "fc.wieght")
    error = refused(text, tmp_path)
    assert ("weights-key", "did you mean 'fc.weight'?") == (error.code, error.help)


def test_a_truncated_file_is_refused(tmp_path, refused):
    text = saved(tmp_path, np.ones((3, 2), np.int8))
    (tmp_path / "w.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert "weights-unreadable" == refused(text, tmp_path).code


def test_relative_weights_of_a_text_without_folder_are_refused(refused):
    assert "weights-path" == refused(f'weights "w.npz" as w {NET}').code


def test_text_in_a_weights_file_is_refused(tmp_path, refused):
    text = saved(tmp_path, np.array([["a", "b"]]), "w.npz")
    assert "weight-dtype" == refused(text, tmp_path).code


def test_weights_are_found_beside_the_file_and_by_absolute_path(tmp_path):
    text = saved(tmp_path, np.ones((3, 2), np.int8))
    (tmp_path / "net.snnl").write_text(text)
    other = tmp_path / "sub"
    other.mkdir()
    absolute = text.replace("w.safetensors", str(tmp_path / "w.safetensors"))
    (other / "net.snnl").write_text(absolute)
    first, second = (Dsl().read(f / "net.snnl", {}) for f in (tmp_path, other))
    assert first.weights["fc.weight"].tensor.digest == second.weights["fc.weight"].tensor.digest


def test_options_are_parameters_of_the_network():
    text = "network m(n, k=3) { input x: u1[n]~ return IF(x, threshold=k) }"
    module = read_text(text, options={"n": 5, "k": "2 + 2"})
    assert ("u1[5]~", 4) == (str(module.graph.inputs[0].type), module.graph.ops[0]["threshold"])


def test_an_option_that_is_no_parameter_is_refused(refused):
    error = refused("network m(size) { input x: u1[size]~ return x }", sise=3)
    assert ("unknown-keyword", "did you mean 'size'?") == (error.code, error.help)


@pytest.mark.parametrize("text", ["f(", "f(3)", "x + 1"])
def test_a_bad_option_is_refused(refused, text):
    refused("network m(size) { input x: u1[size]~ return x }", size=text)


def test_main_is_built_or_the_last_or_the_one_asked_for():
    text = "network {} {{ input x: u1[2]~ return x }} network last {{ input y: u1[2]~ return y }}"
    assert "main" == read_text(text.format("main")).name
    assert "last" == read_text(text.format("first")).name
    assert "first" == read_text(text.format("first"), options={"network": "first"}).name


def test_an_unknown_network_is_refused(refused):
    text = "network first { input x: u1[2]~ return x }"
    assert "did you mean 'first'?" == refused(text, network="firts").help


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no-network"),
        ("network m { }", "no-output"),
        ("level real network m { }", "unknown-level"),
        ("level int level int network m { }", "duplicate-name"),
        ("level snn network m { input x: u1[2]~ return ANN(x) }", "wrong-level"),
    ],
)
def test_a_file_must_say_something(refused, text, code):
    assert code == refused(text).code


def test_ops_are_placed_at_their_call():
    text = (
        "network main {\n  input x: u1[2]~\n  return x + x\n    |> linear([[1, 2]])\n    |> IF(3) }"
    )
    module = read_text(text, "net.snnl")
    expected = [at("net.snnl", 3, 12), at("net.snnl", 4, 8), at("net.snnl", 5, 8)]
    assert expected == [op.loc for op in module.graph.ops]
    assert at("net.snnl", 2, 9) == module.graph.inputs[0].loc


def test_ops_of_the_library_are_placed_at_the_call_of_the_file():
    text = "network main {\n  input x: u1[2]~\n  return bitwise_xor(x, x)\n}"
    assert {at("net.snnl", 3, 10)} == {op.loc for op in read_text(text, "net.snnl").graph.ops}


def test_an_error_in_a_network_says_who_called_it(refused):
    text = "network A(x) { return linear(x, [[1]]) }\nnetwork main { input x: u1[2]~ return A(x) }"
    error = refused(text)
    assert (1, ("in network A, called at net.snnl:2:39",)) == (error.loc.line, error.notes)


def test_an_integer_construct_in_a_real_network_says_why_it_is_real(refused):
    text = "network main { input x: u1[2]~\n a = 0.5 * x\n return ANN(a) }"
    error = refused(text)
    assert "wrong-level" == error.code
    assert "level snn because @a.w holds real numbers (float64) (net.snnl:2:10)" == error.notes[0]


def test_an_error_is_rendered_with_its_line_and_a_caret(tmp_path):
    path = tmp_path / "net.snnl"
    path.write_text("network main {\n  input x: u1[2]~\n  return linaer(x)\n}")
    with pytest.raises(SnncError) as caught:
        Dsl().read(path, {})
    lines = render(caught.value.diagnostics[0]).split("\n")
    assert lines[0].startswith(f"{path}:3:10: error[unknown-layer]:")
    assert ["    return linaer(x)", "           ^", "  help: did you mean 'linear'?"] == lines[1:]


def test_ticks_are_noted_on_the_module():
    module = read_text("let n = 8 ticks 2 * n network m { input x: u1[2]~ return x }")
    assert {"ticks": 16} == dict(module.attrs)


def test_a_missing_or_unreadable_file_is_refused(tmp_path):
    (tmp_path / "b.snnl").write_bytes(b"\xff\xfe\x00")
    codes = []
    for name in ("a.snnl", "b.snnl", "."):
        with pytest.raises(SnncError) as caught:
            Dsl().read(tmp_path / name, {})
        codes.append(caught.value.code)
    assert ["source-missing", "source-unreadable", "source-unreadable"] == codes


def test_a_byte_order_mark_is_no_error(tmp_path):
    (tmp_path / "net.snnl").write_text("\ufeffnetwork m { input x: u1[2]~ return x }")
    assert "m" == Dsl().read(tmp_path / "net.snnl", {}).name


def test_a_large_constant_stays_out_of_the_text():
    module = read_text("network m { input x: u1[99]~ return linear(x, eye(99)) }")
    assert module.weights["w"].type.size > INLINE_LIMIT


def test_importing_the_front_end_does_not_import_lark():
    code = "import snnc.frontends.dsl, sys; print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()


def test_names_do_not_depend_on_the_hash_seed():
    code = (
        "from snnc.frontends.dsl import read_text; from snnc.ir.write import write; "
        "print(write(read_text('network m { input x: u1[4]~ "
        "return bitwise_xor(x, x), spiking_sub(x, x) }')))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(texts)
