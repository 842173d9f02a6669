"""Sequences of BIDL, written anew: convolutions with neurons, a flat head, and time around them.

With the loop outside (`..Itout`) a network is one time step, and its head's results are added up
over the steps. With the loop inside (`..It`) it takes (steps, lanes, ...) at once, and what the
convolutions give is aggregated before the head. Parts are called as in BIDL, so that its
checkpoints fit.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any

import torch
from attrs import fields, frozen
from torch import nn

from snnc.diagnostics import fail, nearest
from snnc.frontends.bidl.layers import (
    Aggregation,
    Conv2dLif,
    Conv2dLifPlus,
    FcLif,
    FcLifPlus,
    Population,
    TempAdd,
    TimeDistributed,
)
from snnc.frontends.bidl.neurons import Soma, chosen

Parts = dict[str, Any]
SWITCHES = (
    *("input_accum", "rev_volt", "fire_refrac"),
    *("spike_init", "trig_current", "memb_decay"),
)
"""What the six entries of `neuron_config` are called."""


class Step(nn.Module):  # type: ignore[misc]
    """A network of BIDL; `inner` says that the loop over time is inside of it."""

    one_step = True
    inner = False

    @property
    def batch_axis(self) -> int:
        """The axis of the sample that counts lanes."""
        return 1 if self.inner else 0

    def rows(self, x: Any) -> Any:
        """Return (steps, lanes, ...) as rows, after telling the layers how many lanes there are."""
        for module in self.modules():
            if isinstance(module, Population):
                module.b = x.shape[1]
        return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])

    def reset(self) -> None:
        """Forget all states: a new sample begins."""
        for module in self.modules():
            if isinstance(module, (Soma, TempAdd)):
                module.reset()


class Sequence_(Step):
    """Parts one after the other; with the loop inside, `avg` joins the steps on the way."""

    def __init__(self, parts: Parts, timestep: int, inner: bool) -> None:
        super().__init__()
        self.inner, self.order = inner, tuple(parts)
        for name, part in parts.items():
            self.add_module(name, part)
        self.mean = nn.Identity() if inner else TempAdd(timestep)

    def forward(self, x: Any) -> Any:
        """Return the sum of results so far, or the result of all steps."""
        steps = x.shape[:2]
        x = self.rows(x) if self.inner else x
        for name in self.order:
            part = self.get_submodule(name)
            if isinstance(part, Aggregation):
                x = part(x).unsqueeze(0) if steps[1] == 1 else part(x.reshape(*steps, *x.shape[1:]))
            else:
                x = part(x)
        return self.mean(x)


class Kind:
    """How the layers of a network are made: their neurons and options, the loop, the join."""

    def __init__(self, given: Mapping[str, Any], inner: bool, known: Sequence[str] = ()) -> None:
        options = without_training(given)
        self.inner = inner
        self.amode = options.pop("amode", "mean")
        if not inner:
            chosen("amode", self.amode, ("mean",))
        self.cmode = options.pop("cmode", "spike")
        self.fmode = options.pop("fmode", "spike")
        self.shared = {"soma_params": options.pop("soma_params", "all_share")}
        self.neuron = chosen("neuron", options.pop("neuron", "lif").lower(), ("lif", "lifplus"))
        config = options.pop("neuron_config", None)
        self.shared |= {"use_inner_loop": inner}
        if self.neuron == "lifplus":
            self.shared |= dict(zip(SWITCHES, _six(config), strict=True))
        refuse_unknown(options, (*KNOWN, *COMMON, *known))

    def conv(self, ci: int, co: int, k: int, stride: int = 1, **more: Any) -> Any:
        """Return a convolution with neurons, padded by half its kernel."""
        make = Conv2dLifPlus if self.neuron == "lifplus" else Conv2dLif
        if more and make is Conv2dLifPlus:
            text = "layers of LifPlus have no pool inside"
            raise fail("bidl-option", text, help="use neuron = 'lif' in this network")
        return make(ci, co, k, stride, k // 2, mode=self.cmode, **self.shared, **more)

    def fc(self, ci: int, co: int, mode: str) -> Any:
        """Return a linear layer with neurons."""
        make = FcLifPlus if self.neuron == "lifplus" else FcLif
        return make(ci, co, mode=mode, **self.shared)

    def pool(self) -> Any:
        """Return a pool that halves a map."""
        made = nn.MaxPool2d(2, stride=2)
        return TimeDistributed(made) if self.inner else made

    def flat(self) -> Parts:
        """Return what joins the steps, where they are inside, and makes the map a row."""
        joined = {"avg": Aggregation(self.amode, dim=0)} if self.inner else {}
        return {**joined, "flat": nn.Flatten(1, -1)}


KNOWN = ("cmode", "amode", "soma_params", "neuron", "neuron_config")
TRAINING = ("noise", "spike_func", "use_inner_loop", "it_batch", "zero_init_residual")
"""Arguments that only training reads; the name of a network says where its loop is."""


def without_training(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that deployment reads."""
    return {name: value for name, value in given.items() if name not in TRAINING}


