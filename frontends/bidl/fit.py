"""The two fused ops of the chip for neurons: `cmpandfire` and `resetwithdecay` (BIDL's FIT).

In the vendor's tool chain both are one op, a polynomial inside a window and a constant outside of
it; their stand-ins for PyTorch return their input unchanged. Here they compute:

    cmpandfire(x, theta)                      1 where x > theta, else 0
    resetwithdecay(x, theta, v_0, alpha, beta)
                          alpha x + beta where -100 < x <= theta, else alpha v_0 + beta

A potential of -100 or below is reset as if the neuron had fired, as on the chip. Thresholds and
the other numbers are the same for a whole layer. Networks call them as `torch.ops.custom.*`.
"""

from functools import cache
from typing import Any

from snnc.diagnostics import fail

LOWEST = -100.0
"""Where the window of resetwithdecay begins (BIDL's custom_op_my_lif.py)."""

NAMESPACE = "custom"


class Fitted:
    """The fused ops over tensors."""

    def fires(self, x: Any, theta: Any) -> Any:
        """Return 1 where x > theta."""
        return ops().cmpandfire(x, theta)

    def rest(self, x: Any, theta: Any, v_0: Any, alpha: Any = 1.0, beta: Any = 0.0) -> Any:
        """Return what is kept of x after a reset and a leak."""
        return ops().resetwithdecay(x, theta, v_0, alpha, beta)


def ops() -> Any:
    """Return the namespace that holds the ops, after declaring what nobody has declared."""
    import torch

    declare()
    return getattr(torch.ops, NAMESPACE)


@cache
def declare() -> Any:
    """Declare the ops for tensors and for numbers, once per process; return their library.

    Raises:
        SnncError: `vendor-ops` where the vendor's own library is loaded already.
    """
    import torch

    library = torch.library.Library(NAMESPACE, "FRAGMENT")
    one, many = "Tensor x, {0} theta", "Tensor x, {0} theta, {0} v_0, {1} alpha, {1} beta"
    forms = {
        "cmpandfire": one.format("Tensor"),
        "cmpandfire.Scalar": one.format("Scalar"),
        "resetwithdecay": many.format("Tensor", "Tensor"),
        "resetwithdecay.leak": many.format("Tensor", "Scalar"),
        "resetwithdecay.Scalar": many.format("Scalar", "Scalar"),
    }
    for name, arguments in forms.items():
        function = _fire if name.startswith("cmp") else _reset
        try:
            library.define(f"{name}({arguments}) -> Tensor")
        except RuntimeError as error:
            raise fail(
                "vendor-ops",
                f"{NAMESPACE}::{name} is declared by another library in this process",
                help="read the network in a process that does not load the vendor's libraries",
            ) from error
        library.impl(name, function, "CompositeExplicitAutograd")
        torch.library.register_fake(f"{NAMESPACE}::{name}", _like, lib=library)
    return library


def _fire(x: Any, theta: Any) -> Any:
    import torch

    return torch.gt(x, theta).to(x.dtype)


def _reset(x: Any, theta: Any, v_0: Any, alpha: Any, beta: Any) -> Any:
    import torch

    inside = torch.gt(x, LOWEST) & torch.le(x, theta)
    return torch.where(inside, x, torch.as_tensor(v_0, dtype=x.dtype)) * alpha + beta


def _like(x: Any, *_: Any) -> Any:
    import torch

    return torch.empty_like(x)
