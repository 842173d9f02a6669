import numpy as np
import pytest
from attrs import evolve

from snnc.diagnostics import Location, SnncError, at, fuse, named
from snnc.ir import Builder, Symbol, Word, parse_type
from snnc.ir.read import read
from snnc.ir.types import F16, F32
from snnc.ir.write import save, write


def module_with(attrs=None, loc=None, name="m"):
    build = Builder(name, "int", attrs, loc=loc or at("net.py", 1))
    return build.finish(build.input("x", "u1[1]~"))


def head(module):
    return write(module).split("\n")[0]


@pytest.mark.parametrize(
    ("loc", "text"),
    [
        (Location(), "loc()"),
        (at("net.py", 3, 4), 'loc("net.py":3:4)'),
        (at("my (old) net.py", 3), 'loc("my (old) net.py":3)'),
        (at('a"b\\c.py', 1), r'loc("a\"b\\c.py":1)'),
        (named("fc1"), "loc(fc1)"),
        (named("fused"), 'loc("fused")'),
        (named("net/fc (1)"), 'loc("net/fc (1)")'),
        (fuse(at("a.py", 1, 2), named("b c"), named("d")), 'loc(fused "a.py":1:2, "b c", d)'),
        (Location(fused=(named("a"), Location(fused=(named("b"),)))), "loc(fused a, b)"),
    ],
)
def test_every_location_has_a_text_that_reads_back(loc, text):
    module = module_with(loc=loc)
    assert head(module) == f"module @m level int version 1 {text} {{"
    assert write(module) == write(read(write(module)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Word("soft"), "soft"),
        (Word("two words"), '"two words"'),
        (Word("true"), '"true"'),
        ("soft", '"soft"'),
        ("line\nend é", r'"line\nend \u00e9"'),
        ("神经元", '"神经元"'),
        ("\ud800", r'"\ud800"'),
        (True, "true"),
        (-3, "-3"),
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (2.0, "2.0"),
        ((1, (2, 3), ()), "[1, [2, 3], []]"),
        ({"b": 1, "a": {"x y": 2}}, '{b = 1, a = {"x y" = 2}}'),
        (Symbol("w", ((0, 4), None)), "@w[0:4, :]"),
        (Symbol("a b"), '@"a b"'),
        (parse_type("u1[2]~"), "u1[2]~"),
    ],
)
def test_every_attribute_has_a_text_that_reads_back(value, text):
    module = module_with({"k": value})
    assert f"with {{k = {text}}}" in head(module)
    assert write(module) == write(read(write(module)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), None])
def test_what_the_text_cannot_hold_is_refused(value):
    with pytest.raises(SnncError, match="no text form") as caught:
        write(module_with({"k": value}))
    assert caught.value.code == "unwritable-value"


@pytest.mark.parametrize("name", ["a b", 'q"', "x#1", "é", "", "0.weight", "a\nb", "%", "["])
def test_names_of_any_characters_survive(name):
    build = Builder(name, "int")
    weight = build.weight(name, np.ones((1, 1), np.int8))
    module = build.finish(build.op("linear", build.input(name, "u1[1]~"), weight, name=name + "y"))
    again = read(write(module))
    assert (name, name, [name]) == (again.name, again.graph.inputs[0].name, list(again.weights))
    assert write(module) == write(again)


@pytest.mark.parametrize("element", [F16, F32])
def test_inline_floats_are_short_and_read_back_exactly(element):
    bits = np.random.default_rng(1).integers(0, 2**element.bits, 4000)
    values = bits.astype(f"uint{element.bits}").view(element.storage)
    values = values[np.isfinite(values)]
    for part in np.array_split(values, len(values) // 60):
        build = Builder("m", "snn")
        x = build.input("x", f"u1[{len(part)}]~")
        module = build.finish(build.op("scale", x, build.weight("w", part, element)))
        assert part.tobytes() == read(write(module)).tensor(Symbol("w")).tobytes()


def test_a_tenth_prints_as_a_tenth():
    build = Builder("m", "snn")
    weight = build.weight("w", np.array([0.1, 3.0], np.float32))
    module = build.finish(build.op("scale", build.input("x", "u1[2]~"), weight))
    assert "= [0.1, 3.0]" in write(module)


def test_no_absolute_path_is_written():
    assert 'loc("net.py":3)' in head(module_with(loc=at("/home/someone/net.py", 3)))
    assert 'loc("models/net.py":3)' in head(module_with(loc=at("models/net.py", 3)))


def test_a_symbol_without_a_weight_is_refused():
    build = Builder("m", "int")
    weight = build.weight("w", np.ones((1, 1), np.int8))
    module = build.finish(build.op("linear", build.input("x", "u1[1]~"), weight))
    with pytest.raises(SnncError, match="no weight @w") as caught:
        write(evolve(module, weights={}))
    assert caught.value.code == "undefined-name"


def test_locations_can_be_left_out():
    assert "loc" not in write(module_with(), locs=False)


def test_saving_writes_a_sidecar_for_what_is_not_inline(tmp_path):
    build = Builder("m", "int")
    x = build.input("x", "u1[9]~")
    small, large = (build.weight(f"w{n}", np.ones((n, 9), np.int8)) for n in (1, 10))
    save(build.finish(build.op("linear", x, small)), tmp_path / "small.snn")
    save(build.finish(build.op("linear", x, large)), tmp_path / "large.snn")
    assert ["large.safetensors", "large.snn", "small.snn"] == sorted(
        path.name for path in tmp_path.iterdir()
    )


def test_saving_twice_gives_the_same_bytes(tmp_path):
    build = Builder("m", "int")
    x = build.input("x", "u1[9]~")
    weights = [build.weight(f"w{n}", np.full((10, 9), n, np.int8)) for n in range(5)]
    module = build.finish(build.op("add", *(build.op("linear", x, w) for w in weights)))
    save(module, tmp_path / "a.snn")
    save(module, tmp_path / "b.snn")
    for suffix in (".snn", ".safetensors"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
