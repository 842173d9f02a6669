"""Residual networks of BIDL, written anew: ResNetLif with the loop over time outside or inside.

Blocks are basic ones or bottlenecks. The `lite` form has neurons in the stem and behind the first
convolution of the first block of a stage, and ReLU elsewhere. A network can be cut into slices of
blocks for several devices. Parts are called as in BIDL, so that its checkpoints fit.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from snnc.diagnostics import fail
from snnc.frontends.bidl import state
from snnc.frontends.bidl.layers import Lif2d, TempAdd, TimeDistributed
from snnc.frontends.bidl.neurons import chosen
from snnc.frontends.bidl.sequences import Step, refuse_unknown, without_training

DEPTHS = {
    10: (False, (1, 1, 1, 1)),
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
"""Whether blocks are bottlenecks, and blocks per stage, by depth."""


class Style:
    """How the layers of a network are made: its neurons, its loop, where ReLU stands for them."""

    def __init__(self, mode: str, soma_params: str, inner: bool, lite: bool) -> None:
        self.mode, self.soma_params = chosen("cmode", mode, ("spike", "analog")), soma_params
        self.inner, self.lite = inner, lite

    def conv(self, ci: int, co: int, k: int, stride: int = 1, pool: bool = False) -> Any:
        """Return a convolution and its norm, behind a pool of the stride where that is asked."""
        layers: list[Any] = [nn.AvgPool2d(stride, ceil_mode=True)] if pool else []
        step = 1 if pool else stride
        made = nn.Sequential(*layers, nn.Conv2d(ci, co, k, step, k // 2), nn.BatchNorm2d(co))
        return TimeDistributed(made) if self.inner else made

    def neurons(self, channels: int, mode: str) -> Any:
        """Return neurons without a synapse."""
        return Lif2d(
            mode=mode,
            soma_params=self.soma_params,
            hidden_channel=channels,
            use_inner_loop=self.inner,
        )


class Block(nn.Module):  # type: ignore[misc]
    """A residual block: conv1 .. with norms, neurons between them and behind the sum."""

    def __init__(
        self, style: Style, ci: int, co: int, stride: int, deep: bool, first: bool
    ) -> None:
        super().__init__()
        mid = co // 4 if deep else co
        shapes = [(ci, mid, 1, 1), (mid, mid, 3, stride), (mid, co, 1, 1)]
        shapes = shapes if deep else [(ci, co, 3, stride), (co, co, 3, 1)]
        # With the loop inside, BIDL hands `cmode` to the first block of a stage only.
        mode = style.mode if first or not style.inner else "spike"
        self.count = len(shapes)
        for n, (a, b, k, s) in enumerate(shapes, 1):
            self.add_module(f"conv{n}", style.conv(a, b, k, s))
            if not style.lite or (first and n == 1):
                self.add_module(f"lif{n}", style.neurons(b, mode))
        self.downsample = None
        if stride != 1 or ci != co:
            self.downsample = style.conv(ci, co, 1, stride, pool=True)

    def _fired(self, n: int, x: Any) -> Any:
        return getattr(self, f"lif{n}")(x) if hasattr(self, f"lif{n}") else torch.relu(x)

    def forward(self, x: Any) -> Any:
        """Return what stands behind the sum."""
        short, last = x, self.count
        for n in range(1, last):
            x = self._fired(n, getattr(self, f"conv{n}")(x))
        x = getattr(self, f"conv{last}")(x)
        if self.downsample is not None:
            short = self.downsample(short)
        return self._fired(last, x + short)


class ResNet(Step):
    """Stem, four stages of blocks, mean over the map, one linear layer.

    `split` keeps blocks first to last - 1: the stem belongs to the slice that begins at 0, the head
    to the one that ends with the last. `cuts` are blocks before which slices of the whole end.
    """

    def __init__(
        self,
        depth: int,
        nclass: int = 10,
        timestep: int = 8,
        h: int = 224,
        w: int = 224,
        input_channels: int = 3,
        stem_channels: int = 64,
        base_channels: int = 64,
        low_resolut: bool = False,
        down_t: Sequence[Any] = (1, "avg"),
        norm: Any = None,
        split: Sequence[int] | None = None,
        cuts: Sequence[int] = (),
        cmode: str = "spike",
        soma_params: str = "all_share",
        inner: bool = False,
        lite: bool = False,
        **rest: Any,
    ) -> None:
        super().__init__()
        judge(rest, ResNet)
        deep, counts = _stages(depth, down_t)
        self.inner, self.statistics, self.cuts = inner, norm, tuple(cuts)
        style = Style(cmode, soma_params, inner, lite)
        k, stride = (3, 1) if low_resolut else (7, 2)
        self.conv = style.conv(input_channels, stem_channels, k, stride)
        self.lif = style.neurons(stem_channels, cmode)
        self.pool = nn.MaxPool2d(3, 2, 1)
        ci = stem_channels
        for stage, count in enumerate(counts):
            co = base_channels * 2**stage * (4 if deep else 1)
            blocks = []
            for n in range(count):
                first, stride = n == 0, 2 if stage and not n else 1
                blocks.append(Block(style, ci, co, stride, deep, first))
                ci = co
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(ci, nclass)
        self.mean = TempAdd(timestep)
        self.first, self.last = _range(split, sum(counts))
        self.total = sum(counts)

    def forward(self, x: Any) -> Any:
        """Return the sum of results so far, the result of all steps, or a slice's last block."""
        steps = x.shape[:2]
        x = self.rows(x) if self.inner else x
        if self.first == 0:
            x = self.pool(self.lif(self.conv(self._scaled(x))))
        blocks = [block for n in range(1, 5) for block in getattr(self, f"layer{n}")]
        for number, block in enumerate(blocks[self.first : self.last], self.first):
            if number in self.cuts:
                x = state.cut(x, f"model_{self.cuts.index(number)}")
            x = block(x)
        if self.last != self.total:
            return x
        if self.inner:
            maps = x.view(*steps, *x.shape[1:]).permute(1, 2, 0, 3, 4)
            return self.fc(nn.functional.adaptive_avg_pool3d(maps, 1)[:, :, 0, 0, 0])
        return self.mean(self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)))

    def _scaled(self, x: Any) -> Any:
        """Return the input less a mean, over a deviation, where the configuration says them."""
        if not self.statistics:
            return x
        mean, deviation = (torch.tensor(self.statistics[n])[:, None, None] for n in ("mean", "std"))
        return (x - mean) / deviation


def _stages(depth: int, down_t: Sequence[Any]) -> tuple[bool, tuple[int, ...]]:
    if depth not in DEPTHS or down_t[0] != 1:
        text = f"depth = {depth}, down_t = {list(down_t)}"
        known = ", ".join(map(str, DEPTHS))
        raise fail("bidl-option", text, help=f"depths are {known}; down_t is [1, ..]")
    return DEPTHS[depth]


def _range(split: Sequence[int] | None, total: int) -> tuple[int, int]:
    first, last = split or (0, total)
    if not 0 <= first < last <= total:
        text = f"split = [{first}, {last}] of {total} blocks"
        raise fail("bidl-option", text, help="give the first block and the end of a slice")
    return first, last


def judge(given: Mapping[str, Any], build: Any) -> None:
    """Refuse what a network takes no notice of; names for training only are let through.

    Raises:
        SnncError: `bidl-option`.
    """
    rest = without_training(given)
    chosen("amode", rest.pop("amode", "mean"), ("mean",))
    refuse_unknown(rest, [*inspect.signature(build).parameters][:-1])
