"""Layers of BIDL, written anew: neurons behind a synapse, and what joins steps to one result.

Classes, their arguments and the names of their parameters are those of BIDL. A layer takes one step
at a time; with `use_inner_loop` it takes all steps, one after the other in rows of (steps x lanes),
begins anew with every call, and keeps nothing.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from snnc.diagnostics import fail
from snnc.frontends.bidl import state
from snnc.frontends.bidl.neurons import Lif, LifPlus, Soma, chosen, shared_shape

RELU, TANH = (0, "relu"), (0, "tanh")


class Population(nn.Module):  # type: ignore[misc]
    """A layer with neurons, which are its part `lif` or `lifplus`."""

    def __init__(self, use_inner_loop: bool, it_batch: int) -> None:
        super().__init__()
        self.use_inner_loop, self.b = use_inner_loop, it_batch

    @property
    def soma(self) -> Soma:
        """The neurons."""
        made: Soma = self.lif if hasattr(self, "lif") else self.lifplus
        return made

    def current(self, x: Any) -> Any:
        """Return what reaches the neurons."""
        return x

    def forward(self, x: Any) -> Any:
        """Return what the neurons give."""
        current = self.current(x)
        return self.soma.over_steps(current, self.b) if self.use_inner_loop else self.soma(current)

    def reset(self, x: Any = None) -> None:
        """Forget the states: a new sample begins."""
        self.soma.reset(x)


def _normed(channels: int, rank: int) -> Any:
    return nn.BatchNorm2d(channels) if rank == 4 else nn.BatchNorm1d(channels)


class Lif1d(Population):
    """Neurons without a synapse behind (lanes, channels); `norm_state` counts channels, or is 0."""

    rank = 2

    def __init__(
        self,
        norm_state: int = 0,
        mode: str = "spike",
        memb_mode: Sequence[Any] = RELU,
        soma_params: str = "all_share",
        noise: float = 0.0,
        hidden_channel: int | None = None,
        spike_func: Any = None,
        use_inner_loop: bool = False,
        it_batch: int = 1,
    ) -> None:
        super().__init__(use_inner_loop, it_batch)
        channels = hidden_channel or int(norm_state)
        norm = _normed(channels, self.rank) if norm_state else None
        numbers = shared_shape(soma_params, channels, self.rank)
        self.lif = Lif(norm, mode, memb_mode, numbers, noise, spike_func)


class Lif2d(Lif1d):
    """Neurons without a synapse behind (lanes, channels, height, width)."""

    rank = 4


class LifPlus1d(LifPlus):
    """LifPlus without a synapse behind (lanes, channels)."""

    rank = 2

    def __init__(
        self,
        norm_state: int = 0,
        mode: str = "spike",
        memb_mode: Sequence[Any] = TANH,
        soma_params: Any = None,
        **switches: Any,
    ) -> None:
        norm = _normed(int(norm_state), self.rank) if norm_state else None
        given = (
            shared_shape(soma_params, int(norm_state), self.rank)
            if isinstance(soma_params, str)
            else soma_params
        )
        super().__init__(norm, mode, memb_mode, given, **switches)


class LifPlus2d(LifPlus1d):
    """LifPlus without a synapse behind (lanes, channels, height, width)."""

    rank = 4


def _single(feed_back: bool) -> None:
    if feed_back:
        raise fail("bidl-option", "feed_back = True", help="leave it out; BIDL refuses it as well")


class Conv2dLif(Population):
    """A convolution and neurons; `mp` halves the map before them.

    The norm acts on input plus potential, or with `norm_state=False` on the input.
    """

    def __init__(
        self,
        input_channel: int,
        hidden_channel: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        feed_back: bool = False,
        norm_state: bool = True,
        mode: str = "spike",
        memb_mode: Sequence[Any] = RELU,
        soma_params: str = "all_share",
        noise: float = 0.0,
        mp: bool = False,
        spike_func: Any = None,
        use_inner_loop: bool = False,
        it_batch: int = 1,
    ) -> None:
        super().__init__(use_inner_loop, it_batch)
        _single(feed_back)
        shape = (input_channel, hidden_channel, kernel_size, stride, padding, dilation, groups)
        self.p0 = nn.Conv2d(*shape)
        self.pool = nn.MaxPool2d(2, 2) if mp else nn.Identity()
        self.norm = nn.Identity() if norm_state else nn.BatchNorm2d(hidden_channel)
        norm = nn.BatchNorm2d(hidden_channel) if norm_state else None
        numbers = shared_shape(soma_params, hidden_channel, 4)
        self.lif = Lif(norm, mode, memb_mode, numbers, noise, spike_func)

    def current(self, x: Any) -> Any:
        """Return the convolution, pooled and normed as far as it is."""
        return self.norm(self.pool(self.p0(x)))


class FcLif(Population):
    """A linear layer and neurons."""

    def __init__(
        self,
        input_channel: int,
        hidden_channel: int,
        feed_back: bool = False,
        norm_state: bool = True,
        mode: str = "spike",
        memb_mode: Sequence[Any] = RELU,
        soma_params: str = "all_share",
        noise: float = 0.0,
        spike_func: Any = None,
        use_inner_loop: bool = False,
        it_batch: int = 1,
    ) -> None:
        super().__init__(use_inner_loop, it_batch)
        _single(feed_back)
        self.p0 = nn.Linear(input_channel, hidden_channel)
        norm = nn.BatchNorm1d(hidden_channel) if norm_state else None
        numbers = shared_shape(soma_params, hidden_channel, 2)
        self.lif = Lif(norm, mode, memb_mode, numbers, noise, spike_func)

    def current(self, x: Any) -> Any:
        """Return the products."""
        return self.p0(x)


class _Plus(Population):
    """A synapse `p0` and LifPlus neurons."""

    def __init__(
        self,
        synapse: Any,
        channels: int,
        rank: int,
        feed_back: bool = False,
        norm_state: bool = True,
        mode: str = "spike",
        memb_mode: Sequence[Any] = TANH,
        soma_params: str = "all_share",
        use_inner_loop: bool = False,
        it_batch: int = 1,
        **switches: Any,
    ) -> None:
        super().__init__(use_inner_loop, it_batch)
        _single(feed_back)
        self.p0 = synapse
        norm = _normed(channels, rank) if norm_state else None
        numbers = shared_shape(soma_params, channels, rank)
        self.lifplus = LifPlus(norm, mode, memb_mode, numbers, **switches)

    def current(self, x: Any) -> Any:
        """Return the products of the synapse."""
        return self.p0(x)


class Conv2dLifPlus(_Plus):
    """A convolution and LifPlus neurons; `options` are those of `_Plus` and LifPlus."""

    def __init__(
        self,
        input_channel: int,
        hidden_channel: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        **options: Any,
    ) -> None:
        shape = (input_channel, hidden_channel, kernel_size, stride, padding, dilation, groups)
        super().__init__(nn.Conv2d(*shape), hidden_channel, 4, **options)


class FcLifPlus(_Plus):
    """A linear layer and LifPlus neurons; `options` are those of `_Plus` and LifPlus."""

    def __init__(self, input_channel: int, hidden_channel: int, **options: Any) -> None:
        super().__init__(nn.Linear(input_channel, hidden_channel), hidden_channel, 2, **options)


class TimeDistributed(nn.Module):  # type: ignore[misc]
    """A module that is applied to every row; rows are (steps x lanes)."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Any) -> Any:
        """Return what the module gives."""
        return self.module(x)


