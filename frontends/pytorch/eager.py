"""The network as its framework runs it, for the self-check: what goes in, what is recorded."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from snnc.frontends.pytorch.axes import Axes, F, has_time
from snnc.frontends.pytorch.capture import copied, quiet, reset, without_states
from snnc.frontends.pytorch.expr import Array
from snnc.frontends.pytorch.lower import Lowered

TICKS = 16
"""Ticks that a check covers at least, where the network lets us choose."""


SAMPLES = 2
"""Samples of a larger batch that a check runs, where the batch has an axis of its own."""


Batch = tuple[Any, ...]
"""What the network is called with: one tensor for each input."""


def fewer(batch: Batch, lowered: Lowered) -> Batch:
    """Return the first samples of a batch, unless time and batch share an axis somewhere."""
    merged = any(len(a) > 1 for o in lowered.outputs for a in o.axes if a != F)
    merged |= any(site.order == "merged" for site in lowered.sites.values())
    if merged or ("B",) not in lowered.layout:
        return batch
    axis = lowered.layout.index(("B",))
    return tuple(x.narrow(axis, 0, min(SAMPLES, x.shape[axis])) for x in batch)


def inputs(samples: Batch, lowered: Lowered) -> list[Batch]:
    """Return inputs in the network's own layout: the sample, its halves, and random ones."""
    import torch

    generator = torch.Generator().manual_seed(0)
    longer = tuple(_lengthened(x, lowered) for x in samples)

    def noise(x: Any) -> Any:
        return torch.rand(x.shape, generator=generator)

    def wide(x: Any, like: Any) -> Any:
        low, high = float(like.min()), float(like.max())
        whole = bool((like == like.floor()).all())
        drawn = low + (high - low) * noise(x)
        return drawn.round() if whole else drawn

    batches = [
        longer,
        tuple(x * (noise(x) < 0.5) for x in longer),
        tuple(wide(x, s) for x, s in zip(longer, samples, strict=True)),
    ]
    same = all(x is s for x, s in zip(longer, samples, strict=True))
    return batches if same else [*batches, samples]


def _lengthened(sample: Any, lowered: Lowered) -> Any:
    """Return the sample over at least `TICKS` ticks, repeated, with time where the layout has it.

    A network that computes one tick gets a first axis of ticks.
    """
    import torch

    if lowered.stepping:
        return torch.stack([sample] * TICKS)
    if ("T",) not in lowered.layout or lowered.sizes.ticks >= TICKS:
        return sample
    axis = lowered.layout.index(("T",))
    times = -(-TICKS // lowered.sizes.ticks)
    return torch.cat([sample] * times, dim=axis)


@frozen
class Recorded:
    """What the network gave: layers and outputs as (samples, ticks, *shape), and its input."""

    layers: Mapping[str, Array]
    outputs: tuple[Array, ...]
    ticks: int


def eager(network: Any, batch: Batch, lowered: Lowered) -> Recorded:
    """Return what a copy of the network gives from its beginning: layers, outputs, ticks."""
    import torch

    own = copied(network)
    reset(own)
    calls: dict[str, list[Any]] = {p: [] for p, s in lowered.sites.items() if s.compared}
    modules = dict(own.named_modules())
    for path in calls:
        layer = modules[path if path in modules else ""]
        # Before the user's own hooks, which change what the next layer gets.
        layer.register_forward_hook(_recorder(calls[path]), prepend=True)
    with torch.no_grad(), quiet():
        stepped = lowered.stepping and batch[0].ndim == len(lowered.layout) + 1
        given = tuple(x.clone() for x in batch)
        results = _steps(own, given) if stepped else [without_states(own(*given))]
    ticks = batch[0].shape[0] if stepped else 0
    layers = {p: _layer(lowered, p, c) for p, c in calls.items()}
    ticks = ticks or next((a.shape[1] for a in layers.values()), _ticks(batch[0], lowered))
    outputs = tuple(
        arranged([r[i] for r in results], o.axes, lowered) for i, o in enumerate(lowered.outputs)
    )
    return Recorded(layers, outputs, ticks)


def _ticks(batch: Any, lowered: Lowered) -> int:
    """Return the ticks of an input, where no layer tells them."""
    if ("T",) in lowered.layout:
        return int(batch.shape[lowered.layout.index(("T",))])
    return int(batch.shape[0]) // lowered.sizes.batch if has_time(lowered.layout) else 1


def _recorder(calls: list[Any]) -> Callable[..., Any]:
    """Return a hook that keeps a layer's results; a list of ticks goes on as one train."""

    def hook(module: Any, given: Any, result: Any) -> Any:
        whole = _stacked(result) if isinstance(result, list) else result
        one = whole[0] if isinstance(whole, tuple) else whole
        calls.append(one.detach().clone())
        return whole

    return hook


def _stacked(values: list[Any]) -> Any:
    import torch

    return torch.stack(values)


def _steps(own: Any, batch: Batch) -> list[Any]:
    """Return the results of one call per tick; a state that comes back is handed on."""
    results, state = [], None
    for x in zip(*batch, strict=True):
        result = own(*x) if state is None else own(*x, state)
        results.append(without_states(result))
        if isinstance(result, tuple) and len(without_states(result)) < len(_leaves(result)):
            state = result[-1]
    return results


def _leaves(result: Any) -> list[Any]:
    import torch

    if isinstance(result, torch.Tensor) or not isinstance(result, (list, tuple)):
        return [result]
    return [one for part in result for one in _leaves(part)]


def _layer(lowered: Lowered, path: str, calls: list[Any]) -> Array:
    # A container may run a layer of many ticks tick by tick.
    order = lowered.sites[path].order if len(calls) == 1 else "step"
    shape = lowered.inputs[path].shape
    lead: Axes = {"TB": (("T",), ("B",)), "BT": (("B",), ("T",)), "merged": (("B", "T"),)}.get(
        order, (("B",),)
    )
    return arranged(calls, (*lead, *(F for _ in shape)), lowered)


def arranged(calls: list[Any], axes: Axes, lowered: Lowered) -> Array:
    """Return the tensors of one or several calls as (samples, ticks, *shape)."""
    arrays = [np.asarray(c.detach()) for c in calls]
    if not has_time(axes):
        place = axes.index(("B",))
        return np.stack([np.moveaxis(a, place, 0) for a in arrays], axis=1)
    one = arrays[0]
    if ("B", "T") in axes:
        size = lowered.sizes.batch
        return one.reshape(size, one.shape[0] // size, *one.shape[1:])
    if ("T", "B") in axes:
        size = lowered.sizes.batch
        return np.swapaxes(one.reshape(one.shape[0] // size, size, *one.shape[1:]), 0, 1)
    b, t = axes.index(("B",)), axes.index(("T",))
    return np.moveaxis(one, (b, t), (0, 1))
