"""Networks of BIDL for one time step, written anew: sequences of convolutions, and residual ones.

The time loop is outside: a network is called once per step, with states kept in its layers. Names
and arguments of the classes are those of BIDL's configurations; names of parameters are ours.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from snnc.diagnostics import fail, nearest
from snnc.frontends.bidl.layers import Conv2dLif, FcLif, Soma, TempAdd, chosen, neurons


class Step(nn.Module):  # type: ignore[misc]
    """A network of one step: names the states of its layers, and resets them."""

    one_step = True

    def named_states(self) -> "Step":
        """Give every layer its path, by which its states are called; return the network."""
        for path, module in self.named_modules():
            if isinstance(module, Soma):
                module.path = path
        return self

    def reset(self) -> None:
        """Forget all states: a new sample begins."""
        for module in self.modules():
            if isinstance(module, Soma):
                module.reset()


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(2, stride=2)


def _head(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Sequence_(Step):
    """Convolutions with neurons, a flat head, and its mean over time where there is one."""

    def __init__(self, body: Sequence[nn.Module], head: nn.Module, timestep: int | None) -> None:
        super().__init__()
        self.body, self.head = nn.Sequential(*body), head
        self.mean = nn.Identity() if timestep is None else TempAdd(timestep)
        self.named_states()

    def forward(self, x: Any) -> Any:
        """Return the result of a step."""
        return self.mean(self.head(self.body(x).flatten(1)))


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of neurons among those of a network; noise is for training only."""
    chosen("amode", given.pop("amode", "mean"), ("mean",))
    for training in ("noise", "spike_func", "use_inner_loop", "norm"):
        given.pop(training, None)
    options = {"mode": given.pop("cmode", "spike"), "neuron": given.pop("neuron", "lif")}
    for name in ("soma_params", "neuron_config"):
        if name in given:
            options[name] = given.pop(name)
    if given:
        known = ["cmode", "amode", "soma_params", "noise", "neuron", "neuron_config"]
        name = next(iter(given))
        raise fail("bidl-option", f"there is no option {name!r}", help=nearest(name, known))
    return options