def refuse_unknown(given: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse arguments that are left over.

    Raises:
        SnncError: `bidl-option` with the nearest name.
    """
    for name in given:
        help = nearest(name, sorted({*known, *TRAINING}))
        raise fail("bidl-option", f"there is no option {name!r}", help=help)


def _six(config: Any) -> Sequence[Any]:
    if config is None:
        return (1, False, 0, 0, 0, 0)
    if len(config) != len(SWITCHES):
        text = f"neuron_config = {list(config)} has {len(config)} entries"
        raise fail("bidl-neuron", text, help=f"give {', '.join(SWITCHES)}")
    return list(config)


def _head(*sizes: int) -> Any:
    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _convolutions(kind: Kind, channels: Sequence[int], first: int, stride: int) -> Parts:
    """Return layers clif1 .. with a pool mp1 .. behind each; kernels are `first`, then 3."""
    parts: Parts = {}
    for n, (ci, co) in enumerate(pairwise(channels), 1):
        parts[f"clif{n}"] = kind.conv(ci, co, first if n == 1 else 3, stride if n == 1 else 1)
        parts[f"mp{n}"] = kind.pool()
    return parts


@frozen
class Sizes:
    """The arguments that every sequence has; where they are not given, those of its data set."""

    timestep: int = 20
    input_channels: int = 2
    h: int = 128
    w: int = 128
    nclass: int = 10


COMMON = tuple(field.name for field in fields(Sizes))
Make = Callable[[Sizes, "Kind"], Parts]


def sequence(*known: str, **sizes: int) -> Callable[[Make], Callable[..., Step]]:
    """Return what makes a network of a function that gives its parts.

    The network takes `inner`, then sizes and options by name: `sizes` are its own defaults, `known`
    the options that not every sequence has.
    """

    def made(parts: Make) -> Callable[..., Step]:
        @wraps(parts)
        def network(inner: bool, **options: Any) -> Step:
            given = {n: options.pop(n) for n in COMMON if n in options}
            size = Sizes(**{**sizes, **given})
            return Sequence_(parts(size, Kind(options, inner, known)), size.timestep, inner)

        return network

    return made


@sequence(h=40, w=40)
def clif3fc3(size: Sizes, kind: Kind) -> Parts:
    """Three convolutions with pools, three linear layers (SeqClif3Fc3..)."""
    parts = _convolutions(kind, (size.input_channels, 32, 64, 128), 3, 1) | kind.flat()
    parts["head"] = _head((size.h // 8) * (size.w // 8) * 128, 512, 128, size.nclass)
    return parts


FIVE = (32, 64, 128, 256, 512)


@sequence()
def clif5fc2(size: Sizes, kind: Kind) -> Parts:
    """Five convolutions with pools, two linear layers (SeqClif5Fc2..)."""
    parts = _convolutions(kind, (size.input_channels, *FIVE), 5, 2) | kind.flat()
    parts["head"] = _head((size.h // 64) * (size.w // 64) * 512, 512, size.nclass)
    return parts


@sequence()
def vgg7(size: Sizes, kind: Kind) -> Parts:
    """Five convolutions with pools, two linear layers with neurons (VGG7_SNN..).

    With the loop inside, the last two layers see one step, the aggregated one.
    """
    parts = _convolutions(kind, (size.input_channels, *FIVE), 5, 2) | kind.flat()
    parts["flif1"] = kind.fc((size.h // 64) * (size.w // 64) * 512, 512, kind.cmode)
    parts["flif2"] = kind.fc(512, size.nclass, kind.cmode)
    return parts


SEVEN = (64, 64, 128, 128, 256, 256, 512)


@sequence(timestep=16, nclass=11)
def clif7fc1(size: Sizes, kind: Kind) -> Parts:
    """Seven convolutions with a pool inside, one linear layer (SeqClif7Fc1..)."""
    parts: Parts = {}
    for n, (ci, co) in enumerate(pairwise((size.input_channels, *SEVEN)), 1):
        parts[f"clif{n}"] = kind.conv(ci, co, 3, mp=True)
    return _one_linear(size, kind, parts)


@sequence(timestep=16, nclass=11)
def clif7fc1_behind(size: Sizes, kind: Kind) -> Parts:
    """The same with pools behind the neurons (SeqClif7Fc1CdIt)."""
    return _one_linear(size, kind, _convolutions(kind, (size.input_channels, *SEVEN), 3, 1))


def _one_linear(size: Sizes, kind: Kind, parts: Parts) -> Parts:
    """Return parts with a linear layer behind seven pools."""
    parts = parts | kind.flat()
    parts["fc"] = nn.Linear((size.h // 128) * (size.w // 128) * 512, size.nclass)
    return parts


@sequence("fmode", timestep=60, h=40, w=40, nclass=11)
def clif3flif2(size: Sizes, kind: Kind) -> Parts:
    """A norm, three convolutions of stride 2, two linear layers with neurons (SeqClif3Flif2..)."""
    parts: Parts = {"norm": nn.BatchNorm2d(size.input_channels)}
    for n, (ci, co) in enumerate(pairwise((size.input_channels, 64, 128, 256)), 1):
        parts[f"clif{n}"] = kind.conv(ci, co, 3, 2)
    parts["flat"] = nn.Flatten(1, -1)
    parts["flif1"] = kind.fc((size.h // 8) * (size.w // 8) * 256, 256, kind.fmode)
    parts["flif2"] = kind.fc(256, size.nclass, kind.fmode)
    return parts


class FastText(Step):
    """One word of a text at a step, as a row with one 1: an embedding, neurons, one number."""

    def __init__(
        self,
        timestep: int = 500,
        vocab_size: int = 1001,
        embedding_dim: int = 16,
        hidden_dim: int = 256,
        **o: Any,
    ) -> None:
        super().__init__()
        kind = Kind({"cmode": "analog", **o}, False)
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lif = kind.fc(embedding_dim, hidden_dim, kind.cmode)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(hidden_dim, 1)
        self.embedding_fc = nn.Linear(vocab_size, embedding_dim, bias=False)
        with torch.no_grad():
            self.embedding_fc.weight.copy_(self.embedding.weight.T)

    def forward(self, x: Any) -> Any:
        """Return the result after this word."""
        return self.fc(self.dropout(self.lif(self.embedding_fc(x)))).squeeze(-1)
