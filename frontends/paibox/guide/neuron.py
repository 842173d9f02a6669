"""Neurons of the guide: `IF`, `LIF`, `TonicSpiking`, `PhasicSpiking`.

Each is a preset of `snnc.frontends.paibox.presets`; called directly it runs on an engine, one step
a call. A threshold fires at or above; `reset_v` resets hard, without it a spike takes the threshold
away.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve

from snnc.diagnostics import fail
from snnc.frontends.paibox.clock import SLOTS
from snnc.frontends.paibox.guide import public
from snnc.frontends.paibox.guide.calls import here, strict
from snnc.frontends.paibox.guide.parts import Part, flat_or_shaped
from snnc.frontends.paibox.network import Population
from snnc.frontends.paibox.numbers import array_of, integer
from snnc.frontends.paibox.presets import neuron
from snnc.frontends.paibox.translate import registers
from snnc.ir.build import Builder
from snnc.ir.graph import Module
from snnc.ir.weights import Array


class Neuron(Part):
    """A group of neurons with equal registers."""

    shows = ("spike", "output", "voltage", "feature_map")

    def __init__(self, kind: str, shape: Any, args: Mapping[str, Any], timing: Any) -> None:
        keep_shape, delay, start, end, name = timing
        super().__init__(name)
        if not isinstance(keep_shape, bool):
            raise fail(
                "paibox-number",
                f"keep_shape = {keep_shape!r} is not True or False",
                self.loc,
                help="write keep_shape=True",
            )
        clock = {"delay": delay, "tick_wait_start": start, "tick_wait_end": end}
        self.population = neuron(kind, name or kind, shape, {**args, **clock}, self.loc)
        self.keep_shape = keep_shape
        self._state: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the group."""
        return self.population.shape

    @property
    def size(self) -> int:
        """Number of neurons."""
        return int(np.prod(self.shape))

    @property
    def voltage(self) -> Array:
        """Potentials after the last step, int32."""
        return self.shown("voltage")

    @property
    def spike(self) -> Array:
        """Spikes of the last step, flat."""
        return self.shown("spike")

    @property
    def output(self) -> Array:
        """The output registers, `(256, neurons)`: what is sent, by slot."""
        return self.shown("output")

    @property
    def feature_map(self) -> Array:
        """Spikes of the last step, in their shape with `keep_shape`."""
        return self.shown("feature_map")

    def initial(self, attr: str) -> Array:
        """Return zeros: potentials start at 0."""
        if attr == "output":
            return np.zeros((SLOTS, self.size), dtype=bool)
        if attr == "spike":
            return np.zeros(self.size, dtype=bool)
        shape = self.shape if self.keep_shape else (self.size,)
        return np.zeros(shape, dtype=np.int32 if attr == "voltage" else bool)

    def described(self, name: str) -> Population:
        """Return the population under the name that it has in a network."""
        return evolve(self.population, name=name, loc=self.loc)

    def reset(self) -> None:
        """Go back to the first step."""
        self._state = None
        self.show({})

    @strict
    def __call__(self, x: Any) -> Array:
        """Work for one step on currents `x` (a number, or one per neuron); return the spikes.

        A single neuron returns an array without axes, which an element of another can be set to.
        """
        ran = public.run(self._alone(), {"x": self._currents(x)}, 1, self._state, ("n.v",))
        self._state = ran.state
        spikes = ran.outputs["n"][0].astype(bool)
        shaped, voltage = (self._one_step(rows) for rows in (spikes, ran.trace["n.v"][0]))
        self.show({"spike": spikes.reshape(-1), "feature_map": shaped, "voltage": voltage})
        return shaped

    def _one_step(self, rows: Array) -> Array:
        shaped: Array = flat_or_shaped(rows, self.shape, self.keep_shape)[0]
        return shaped.reshape(()) if self.shape == (1,) else shaped

    def _currents(self, x: Any) -> Array:
        array = array_of(x, "the input", here())
        if array.dtype.kind not in "biu" or array.size not in (1, self.size):
            raise fail(
                "paibox-shape",
                f"{array.size} inputs of type {array.dtype} cannot feed {self.size} neurons",
                here(),
                help=f"give one integer, or {self.size} of them",
            )
        flat = np.broadcast_to(array.reshape(-1), (self.size,))
        return flat.reshape(1, 1, *self.shape).astype(np.int32)

    def _alone(self) -> Module:
        build = Builder("neuron", "int", loc=self.loc)
        x = build.input("x", f"i32[{', '.join(map(str, self.shape))}]~")
        return build.finish(build.op("neuron", x, name="n", **registers(build, self.population)))


class IF(Neuron):
    """Integrate and fire."""

    @strict
    def __init__(
        self,
        shape: Any,
        threshold: Any,
        reset_v: Any = None,
        *,
        keep_shape: bool = False,
        delay: int = 1,
        tick_wait_start: int = 1,
        tick_wait_end: int = 0,
        name: str | None = None,
    ) -> None:
        args = {"threshold": threshold, "reset_v": reset_v}
        timing = (keep_shape, delay, tick_wait_start, tick_wait_end, name)
        super().__init__("IF", shape, args, timing)


class LIF(Neuron):
    """Leaky integrate and fire: `leaky_v` is added at every step, so a negative one is a decay."""

    @strict
    def __init__(
        self,
        shape: Any,
        threshold: Any,
        reset_v: Any = None,
        leaky_v: Any = 0,
        *,
        keep_shape: bool = False,
        delay: int = 1,
        tick_wait_start: int = 1,
        tick_wait_end: int = 0,
        name: str | None = None,
    ) -> None:
        args = {"threshold": threshold, "reset_v": reset_v, "leak_v": leaky_v}
        timing = (keep_shape, delay, tick_wait_start, tick_wait_end, name)
        super().__init__("LIF", shape, args, timing)


class TonicSpiking(Neuron):
    """Fires at every `fire_step`-th spike."""

    @strict
    def __init__(
        self,
        shape: Any,
        fire_step: Any,
        *,
        keep_shape: bool = False,
        delay: int = 1,
        tick_wait_start: int = 1,
        tick_wait_end: int = 0,
        name: str | None = None,
    ) -> None:
        timing = (keep_shape, delay, tick_wait_start, tick_wait_end, name)
        super().__init__("TonicSpiking", shape, {"fire_step": fire_step}, timing)


class PhasicSpiking(Neuron):
    """Fires once after `time_to_fire` spikes, then rests at minus `neg_floor`."""

    @strict
    def __init__(
        self,
        shape: Any,
        time_to_fire: Any,
        neg_floor: Any = 10,
        *,
        keep_shape: bool = False,
        delay: int = 1,
        tick_wait_start: int = 1,
        tick_wait_end: int = 0,
        name: str | None = None,
    ) -> None:
        floor = -abs(integer(neg_floor, "neg_floor"))
        args = {"fire_step": time_to_fire, "neg_floor": floor}
        timing = (keep_shape, delay, tick_wait_start, tick_wait_end, name)
        super().__init__("PhasicSpiking", shape, args, timing)
