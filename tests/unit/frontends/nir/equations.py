"""What nodes of data/make.py compute that no framework here runs, restated in float32 step by step.

Each function takes inputs (samples, ticks, n) and returns what the layer gives out, per tick.
"""

import numpy as np

F = np.float32


def steps(update):
    """Run `update(x, *states) -> (out, *states)` over the ticks, all states starting at zero."""

    def layer(x):
        x = x.astype(F)
        count = update.__code__.co_argcount - 1
        states = [np.zeros((len(x), 1), F) for _ in range(count)]
        found = []
        for tick in range(x.shape[1]):
            out, *states = update(x[:, tick], *states)
            found.append(out)
        return np.stack(found, axis=1)

    return layer


def fires(v, threshold=1, strict=True):
    return (v > F(threshold) if strict else v >= F(threshold)).astype(F)


DECAY = np.exp(F(-0.01) / F(0.02))


def rockpool_expsyntorch(x, i):
    i = (i + x) * DECAY
    return i, i


def spec_if(x, v):
    h = v + F(1e-3 * 1000) * x
    s = fires(h)
    return s, np.where(s > 0, F(0.25), h)


def spec_lif(x, v):
    h = v + F(0.5) * (F(0.5) - v + x)
    s = fires(h)
    return s, np.where(s > 0, F(0.25), h)


def spec_li(x, v):
    v = v + F(0.5) * (F(0.5) - v + x)
    return v, v


def spec_i(x, v):
    v = v + F(0.1) * x
    return v, v


def spec_cubalif(x, i, v):
    i = i + F(0.5) * (F(2) * x - i)
    h = v + F(0.25) * (F(0.5) - v + i)
    s = fires(h)
    return s, i, np.where(s > 0, F(0.25), h)


def spec_cubali(x, i, v):
    i = i + F(0.5) * (F(2) * x - i)
    v = v + F(0.25) * (F(0.5) - v + i)
    return v, i, v


def spec_if_soft(x, v):
    h = v + F(1e-3 * 1000) * x
    s = fires(h)
    return s, h - s


def spec_lif_soft(x, v):
    h = v + F(0.5) * (F(0.5) - v + x)
    s = fires(h)
    return s, h - s


LAYERS = {
    "rockpool_expsyntorch_1.0.8": ("ExpSynTorch", steps(rockpool_expsyntorch)),
    "spec_if_0.2.0": ("IF", steps(spec_if_soft)),
    "spec_lif_0.2.0": ("LIF", steps(spec_lif_soft)),
    "spec_if_1.0.4": ("IF", steps(spec_if_soft)),
    "spec_lif_1.0.4": ("LIF", steps(spec_lif_soft)),
    "spec_if_1.0.8": ("IF", steps(spec_if)),
    "spec_lif_1.0.8": ("LIF", steps(spec_lif)),
    "spec_cubalif_1.0.8": ("CubaLIF", steps(spec_cubalif)),
    "spec_i_1.0.8": ("I", steps(spec_i)),
    "spec_li_1.0.8": ("LI", steps(spec_li)),
    "spec_cubali_1.0.8": ("CubaLI", steps(spec_cubali)),
}
"""By fixture: the layer's name in its framework, and what it computes."""
