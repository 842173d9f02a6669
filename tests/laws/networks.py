"""Hypothesis strategy: networks that PAICORE should take, built to reach its awkward corners.

`networks()` draws layers with several sources, delays, recurrence, every record field, sizes that
need many cores and long fan-ins, two chips, and runs longer than the input buffer. `features` says
which corners a compiled case has reached.
"""

import numpy as np
from attrs import frozen
from hypothesis import strategies as st

from snnc.ir import Builder, Module, Op, Value, train
from snnc.ir.types import I32, U1
from snnc.ir.weights import Array
from snnc.ir.write import write
from snnc.targets.paicore.neurons.populations import Populations

WIDTHS = {1: (0, 1), 2: (-2, 1), 4: (-8, 7), 8: (-128, 127)}
SMALL = [1, 2, 3, 7, 16, 40]
LARGE = [130, 300, 600, 1300, 2600]
MOST_SYNAPSES = 4_000_000


@frozen(repr=False)
class Case:
    """A module, its inputs `(samples, ticks, *shape)`, and the chips to put it on."""

    module: Module
    inputs: dict[str, Array]
    chips: tuple[tuple[int, int], ...]

    def __repr__(self) -> str:
        return f"ticks {self.ticks}, chips {self.chips}\n{write(self.module, locs=False)}"

    @property
    def ticks(self) -> int:
        """How long the inputs are."""
        return next(iter(self.inputs.values())).shape[1]


