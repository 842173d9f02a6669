"""Hypothesis strategies: random well-typed modules, their weights and their inputs.

`modules("int")` draws modules that `verify` accepts and that every engine can run for up to
`TICKS` ticks: magnitudes are bounded while the graph grows, so that no sum leaves 32 bits. Knobs:

- `layers`: how many neuron ops at most; `kinds`: which other ops may occur (None: all there are);
- `neuron`: strategies by attribute name that replace those of `NEURON`; `just(None)` drops one;
- `recurrence`, `symbols` (per-channel and per-neuron parameters), `encoders`: on or off;
- `dims`: sizes of the axes; `ranks`: how many axes inputs have; `outputs`: how many at most;
- `weight_range`: smallest and largest integer weight.
"""

import numpy as np
from attrs import field, frozen
from hypothesis import strategies as st

from snnc.ir import Builder, Value, train
from snnc.ir.types import F32, I8, I32, U1, smallest_weight

TICKS = 64
SMALL = 1 << 18
"""A larger magnitude goes into a neuron before it is summed again."""


def arrays(shape, low, high, sparse=True):
    """Integer arrays; a third are sparse if they may be, so that zeros occur in numbers."""

    def make(seed, thin):
        rng = np.random.default_rng(seed)
        values = rng.integers(low, high, shape, endpoint=True)
        return values * (rng.random(shape) < 0.4) if thin else values

    return st.builds(make, st.integers(0, 2**32 - 1), st.sampled_from([False, False, sparse]))


def weights(shape, level, weight_range=(-8, 7)):
    """Weights of a level: small integers, or thirds, sevenths and dyadic fractions of them."""
    whole = arrays(shape, *weight_range)
    if level == "int":
        return whole
    return st.builds(lambda a, n: (a / n).astype(np.float32), whole, st.sampled_from([1, 3, 7, 8]))


@st.composite
def spikes(draw, module, samples=2, ticks=8):
    """Inputs by name: trains `(samples, ticks, *shape)`, constants `(samples, *shape)`."""
    made = {}
    for value in module.graph.inputs:
        lead = (samples, ticks) if value.type.timed else (samples,)
        seed = draw(st.integers(0, 2**32 - 1))
        rate = draw(st.sampled_from([0.5, 0.9, 0.1, 1.0, 0.0]))
        rng, element = np.random.default_rng(seed), value.type.element
        chosen = rng.random((*lead, *value.type.shape))
        if element.is_float:
            made[value.name] = chosen.astype(element.storage)
        else:
            made[value.name] = (chosen < rate).astype(element.storage)
    return made


SIGNED = st.integers(-20, 20)
FRACTIONS = st.sampled_from([0.0, 0.1, 0.5, 0.875, 0.9, 1.0])
REALS = st.sampled_from([-1.0, -0.3, 0.0, 0.1, 0.5, 1.0, 2.0])
SIZES = st.one_of(st.none(), st.integers(0, 20))
_TIMES = {
    "max_count": st.sampled_from([1, 3, 255, 65535]),
    "first": st.integers(0, 3),
    "ticks": st.sampled_from([0, 0, 1, 5]),
    "potential": st.booleans(),
}

