"""What torch's functions over windows mean in one tick: pools, padding with zeros, repeating.

Padding and repeating have no op of their own: they are convolutions whose weights are 0 and 1,
which are exact.
"""

from typing import Any

import numpy as np

from snnc.frontends.pytorch.aten import ints, lowers, times
from snnc.frontends.pytorch.flow import Flow, Ops


def _pool(o: Ops, kind: str, x: Flow, **attrs: Any) -> Flow:
    axes = int(kind[-2])
    x = o.leading(x)
    if attrs.pop("ceil_mode"):
        raise o.refuse(f"{kind} with ceil_mode", "use ceil_mode=False")
    if len(x.expr.shape) != axes + 1:
        raise o.refuse(f"{kind} of {list(x.shape(o.sizes))}", "give it (batch, channels, ...)")
    kernel = ints(attrs.pop("kernel_size"), axes)
    stride = ints(attrs.pop("stride") or kernel, axes)
    given: dict[str, Any] = {"kernel": kernel}
    if stride != kernel:
        given["stride"] = stride
    if any(ints(attrs["padding"], axes)):
        given["padding"] = ints(attrs["padding"], axes)
    if any(d != 1 for d in ints(attrs.get("dilation", 1), axes)):
        given["dilation"] = ints(attrs["dilation"], axes)
    if not attrs.get("count_include_pad", True) and "padding" in given:
        given["count_padding"] = False
    return o.mapped(x, kind, o.shape[1:], **given)


@lowers("aten.avg_pool2d.default")
def avg_pool2d(o: Ops, self: Flow, divisor_override: Any = None, **attrs: Any) -> Flow:
    """Mean over windows; with a divisor of 1 the sum."""
    if divisor_override not in (None, 1):
        made = _pool(o, "sum_pool2d", self, **{**attrs, "count_include_pad": True})
        return times(o, made, 1.0 / divisor_override)
    kind = "sum_pool2d" if divisor_override == 1 else "avg_pool2d"
    if divisor_override == 1:
        attrs["count_include_pad"] = True
    return _pool(o, kind, self, **attrs)


@lowers("aten.avg_pool1d.default")
def avg_pool1d(o: Ops, self: Flow, **attrs: Any) -> Flow:
    """Mean over windows."""
    return _pool(o, "avg_pool1d", self, **attrs)


@lowers("aten.max_pool2d.default", "aten.max_pool1d.default")
def max_pool(o: Ops, self: Flow, **attrs: Any) -> Flow:
    """Greatest of windows."""
    return _pool(o, o.name.split(".")[1], self, **attrs)


@lowers("aten.max_pool2d_with_indices.default", "aten.max_pool1d_with_indices.default")
def max_pool_with_places(o: Ops, self: Flow, **attrs: Any) -> list[Any]:
    """Greatest of windows; where they are has no form, and may not be used."""
    return [_pool(o, o.name.split(".")[1].removesuffix("_with_indices"), self, **attrs), None]


@lowers("aten.adaptive_avg_pool2d.default", "aten.adaptive_avg_pool1d.default")
def adaptive(o: Ops, self: Flow, output_size: Any) -> Flow:
    """Mean over equal windows."""
    return _adaptive(o, "avg", self, output_size)


@lowers("aten.adaptive_max_pool2d.default", "aten.adaptive_max_pool1d.default")
def adaptive_max(o: Ops, self: Flow, output_size: Any) -> list[Any]:
    """Greatest of equal windows."""
    return [_adaptive(o, "max", self, output_size), None]


def _adaptive(o: Ops, which: str, self: Flow, output_size: Any) -> Flow:
    """Pool over equal windows; sizes that do not divide are refused."""
    axes = int(o.name.split(".")[1][-2])
    sizes, out = self.expr.shape[-axes:], ints(output_size, axes)
    if any(n % m for n, m in zip(sizes, out, strict=True)):
        raise o.refuse(
            f"adaptive pooling of {list(sizes)} to {list(out)} has windows of unequal size",
            "use a pool with a kernel that divides",
        )
    kernel = tuple(n // m for n, m in zip(sizes, out, strict=True))
    window = {"kernel_size": kernel, "stride": kernel, "padding": 0, "ceil_mode": False}
    return _pool(o, f"{which}_pool{axes}d", self, **window)


@lowers("aten.pad.default", "aten.constant_pad_nd.default")
def padded(o: Ops, self: Flow, pad: Any, mode: str = "constant", value: Any = None) -> Flow:
    """Zeros around the sample's axes; a convolution with a kernel of one adds them."""
    x = o.leading(self)
    if mode != "constant" or value not in (None, 0, 0.0):
        raise o.refuse(f"padding of kind {mode!r} with {value}", "pad with zeros")
    axes = len(x.expr.shape) - 1
    amounts = [(int(a), int(b)) for a, b in zip(pad[::2], pad[1::2], strict=True)][::-1]
    amounts = [(0, 0)] * (axes + 1 - len(amounts)) + amounts
    if axes not in (1, 2) or len(amounts) != axes + 1 or min(min(p) for p in amounts) < 0:
        raise o.refuse(
            f"padding by {list(pad)} of a sample {list(x.expr.shape)}",
            "pad (batch, channels, ...) by amounts >= 0; cut with slices",
        )
    (before, after), *spatial = amounts
    channels = x.expr.shape[0]
    one = np.eye(before + channels + after, channels, -before, dtype=np.float32)
    grouped = not before and not after
    kernel = np.ones((channels, 1), np.float32) if grouped else one
    attrs: dict[str, Any] = {"groups": channels} if grouped and channels > 1 else {}
    padding = (*(a for a, _ in spatial), *(b for _, b in spatial))
    attrs |= {"padding": padding} if any(padding) else {}
    weight = o.weight_of(f"{o.path}.padding", kernel.reshape(*kernel.shape, *(1,) * axes))
    return o.mapped(x, f"conv{axes}d", o.shape[1:], w=weight, **attrs)


@lowers("aten.upsample_nearest1d.vec", "aten.upsample_nearest2d.vec")
def enlarged(o: Ops, input: Flow, output_size: Any = None, scale_factors: Any = None) -> Flow:
    """Every element repeated a whole number of times: a transposed convolution with ones."""
    x = o.leading(input)
    axes = len(x.expr.shape) - 1
    factors = [n / m for n, m in zip(o.shape[-axes:], x.expr.shape[1:], strict=True)]
    exact = scale_factors is None or [float(f) for f in scale_factors] == factors
    if any(f != int(f) or f < 1 for f in factors) or not exact:
        raise o.refuse(
            f"{list(x.expr.shape[1:])} repeated to {list(o.shape[-axes:])}",
            "repeat every element a whole number of times",
        )
    kernel = tuple(int(f) for f in factors)
    channels = x.expr.shape[0]
    attrs: dict[str, Any] = {"groups": channels} if channels > 1 else {}
    weight = o.weight_of(f"{o.path}.ones", np.ones((channels, 1, *kernel), np.float32))
    return o.mapped(x, f"conv_transpose{axes}d", o.shape[1:], w=weight, stride=kernel, **attrs)
