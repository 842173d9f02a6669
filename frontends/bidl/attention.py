"""AttentionVGGNet of BIDL, written anew: eight convolutions with neurons, attention over time.

The loop over time is inside; attention needs to know the number of steps. Parts are called as in
BIDL, so that its checkpoints fit.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import nn

from snnc.frontends.bidl.layers import Lif2d
from snnc.frontends.bidl.residual import judge
from snnc.frontends.bidl.sequences import Step


class Conv3x3(nn.Module):  # type: ignore[misc]
    """A convolution, its norm, and neurons over all steps."""

    def __init__(self, ci: int, co: int, mode: str) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(ci, co, 3, padding=1), nn.BatchNorm2d(co)
        self.lif = Lif2d(mode=mode, hidden_channel=co, use_inner_loop=True)

    def forward(self, x: Any) -> Any:
        """Return what the neurons give."""
        return self.lif(self.bn(self.conv(x)))


class TemporalWiseAttention(nn.Module):  # type: ignore[misc]
    """Each step times a number in (0, 1), made of the means of all steps by two linear layers."""

    def __init__(self, T: int, reduction: int = 2, dimension: int = 3) -> None:
        super().__init__()
        self.t = T
        layers = nn.Linear(T, T // reduction, bias=False), nn.Linear(T // reduction, T, bias=False)
        self.sharedMLP = nn.Sequential(layers[0], nn.ReLU(), layers[1])

    def forward(self, x: Any) -> Any:
        """Return rows of (steps x lanes), each times its number."""
        means = nn.functional.adaptive_avg_pool2d(x, 1).mean(dim=1, keepdim=True)
        scores = torch.sigmoid(self.sharedMLP(means.view(x.shape[0] // self.t, self.t)))
        return x * scores.view(x.shape[0], -1)[:, :, None, None]


class TCJA(nn.Module):  # type: ignore[misc]
    """Each channel of a step times a number in (0, 1), from convolutions over both."""

    def __init__(
        self,
        kernel_size_t: int = 2,
        kernel_size_c: int = 1,
        T: int = 8,
        channel: int = 128,
    ) -> None:
        super().__init__()
        self.conv_t = nn.Conv1d(T, T, kernel_size_t, padding=1, bias=False)
        self.conv_c = nn.Conv1d(channel, channel, kernel_size_c, padding=1, bias=False)
        self.t = T

    def forward(self, x: Any) -> Any:
        """Return rows of (steps x lanes), each channel times its number."""
        means = x.mean(dim=[-2, -1]).view(x.shape[0] // self.t, self.t, -1)
        over_steps = self.conv_t(means).permute(1, 0, 2)
        over_channels = self.conv_c(means.permute(0, 2, 1)).permute(2, 0, 1)
        scores = torch.sigmoid(over_channels * over_steps).reshape(x.shape[0], -1)
        return x * scores[:, :, None, None]


class AttentionVGG(Step):
    """Four groups of convolutions with pools and attention between them, a mean over steps."""

    inner = True

    def __init__(
        self,
        timestep: int = 10,
        input_channels: int = 2,
        h: int = 128,
        w: int = 128,
        nclass: int = 10,
        cmode: str = "spike",
        **rest: Any,
    ) -> None:
        super().__init__()
        judge(rest, AttentionVGG)
        self.pool1 = nn.AvgPool2d(34, stride=2)
        sizes = (input_channels, 64, 128, 256, 256, 512, 512, 512, 512)
        for n, (ci, co) in enumerate(pairwise(sizes), 1):
            self.add_module(f"conv{n}", Conv3x3(ci, co, cmode))
        for n in range(2, 6):
            self.add_module(f"pool{n}", nn.AvgPool2d(2, 2))
        self.twa1, self.twa2 = (TemporalWiseAttention(T=timestep) for _ in range(2))
        self.tcja = TCJA(3, 3, timestep, 512)
        places = ((h - 34) // 2 + 1) // 16 * (((w - 34) // 2 + 1) // 16)
        self.fc = nn.Sequential(nn.Flatten(1), nn.Linear(512 * places, nclass))

    ORDER = (
        *("pool1", "conv1", "conv2", "pool2", "conv3", "conv4", "twa1", "pool3", "conv5", "conv6"),
        *("pool4", "conv7", "conv8", "tcja", "twa2", "pool5", "fc"),
    )

    def forward(self, x: Any) -> Any:
        """Return the mean of what the last layer gives at all steps."""
        steps = x.shape[:2]
        x = self.rows(x)
        for name in self.ORDER:
            x = self.get_submodule(name)(x)
        return x.view(*steps, -1).mean(dim=0)
