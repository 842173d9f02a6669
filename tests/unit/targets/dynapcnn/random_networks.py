"""Random legal networks with what is wanted of the target, and which capabilities they use."""

from typing import Any

import numpy as np
from attrs import field, frozen
from hypothesis import strategies as st

from snnc.ir import Module
from snnc.ir.build import Builder
from snnc.ir.graph import Value
from tests.unit.targets.dynapcnn.networks import neuron, weights

DEVICES = (
    "speck2fmodule",
    "speck2fdevkit:0",
    "speck2edevkit",
    "speck2e",
    "speck2b",
    "speck2cmini",
    "dynapcnndevkit",
)
EXTRAS = DEVICES[:4]


@frozen
class Wish:
    """A network, the device and the target's options; `marks` names what the network uses."""

    module: Module
    device: str
    options: dict[str, Any]
    marks: set[str] = field(factory=set)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """A legal network: entries, views of the pixels, branches, joins, outputs of every kind."""
    made = _Network(draw)
    made.entries()
    if made.one_in(6):
        made.chain()
    else:
        for _ in range(made.pick(3, 4, 5, 2, 1)):
            made.layer()
        if made.spread:
            made.pick(made.star, made.wide, made.layer)()
    module = made.finish()
    return Wish(module, made.device, made.options(), made.marks)


