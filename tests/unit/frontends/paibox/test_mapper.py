"""The facade's mapper: what it compiles is what snnc compiles, and its options mean something."""

import json

import numpy as np
import pytest

import snnc
import snnc.frontends.paibox.guide as pb
from snnc.diagnostics import SnncError
from snnc.frontends.paibox.guide.mapper import BACKEND_CONFIG


@pytest.fixture(autouse=True)
def _defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    BACKEND_CONFIG.restore()


class Small(pb.Network):
    """Two layers with weights of two bits, and a seeded encoder that the chip does not see."""

    def __init__(self):
        super().__init__()
        rng = np.random.RandomState(2)
        self.i = pb.InputProj(pb.simulator.PoissonEncoder(seed=1), shape_out=(20,))
        self.n1 = pb.IF(12, 3, 0)
        self.n2 = pb.LIF(5, 2, 0, leaky_v=-1, tick_wait_start=2)
        self.s1 = pb.NoDecay(self.i, self.n1, rng.randint(-2, 2, (20, 12)))
        self.s2 = pb.NoDecay(self.n1, self.n2, rng.randint(-2, 2, (12, 5)))


@pytest.fixture
def mapper():
    made = pb.Mapper()
    made.build(Small())
    return made


def test_compile_tells_of_cores_and_outputs(mapper):
    info = mapper.compile(weight_bit_optimization=True, grouping_optim_target="both")
    assert "graph_of_Small" == info["name"]
    assert 1 <= info["n_core_required"] <= info["n_core_occupied"]
    assert ["n2"] == list(info["output_flow_format"])


def widths(settings):
    return {core["weight_width"] for chip in settings.values() for core in chip.values()}


def test_weights_keep_their_bits_unless_they_are_optimized(mapper):
    mapper.compile(weight_bit_optimization=True)
    narrow = widths(mapper.export(write_to_file=False))
    mapper.compile(weight_bit_optimization=False)
    assert ({1}, {3}) == (narrow, widths(mapper.export(write_to_file=False)))
    pb.set_cflag(enable_wp_opt=False)
    mapper.compile()
    assert {3} == widths(mapper.export(write_to_file=False))


def test_export_writes_a_build_that_is_verified(mapper, tmp_path):
    mapper.compile()
    mapper.export(fp="./debug/", format="npy", local_chip_addr=(2, 3))
    folder = tmp_path / "debug"
    assert (folder / "config_all.npy").is_file()
    assert not (folder / "core_params.json").exists()
    assert snnc.verify(folder)
    placed = json.loads((folder / "input_proj_info.json").read_text())
    assert (2, 3) == (placed["i"]["addr_chip_x"], placed["i"]["addr_chip_y"])


def test_export_splits_and_writes_core_settings_where_it_is_asked_to(mapper, tmp_path):
    mapper.compile(grouping_optim_target="latency")
    BACKEND_CONFIG.output_dir = "out"
    settings = mapper.export(format="txt", split_by_coordinate=True, export_core_params=True)
    folder = tmp_path / "out" / "Small"
    assert settings == json.loads((folder / "core_params.json").read_text())
    assert sum(map(len, settings.values())) == len(list(folder.glob("config_chip*_core*.txt")))


def test_without_files_nothing_is_written(mapper, tmp_path):
    mapper.compile()
    assert mapper.export(write_to_file=False)
    assert [] == list(tmp_path.iterdir())


def test_steps_come_in_order(mapper):
    for early in (pb.Mapper().compile, mapper.export):
        with pytest.raises(SnncError) as caught:
            early()
        assert "paibox-order" == caught.value.code
    mapper.clear()
    with pytest.raises(SnncError):
        mapper.compile()


def test_several_networks_are_built_as_one():
    mapper = pb.Mapper()
    mapper.build(Small(), Small())
    assert ["Small0.n2", "Small1.n2"] == list(mapper.compile()["output_flow_format"])


def wrong(change):
    with pytest.raises(SnncError) as caught:
        change()
    return caught.value.code, caught.value.diagnostics[0].help


def test_unknown_options_are_refused(mapper):
    assert ("unknown-keyword", "did you mean 'latency'?") == wrong(
        lambda: mapper.compile(grouping_optim_target="latencey")
    )
    mapper.compile()
    assert "did you mean 'npy'?" == wrong(lambda: mapper.export(format="npz"))[1]
    assert (
        "did you mean 'split_by_coordinate'?" == wrong(lambda: mapper.export(split_by_coord=1))[1]
    )
    assert "paibox-number" == wrong(lambda: mapper.export(local_chip_addr=(0, 99)))[0]
    assert "paibox-number" == wrong(lambda: mapper.export(local_chip_addr=3))[0]
    assert "paibox-end" == wrong(lambda: mapper.build())[0]
    assert "paibox-end" == wrong(lambda: mapper.build(3))[0]


def test_settings_are_shown_and_set_by_their_names():
    assert "Coord(0, 0)" == repr(BACKEND_CONFIG.local_chip_addr)
    assert "Coord(1, 0)" == repr(BACKEND_CONFIG.test_chip_addr)
    BACKEND_CONFIG.build_directory = "somewhere"
    assert "somewhere" == str(BACKEND_CONFIG.output_dir) == str(BACKEND_CONFIG.build_directory)
    pb.set_cflag(enable_wp_opt=True, cflag="mine")
    assert {"enable_wp_opt": True, "cflag": "mine"} == BACKEND_CONFIG.cflag

    def misspelled():
        BACKEND_CONFIG.output_dri = "x"

    assert ("unknown-keyword", "did you mean 'output_dir'?") == wrong(misspelled)
