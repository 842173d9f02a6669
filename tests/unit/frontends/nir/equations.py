"""What the producers' layers compute, restated in float32, step by step as they do it.

Each function takes inputs (samples, ticks, n) and returns what the layer gives out, per tick. The
layers have the parameters of data/make.py; the equations are those of the frameworks' sources.
"""

import numpy as np

F = np.float32


def steps(update, *, width=1):
    """Run `update(x, *states) -> (out, *states)` over the ticks, all states starting at zero."""

    def layer(x):
        x = x.astype(F)
        count = update.__code__.co_argcount - 1
        states = [np.zeros((len(x), width), F) for _ in range(count)]
        found = []
        for tick in range(x.shape[1]):
            out, *states = update(x[:, tick], *states)
            found.append(out)
        return np.stack(found, axis=1)

    return layer


def fires(v, threshold=1, strict=True):
    return (v > F(threshold) if strict else v >= F(threshold)).astype(F)


def snntorch_leaky(x, v, s):
    v = F(0.5) * v + x - s * F(1)
    return fires(v), v, fires(v)


def snntorch_synaptic(x, i, v, s):
    i = F(0.5) * i + x
    v = F(0.5) * v + i - s * F(1)
    return fires(v), i, v, fires(v)


def snntorch_rleaky(x, v, s):
    fc = x @ np.array([[1, 0, 0.5], [0, 1, 0.25]], F).T
    recurrent = s @ np.array([[0, 1], [0.5, 0]], F).T + np.array([0.25, 0], F)
    v = F(0.9) * v + (fc + recurrent) - s * F(1)
    return fires(v), v, fires(v)


def spikingjelly_if(x, v):
    h = v + x
    s = fires(h, strict=False)
    return s, (1 - s) * h


def spikingjelly_lif(x, v):
    h = v + (x - (v - F(0))) / F(2)
    s = fires(h, strict=False)
    return s, (1 - s) * h


def spikingjelly_lif_plain(x, v):
    h = v - (v - F(0)) / F(2) + x
    s = fires(h, strict=False)
    return s, (1 - s) * h


def spikingjelly_cubalif(x, i, v):
    i = F(0.5) * i + x
    h = F(0.75) * v + i
    s = fires(h, strict=False)
    return s, i, (1 - s) * h


STEP = F(1e-3) * F(500)


def norse_lifbox(x, v):
    h = v + STEP * (x + F(0) - v)
    s = fires(h)
    return s, (1 - s) * h


def norse_lifcell(x, i, v):
    jump = i + x
    h = v + STEP * ((F(0) - v) + jump)
    s = fires(h)
    return s, jump - STEP * jump, (1 - s) * h


def norse_li(x, v):
    v = v + STEP * ((F(0) - v) + x)
    return v, v


def norse_iaf(x, v):
    h = v + x
    s = fires(h)
    return s, (1 - s) * h


def counted(h):
    s = np.where(h >= 1, np.trunc(h), 0).astype(F)
    return s, h - s


def sinabs_iaf(x, v):
    return counted(v + x)


ALPHA = F(np.exp(-1 / F(-1 / np.log(0.5))))


def sinabs_lif(x, v):
    return counted(ALPHA * v + (1 - ALPHA) * x)


def sinabs_expleak(x, v):
    v = ALPHA * v + x
    return v, v


DECAY = np.exp(F(-0.01) / F(0.02))


def rockpool_liftorch(x, i, v):
    i = (i + x) * DECAY
    s, v = counted(v * DECAY + i)
    return s, i, v


def rockpool_lifneurontorch(x, v):
    return counted(v * DECAY + x)


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


LAYERS = {
    "snntorch_leaky_1.0.8": ("Leaky", steps(snntorch_leaky)),
    "snntorch_synaptic_1.0.8": ("Synaptic", steps(snntorch_synaptic)),
    "snntorch_rleaky_1.0.8": ("RLeaky, nested graph", steps(snntorch_rleaky, width=2)),
    "spikingjelly_if_1.0.8": ("IFNode", steps(spikingjelly_if)),
    "spikingjelly_lif_1.0.8": ("LIFNode", steps(spikingjelly_lif)),
    "spikingjelly_lif_plain_1.0.8": (
        "LIFNode(decay_input=False)",
        steps(spikingjelly_lif_plain),
    ),
    "spikingjelly_cubalif_1.0.8": ("CUBALIFNode", steps(spikingjelly_cubalif)),
    "norse_lifbox_1.0.8": ("LIFBoxCell", steps(norse_lifbox)),
    "norse_lifcell_1.0.8": ("LIFCell", steps(norse_lifcell)),
    "norse_li_1.0.8": ("LIBoxCell", steps(norse_li)),
    "norse_iaf_1.0.8": ("IAFCell", steps(norse_iaf)),
    "sinabs_iaf_1.0.4": ("SumPool2d and IAF", lambda x: steps(sinabs_iaf)(x.sum(-1)[..., None])),
    "sinabs_lif_1.0.4": ("LIF", steps(sinabs_lif)),
    "sinabs_expleak_1.0.4": ("ExpLeak", steps(sinabs_expleak)),
    "rockpool_liftorch_1.0.8": ("LIFTorch", steps(rockpool_liftorch)),
    "rockpool_lifneurontorch_1.0.8": ("LIFNeuronTorch", steps(rockpool_lifneurontorch)),
    "rockpool_expsyntorch_1.0.8": ("ExpSynTorch", steps(rockpool_expsyntorch)),
    "spec_if_1.0.8": ("IF", steps(spec_if)),
    "spec_lif_1.0.8": ("LIF", steps(spec_lif)),
    "spec_cubalif_1.0.8": ("CubaLIF", steps(spec_cubalif)),
    "spec_i_1.0.8": ("I", steps(spec_i)),
    "spec_li_1.0.8": ("LI", steps(spec_li)),
    "spec_cubali_1.0.8": ("CubaLI", steps(spec_cubali)),
}
"""By fixture: the layer's name in its framework, and what it computes."""