class _Network:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.build = Builder("random", "snn")
        self.seed = draw(st.integers(0, 1 << 20))
        self.device = draw(st.sampled_from(DEVICES))
        self.spread = draw(st.booleans())
        self.scale = self.pick("vendor", "fine")
        self.marks: set[str] = {f"device:{self.device}"}
        self.trains: list[Value] = []
        self.spikes: list[Value] = []
        self.uses: dict[Value, int] = {}
        self.layers = 0
        self.bent = False

    def one_in(self, count: int) -> bool:
        return self.draw(st.integers(1, count)) == count

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def mark(self, name: str, value: Value) -> Value:
        self.marks.add(name)
        return value

    def entries(self) -> None:
        element = self.pick("u1", "u8")
        looks = self.one_in(2)
        features = self.pick(1, 2) if looks else self.pick(1, 2, 3)
        sizes = (8, 10, 12) if looks else (6, 7, 9, 11)
        shape = f"{features}, {self.pick(*sizes)}, {self.pick(*sizes)}"
        x = self.build.input("x", f"{element}[{shape}]~")
        self.trains.append(self.view(x) if looks else x)
        if self.one_in(4):
            other = self.build.input("other", f"u8[1, {self.pick(5, 6)}, {self.pick(5, 6)}]~")
            self.trains.append(self.mark("two entries", other))

    def view(self, x: Value) -> Value:
        """Return what the pixel block makes of an input."""
        pooled = False
        for _ in range(self.draw(st.integers(1, 4))):
            kind = self.pick("merge", "pool", "crop", "mirror", "swap")
            if kind == "merge" and x.type.shape[0] == 2:
                x = self.mark("merge", self.build.op("add", *self.rows(x, 0)))
            elif kind == "pool" and not pooled:
                pooled, kernel = True, self.pick((2, 2), (1, 2), (2, 1))
                op = self.pick("sum_pool2d", "avg_pool2d")
                x = self.mark(f"view {op}", self.build.op(op, x, kernel=kernel))
            elif kind == "crop":
                x = self.crop(x)
            elif kind == "mirror":
                axis = self.pick(1, 2)
                rows = self.rows(x, axis)[::-1]
                x = self.mark("mirror", self.build.op("concat", *rows, axis=axis))
            elif kind == "swap":
                x = self.mark("swap", self.build.op("permute", x, order=(0, 2, 1)))
        return x

    def crop(self, x: Value) -> Value:
        axis = self.pick(1, 2)
        size = x.type.shape[axis]
        if size < 6 or size % 2:
            return x
        start, stop = self.pick((0, size - 2), (2, size), (2, size - 2))
        if stop - start < 4:
            return x
        return self.mark("crop", self.build.op("slice", x, axis=axis, start=start, stop=stop))

    def rows(self, x: Value, axis: int) -> list[Value]:
        places = range(x.type.shape[axis])
        return [self.build.op("slice", x, axis=axis, start=n, stop=n + 1) for n in places]

    def layer(self) -> None:
        free = [v for v in self.spikes if self.uses.get(v, 0) < 2]
        source = self.pick(*self.trains, *free)
        value = source
        if source not in self.trains:
            value = self.joined(self.pooled(source), free)
        self.uses[source] = self.uses.get(source, 0) + 1
        self.spikes.append(self.neurons(value))

    def chain(self) -> None:
        """Layers one behind the other, the last of a few classes."""
        x = self.trains[0]
        for _ in range(self.pick(1, 2)):
            x = self.neurons(x)
            self.spikes.append(x)
            self.uses[x] = 1
        flat = self.build.op("reshape", x, shape=(x.type.size,))
        w = self.build.weight("classes.w", weights(self.seed, self.pick(2, 5, 15), x.type.size))
        self.bent = False
        self.spikes.append(neuron(self.build, self.build.op("linear", flat, w), "classes"))

    def star(self) -> None:
        """Let more layers read one than a core has destinations."""
        source = self.pick(self.spikes[-1], self.trains[0])
        spikes = source is self.spikes[-1]
        for _ in range(self.pick(3, 4)):
            self.uses[source] = self.uses.get(source, 0) + 1
            self.spikes.append(self.neurons(self.pooled(source) if spikes else source))
        self.marks.add("three readers" if spikes else "three readers of an input")

    def pooled(self, value: Value) -> Value:
        if len(value.type.shape) < 3 or min(value.type.shape[1:]) < 4 or self.one_in(2):
            return value
        kind = self.pick("sum_pool2d", "avg_pool2d")
        return self.mark(kind, self.build.op(kind, value, kernel=(2, 2)))

    def joined(self, value: Value, free: list[Value]) -> Value:
        twins = [v for v in free if v.type.shape == value.type.shape]
        if len(value.type.shape) < 3 or not twins or self.one_in(2):
            return value
        other = self.pick(*twins)
        if self.uses.get(other, 0) + (other is value) >= 2:
            return value
        self.uses[other] = self.uses.get(other, 0) + 1
        pair = [self.build.op("sum_pool2d", v, kernel=(1, 1)) for v in (value, other)]
        kind = self.pick("add", "concat")
        return self.mark(kind, self.build.op(kind, *pair))

    def neurons(self, x: Value) -> Value:
        made = self.sums(x)
        name = f"n{self.layers}"
        self.layers += 1
        attrs: dict[str, Any] = {
            "reset": self.pick("soft", "hard"),
            "spike": self.pick("count", "single"),
            "floor": self.pick(-1.0, -0.25, None if self.scale == "fine" else -0.5),
            "threshold": self.pick(1.0, 0.5),
        }
        if len(made.type.shape) == 3 and made.type.shape[1:] != (1, 1) and self.one_in(5):
            self.bent = True
            made = self.mark("flat", self.build.op("reshape", made, shape=(made.type.size,)))
        elif self.one_in(4):
            start = weights(self.seed + 7 * self.layers, *made.type.shape)
            attrs["initial"] = self.build.weight(f"{name}.v", start)
            self.marks.add("initial")
        if self.one_in(4):
            attrs["leak"] = self.pick(-0.05, 0.125)
            self.marks.add("leak")
        self.marks |= {f"{key} {attrs[key]}" for key in ("reset", "spike", "floor")}
        return neuron(self.build, made, name, **attrs)

    def sums(self, x: Value) -> Value:
        name, out = f"n{self.layers}", self.draw(st.integers(1, 4))
        seed = self.seed + self.layers
        if len(x.type.shape) < 3 or self.one_in(5):
            size = x.type.size
            flat = x if x.type.shape == (size,) else self.build.op("reshape", x, shape=(size,))
            w = self.build.weight(f"{name}.w", weights(seed, out, size))
            return self.mark("linear", self.build.op("linear", flat, w))
        channels, height, width = x.type.shape
        attrs: dict[str, Any] = {"stride": (self.pick(1, 2), self.pick(1, 2))}
        attrs["padding"] = (self.pick(0, 1, 2), self.pick(0, 1, 2))
        side = self.draw(st.integers(1, min(3, height, width)))
        kernel = (side, side)
        if self.one_in(5) and min(height, width) >= 3:
            kernel = self.pick((1, 3), (3, 1), (3, 1), (3, 2))
            self.marks.add("kernel not square")
        elif self.one_in(5) and min(height, width) >= 5 and side > 1:
            attrs["dilation"] = (2, 2)
            self.marks.add("dilation")
        if channels > 1 and self.one_in(3):
            attrs["groups"], out, channels = channels, out * channels, 1
            self.marks.add("groups")
        symbols = [self.build.weight(f"{name}.w", weights(seed, out, channels, *kernel))]
        if self.draw(st.booleans()):
            symbols.append(self.build.weight(f"{name}.b", weights(seed + 1, out)))
            self.marks.add("bias")
        return self.build.op("conv2d", x, *symbols, **attrs)

    def wide(self) -> None:
        """Append a layer of more weights than a core has memory for."""
        x = self.spikes[-1]
        self.uses[x] = self.uses.get(x, 0) + 1
        for out in (200, 300):
            flat = self.build.op("reshape", x, shape=(x.type.size,))
            name = f"n{self.layers}"
            w = self.build.weight(f"{name}.w", weights(self.seed, out, x.type.size))
            x = neuron(self.build, self.build.op("linear", flat, w), name)
            self.layers += 1
        self.spikes.append(self.mark("wide", x))

    def finish(self) -> Module:
        ends = [v for v in self.spikes if v not in self.uses]
        outputs = [self.output(v) for v in ends]
        kinds = {(v.type.element, v.type.shape[1:]) for v in outputs}
        if len(outputs) > 1 and len(kinds) == 1 and not self.bent:
            outputs = [
                self.mark("joined outputs", self.build.op("concat", *outputs, name="joined"))
            ]
        first = self.trains[0].type
        if self.one_in(6) and first.element.name in ("u1", "u8") and first.shape[0] < 3:
            outputs.append(self.mark("input returned", self.trains[0]))
        self.ends = ends
        self.plain = outputs == ends
        return self.build.finish(*outputs)

    def output(self, value: Value) -> Value:
        if len(value.type.shape) < 3 or min(value.type.shape[1:]) < 2 or self.one_in(2):
            return value
        kind = self.pick("sum_pool2d", "avg_pool2d")
        name = f"{value.name}.seen"
        return self.mark(f"output {kind}", self.build.op(kind, value, kernel=(2, 2), name=name))

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {"spread": self.spread, "scale": self.scale}
        found["strategy"] = self.pick("vendor", "smallest")
        if self.one_in(4):
            found["monitor"] = ("all",)
        if self.one_in(4) and self.trains[0].type.shape[0] < 3:
            found["pixels"] = True
            self.marks.add("through pixels")
        ends = self.ends
        small = len(ends) == 1 and self.plain and not self.bent and ends[0].type.size <= 15
        if small and self.device in EXTRAS and int(np.prod(ends[0].type.shape[1:])) == 1:
            found["readout"] = True
            self.marks.add("readout")
        return found
