"""What a captured tensor is: an expression per tick, with its axes and, out of a loop, its tick."""

from typing import Any

import numpy as np
from attrs import evolve, frozen

from snnc.diagnostics import Location, SnncError, fail
from snnc.frontends.pytorch.axes import Axes, F, Sizes, Untrackable, shape_of, time_axis
from snnc.frontends.pytorch.expr import Expr, Expressions


@frozen(eq=False)
class Flow:
    """A tensor that depends on the input.

    `tick` is None where time is among the axes, and for values that are the same at every tick.
    `over` is set once the ticks were read out: summed up ("sum"), with the factor on that sum, or
    the greatest of them taken ("max").
    """

    expr: Expr
    axes: Axes
    tick: int | None = None
    over: str = ""
    factor: float = 1.0

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """Return the shape of the tensor."""
        return shape_of(self.axes, self.expr.shape, sizes)


MOVES = ("reshape", "permute", "slice")
"""Kinds that only move elements: they may be done before ticks are read out as well as after."""

LINEAR = (
    "linear",
    "scale",
    *(f"{k}{n}d" for k in ("conv", "conv_transpose", "sum_pool", "avg_pool") for n in (1, 2)),
)
"""Kinds that are linear but for a bias: what they give of a sum is the sum of what they give."""


@frozen(eq=False)
class Ops:
    """What lowering functions work with: the expressions, the sizes and the place of the op.

    `shape` is that of the tensor that the captured op gives.
    """

    exprs: Expressions
    sizes: Sizes
    loc: Location
    path: str
    name: str
    shape: tuple[int, ...] = ()

    def refuse(self, what: str, help: str) -> SnncError:
        """Return the error for a call that has no form here."""
        where = self.path or "the network"
        return fail("unsupported-function", f"{where}: {what}", self.loc, help=help)

    def mapped(self, x: Flow, kind: str, shape: tuple[int, ...], **attrs: Any) -> Flow:
        """Return a flow with an op applied in every tick; the axes stay unless the rank changes."""
        self.before_readout(x, kind, "bias" in attrs)
        made = self.exprs.make(kind, (x.expr,), shape, self.loc, **attrs)
        axes = x.axes
        if len(shape) != len(x.expr.shape):
            lead = tuple(a for a in axes if a != F)
            axes = (*lead, *(F for _ in shape))
        return evolve(x, expr=made, axes=axes)

    def before_readout(self, x: Flow, kind: str, bias: bool = False) -> None:
        """Refuse an op behind a read-out over time that can't be done in every tick before it.

        A mean of ticks that each get the bias has it once; a sum would have it once for each tick.
        """
        if not x.over or kind in MOVES or (x.over == "sum" and kind in LINEAR and not bias):
            return
        if x.over == "sum" and kind in LINEAR:
            if x.factor == 1.0 / self.sizes.ticks:
                return
            raise self.refuse(
                f"{self.name} adds a bias to a sum over time, once for any number of ticks",
                "take the mean over time in place of the sum, or leave the bias out",
            )
        self.only_ticks(x)

    def only_ticks(self, x: Flow) -> None:
        """Refuse a value that was read out over time."""
        if x.over:
            what = "a sum" if x.over == "sum" else "the greatest value"
            raise self.refuse(
                f"{self.name} is applied to {what} over time",
                "do it outside the network: the chip gives the train, the host reads it out",
            )

    def own(self, x: Flow) -> Flow:
        """Return a flow whose axes of size 1 behind time and batch are axes of the sample."""
        count = len(x.axes)
        while count and x.axes[count - 1] in (F, ()):
            count -= 1
        tail = x.axes[count:]
        if () not in tail:
            return x
        rest = iter(x.expr.shape)
        shape = tuple(next(rest) if a == F else 1 for a in tail)
        made = self.exprs.make("reshape", (x.expr,), shape, self.loc)
        return evolve(x, expr=made, axes=(*x.axes[:count], *(F for _ in tail)))

    def leading(self, x: Flow) -> Flow:
        """Return the flow; refuse a layout with more than one axis before the sample's own."""
        x = self.own(x)
        lead = [a for a in x.axes if a != F]
        if F not in x.axes[: len(lead)] and len(lead) == 1:
            return x
        raise self.refuse(
            f"{self.name} needs one axis (of batch, or of batch and time) before the sample's, "
            f"but the tensor is {list(x.shape(self.sizes))}",
            "give the sample a batch axis as its first one: sample[None]",
        )

    def aligned(self, x: Flow, constant: Any) -> Any:
        """Return a constant as it meets the sample, one axis of it or 1 for each of the sample's.

        Torch lines shapes up from the last axis, which need not be the sample's.
        """
        value = constant.detach().cpu() if hasattr(constant, "detach") else constant
        array = np.asarray(value, dtype=np.float32)
        size = x.shape(self.sizes)
        given = (1,) * (len(size) - array.ndim) + array.shape
        own = tuple(n for n, a in zip(given, x.axes, strict=False) if a == F)
        lead = [n for n, a in zip(given, x.axes, strict=False) if a != F]
        fits = all(n in (1, m) for n, m in zip(own, x.expr.shape, strict=False))
        if len(given) != len(size) or any(n != 1 for n in lead) or not fits:
            raise self.refuse(
                f"{self.name} of a tensor {list(size)} with a constant {list(array.shape)}, which "
                "differs over time or batch, or makes the tensor larger",
                "give one number, or a tensor that has the sample's axes alone",
            )
        return array.reshape(own)

    def weight(self, name: str, tensor: Any) -> Any:
        """Return a constant tensor as a weight of the expressions."""
        return self.weight_of(name, tensor.detach().cpu().numpy())

    def weight_of(self, name: str, array: Any) -> Any:
        """Return an array as a weight of the expressions."""
        return self.exprs.weight(name.removeprefix("."), array)

    def joined(self, flows: list[Flow]) -> tuple[list[Expr], Flow]:
        """Return the expressions of values brought to one tick, and a flow with their axes.

        A value of an earlier tick is that value's delay.
        """
        for x in flows:
            self.only_ticks(x)
        ticks = [x.tick for x in flows if x.tick is not None]
        last = max(ticks) if ticks else None
        timed = [time_axis(x.axes) is not None for x in flows if x.expr.timed]
        if last is not None and any(timed):
            raise self.refuse(
                f"{self.name} mixes one tick with a whole train", "index the train at the same tick"
            )
        model = max(flows, key=lambda x: (x.expr.timed, len(x.axes)))
        found = []
        for x in flows:
            late = 0 if x.tick is None or last is None else last - x.tick
            found.append(self.exprs.make("delay", (x.expr,), x.expr.shape, self.loc, by=late))
        for x in flows:
            if x.axes != model.axes and x.expr.timed:
                raise self.refuse(
                    f"{self.name} of tensors {list(x.shape(self.sizes))} and "
                    f"{list(model.shape(self.sizes))} mixes time, batch and sample",
                    "bring both to the same order of axes",
                )
        return found, evolve(model, tick=last)

    def tracked(self, error: Untrackable) -> SnncError:
        """Return the refusal for a movement of axes that cannot be followed."""
        return self.refuse(
            f"{self.name}: {error}", "keep time and batch apart from the axes of the sample"
        )
