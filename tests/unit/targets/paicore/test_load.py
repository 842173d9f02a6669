"""A build read back is the module it was written from; damaged or mixed builds are refused."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnc.diagnostics import SnncError
from snnc.ir.opset import Word
from snnc.ir.write import write
from snnc.targets.paicore.check import check
from snnc.targets.paicore.emit import emit
from snnc.targets.paicore.load import load
from snnc.targets.paicore.options import Options
from tests.unit.targets.paicore.placed_modules import Placement, changed, loop, tiny, wide

BOTH = Options(chip=(0, 0, 0, 1))


def text(module):
    return write(module, locs=False)


def refusal(folder):
    with pytest.raises(SnncError) as caught:
        load(folder)
    return caught.value.code


@pytest.fixture
def folder(tmp_path):
    emit(tiny(), tmp_path, BOTH)
    return tmp_path


def edited(folder, name, *path, value=None):
    """Replace (or remove) a value inside a JSON file; numbers in the path index lists."""
    content = json.loads((folder / name).read_text())
    part = content
    for step in path[:-1]:
        part = part[step]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    (folder / name).write_text(json.dumps(content))
    return folder


def words_of(folder):
    return np.fromfile(folder / "config_all.bin", dtype="<u8")


@pytest.mark.parametrize("make", [tiny, wide, loop])
@pytest.mark.parametrize("split", ["none", "chip", "core"])
def test_loading_inverts_emitting(make, split, tmp_path):
    module = make()
    emit(module, tmp_path, Options(chip=(0, 0, 0, 1), split=split))
    assert text(module) == text(load(tmp_path))


@pytest.mark.parametrize("suffix", ["npy", "txt"])
def test_any_format_will_do(suffix, tmp_path):
    emit(tiny(), tmp_path, Options(format=(suffix,)))
    assert text(tiny()) == text(load(tmp_path))


def test_attributes_of_the_module_come_back_in_kind(tmp_path):
    b = Placement(
        "odd", ticks=3, word=Word("soft"), text="soft", list=(1, (2.5, True)), map={"a": 1}
    )
    x = b.input("a b", "u1[2]~")
    b.neurons(2, axon=[0, 1])
    core = b.core(np.ones((2, 2)), b.arrive(x, "x.0", (0, 0)), at=(0, 0), first=4, start=5)
    module = b.finish(b.output(b.layer("ü", core)), graph="other")
    emit(module, tmp_path, Options())
    assert text(module) == text(load(tmp_path))


columns = {
    "threshold": st.integers(0, 2**29 - 1),
    "negative": st.integers(0, 2**29 - 1),
    "leak": st.integers(-(2**29), 2**29 - 1),
    "reset_to": st.integers(-(2**29), 2**29 - 1),
    "reset": st.integers(0, 2),
    "negative_mode": st.integers(0, 1),
    "leak_after": st.integers(0, 1),
    "leak_reversal": st.integers(0, 1),
    "truncate": st.integers(0, 29),
}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(
    st.fixed_dictionaries({n: st.lists(s, min_size=3, max_size=3) for n, s in columns.items()}),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2, 16]),
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
)
def test_any_record_and_weight_comes_back(tmp_path, given, bits, extension, seed, start):
    low, high = (0, 1) if bits == 1 else (-(1 << bits - 1), (1 << bits - 1) - 1)
    weights = np.random.default_rng(seed).integers(low, high + 1, (3, 1152 * extension))
    b = Placement()
    x = b.input("x", f"u1[{1152 * extension}]~")
    b.neurons(3, axon=[0, 1, 2], **given)
    element = np.arange(1152 * extension)
    x0 = b.arrive(x, "x.0", (0, 0), axon=element % 1152, slot=element // 1152, extension=extension)
    core = b.core(
        weights, x0, at=(0, 0), bits=bits, extension=extension, first=start, start=start + 1
    )
    module = b.finish(b.output(b.layer("y", core)))
    emit(module, tmp_path, Options())
    again = load(tmp_path)
    assert text(module) == text(again)
    assert {d.code for d in check(module)} == {d.code for d in check(again)}


LAYOUT, INPUTS, OUTPUTS = "layout.json", "input_proj_info.json", "output_dest_info.json"
CORES, GRAPH, PLACES = "core_params.json", "graph_info.json", "neuron_phy_loc.json"


@pytest.mark.parametrize(
    ("code", "name", "path", "value"),
    [
        ("layout-malformed", LAYOUT, ("schema",), 2),
        ("layout-malformed", LAYOUT, ("module",), None),
        ("layout-malformed", LAYOUT, ("ops", 2, "kind"), "neuron"),
        ("layout-malformed", LAYOUT, ("ops", 2, "at"), [0, 0]),
        ("layout-malformed", LAYOUT, ("ops", 2, "weights"), ["w.9"]),
        ("layout-malformed", LAYOUT, ("ops", 6, "reads"), []),
        ("layout-malformed", LAYOUT, ("weights", "w.0.0"), "i3"),
        ("layout-malformed", LAYOUT, ("inputs", "x"), "u1[3"),
        ("layout-malformed", LAYOUT, ("ops", 3, "shape"), [2.0]),
        ("layout-mismatch", LAYOUT, ("ops", 2), None),
        ("layout-mismatch", LAYOUT, ("ops", 2, "at"), [0, 0, 0, 2]),
        ("layout-malformed", LAYOUT, ("ops", 2, "kind"), "idle"),
        ("layout-mismatch", LAYOUT, ("ops", 2, "reads"), ["nobody"]),
        ("layout-mismatch", LAYOUT, ("ops", 2, "name"), "h"),
        ("layout-mismatch", LAYOUT, ("ops", 3, "shape"), [3]),
        ("layout-mismatch", LAYOUT, ("ops", 3, "pieces"), [[0, 5]]),
        ("layout-mismatch", LAYOUT, ("ops", 6), None),
        ("layout-mismatch", LAYOUT, ("outputs",), []),
        ("layout-mismatch", LAYOUT, ("weights", "w.0.0"), "i4"),
        ("layout-mismatch", LAYOUT, ("weights", "spare"), "i4"),
        ("layout-mismatch", LAYOUT, ("inputs", "x"), "u1[4]~"),
        ("layout-mismatch", LAYOUT, ("ops", 0), None),
        ("side-file-mismatch", INPUTS, ("x", "lcn"), None),
        ("side-file-mismatch", INPUTS, ("x", "addr_axon", 0), "0"),
        ("side-file-mismatch", INPUTS, ("x", "addr_axon", 0), -1),
        ("side-file-mismatch", INPUTS, ("x", "extra"), 1),
        ("layout-mismatch", INPUTS, ("x", "addr_axon"), [0, 1]),
        ("layout-mismatch", INPUTS, ("x",), None),
        ("side-file-mismatch", OUTPUTS, ("y", "(0,1)", "addr_axon"), [1, 0]),
        ("side-file-mismatch", OUTPUTS, ("y", "(0,1)", "addr_chip_x"), 2),
        ("side-file-mismatch", OUTPUTS, ("y",), None),
        ("side-file-mismatch", CORES, ("(0,0)", "(0,0)", "lcn"), 1),
        ("side-file-mismatch", CORES, ("(0,0)", "(0,1)"), None),
        ("side-file-mismatch", GRAPH, ("inherent_timestep",), 9),
        ("side-file-mismatch", GRAPH, ("more",), 9),
        ("side-file-mismatch", PLACES, ("y", "(0,0)", "(0,1)", "interval"), 2),
    ],
)
def test_files_that_contradict_each_other_are_refused(folder, code, name, path, value):
    assert code == refusal(edited(folder, name, *path, value=value))


@pytest.mark.parametrize("name", [LAYOUT, INPUTS, OUTPUTS, GRAPH])
def test_missing_or_foreign_side_files_are_refused(folder, name):
    (folder / name).write_text("[]")
    assert refusal(folder) in ("layout-malformed", "side-file-mismatch")
    (folder / name).write_bytes(b"\xff{")
    assert "side-file-unreadable" == refusal(folder)
    (folder / name).unlink()
    assert "side-file-missing" == refusal(folder)


def test_core_params_and_places_may_be_missing(folder):
    (folder / CORES).unlink()
    (folder / PLACES).unlink()
    assert text(tiny()) == text(load(folder))


def test_the_files_of_two_builds_do_not_mix(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    emit(wide(), other, Options())
    (other / LAYOUT).replace(folder / LAYOUT)
    assert "layout-mismatch" == refusal(folder)


@pytest.mark.parametrize("length", [0, 1, 8, 24, 147768, 147784])
def test_configurations_cut_or_prolonged_are_refused(folder, length):
    path = folder / "config_all.bin"
    path.write_bytes((path.read_bytes() + bytes(64))[:length])
    assert refusal(folder) in (
        "words-malformed",
        "config-truncated",
        "layout-mismatch",
        "config-frame",
    )


def test_a_stochastic_neuron_has_no_form(folder):
    words = words_of(folder)
    words[[7, 11]] |= np.uint64(1 << 35)
    words.tofile(folder / "config_all.bin")
    assert "unsupported-record" == refusal(folder)


def test_a_seed_has_no_form(folder):
    words = words_of(folder)
    words[0] |= np.uint64(1)
    words.tofile(folder / "config_all.bin")
    assert "unsupported-record" == refusal(folder)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(st.integers(0, 18471), st.integers(0, 63))
def test_a_flipped_bit_is_refused_or_seen(folder, word, bit):
    """Whatever bit flips: loading fails with a reason, or gives another module, never the same."""
    emit(tiny(), folder, BOTH)
    words = words_of(folder)
    words[word] ^= np.uint64(1) << np.uint64(bit)
    words.tofile(folder / "config_all.bin")
    try:
        again = load(folder)
    except SnncError:
        return
    assert text(tiny()) != text(again)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(st.sampled_from([LAYOUT, INPUTS, OUTPUTS, CORES, GRAPH, PLACES]), st.data())
def test_a_changed_byte_of_a_side_file_never_crashes(folder, name, data):
    emit(tiny(), folder, BOTH)
    content = bytearray((folder / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(content)
    try:
        module = load(folder)
    except SnncError:
        return
    check(module)


def test_a_program_with_other_numbers_loads_as_other(tmp_path):
    emit(changed(tiny(), "core", 1, ticks=7), tmp_path, Options())
    assert 7 == list(load(tmp_path).ops("core"))[1]["ticks"]
