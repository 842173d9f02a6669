"""Sums of weights over events on a map, exact in floating point, many maps at a time."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Pixels

_BYTES = 1 << 26


def convolve(core: Core, maps: Array) -> Array:
    """Return what each neuron gets, int64 (maps, out, y, x), for counts (maps, in, y, x)."""
    pad_y, pad_x = core.padding
    padded = np.pad(maps, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    features, height, width = core.output
    rows = core.weights.reshape(features, -1)
    # Every partial sum stays below this bound; float32 holds integers up to 2^24.
    bound = int(maps.max(initial=0)) * int(np.abs(rows.astype(np.int64)).sum(axis=1).max())
    kind = np.float32 if bound < 1 << 24 else np.float64
    columns = rows.T.astype(kind)
    made = np.empty((len(maps), *core.output), dtype=np.int64)
    step = max(1, _BYTES // (8 * height * width * len(columns)))
    for first in range(0, len(maps), step):
        chosen = padded[first : first + step].astype(kind)
        seen = sliding_window_view(chosen, (core.kernel, core.kernel), axis=(2, 3))
        seen = seen[:, :, :: core.stride[0], :: core.stride[1]][:, :, :height, :width]
        flat = seen.transpose(0, 2, 3, 1, 4, 5).reshape(-1, len(columns))
        sums = (flat @ columns).reshape(len(chosen), height, width, features)
        made[first : first + step] = sums.transpose(0, 3, 1, 2)
    return made


def pool_sums(maps: Array, pool: tuple[int, int]) -> Array:
    """Return sums over windows (y, x) of maps (..., y, x); a remainder is dropped."""
    if pool == (1, 1):
        return maps
    height, width = (n // p for n, p in zip(maps.shape[-2:], pool, strict=True))
    kept = maps[..., : height * pool[0], : width * pool[1]]
    split = kept.reshape(*maps.shape[:-2], height, pool[0], width, pool[1])
    return np.asarray(split.sum(axis=(-3, -1), dtype=np.int64))


def see(pixels: Pixels, maps: Array) -> Array:
    """Return what the pixel block sends on for counts (..., polarity, y, x)."""
    seen = maps.sum(axis=-3, keepdims=True, dtype=np.int64) if pixels.merge else maps
    seen = pool_sums(seen, (pixels.pool[0], pixels.pool[1]))
    (top, left), (bottom, right) = pixels.origin, pixels.last
    seen = seen[..., top : bottom + 1, left : right + 1]
    for axis, backwards in zip((-2, -1), pixels.mirror, strict=True):
        seen = np.flip(seen, axis) if backwards else seen
    return np.swapaxes(seen, -1, -2) if pixels.swap else seen
