import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from snnc.diagnostics import SnncError, at
from snnc.ir import Builder, Symbol, Word
from snnc.ir.read import decode, load, read
from snnc.ir.write import arrays_by_digest, save, write

LARGE = np.arange(100, dtype=np.int8).reshape(10, 10)


@pytest.fixture
def large():
    build = Builder("net", "int", loc=at("train.py", 1))
    x = build.input("x", "u1[10]~")
    return build.finish(build.op("linear", x, build.weight("w", LARGE)))


def refused(text, **kwargs):
    with pytest.raises(SnncError) as caught:
        read(text, "net.snn", **kwargs)
    return caught.value


def test_a_file_is_read_with_its_sidecar(tmp_path, large):
    save(large, tmp_path / "net.snn")
    assert write(large) == write(load(tmp_path / "net.snn"))
    assert np.array_equal(LARGE, load(str(tmp_path / "net.snn")).tensor(Symbol("w")))


def test_weights_may_be_given_by_digest(large):
    module = read(write(large), weights=arrays_by_digest(large))
    assert np.array_equal(LARGE, module.tensor(Symbol("w")))


def test_without_a_folder_weights_by_digest_are_missing(large):
    error = refused(write(large))
    assert ("weights-missing", 2) == (error.code, error.diagnostics[0].loc.line)


def test_a_changed_weights_file_is_noticed(tmp_path, large):
    save(large, tmp_path / "net.snn")
    digest = large.weights["w"].tensor.digest
    save_file({digest: LARGE + 1}, tmp_path / "net.safetensors")
    with pytest.raises(SnncError, match="digest") as caught:
        load(tmp_path / "net.snn")
    assert caught.value.code == "digest-mismatch"


def test_a_weights_file_of_another_dtype_is_noticed(tmp_path, large):
    save(large, tmp_path / "net.snn")
    digest = large.weights["w"].tensor.digest
    save_file({digest: LARGE.astype(np.int32)}, tmp_path / "net.safetensors")
    with pytest.raises(SnncError, match="int32") as caught:
        load(tmp_path / "net.snn")
    assert caught.value.code == "weight-dtype"


def test_a_weights_file_of_another_network_is_noticed(tmp_path, large):
    save(large, tmp_path / "net.snn")
    save_file({"other": LARGE}, tmp_path / "net.safetensors")
    with pytest.raises(SnncError, match="has no tensor") as caught:
        load(tmp_path / "net.snn")
    assert caught.value.code == "weights-missing"


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SnncError, match=r"nothing\.snn") as caught:
        load(tmp_path / "nothing.snn")
    assert caught.value.code == "file-unreadable"


@pytest.mark.parametrize("data", [b"module\n\xff\xfe", b"module\n\x00", b"\n\x80" * 9])
def test_bytes_that_are_no_text_are_refused_with_the_line(tmp_path, data):
    (tmp_path / "net.snn").write_bytes(data)
    with pytest.raises(SnncError) as caught:
        load(tmp_path / "net.snn")
    assert ("not-text", 2) == (caught.value.code, caught.value.diagnostics[0].loc.line)


def test_a_byte_order_mark_and_windows_line_ends_are_read():
    text = "module @m level int {\r\n graph @g(%x: u1[1]~) -> (u1[1]~) {\r\n return %x } }\r\n"
    assert decode(b"\xef\xbb\xbf" + text.encode(), "net.snn") == text
    assert "m" == read(text).name


def test_a_missing_location_is_the_place_in_the_text():
    text = (
        "module @m level int {\n  graph @g(%x: u1[1]~) -> (u1[1]~) {\n"
        "    %y = int.delay %x : u1[1]~ -> u1[1]~\n"
        "    %z = int.delay %y : u1[1]~ -> u1[1]~ loc()\n    return %z\n  }\n}"
    )
    graph = read(text, "net.snn").graph
    assert at("net.snn", 3, 10) == graph.ops[0].loc == graph.ops[0].result.loc
    assert at("net.snn", 2, 12) == graph.inputs[0].loc
    assert not graph.ops[1].loc.known


