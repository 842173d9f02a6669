"""`rates`: spikes on data of the user decide where regions lie, and nothing else."""

import numpy as np
import pytest

import snnc
from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.driver import rates
from snnc.driver.rates import counter
from snnc.ir.build import Builder
from snnc.targets.paicore.placed import read_placed
from snnc.targets.paicore.reports.traffic import traffic


def network(encoded=False):
    """Return four layers that read one, each its own channel of the input."""
    b = Builder("net", "int", {"ticks": 6} if encoded else {})
    x = b.input("p", "f32[4]") if encoded else b.input("x", "u1[4]~")
    x = b.op("poisson", x, seed=1, name="x") if encoded else x
    made = []
    for number in range(4):
        w = np.zeros((520, 4), np.int8)
        w[:, number] = 1
        part = b.op("linear", x, b.weight(f"w{number}", w))
        part = b.op("neuron", part, name=f"a{number}", threshold=1)
        v = np.ones((520, 520), np.int8)
        after = b.op("linear", part, b.weight(f"v{number}", v))
        made.append(b.op("neuron", after, name=f"b{number}", threshold=520))
    return b.finish(*made)


def spikes(counts, ticks=12):
    """Return a sample in which each channel spikes so often."""
    return (np.arange(ticks)[:, None] < np.array(counts)).astype(np.uint8)[None]


def links(build, counts):
    """Return the links on a chip if the layers of each channel spike so often."""
    placed = read_placed(build.placed)
    costs = traffic(placed).rows
    inner = costs.links.sum(axis=1) * (costs.deliveries > 0)
    return sum(int(inner[layer.rows()].sum()) * counts[int(layer.of[1])] for layer in placed.layers)


def test_what_spikes_most_lies_close_together():
    counts = (0, 1, 2, 12)
    plain = snnc.compile(network(), "paicore")
    rated = snnc.compile(network(), "paicore", rates=spikes(counts))
    assert links(rated, counts) <= links(plain, counts)
    assert plain.manifest["resources"] == rated.manifest["resources"]


def test_the_function_stays_and_the_manifest_tells_the_data():
    x = spikes((3, 0, 9, 1))
    plain = snnc.compile(network(), "paicore")
    rated = snnc.compile(network(), "paicore", rates={"x": x, "labels": np.zeros(1, int)})
    assert plain.manifest["rates"] is None
    assert 64 == len(rated.manifest["rates"])
    assert rated.manifest["rates"] == snnc.compile(network(), rates=x).manifest["rates"]
    assert plain.manifest["input_digest"] == rated.manifest["input_digest"]
    assert rated.verify(x)


def test_counts_do_not_depend_on_the_chunks(monkeypatch):
    p = np.random.default_rng(2).random((9, 4), np.float32)
    count = counter(open_registry(()), {"p": p})
    whole = count(network(encoded=True))
    monkeypatch.setattr(rates, "CHUNK_BYTES", 1)
    parts = count(network(encoded=True))
    assert {name: n.tolist() for name, n in whole.items()} == {
        name: n.tolist() for name, n in parts.items()
    }


def refused(**more):
    with pytest.raises(SnncError) as error:
        snnc.compile(**more)
    return error.value


def test_data_on_which_nothing_spikes_are_refused():
    error = refused(source=network(), rates=spikes((0, 0, 0, 0)))
    assert ("rates-empty", "1 samples of 12 ticks") == (error.code, str(error).split(": ")[2][:21])


def test_rates_that_no_pass_reads_are_refused():
    b = Builder("net", "snn")
    x = b.op("linear", b.input("x", "u1[4]~"), b.weight("w", np.ones((3, 4), np.float32)))
    module = b.finish(b.op("neuron", x, threshold=1.0, name="y"))
    assert (
        "unused-option" == refused(source=module, target="lynxi", rates=spikes((1, 1, 1, 1))).code
    )
