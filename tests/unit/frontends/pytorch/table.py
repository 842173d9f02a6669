"""The table of docs/pytorch.md: each network of `networks` against its framework, tick for tick.

Every layer of neurons is compared, on random inputs and on pictures of examples/mnist/test1000.npz.
A difference is excused only where our potential before the reset is within 1e-6 of the threshold,
relative to it; from then on that sample is left out. Each is listed.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from attrs import frozen

pytest.importorskip("torch", reason="torch is not installed (extra `torch`)")

import snnc
from snnc.frontends.pytorch.check import before_resets
from tests.unit.frontends.pytorch.agreement import arranged, busy, recorded, torch, values
from tests.unit.frontends.pytorch.networks import SAMPLES, TICKS, Network

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "pytorch.md"
HEAD = "| network | layers | random: neuron-ticks | differ | pictures: neuron-ticks | differ |"
MARGIN, SHARE = 1e-6, 1e-6


@frozen
class Count:
    """What one comparison saw: neuron-ticks, spikes, and what differed."""

    compared: int
    spikes: int
    differences: tuple[str, ...]
    layers: int


def pictures():
    """Return Bernoulli spikes of test pictures, (ticks, samples, 1, 28, 28)."""
    with np.load(ROOT / "examples" / "mnist" / "test1000.npz", allow_pickle=False) as archive:
        images = torch.from_numpy(archive["images"][:SAMPLES].astype("float32") / 255)[:, None]
    draws = torch.rand((TICKS, *images.shape), generator=torch.Generator().manual_seed(5))
    return (draws < images).float()


def random():
    """Return random numbers, (ticks, samples, 1, 28, 28)."""
    return values(TICKS, SAMPLES, 1, 28, 28, seed=11)


def made(row: Network):
    """Return a network of the table with weights with which its layers fire."""
    torch.manual_seed(7)
    return busy(row.make(), row.gain)


def called(network, x, order):
    """Call a network on trains (ticks, samples, ...) as it wants it."""
    if order == "step":
        for one in x:
            network(one)
    elif order == "states":
        state = None
        for one in x:
            _, state = network(one, state)
    else:
        network({"TB": x, "loop": x, "BT": x.transpose(0, 1)}.get(order, merged(x)))


def merged(x):
    """Return trains as rows of batch and time in one axis."""
    return x.transpose(0, 1).flatten(0, 1)


def count(row: Network, x) -> Count:
    """Return the comparison of one network on one input."""
    network = made(row)
    sample = {"TB": x[:, :2], "loop": x[:, :2], "BT": x[:, :2].transpose(0, 1), "merged": merged(x)}
    module = snnc.load(network, sample=sample.get(row.order, x[0, :2]), **row.options)
    for layer in network.modules():
        if hasattr(layer, "reset_states"):
            layer.reset_states()
    given = recorded(network, lambda n: called(n, x, row.order))
    shown = before_resets(module)
    layers = [op.result.name for op in shown.graph.ops if op.kind == "neuron"]
    source = shown.graph.inputs[0]
    array = x.transpose(0, 1).numpy().astype(source.type.element.storage)
    trace = snnc.run(
        shown, {source.name: array}, probe=[*layers, *(f"{n}.v" for n in layers)]
    ).trace
    theirs = {n: arranged(given[n], row.order, x.shape) for n in layers}
    differences = _differences(shown, layers, trace, theirs)
    for name in layers:
        assert 0 < (theirs[name] != 0).mean() < 1, f"{name} is silent, or always fires"
    compared = sum(theirs[n].size for n in layers)
    spikes = int(sum(np.count_nonzero(theirs[n]) for n in layers))
    return Count(compared, spikes, tuple(differences), len(layers))


def _differences(module, layers, trace, theirs):
    """Return the differences as texts; raise for one that rounding does not excuse."""
    good, found = np.ones(SAMPLES, dtype=bool), []
    while True:
        first = None
        for name in layers:
            wrong = (trace[name] != theirs[name]) & good.reshape(-1, *[1] * (trace[name].ndim - 1))
            if wrong.any():
                at = np.argwhere(np.moveaxis(wrong, 1, 0))[0]
                if first is None or at[0] < first[1][0]:
                    first = name, at
        if first is None:
            return found
        name, (tick, sample, *index) = first
        place = (sample, tick, *index)
        op = next(o for o in module.graph.ops if o.result.name == name)
        level = float(op["threshold"]) * max(float(trace[name][place]), float(theirs[name][place]))
        margin = abs(float(trace[f"{name}.v"][place]) - level) / abs(float(op["threshold"]))
        text = f"{name}{index} at tick {tick} of sample {sample}: |v - threshold| = {margin:.1g}"
        assert margin <= MARGIN, text
        found.append(text)
        good[sample] = False


def line(row: Network, drawn: Count, real: Count) -> str:
    """Return a row of the table."""
    cells = [drawn.layers, f"{drawn.compared:,}", len(drawn.differences), f"{real.compared:,}"]
    return f"| {row} | {' | '.join(map(str, cells))} | {len(real.differences)} |"


def without_differences(text: str) -> str:
    """Return a row without its two numbers of differences, which depend on the processor."""
    return re.sub(r"\| \d+ (?=\| [\d,]+ \| \d+ \|$)|\d+ \|$", "| ", text)


def shown() -> list[str]:
    """Return the rows that the page shows."""
    lines = PAGE.read_text(encoding="utf-8").partition(HEAD)[2].splitlines()[2:]
    return lines[: lines.index("")]


def write(rows: list[str]) -> None:
    """Put rows into the page."""
    text = PAGE.read_text(encoding="utf-8")
    front, _, rest = text.partition(HEAD)
    back = rest.partition("\n\n")[2]
    ruler = "|---" * (HEAD.count("|") - 1) + "|"
    PAGE.write_text("\n".join([front + HEAD, ruler, *rows]) + "\n\n" + back, encoding="utf-8")
