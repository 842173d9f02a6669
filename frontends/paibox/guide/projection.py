"""Input nodes: numbers, arrays, functions, encoders, or nothing until `.input` is set."""

from typing import Any

import numpy as np

from snnc.diagnostics import fail
from snnc.frontends.paibox.guide.calls import here, strict
from snnc.frontends.paibox.guide.encoders import OURS
from snnc.frontends.paibox.guide.environment import FRONTEND_ENV
from snnc.frontends.paibox.guide.parts import Part
from snnc.frontends.paibox.network import Input
from snnc.frontends.paibox.numbers import array_of, shape_of
from snnc.ir.weights import Array


class InputProj(Part):
    """Where data enters a network, with a value at every step."""

    shows = ("feature_map", "output", "spike")

    @strict
    def __init__(
        self, input: Any, shape_out: Any, keep_shape: bool = True, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.shape = shape_of(shape_out, "shape_out", self.loc)
        self.keep_shape = keep_shape
        self.function = input if callable(input) else None
        self._numbers: Array | None = None
        if input is not None and self.function is None:
            self.input = input

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    @property
    def input(self) -> Array | None:
        """The numbers that are given out, or handed to the function or encoder."""
        return self._numbers

    @input.setter
    def input(self, value: Any) -> None:
        if callable(value):
            raise fail(
                "paibox-input",
                f"{self!r}: .input is set to a {type(value).__name__}, not to numbers",
                here(),
                help="a function or an encoder is given to InputProj(...) itself",
            )
        self._numbers = array_of(value, ".input", here())

    @property
    def feature_map(self) -> Array:
        """The value of the last step, in its shape with `keep_shape`."""
        return self.shown("feature_map")

    @property
    def output(self) -> Array:
        """The value of the last step, flat."""
        return self.shown("output")

    spike = output

    def initial(self, attr: str) -> Array:
        """Return zeros."""
        shaped = self.keep_shape and attr == "feature_map"
        return np.zeros(self.shape if shaped else (self.size,), dtype=np.int32)

    def described(self, name: str, encode: bool = False) -> Input:
        """Return the input under the name that it has in a network."""
        encoder = self.function.described() if encode and isinstance(self.function, OURS) else None
        return Input(name, self.shape, self.loc, encoder)

    def restart(self) -> None:
        """Let an encoder that counts its calls begin anew."""
        again = getattr(self.function, "restart", None)
        if again is not None:
            again()

    def value(self) -> Array:
        """Return the value of the current step, of `shape`: integers or booleans.

        Raises:
            SnncError: `paibox-input` where nothing was given, or no whole numbers; `paibox-shape`.
        """
        waits = self.function is None or getattr(self.function, "needs_input", False)
        if self._numbers is None and waits:
            raise fail(
                "paibox-input",
                f"{self!r} has no input",
                self.loc,
                help="set its attribute .input to a number or an array before the run",
            )
        if self.function is not None:
            given = () if self._numbers is None else (self._numbers,)
            return self._whole(FRONTEND_ENV.call(self.function, *given))
        return self._whole(self._numbers)

    def _whole(self, found: Any) -> Array:
        array = array_of(found, f"what {self!r} gives", self.loc)
        if not (array == np.round(array)).all():
            raise fail(
                "paibox-input",
                f"{self!r} gives values of type {array.dtype} that are no whole numbers",
                self.loc,
                help="encode them as spikes, for example with PoissonEncoder",
            )
        if array.dtype.kind == "f":
            array = array.astype(np.int32)
        if array.size not in (1, self.size):
            raise fail(
                "paibox-shape",
                f"{self!r} gives {array.shape}, its shape_out is {self.shape}",
                self.loc,
                help="make the two agree",
            )
        return np.broadcast_to(array.reshape(-1), (self.size,)).reshape(self.shape)