NEURON = {
    "int": {
        "threshold": st.one_of(st.integers(1, 6), st.integers(1, 60)),
        "reset": st.sampled_from(["soft", "hard", "none"]),
        "reset_to": SIGNED,
        "leak": st.one_of(st.integers(-2, 2), SIGNED),
        "leak_order": st.sampled_from(["before", "after"]),
        "leak_reversal": st.booleans(),
        "negative": SIZES,
        "negative_mode": st.sampled_from(["floor", "reset"]),
        "floor": st.one_of(st.none(), st.integers(-60, 0)),
        "spike": st.sampled_from(["single", "count", "value"]),
        "truncate": st.integers(0, 29),
        "memory": st.sampled_from(["keep", "keep", "clear"]),
        "initial": SIGNED,
        "width": st.sampled_from([8, 16, 24, 30, 32]),
        "overflow": st.sampled_from(["error", "wrap", "saturate", "wrap-paibox"]),
        **_TIMES,
    },
    "snn": {
        "decay": FRACTIONS,
        "leak_to": REALS,
        "gain": FRACTIONS,
        "leak": REALS,
        "filter": st.sampled_from(["none", "before", "after", "whole"]),
        "filter_decay": FRACTIONS,
        "threshold": st.sampled_from([0.3, 1.0, 2.5]),
        "compare": st.sampled_from(["ge", "gt"]),
        "spike": st.sampled_from(["single", "count"]),
        "reset": st.sampled_from(["soft", "hard", "none"]),
        "reset_to": REALS,
        "reset_by": st.one_of(st.none(), st.sampled_from([0.25, 1.0])),
        "reset_time": st.sampled_from(["now", "before", "after"]),
        "floor": st.one_of(st.none(), st.sampled_from([-2.0, -0.5, 0.0])),
        "initial": REALS,
        **_TIMES,
    },
}


@frozen
class Growing:
    """A module in the making: what each value is bounded by, and how to draw."""

    draw: object
    build: Builder
    kinds: tuple | None
    neuron: dict
    symbols: bool
    weight_range: tuple
    bounds: dict = field(factory=dict)

    @property
    def level(self):
        return self.build.level

    def pick(self, values):
        return self.draw(st.sampled_from(list(values)))

    def weight(self, name, shape, element=None, low=None, high=None):
        """A new weight; returns its symbol and the largest sum of magnitudes of an output row."""
        if element is not None:
            array = self.draw(arrays(shape, low, high, sparse=False))
            return self.build.weight(name, array, element), 1
        array = self.draw(weights(shape, self.level, self.weight_range))
        if self.level == "snn":
            return self.build.weight(name, array, F32), int(abs(array).sum()) + 1
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        return self.build.weight(name, array, smallest_weight(low, high)), int(abs(array).sum())

    def add(self, kind, *operands, bound, **attrs):
        value = self.build.op(kind, *operands, **attrs)
        self.bounds[value] = max(bound, 1)
        return value

    def wants(self, *kinds):
        """Which of some kinds of op may occur."""
        return [kind for kind in kinds if self.kinds is None or kind in self.kinds]


JOINS = ("add", "sub", "concat")
MOVES = ("reshape", "permute", "slice", "delay")
FLOATS = ("relu", "batch_norm")


def _linear(g, x):
    size = x.type.shape[-1]
    out = g.draw(st.integers(1, 5))
    masked = g.pick(g.wants("linear", "masked_linear")) == "masked_linear"
    w, gain = g.weight("w", (out, size))
    if masked:
        mask, _ = g.weight("mask", (out, size), U1, 0, 1)
        return g.add("masked_linear", x, w, mask, bound=g.bounds[x] * gain)
    return g.add("linear", x, w, *_bias(g, out), bound=g.bounds[x] * gain + 20)


def _bias(g, channels):
    if not g.draw(st.booleans()):
        return ()
    element = I8 if g.level == "int" else F32
    return (g.weight("b", (channels,), element, -20, 20)[0],)


def _scale(g, x):
    shape = g.pick([(), x.type.shape[:1], x.type.shape])
    w, gain = g.weight("w", shape)
    return g.add("scale", x, w, bound=g.bounds[x] * gain)


