"""What all parts of a facade network have: name, place in the user's code, values shown last."""

from typing import Any

import numpy as np

from snnc.diagnostics import fail, nearest
from snnc.frontends.paibox.guide.calls import here
from snnc.frontends.paibox.numbers import Shape
from snnc.ir.weights import Array


class Part:
    """An input, neurons or synapses; `shows` names the attributes that a probe can record."""

    shows: tuple[str, ...] = ()

    def __init__(self, name: Any) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise fail("paibox-name", f"{name!r} is no name", here(), help="give a text")
        self.name: str | None = name
        self.loc = here()
        self._shown: dict[str, Array] = {}

    def show(self, values: dict[str, Array]) -> None:
        """Keep the values of the current step."""
        self._shown = values

    def shown(self, attr: str) -> Array:
        """Return a value of the current step, zeros before the first."""
        found = self._shown.get(attr)
        return self.initial(attr) if found is None else found

    def initial(self, attr: str) -> Array:
        """Return the value of an attribute before the first step."""
        raise NotImplementedError

    def check_shows(self, attr: str) -> None:
        """Refuse an attribute that no probe can record."""
        if attr not in self.shows:
            raise fail(
                "paibox-probe",
                f"{type(self).__name__} shows no {attr!r}",
                here(),
                help=nearest(attr, self.shows),
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or self.loc}>"


def flat_or_shaped(values: Array, shape: Shape, keep: bool) -> Array:
    """Return rows `(n, ...)` in their shape, or flat."""
    size = int(np.prod(shape))
    return values.reshape(-1, *shape) if keep else values.reshape(-1, size)
