"""Neuron layers under capture: the opaque ops, and what a layer's replaced forward writes.

A layer that is recognized gets a forward of ours for the time of the capture. It is written with
torch and with ops that `torch.export` can't look into: `neuron` (the update itself), `past` (what a
layer gave at the tick before), `mark` (what it gives, where that is not its spikes) and `delay`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from attrs import define, field

from snnc.diagnostics import UNKNOWN, Location, SnncError, fail, named

ROLES = ("spikes", "v", "i")
"""What `neuron` returns: spikes, the potential after the tick, the synaptic current."""


@define(eq=False)
class Site:
    """One layer with neurons: what it is, and which results of the framework to compare.

    `attrs` are those of `snn.neuron`. `order` says where time and batch stand in its input:
    "step" (one tick), "TB", "BT" or "merged" (batch and time in one axis). `role` is what the
    layer's first result is: spikes, or v for layers that only integrate.
    """

    path: str
    kind: str
    order: str = "step"
    attrs: dict[str, Any] = field(factory=dict)
    role: str = "spikes"
    compared: bool = True
    graded: Any = 1.0
    ticks: int = 0
    batch: int = 0
    place: Location = UNKNOWN

    def refuse(self, what: str, help: str) -> SnncError:
        """Return the error for a layer that has no exact form."""
        message = f"{self.path} ({self.kind}): {what}"
        where = self.place if self.place.known else named(self.path)
        return fail("unsupported-layer", message, where, help=help)

    def neuron(self, x: Any, states: Mapping[str, Any] | None = None, **attrs: Any) -> list[Any]:
        """Return [spikes, v, i] of neurons with these attributes of `snn.neuron`.

        `states` are tensors that the caller hands in for a role, in place of what is kept.
        """
        import torch

        self.attrs = attrs
        given = {k: v for k, v in (states or {}).items() if v is not None}
        key = ",".join([self.path, *given])
        made: list[Any] = torch.ops.snnc.neuron(x, list(given.values()), key)
        return made

    def past(self, like: Any, name: str = "") -> Any:
        """Return this layer's spikes of the tick before, in the shape of `like`; zeros at first.

        With a name it is what `mark` was given under that name.
        """
        import torch

        return torch.ops.snnc.past(like, self.path + name)

    def mark(self, y: Any, name: str = "") -> Any:
        """Return y, which `past` of this layer (and this name) shows at the next tick."""
        import torch

        return torch.ops.snnc.mark(y, self.path + name)

    def number(self, name: str, value: Any) -> Any:
        """Return a parameter as a float, or as an array if it has several values."""
        import numpy as np

        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise self.refuse(
                f"{name} = {value!r} is not a finite number", f"give {name} as a number or tensor"
            )
        array = array.astype(np.float32)
        return float(array.reshape(())) if array.size == 1 else array


@cache
def declare_ops() -> Any:
    """Declare the opaque ops, once per process; return the library that keeps them."""
    import torch

    library = torch.library.Library("snnc", "FRAGMENT")
    library.define("neuron(Tensor x, Tensor[] states, str key) -> Tensor[]")
    library.define("past(Tensor like, str key) -> Tensor")
    library.define("mark(Tensor y, str key) -> Tensor")
    library.define("delay(Tensor x, int by) -> Tensor")

    def neuron(x: Any, states: Sequence[Any], key: str) -> list[Any]:
        return [torch.empty_like(x) for _ in ROLES]

    def past(like: Any, key: str) -> Any:
        return torch.empty_like(like)

    def mark(y: Any, key: str) -> Any:
        return torch.empty_like(y)

    def delay(x: Any, by: int) -> Any:
        return torch.empty_like(x)

    for function in (neuron, past, mark, delay):
        torch.library.register_fake(f"snnc::{function.__name__}", function, lib=library)
    return library
