"""Random networks of PAIBox: every kind of spiking module, clocks in no order, stops and delays."""

import numpy as np
import paibox as pb

PAIRS = {
    "and": pb.BitwiseAND,
    "or": pb.BitwiseOR,
    "xor": pb.BitwiseXOR,
    "add": pb.SpikingAdd,
    "sub": pb.SpikingSub,
}
POOLS = {
    "max": pb.SpikingMaxPool2d,
    "average": pb.SpikingAvgPool2d,
    "integrating": pb.SpikingAvgPool2dWithV,
}
KINDS = ("if", "lif", "not", "conv", "dense", *PAIRS, *POOLS)


def network(seed):
    """Return a network of 3 to 8 layers; the same for the same seed."""
    rng, top = np.random.default_rng(seed), pb.Network()
    top.i, top.j = (pb.InputProj(None, shape_out=(2, 6, 6)) for _ in "ij")
    pool, read = [top.i, top.j], []
    for number in range(int(rng.integers(3, 9))):
        clock = {
            "tick_wait_start": int(rng.integers(1, 5)),
            "tick_wait_end": int(rng.choice([0, 0, 0, 9, 20])),
            "delay": int(rng.choice([1, 1, 2, 5])),
        }
        kind = str(rng.choice(KINDS)) if number else "if"
        first = pool[rng.integers(len(pool))]
        same = [p for p in pool if p.shape_out == first.shape_out]
        second = same[rng.integers(len(same))]
        # PAIBox lowers no module that feeds more than one other part.
        if any(p in read for p in (first, second)):
            continue
        made, links = layer(kind, first, second, clock, rng)
        if made is None:
            continue
        read += [p for p in (first, second) if hasattr(p, "module_intf")]
        setattr(top, f"n{number}", made)
        for place, link in enumerate(links):
            setattr(top, f"s{number}_{place}", link)
        if len(made.shape_out) == 3:
            pool.append(made)
    return top


def layer(kind, a, b, clock, rng):
    """Return neurons or a module that read `a` (and `b`), and the synapses; (None, ()) if none."""
    shape = a.shape_out
    if kind in PAIRS:
        # PAIBox's lowering swaps a first operand that is a module with the second.
        swapped = kind in ("add", "sub") and hasattr(a, "module_intf")
        return (None, ()) if a is b or swapped else (PAIRS[kind](a, b, **clock), ())
    if kind == "not":
        return pb.BitwiseNOT(a, **clock), ()
    if kind == "dense":
        made = pb.IF(8, int(rng.integers(2, 9)), 0, **clock)
        return made, (pb.FullConn(a, made, weights(rng, int(np.prod(shape)), 8)),)
    if kind in ("if", "lif"):
        return neurons(kind, a, b, clock, rng)
    if min(shape[1:]) < 3:
        return None, ()
    padding = int(rng.integers(0, 2))
    if kind in POOLS:
        window, stride = int(rng.integers(2, 4)), int(rng.integers(1, 3))
        return POOLS[kind](a, window, stride=stride, padding=padding, **clock), ()
    sizes = [n + 2 * padding - 2 for n in shape[1:]]
    made = pb.IF((2, *sizes), 3, 0, **clock)
    return made, (pb.Conv2d(a, made, weights(rng, 2, shape[0], 3, 3), padding=padding),)


def neurons(kind, a, b, clock, rng):
    shape, threshold = a.shape_out, int(rng.integers(1, 4))
    if kind == "if":
        made = pb.IF(shape, threshold, None if rng.random() < 0.5 else -1, **clock)
    else:
        leak, lowest = int(rng.integers(-1, 2)), int(rng.integers(-3, 1))
        made = pb.LIF(shape, threshold, leak_v=leak, neg_threshold=lowest, **clock)
    sources = [a] if a is b else [a, b]
    one = pb.SynConnType.One2One
    return made, [pb.FullConn(s, made, int(rng.integers(-1, 4)), conn_type=one) for s in sources]


def weights(rng, *shape):
    return rng.integers(-3, 4, shape).astype(np.int8)
