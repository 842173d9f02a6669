"""Files of a build: the vendor's bytes and schemas, formats and splits, what is reported."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from snnc.diagnostics import SnncError
from snnc.targets.paicore.artifact.files import read_image
from snnc.targets.paicore.emit import emit
from snnc.targets.paicore.load import load
from snnc.targets.paicore.options import Options
from tests.unit.targets.paicore import placed_modules
from tests.unit.targets.paicore.placed_modules import Placement, loop, tiny, wide


@pytest.fixture
def emitted(tmp_path):
    def run(module, **options):
        folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return emit(module, folder, Options(**options)), folder

    return run


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def loaded(folder: Path) -> str:
    return load(folder).name


def json_of(folder: Path, name: str):
    return json.loads((folder / name).read_text())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (tiny, "9482cede1d80c9054441520f7f459191820cf4f3dcd3426fe1fd76cc938bbeae"),
        (wide, "75f7aa41724beef4626dbe168bbbf4da40f93169ba42b4deba566c0360899b3d"),
    ],
)
def test_the_frames_are_the_vendors_byte_for_byte(emitted, make, expected):
    _, folder = emitted(make())
    assert expected == digest(folder / "config_all.bin")


def test_the_same_module_gives_the_same_bytes(emitted):
    folders = [emitted(wide(), format=("bin", "npy", "txt"))[1] for _ in range(2)]
    names = [sorted(p.name for p in folder.iterdir()) for folder in folders]
    assert names[0] == names[1]
    assert [digest(folders[0] / n) for n in names[0]] == [digest(folders[1] / n) for n in names[1]]


@pytest.mark.parametrize("suffix", ["bin", "npy", "txt"])
@pytest.mark.parametrize("split", ["none", "chip", "core"])
def test_every_format_and_split_holds_the_same_cores(emitted, suffix, split):
    expected = read_image(emitted(loop(), chip=(0, 0, 0, 1))[1])
    report, folder = emitted(loop(), chip=(0, 0, 0, 1), format=(suffix,), split=split)
    again = read_image(folder)
    assert set(expected.index) == set(again.index)
    assert all(again.core(c.chip, c.at) == c for c in expected.cores)
    files = {
        "none": ["config_all"],
        "chip": ["config_chip0_cores_all", "config_chip1_cores_all"],
        "core": ["config_chip0_core2", "config_chip0_core3", "config_chip1_core0"],
    }
    assert [f"{stem}.{suffix}" for stem in files[split]] == [
        n for n in report.files if n.startswith("config")
    ]


def test_npy_files_are_what_numpy_writes(emitted, tmp_path):
    _, folder = emitted(tiny(), format=("npy",))
    np.save(tmp_path / "numpy.npy", np.load(folder / "config_all.npy").astype("<u8"))
    assert (tmp_path / "numpy.npy").read_bytes() == (folder / "config_all.npy").read_bytes()


def test_side_files_have_the_vendors_contents(emitted):
    _, folder = emitted(tiny())
    registers = {
        "weight_width": 1,
        "lcn": 0,
        "input_width": 0,
        "spike_width": 0,
        "neuron_num": 4,
        "pool_max": 0,
        "tick_wait_start": 1,
        "tick_wait_end": 0,
        "snn_en": 1,
        "target_lcn": 0,
        "test_chip_addr": 32,
        "n_repeat_nram": 2,
        "name": "OfflineCorePlacement_0",
    }
    found = json_of(folder, "core_params.json")["(0,0)"]
    assert list(registers.items()) == list(found["(0,0)"].items())
    assert ["(0,0)", "(0,1)"] == list(found)
    addresses = {
        f"addr_{n}": 0 for n in ("chip_x", "chip_y", "core_x", "core_y", "core_x_ex", "core_y_ex")
    }
    lists = {"tick_relative": [0, 0, 0], "addr_axon": [0, 1, 2]}
    assert {"x": {**addresses, **lists, "lcn": 1}} == json_of(folder, "input_proj_info.json")
    lists = {"tick_relative": [0, 0], "addr_axon": [0, 1]}
    expected = {"y": {"(0,1)": {**addresses, "addr_chip_x": 1, **lists}}}
    assert expected == json_of(folder, "output_dest_info.json")


def test_the_graph_summary_has_the_vendors_keys(emitted):
    _, folder = emitted(tiny())
    flow = {"t_1st_vld": 2, "interval": 1, "n_vld": 0, "is_local_time": False}
    expected = {
        "name": "graph_of_tiny",
        "inherent_timestep": 2,
        "output_flow_format": {"y": flow},
        "n_core_required": 2,
        "n_core_occupied": 2,
        "misc": {"target_chip_list": [0]},
    }
    assert list(expected.items()) == list(json_of(folder, "graph_info.json").items())


def test_a_reserved_core_counts_as_occupied_and_is_no_parameter(emitted):
    _, folder = emitted(wide())
    info = json_of(folder, "graph_info.json")
    assert (3, 4) == (info["n_core_required"], info["n_core_occupied"])
    assert ["(0,0)", "(0,1)", "(1,0)"] == list(json_of(folder, "core_params.json")["(0,0)"])


def test_inputs_list_axon_and_slot_of_each_element(emitted):
    _, folder = emitted(wide())
    entry = json_of(folder, "input_proj_info.json")["x"]
    places = list(zip(entry["tick_relative"], entry["addr_axon"], strict=True))
    assert [(0, 0), (1, 0), (1, 47)] == [places[0], places[1152], places[1199]]
    assert (1, 1, 2) == (entry["addr_core_x_ex"], entry["addr_core_y_ex"], entry["lcn"])


def test_further_destinations_and_copies_are_numbered(emitted):
    b = Placement()
    x = b.input("x", "u1[2]~")
    b.neurons(2, axon=[0, 1])
    ways = [b.arrive(x, f"x.{k}", (0, 0), axon=np.arange(2) + 2 * k) for k in range(2)]
    only = b.core(np.ones((2, 4)), *ways, at=(0, 0))
    _, folder = emitted(b.finish(b.output(b.layer("y", only))))
    found = json_of(folder, "input_proj_info.json")
    assert {"x": [0, 1], "x#1": [2, 3]} == {k: v["addr_axon"] for k, v in found.items()}
    _, folder = emitted(loop(), chip=(0, 0, 0, 1))
    assert ["a", "a#1", "b", "b#1"] == list(json_of(folder, "neuron_phy_loc.json"))


def test_potentials_lie_where_the_layer_has_its_records(emitted):
    _, folder = emitted(wide())
    entry = json_of(folder, "neuron_phy_loc.json")["n"]["(0,0)"]
    expected = {"n_neuron": 60, "addr_offset": 0, "interval": 8, "idx_offset": 60}
    assert expected == entry["(0,1)"]


def test_side_files_can_be_left_out(emitted):
    report, folder = emitted(tiny(), core_params=False, neuron_places=False)
    assert {"core_params.json", "neuron_phy_loc.json"}.isdisjoint(report.files)
    assert sorted(report.files) == sorted(p.name for p in folder.iterdir())


def test_clocks_of_used_clusters_are_named_where_asked_for(emitted):
    """One cluster is [128, 0, ...], as PAIBox 1.3 writes it (paicore.md, section 5.5)."""
    _, folder = emitted(loop(), chip=(0, 0, 0, 1), clock_enables=True)
    one = [128, *[0] * 7]
    assert {"(0,0)": one, "(0,1)": one} == json_of(folder, "graph_info.json")["misc"]["clk_en_L2"]
    assert loaded(folder) == loop().name
    _, folder = emitted(loop(), chip=(0, 0, 0, 1))
    assert ["target_chip_list"] == list(json_of(folder, "graph_info.json")["misc"])


def test_clusters_count_from_the_highest_bit(emitted):
    """PAIBox 1.3 writes [224, 192] where x 0..3 goes with y 0..11, and x 4..7 with y 0..7."""
    b = Placement()
    x = b.input("x", "u1[1]~")
    places = [(0, 0), (0, 4), (0, 8), (4, 0)]
    b.neurons(4, axon=np.arange(4))
    arrive = b.arrive(x, "x.0", (0, 0), (4, 12))
    cores = [b.core(np.ones((1, 1)), arrive, at=at) for at in places]
    for at in ((0, 12), (4, 4), (4, 8), (4, 12)):
        b.emit("idle", (), {"at": (0, 0, *at), "test_chip": (1, 0)})
    module = b.finish(b.output(b.layer("y", *cores)))
    _, folder = emitted(module, clock_enables=True)
    found = json_of(folder, "graph_info.json")["misc"]["clk_en_L2"]
    assert {"(0,0)": [0b11110000, 0b11110000, *[0] * 6]} == found


def test_the_report_counts_what_the_build_takes(emitted):
    report, folder = emitted(loop(), chip=(0, 0, 0, 1))
    expected = {
        "chips": 2,
        "chips_offered": 2,
        "cores": 3,
        "cores_idle": 0,
        "neurons": 6,
        "neuron_copies": 6,
        "dendrites": 96,
        "axons": 3456,
        "weight_bits": 110592,
        "config_bytes": (folder / "config_all.bin").stat().st_size,
        "memory_bytes": (folder / "config_all.bin").stat().st_size - 3 * 8 * 8,
    }
    assert expected == report.resources
    assert {"a.1": 0, "b.1": 1} == report.latency


@pytest.mark.parametrize(
    ("columns", "mask", "expected"),
    [
        ({}, (0, 0), ()),
        ({}, (0, 1), ()),
        ({}, (1, 1), ()),
        ({}, (1, 0), ("multicast-masks",)),
        ({}, (0, 2), ("multicast-masks",)),
        ({"leak": 1, "leak_reversal": 1}, (0, 0), ("reversal-leak-sign",)),
        ({"leak": 0, "leak_reversal": 1}, (0, 0), ()),
        ({"leak": -1, "leak_after": 1}, (0, 0), ("leak-after-compare-order",)),
        ({"negative": 7, "negative_mode": 0}, (0, 0), ("negative-threshold-strictness",)),
        ({"negative": 7, "negative_mode": 1}, (0, 0), ()),
        ({"negative_mode": 0}, (0, 0), ()),
    ],
)
def test_a_build_says_what_it_relies_on(emitted, columns, mask, expected):
    b = Placement()
    x = b.input("x", "u1[2]~")
    b.neurons(2, axon=[0, 1], **columns)
    only = b.core(np.ones((2, 2)), b.arrive(x, "x.0", (0, 0), mask), at=(0, 0))
    report, _ = emitted(b.finish(b.output(b.layer("y", only))))
    assert expected == tuple(item.partition(":")[0] for item in report.relies_on)


def test_cores_on_a_chip_not_asked_for_are_refused(emitted):
    with pytest.raises(SnncError) as caught:
        emitted(loop())
    assert "chip-list" == caught.value.code


def test_a_value_that_no_record_holds_is_refused(emitted):
    spoiled = placed_modules.reweighted(tiny(), "neuron.threshold", 1, 2**29)
    with pytest.raises(SnncError) as caught:
        emitted(spoiled)
    assert "frame-value" == caught.value.code


def test_weights_that_the_width_does_not_hold_are_refused(emitted):
    spoiled = placed_modules.reweighted(tiny(), "w.0.1", (0, 0), 3)
    with pytest.raises(SnncError) as caught:
        emitted(spoiled)
    assert "weight-range" == caught.value.code


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chip": (0,)}, "no pairs"),
        ({"chip": ()}, "no pairs"),
        ({"chip": (0, 32)}, "0 to 31"),
        ({"chip": (0, 0, 0, 0)}, "twice"),
        ({"output_chip": (0, 0)}, "target chips"),
        ({"output_chip": (1, 0, 2, 0)}, "one is wanted"),
    ],
)
def test_wrong_chips_are_refused(options, words):
    with pytest.raises(SnncError, match=words) as caught:
        _ = Options(**options).receiver, Options(**options).chips
    assert "chip-option" == caught.value.code
