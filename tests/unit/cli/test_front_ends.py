"""`--sample` and `--set` on every command that takes a network; `snnc frontends`."""

import numpy as np
import pytest

from snnc.cli import failures

PLUGIN = '''
import numpy as np
from attrs import frozen
from snnc.extend.passes import option
from snnc.extend.plugin import Plugin
from snnc.ir import Builder

@frozen
class Options:
    """Options."""
    threshold: int = option(1, help="threshold of the neurons")
    checkpoint: str = option("", help="file of the weights")
    backbone: str = option("", help="name of the neurons")

class Wide:
    """Reads `.wide`."""
    name, suffixes, Options, data = "wide", (".wide",), Options, ("sample",)

    def accepts(self, source):
        return source == "wide"

    def read(self, source, options):
        sample = np.load(options["sample"])
        build = Builder("wide", "int", {"ticks": 8})
        x = build.input("x", f"u1[{sample.size}]~")
        file = options.get("checkpoint")
        w = build.weight("w", np.load(file) if file else np.ones((2, sample.size), np.int8))
        y = build.op("linear", x, w)
        return build.finish(
            build.op(
                "neuron",
                y,
                threshold=options.get("threshold", 1),
                name=options.get("backbone") or "y",
            )
        )

plugin = Plugin(frontends={"wide": "wide:Wide"})
'''


@pytest.fixture
def wide(folder, snnc):
    """Call a command with the plugin; net.wide and s.npy lie in the folder."""
    (folder / "wide.py").write_text(PLUGIN)
    (folder / "net.wide").write_text("")
    np.save(folder / "s.npy", np.zeros(6))
    np.save(folder / "w.npy", np.full((2, 6), 3, np.int8))
    return lambda *args: snnc("--plugin", "wide.py", *args)


READING = {
    "compile": ("compile", "net.wide", "-o", "build"),
    "check": ("check", "net.wide", "-t", "paicore"),
    "run": ("run", "net.wide", "-i", "x.npz", "-o", "y.npz"),
    "eval": ("eval", "net.wide", "--data", "data.npz"),
    "dump": ("dump", "net.wide"),
    "opt": ("opt", "net.wide", "-p", "clean"),
    "diff": ("diff", "net.wide", "net.wide", "-i", "x.npz"),
}


@pytest.mark.parametrize("name", READING)
def test_a_command_gives_sample_and_options_to_the_front_end(wide, name):
    result = wide(*READING[name], "--sample", "s.npy", "--set", "threshold=2")
    assert (0, "") == (result.exit_code, result.stderr)


@pytest.mark.parametrize("name", READING)
def test_a_command_refuses_an_option_that_the_front_end_does_not_have(wide, name):
    result = wide(*READING[name], "--sample", "s.npy", "--set", "treshold=2")
    assert result.exit_code == failures.REFUSED
    assert "error[unknown-option]: front end wide has no option 'treshold'" in result.stderr
    assert "did you mean 'threshold'?" in result.stderr


@pytest.mark.parametrize("name", READING)
def test_a_command_gives_a_checkpoint_to_the_front_end(wide, name):
    result = wide(*READING[name], "--sample", "s.npy", "--checkpoint", "w.npy")
    assert (0, "") == (result.exit_code, result.stderr)


def test_the_weights_of_a_checkpoint_are_those_of_the_network(wide):
    assert "[3,3,3,3,3,3]" in wide(
        "dump", "net.wide", "--sample", "s.npy", "--checkpoint", "w.npy"
    ).stdout.replace(" ", "")


@pytest.mark.parametrize("name", READING)
def test_a_command_gives_a_backbone_to_the_front_end(wide, name):
    result = wide(*READING[name], "--sample", "s.npy", "--backbone", "own")
    assert (0, "") == (result.exit_code, result.stderr)


def test_a_backbone_arrives_as_it_is_written(wide):
    text = wide("dump", "net.wide", "--sample", "s.npy", "--backbone", "own").stdout
    assert "%own = int.neuron" in text


def test_a_front_end_without_weights_of_its_own_refuses_a_checkpoint(snnc, folder):
    result = snnc("compile", "net.snn", "-o", "other", "--checkpoint", "w.npy")
    assert "error[unknown-option]: front end text has no option 'checkpoint'" in result.stderr


def test_what_is_given_in_two_ways_is_usage(wide):
    for name in ("sample", "checkpoint", "backbone"):
        result = wide("dump", "net.wide", f"--{name}", "s.npy", "--set", f"{name}=s.npy")
        assert result.exit_code == failures.USAGE
        assert f"{name} is given by --{name} and by --set" in result.stderr


def test_verify_against_a_network_takes_them_too(wide):
    wide(*READING["compile"], "--sample", "s.npy")
    right = ("verify", "build", "--against", "net.wide", "--sample", "s.npy")
    assert wide(*right).exit_code == 0
    assert wide(*right, "--set", "threshold=2").exit_code == failures.DIFFERENT


@pytest.mark.parametrize(
    "args",
    [
        ("verify", "build"),
        ("run", "build", "-i", "x.npz", "-o", "y.npz"),
        ("eval", "build", "--data", "data.npz"),
        ("diff", "build", "net.snn", "-i", "x.npz"),
        ("compile", "net.snn", "-o", "other"),
    ],
)
def test_what_has_no_front_end_with_options_refuses_them(build, snnc, args):
    result = snnc(*args, "--sample", "s.npy")
    assert result.exit_code == failures.REFUSED
    assert "error[unknown-option]" in result.stderr


def test_a_text_on_stdin_takes_no_options(folder, snnc):
    text = (folder / "net.snn").read_text()
    result = snnc("dump", "-", "--set", "a=1", input=text)
    assert "error[unknown-option]: IR text on stdin takes no options" in result.stderr


def test_an_option_given_twice_is_usage(wide):
    result = wide("dump", "net.wide", "--set", "threshold=1", "--set", "threshold=2")
    assert result.exit_code == failures.USAGE


def test_a_value_of_the_wrong_kind_is_refused(wide):
    result = wide("dump", "net.wide", "--sample", "s.npy", "--set", "threshold=high")
    assert "error[bad-option]" in result.stderr


def test_front_ends_are_listed_with_their_options(wide):
    assert ".snnl" in wide("frontends").stdout
    assert "threshold of the neurons" in wide("frontends", "wide").stdout
    told = wide("frontends", "wide", "--json").json()
    assert ["threshold", "checkpoint", "backbone"] == [option["name"] for option in told["options"]]
    assert ["sample"] == told["data"]
    assert wide("frontends", "dsl", "--json").json()["options"] is None
    assert "depend on the network" in wide("frontends", "dsl").stdout
    assert "did you mean 'nir'?" in wide("frontends", "nri").stderr


def test_settings_may_hold_them(folder, wide):
    (folder / "snnc.toml").write_text('sample = "s.npy"\nset = ["threshold=2"]\n')
    assert wide("compile", "net.wide", "-o", "build").exit_code == 0
    assert "threshold = 2" in (folder / "build" / "model.snn").read_text()
