"""Terms: values of a graph that is being drawn, with + - *, so that equations can be written on."""

import numpy as np
from attrs import frozen

from snnc.ir import Value
from snnc.targets.lynxi.lowering.sketch import Sketch


@frozen
class Term:
    """A value with its sketch; numbers on either side become scalars."""

    # Numbers of numpy leave their operators to this class.
    __array_ufunc__ = None

    s: Sketch
    value: Value

    def _with(self, kind, other, turned=False):
        theirs = other.value if isinstance(other, Term) else self.s.scalar(float(other))
        pair = (theirs, self.value) if turned else (self.value, theirs)
        return Term(self.s, self.s.call(kind, *pair))

    def __add__(self, other):
        return self._with("add", other)

    def __sub__(self, other):
        return self._with("subtract", other)

    def __rsub__(self, other):
        return self._with("subtract", other, True)

    def __mul__(self, other):
        return self._with("multiply", other)

    __radd__, __rmul__ = __add__, __mul__


class Terms:
    """The functions of equations over terms."""

    def fires(self, x, theta):
        return self.over(x - theta)

    def over(self, x):
        return Term(x.s, x.s.bits("greater", x.value, x.s.scalar(0.0)))

    def exp(self, x):
        return Term(x.s, x.s.call("exp", x.value))

    def act(self, name, x):
        kinds = {"relu": "nn.relu", "tanh": "tanh", "sigmoid": "sigmoid"}
        return x if name is None else Term(x.s, x.s.call(kinds[name], x.value))


def per_channel(s, name, values, rank):
    """A parameter with one value per channel of a value of some rank, behind a batch axis."""
    array = np.asarray(values, np.float32).reshape(-1, *[1] * (rank - 2))
    return Term(s, s.param(name, array))