@st.composite
def networks(draw: st.DrawFn) -> Case:
    """Draw a case; some are refused for a loop or delay that the chip cannot have."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chips = draw(st.sampled_from([((0, 0),), ((0, 0),), ((0, 0), (0, 1)), ((3, 2), (1, 1))]))
    net = _Net(draw, rng, len(chips))
    for number in range(draw(st.integers(1, 2))):
        net.add_input(number)
    for number in range(draw(st.integers(1, 5))):
        net.add_layer(number)
    ticks = draw(
        st.sampled_from([5, 20, 20, 40, 130, 300])
        if net.synapses < 100_000
        else st.sampled_from([5, 20, 70])
    )
    module = net.finish()
    rate = draw(st.sampled_from([0.05, 0.3, 0.8]))
    inputs = {
        v.name: (rng.random((2, ticks, *v.type.shape)) < rate).astype(np.uint8)
        for v in module.graph.inputs
    }
    return Case(module, inputs, chips)


class _Net:
    """A network in the making."""

    def __init__(self, draw: st.DrawFn, rng: np.random.Generator, chips: int) -> None:
        self.draw, self.rng, self.chips = draw, rng, chips
        self.build = Builder("net", "int")
        self.inputs: list[Value] = []
        self.layers: list[Value] = []
        self.synapses = 0

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def size(self) -> int:
        return self.draw(st.sampled_from(LARGE if self.chance(4) else SMALL))

    def add_input(self, number: int) -> None:
        self.inputs.append(self.build.input(f"x{number}", train(U1, self.size())))

    def connect(self, source: Value, size: int, width: int) -> Value:
        low, high = WIDTHS[width]
        if source.type.size == size and self.chance(4):
            weights = self.rng.integers(low, high, (size,), endpoint=True)
            return self.build.op("scale", source, self.build.weight("w", weights.astype(np.int8)))
        weights = self.rng.integers(low, high, (size, source.type.size), endpoint=True)
        if self.chance(8):
            weights[:] = self.draw(st.sampled_from([low, high]))
        self.synapses += weights.size
        operands = [source, self.build.weight("w", weights.astype(np.int8))]
        if self.chance(4):
            most = self.draw(st.sampled_from([1, 20, 300]))
            bias = self.rng.integers(-most, most, (size,), endpoint=True)
            operands.append(self.build.weight("b", bias, I32))
        sums = self.build.op("linear", *operands)
        late = self.draw(st.integers(1, 9)) if self.chance(12) else 0
        return self.build.op("delay", sums, by=late) if late else sums

    def add_layer(self, number: int) -> None:
        size = self.size()
        sources = self.draw(
            st.lists(st.sampled_from([*self.inputs, *self.layers]), min_size=1, max_size=3)
        )
        sources = [s for s in sources if s.type.size * size < MOST_SYNAPSES] or self.inputs[:1]
        if sources[0].type.size * size >= MOST_SYNAPSES:
            size = 1
        width = self.draw(st.sampled_from([1, 2, 4, 8]))
        if len(set(sources)) < len(sources):
            width = min(width, 4)  # parallel weights add up, and must fit eight bits
        later = self.build.forward(f"s{number}", train(U1, size)) if self.chance(4) else None
        currents = [self.connect(self.delayed(s), size, width) for s in sources]
        if later is not None:
            late = self.build.op("delay", later, by=self.draw(st.integers(1, 4)))
            currents.append(self.connect(late, size, width))
        current = self.build.op("add", *currents) if len(currents) > 1 else currents[0]
        made = self.build.op("neuron", current, name=f"s{number}", **self.attributes(size))
        if later is not None:
            self.build.bind(later, made)
        self.layers.append(made)

    def delayed(self, source: Value) -> Value:
        if not self.chance(3):
            return source
        return self.build.op("delay", source, by=self.draw(st.sampled_from([1, 2, 3, 5, 60])))

    def attributes(self, size: int) -> dict[str, object]:
        """Attributes of a neuron that a record holds."""
        pick = lambda *options: self.draw(st.sampled_from(options))  # noqa: E731
        attrs: dict[str, object] = {
            "threshold": self.parameter(size, 0, pick(3, 40, 500)),
            "reset": pick("soft", "hard", "none"),
            "reset_to": self.parameter(size, -20, 20),
            "leak": pick(0, self.parameter(size, -9, 9)),
            "leak_order": pick("before", "after"),
            "leak_reversal": pick(False, False, True),
            "width": 30,
        }
        if self.chance(2):
            attrs |= {
                "negative": self.parameter(size, 0, 60),
                "negative_mode": pick("floor", "reset"),
            }
        if self.chance(3):
            attrs |= self.beyond_records(size, attrs)
        elif self.chance(5):
            attrs |= {"first": pick(0, 1, 2, 2, 9, 270)}
        if self.chance(5):
            attrs |= {"ticks": pick(1, 6, 15)}
        if self.chips > 1 and self.chance(2):
            attrs["place"] = {"chip": pick(0, 1)}
        return attrs

    def beyond_records(self, size: int, attrs: dict[str, object]) -> dict[str, object]:
        """Return attributes that no record holds, of neurons that have an equivalent."""
        kind = self.draw(
            st.sampled_from(["initial", "late", "amount", "below", "floor", "saturate"])
        )
        if kind == "initial":
            return {"initial": self.parameter(size, -30, 30)}
        attrs.pop("negative", None)
        attrs["leak_reversal"] = False
        if kind == "late":
            first = self.draw(st.sampled_from([1, 4, 9]))
            more = {"leak_order": "before", "threshold": self.parameter(size, 9, 40)}
            return {**more, "initial": self.parameter(size, -30, 8), "first": first}
        if kind == "amount":
            return {"reset": "soft", "reset_by": self.parameter(size, 0, 60)}
        if kind == "below":
            return {"reset": "hard", "threshold": self.parameter(size, -30, 10)}
        if kind == "floor":
            return {"floor": self.parameter(size, -30, -9)}
        low = {"leak": -1, "leak_order": "before", "reset": "hard"}
        return {**low, "overflow": "saturate", "width": 8, "threshold": self.parameter(size, 0, 40)}

    def parameter(self, size: int, low: int, high: int) -> object:
        if self.chance(3):
            return self.build.weight("p", self.rng.integers(low, high, (size,), endpoint=True), I32)
        return self.draw(st.integers(low, high))

    def finish(self) -> Module:
        """Return the last layers, and sometimes one that is also read."""
        chosen = self.layers[-self.draw(st.integers(1, 2)) :]
        if self.chance(3):
            chosen.append(self.draw(st.sampled_from(self.layers)))
        return self.build.finish(*dict.fromkeys(chosen))


def features(case: Case, legal: Module, placed: Module) -> set[str]:
    """Return the corners that a compiled case reaches; `legal` is what was scheduled."""
    cores, layers = list(placed.ops("core")), list(placed.ops("layer"))
    found = {f"reset {op['reset']}" for op in legal.ops("neuron")}
    found |= {
        f"leak {op['leak_order']}" + (" reversal" if op["leak_reversal"] else "")
        for op in legal.ops("neuron")
        if op["leak"] != 0
    }
    found |= {f"bits {op['bits']}" for op in cores}
    found |= {"another zero" for op in layers if op["zero"]}
    found |= {"neurons at rest" for op in legal.ops("neuron") if _rests(op)}
    widest = max(op["extension"] for op in cores)
    populations = Populations(legal)
    edges = [(source, edge) for op in populations.ops for edge, source in populations.feeding(op)]
    by_source: dict[object, set[int]] = {}
    for source, edge in edges:
        by_source.setdefault(source or edge.source, set()).add(edge.delay)
    conditions = {
        "3 cores and more": len(cores) >= 3,
        "wasted cores": any(placed.ops("idle")),
        "axon extension 2X": widest == 2,
        "axon extension 4X and more": widest >= 4,
        "per-neuron parameters": any(op.symbols for op in legal.ops("neuron")),
        "delays above 1": any(edge.delay > 1 for _, edge in edges),
        "two readers at different delays": any(len(d) > 1 for d in by_source.values()),
        "an output that is also read": any(op["copy"] for op in layers),
        "two chips": len({op["at"][:2] for op in cores}) > 1,
        "T L > 256": case.ticks * widest > 256,
        "recurrence": any(
            source is not None
            and source.result in {e.source for e, _ in populations.feeding(source)}
            for source, _ in edges
        ),
        "two populations in a core": len(cores) < len(layers),
        "late start": any(op["first"] for op in cores),
        "stop": any(op["ticks"] for op in cores),
        "constants through synapses": any(".clock" in op["of"] for op in layers),
        "gates": any(".gate" in op["of"] for op in layers),
    }
    return found | {name for name, reached in conditions.items() if reached}


def _rests(op: Op) -> bool:
    added = any(word in op.result.name for word in (".gate", ".relay"))
    return "quiet" in (op["place"] or {}) and not added


WANTED = {
    "another zero",
    "neurons at rest",
    "reset soft",
    "reset hard",
    "reset none",
    "leak before",
    "leak after",
    "leak before reversal",
    "leak after reversal",
    "bits 1",
    "bits 2",
    "bits 4",
    "bits 8",
    "3 cores and more",
    "wasted cores",
    "axon extension 2X",
    "axon extension 4X and more",
    "per-neuron parameters",
    "delays above 1",
    "two readers at different delays",
    "an output that is also read",
    "two chips",
    "T L > 256",
    "recurrence",
    "two populations in a core",
    "late start",
    "stop",
    "constants through synapses",
    "gates",
}
"""What the slow law must have reached."""