def _conv(g, x):
    axes = len(x.type.shape) - 1
    channels = x.type.shape[0]
    groups = channels if g.draw(st.booleans()) else 1
    kernel = tuple(g.draw(st.integers(1, n)) for n in x.type.shape[1:])
    out = groups * g.draw(st.integers(1, 2))
    w, gain = g.weight("w", (out, channels // groups, *kernel))
    attrs = {
        "stride": [g.draw(st.integers(1, 2)) for _ in kernel],
        "padding": [g.draw(st.integers(0, 2)) for _ in range(g.pick([1, 2]) * axes)],
        "groups": groups,
    }
    bound = g.bounds[x] * gain + 20
    return g.add(f"conv{axes}d", x, w, *_bias(g, out), bound=bound, **attrs)


def _transposed(g, x):
    axes, channels = len(x.type.shape) - 1, x.type.shape[0]
    kernel = tuple(g.draw(st.integers(1, 2)) for _ in range(axes))
    w, gain = g.weight("w", (channels, g.draw(st.integers(1, 2)), *kernel))
    stride = [g.draw(st.integers(1, 2)) for _ in kernel]
    return g.add(f"conv_transpose{axes}d", x, w, bound=g.bounds[x] * gain, stride=stride)


def _pools(g, axes):
    kinds = ["sum", "max"] + (["avg"] if g.level == "snn" else [])
    return [f"{kind}_pool{axes}d" for kind in kinds]


def _pool(g, x):
    axes = len(x.type.shape) - 1
    kernel = [g.draw(st.integers(1, n)) for n in x.type.shape[1:]]
    kind = g.pick(g.wants(*_pools(g, axes)))
    attrs = {"kernel": kernel, "padding": [g.draw(st.integers(0, k // 2)) for k in kernel]}
    if g.draw(st.booleans()):
        attrs["stride"] = [g.draw(st.integers(1, 2)) for _ in kernel]
    return g.add(kind, x, bound=g.bounds[x] * int(np.prod(kernel)), **attrs)


def _join(g, x):
    alike = [v for v in g.bounds if v.type.shape == x.type.shape and g.bounds[v] <= SMALL]
    kind = g.pick(g.wants(*JOINS))
    same = [v for v in alike if kind != "concat" or v.type.element == x.type.element]
    other = g.pick(same)
    return g.add(kind, x, other, bound=g.bounds[x] + g.bounds[other])


def _move(g, x):
    shape = x.type.shape
    axis = g.draw(st.integers(0, len(shape) - 1))
    start = g.draw(st.integers(0, shape[axis] - 1))
    stop = g.draw(st.integers(start + 1, shape[axis]))
    flat = [int(np.prod(shape))] if len(shape) > 1 else [1, *shape]
    attrs = {
        "reshape": {"shape": flat},
        "permute": {"order": g.draw(st.permutations(range(len(shape))))},
        "slice": {"axis": axis, "start": start, "stop": stop},
        "delay": {"by": g.draw(st.integers(1, 4))},
    }
    kind = g.pick(g.wants(*MOVES))
    return g.add(kind, x, bound=g.bounds[x], **attrs[kind])


def _float_only(g, x):
    kind = g.pick(g.wants(*FLOATS))
    if kind == "relu":
        return g.add("relu", x, bound=g.bounds[x])
    channels = x.type.shape[:1]
    constants = [g.weight(n, channels, F32, 0, 3)[0] for n in ("mean", "var", "gamma", "beta")]
    return g.add("batch_norm", x, *constants, bound=g.bounds[x] * 1000, epsilon=0.01)


def _step(g):
    """Add one op between neurons, or none where no wanted kind fits."""
    x = g.pick(v for v in g.bounds if g.bounds[v] <= SMALL)
    axes = len(x.type.shape) - 1
    table = [
        (_join, JOINS),
        (_move, MOVES),
        (_float_only, FLOATS if g.level == "snn" else ()),
        (_linear, ("linear", "masked_linear")),
        (_scale, ("scale",)),
        (_pool, _pools(g, axes)),
        (_conv, (f"conv{axes}d",)),
        (_transposed, (f"conv_transpose{axes}d",)),
    ]
    makers = [maker for maker, kinds in table if g.wants(*kinds)]
    if axes not in (1, 2):
        makers = [maker for maker in makers if maker not in (_pool, _conv, _transposed)]
    return g.pick(makers)(g, x) if makers else None


def _attributes(g, shape):
    """Attributes of a neuron, each left out half of the time."""
    attrs = {}
    for name, strategy in (NEURON[g.level] | g.neuron).items():
        required = name == "threshold" or name in g.neuron
        if required or g.draw(st.booleans()):
            attrs[name] = g.draw(strategy)
    if attrs.get("overflow", "error") == "error" and "width" not in g.neuron:
        attrs.pop("width", None)  # all of 32 bits, which bounded magnitudes never fill
    if g.level == "int" and attrs.get("spike", "single") != "count" and "reset_by" not in g.neuron:
        attrs["reset_by"] = g.draw(SIZES)
    if g.symbols and g.draw(st.booleans()):
        element = I32 if g.level == "int" else F32
        attrs["threshold"], _ = g.weight(
            "t", g.pick([(1,), shape[:1], shape]), element, 1, g.pick([6, 60])
        )
    return attrs


def _neuron(g, x, **changes):
    attrs = _attributes(g, x.type.shape) | changes
    value = g.add("neuron", x, bound=1, **attrs)
    op = g.build.ops[-1]
    g.bounds[value] = {"single": 1, "count": op["max_count"], "value": 255}[op["spike"]]
    return value


def _loop(g):
    """Add a neuron that reads its own spikes of an earlier tick."""
    x = g.pick(v for v in g.bounds if g.bounds[v] <= SMALL)
    size = x.type.shape[-1]
    later = g.build.forward("again", train(U1, *x.type.shape))
    g.bounds[later] = 1
    back = g.add("delay", later, bound=1, by=g.draw(st.integers(1, 3)))
    w, gain = g.weight("back", (size, size))
    fed = g.add("linear", back, w, bound=gain)
    joined = g.add("add", x, fed, bound=g.bounds[x] + gain)
    made = _neuron(g, joined, spike="single")
    del g.bounds[later]
    g.build.bind(later, made)
    return made


def _input(g, number, shape, encoders):
    if not (encoders and g.draw(st.booleans())):
        value = g.build.input(f"x{number}", train(U1, *shape))
        g.bounds[value] = 1
        return
    image = g.build.input(f"x{number}", f"f32[{', '.join(map(str, shape))}]")
    kind, attrs = g.pick(
        [
            ("poisson", {"seed": g.draw(st.integers(0, 99))}),
            ("latency", {"ticks": g.draw(st.integers(2, 9)), "curve": g.pick(["linear", "log"])}),
        ]
    )
    g.add(kind, image, bound=1, **attrs)


@st.composite
def modules(
    draw,
    level="int",
    *,
    layers=3,
    inputs=2,
    outputs=2,
    dims=(1, 5),
    ranks=(1, 2, 3),
    kinds=None,
    neuron=None,
    recurrence=True,
    symbols=True,
    encoders=False,
    weight_range=(-8, 7),
):
    """Well-typed modules of level `snn` or `int`; see the head of this file for the knobs."""
    build = Builder("random", level)
    g = Growing(draw, build, kinds, neuron or {}, symbols, weight_range)
    for number in range(draw(st.integers(1, inputs))):
        rank = draw(st.sampled_from(ranks))
        _input(g, number, tuple(draw(st.integers(*dims)) for _ in range(rank)), encoders)
    made: list[Value] = []
    for _ in range(draw(st.integers(1, layers))):
        if recurrence and draw(st.integers(0, 3)) == 0:
            made.append(_loop(g))
            continue
        found = [_step(g) for _ in range(draw(st.integers(1, 3)))]
        found = [v for v in found if v is not None] or list(g.bounds)
        made.append(_neuron(g, draw(st.sampled_from(found))))
    count = draw(st.integers(1, min(outputs, len(made))))
    return build.finish(*made[len(made) - count :])