class Aggregation(nn.Module):  # type: ignore[misc]
    """All steps along an axis as one: their mean, their sum, or the step `idx`, which keeps it."""

    def __init__(self, mode: str = "mean", dim: int = 1, idx: int = -1) -> None:
        super().__init__()
        self.mode = chosen("amode", mode, ("mean", "sum", "pick"))
        self.dim, self.idx = dim, idx

    def forward(self, x: Any) -> Any:
        """Return the one result."""
        if self.mode == "pick":
            at = self.idx % x.size(self.dim)
            return x.narrow(self.dim, at, 1)
        return torch.mean(x, dim=self.dim) if self.mode == "mean" else torch.sum(x, dim=self.dim)


class TempAdd(nn.Module):  # type: ignore[misc]
    """The mean over time of what a head gives: each step adds its part to the state `tempAdd`."""

    def __init__(self, timestep: int) -> None:
        super().__init__()
        self.timestep, self.held = timestep, None

    def forward(self, x: Any) -> Any:
        """Return the sum so far; after the last step it is the mean."""
        x = x.unsqueeze(2).unsqueeze(3)
        shared = state.shared()
        if state.capturing():
            before = state.load(x, "tempAdd", uselookup=shared, init_zero_use_data=x)
        else:
            before = torch.zeros_like(x) if self.held is None else self.held
        total = before + x / self.timestep
        if state.capturing():
            state.save(total, "tempAdd", uselookup=shared)
        else:
            self.held = total
        return total.clone().squeeze(-1).squeeze(-1)

    def reset(self) -> None:
        """Forget the sum: a new sample begins."""
        self.held = None