def _clif(channels: Sequence[int], kernels: Sequence[int], pool: bool, **o: Any) -> list[nn.Module]:
    body: list[nn.Module] = []
    for ci, co, k in zip(channels, channels[1:], kernels, strict=False):
        body.append(Conv2dLif(ci, co, k, stride=1, padding=k // 2, **o))
        body += [_pool()] if pool else []
    return body


def clif3fc3(
    timestep: int = 20,
    input_channels: int = 2,
    h: int = 40,
    w: int = 40,
    nclass: int = 10,
    **o: Any,
) -> Step:
    """Three convolutions with pools, three linear layers (SeqClif3Fc3..Itout)."""
    body = _clif((input_channels, 32, 64, 128), (3, 3, 3), True, **_options(o))
    head = _head((h // 8) * (w // 8) * 128, 512, 128, nclass)
    return Sequence_(body, head, timestep)


def clif5fc2(
    timestep: int = 20,
    input_channels: int = 2,
    h: int = 128,
    w: int = 128,
    nclass: int = 10,
    **o: Any,
) -> Step:
    """Five convolutions with pools, two linear layers (SeqClif5Fc2..Itout)."""
    body = [
        Conv2dLif(input_channels, 32, 5, stride=2, padding=2, **_options(dict(o))),
        _pool(),
        *_clif((32, 64, 128, 256, 512), (3, 3, 3, 3), True, **_options(o)),
    ]
    return Sequence_(body, _head((h // 64) * (w // 64) * 512, 512, nclass), timestep)


def clif7fc1(
    timestep: int = 16,
    input_channels: int = 2,
    h: int = 128,
    w: int = 128,
    nclass: int = 11,
    **o: Any,
) -> Step:
    """Seven convolutions that pool inside, one linear layer (SeqClif7Fc1..Itout)."""
    sizes = (input_channels, 64, 64, 128, 128, 256, 256, 512)
    body = _clif(sizes, (3,) * 7, False, mp=True, **_options(o))
    return Sequence_(body, nn.Linear((h // 128) * (w // 128) * 512, nclass), timestep)


def clif3flif2(
    timestep: int = 60,
    input_channels: int = 2,
    h: int = 40,
    w: int = 40,
    nclass: int = 11,
    **o: Any,
) -> Step:
    """A norm, three convolutions of stride 2, two linear layers with neurons (SeqClif3Flif2..)."""
    options = _options(o)
    sizes = (input_channels, 64, 128, 256)
    body: list[nn.Module] = [nn.BatchNorm2d(input_channels)]
    for ci, co in pairwise(sizes):
        body.append(Conv2dLif(ci, co, 3, stride=2, padding=1, **options))
    head = nn.Sequential(
        FcLif((h // 8) * (w // 8) * 256, 256, **options), FcLif(256, nclass, **options)
    )
    return Sequence_(body, head, timestep)


def vgg7(
    timestep: int = 20,
    input_channels: int = 2,
    h: int = 128,
    w: int = 128,
    nclass: int = 10,
    **o: Any,
) -> Step:
    """Five convolutions with pools, two linear layers with neurons (VGG7_SNN)."""
    options = _options(o)
    body = [
        Conv2dLif(input_channels, 32, 5, stride=2, padding=2, **options),
        _pool(),
        *_clif((32, 64, 128, 256, 512), (3, 3, 3, 3), True, **options),
    ]
    head = nn.Sequential(
        FcLif((h // 64) * (w // 64) * 512, 512, **options), FcLif(512, nclass, **options)
    )
    return Sequence_(body, head, timestep)


class Block(nn.Module):  # type: ignore[misc]
    """A residual block: convolutions with norms, neurons between them and behind the sum."""

    def __init__(self, ci: int, co: int, stride: int, deep: bool, options: dict[str, Any]) -> None:
        super().__init__()
        mid = co // 4 if deep else co
        shapes = (
            [(ci, mid, 1, 1), (mid, mid, 3, stride), (mid, co, 1, 1)]
            if deep
            else [
                (ci, co, 3, stride),
                (co, co, 3, 1),
            ]
        )
        layers: list[nn.Module] = []
        for a, b, k, s in shapes:
            layers += [nn.Conv2d(a, b, k, s, k // 2, bias=False), nn.BatchNorm2d(b)]
            layers.append(neurons(channels=b, rank=4, norm=False, **options))
        self.lif = layers.pop()
        self.main = nn.Sequential(*layers)
        short: list[nn.Module] = []
        if stride != 1:
            short.append(nn.AvgPool2d(stride, stride, ceil_mode=True))
        if stride != 1 or ci != co:
            short += [nn.Conv2d(ci, co, 1, bias=False), nn.BatchNorm2d(co)]
        self.short = nn.Sequential(*short)

    def forward(self, x: Any) -> Any:
        """Return what the neurons behind the sum give."""
        return self.lif(self.main(x) + self.short(x))


DEPTHS = {
    10: (False, (1, 1, 1, 1)),
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}


class ResNetLif(Step):
    """Residual blocks with neurons; `split` keeps blocks first to last - 1 of them.

    The stem belongs to the slice that begins at 0, the head to the one that ends with the last.
    """

    def __init__(
        self,
        depth: int,
        nclass: int = 10,
        timestep: int = 8,
        input_channels: int = 3,
        stem_channels: int = 64,
        base_channels: int = 64,
        low_resolut: bool = False,
        down_t: Sequence[Any] = (1, "avg"),
        split: Sequence[int] | None = None,
        zero_init_residual: bool = False,
        **o: Any,
    ) -> None:
        super().__init__()
        options = _options(o)
        if depth not in DEPTHS or down_t[0] != 1:
            known = ", ".join(map(str, DEPTHS))
            text = (
                f"depth = {depth}, down_t = {list(down_t)}: depths are {known}, down_t is [1, ..]"
            )
            raise fail("bidl-option", text, help="choose one of these")
        deep, counts = DEPTHS[depth]
        first, last = split or (0, sum(counts))
        if not 0 <= first < last <= sum(counts):
            text = f"split = [{first}, {last}] of {sum(counts)} blocks"
            raise fail("bidl-option", text, help="give the first block and the end of a slice")
        blocks: list[nn.Module] = []
        ci = stem_channels
        for stage, count in enumerate(counts):
            co = base_channels * 2**stage * (4 if deep else 1)
            for n in range(count):
                kept = first <= len(blocks) < last
                stride = 2 if stage and not n else 1
                blocks.append(Block(ci, co, stride, deep, options) if kept else nn.Identity())
                ci = co
        self.stem = (
            _stem(input_channels, stem_channels, low_resolut, options) if not first else None
        )
        self.blocks = nn.Sequential(*blocks[first:last])
        whole = last == sum(counts)
        self.fc = nn.Linear(ci, nclass) if whole else None
        self.mean = TempAdd(timestep) if whole else None
        self.named_states()

    def forward(self, x: Any) -> Any:
        """Return the sum of a head's results so far, or what the last block of a slice gives."""
        x = x if self.stem is None else self.stem(x)
        x = self.blocks(x)
        if self.fc is None or self.mean is None:
            return x
        return self.mean(self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)))


def _stem(ci: int, co: int, low: bool, options: dict[str, Any]) -> nn.Sequential:
    conv = nn.Conv2d(ci, co, 3, 1, 1, bias=False) if low else nn.Conv2d(ci, co, 7, 2, 3, bias=False)
    lif = neurons(channels=co, rank=4, norm=False, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(co), lif, nn.MaxPool2d(3, 2, 1))


BACKBONES: dict[str, Any] = {
    **dict.fromkeys(("SeqClif3Fc3DmItout", "SeqClif3Fc3LcItout"), clif3fc3),
    **dict.fromkeys(("SeqClif5Fc2DmItout", "SeqClif5Fc2CdItout"), clif5fc2),
    **dict.fromkeys(("SeqClif7Fc1DgItout", "SeqClif7Fc1CdItout"), clif7fc1),
    **dict.fromkeys(("SeqClif3Flif2DgItout", "SeqClif3Flif2RgItout"), clif3flif2),
    "VGG7_SNN": vgg7,
    **dict.fromkeys(("ResNetLifItout", "ResNetLifItout_MP"), ResNetLif),
}
"""Networks by the names that configurations call them."""


def backbone(type: str, **arguments: Any) -> Any:
    """Return a network in evaluation mode by its name in BIDL.

    Raises:
        SnncError: `bidl-backbone` with the nearest name; `bidl-option`, `bidl-neuron`.
    """
    if type not in BACKBONES:
        raise fail(
            "bidl-backbone",
            f"there is no backbone {type!r} among ours",
            help=nearest(type, list(BACKBONES)) + "; or give a class of yours with --backbone",
        )
    names = {"c0": "input_channels", "h0": "h", "w0": "w"}
    given = {names.get(k, k): v for k, v in arguments.items()}
    with torch.no_grad():
        return BACKBONES[type](**given).eval()