def test_an_error_shows_the_text_and_the_origin():
    text = (
        "module @m level int { graph @g(%x: u1[1]~) -> (u1[1]~) {\n"
        '  %y = int.dely %x : u1[1]~ -> u1[1]~ loc("train.py":21:14)\n return %y } }'
    )
    diagnostic = refused(text).diagnostics[0]
    assert "net.snn:2:8" == str(diagnostic.loc)
    assert ("it comes from train.py:21:14",) == diagnostic.notes
    assert "did you mean 'int.delay'?" == diagnostic.help


def test_what_uses_a_refused_weight_is_not_blamed():
    text = (
        "module @m level int {\n weight @w : i2[1] = [9]\n graph @g(%x: u1[1]~) -> (u1[1]~) {\n"
        "%y = int.neuron %x {threshold = @w} : (u1[1]~) -> u1[1]~\nreturn %y } }"
    )
    assert ["weight-range"] == [d.code for d in refused(text).diagnostics]


def test_errors_come_in_the_order_of_the_text():
    text = (
        "module @m level int {\n weight @w : i2[1] = [9]\n graph @g(%x: u1[1]~) -> (u1[1]~) {\n"
        "%a = int.b %x : u1[1]~ -> u1[1]~\n%x = int.delay %q : u1[1]~ -> u1[1]~\nreturn %n } }"
    )
    codes = [(d.loc.line, d.code) for d in refused(text).diagnostics]
    assert [
        (2, "weight-range"),
        (4, "unknown-op"),
        (5, "duplicate-name"),
        (5, "undefined-name"),
        (6, "undefined-name"),
    ] == codes


def test_attributes_keep_words_strings_and_numbers_apart():
    text = 'module @m level int with {a = w, b = "w", c = 1, d = 1.0, e = true, f = [1, {g = 2}]} {'
    attrs = read(text + "graph @g() -> () { return } }").attrs
    assert [Word, str, int, float, bool] == [type(attrs[k]) for k in "abcde"]
    assert (1, {"g": 2}) == attrs["f"]


def test_explicit_defaults_are_dropped():
    text = (
        "module @m level int { graph @g(%x: u1[1]~) -> (u1[1]~) {"
        " %y = int.delay %x {by = 1} : u1[1]~ -> u1[1]~ return %y } }"
    )
    assert {} == dict(read(text).graph.ops[0].attrs)


@pytest.mark.parametrize("text", ["", "\n\n", "// nothing", "module", "}", "\x7fELF\x02", "é" * 9])
def test_anything_else_is_one_located_syntax_error(text):
    error = refused(text)
    assert ("syntax-error", 1) == (error.code, len(error.diagnostics))
    assert error.diagnostics[0].loc.line >= 1


def test_a_syntax_error_speaks_in_words():
    error = refused("module @m level int {\n graph @g() -> () { return ] }")
    assert "expected '}' or a value such as %x, found ']'" == error.diagnostics[0].message


def test_long_rubbish_is_quoted_in_part():
    error = refused("module @m level int { " + "x" * 5000)
    assert len(error.diagnostics[0].message) < 120


def test_a_hundred_thousand_brackets_are_refused():
    text = "module @m level int with {a = " + "[" * 100_000 + "]" * 100_000 + "} {"
    assert "nested-too-deep" == refused(text).code


def test_a_newer_version_is_refused_before_its_syntax_is_met():
    error = refused("// written later\nmodule @m level int version 31 <new> {")
    assert "newer-version" == error.code
    assert "net.snn:2:29" == str(error.diagnostics[0].loc)
    assert "version 31" in error.diagnostics[0].message


def test_the_parser_is_imported_only_to_parse():
    script = "import sys, snnc.ir.read, snnc.ir.write; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_text_without_a_version_has_the_first():
    assert "version 1" in write(read("module @m level int { graph @g() -> () { return } }"))
