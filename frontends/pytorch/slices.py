"""A value slice by slice along an axis of the sample: mirrored maps, and sums of channels.

The IR mirrors a map by joining its rows, or columns, backwards, and adds channels up as slices;
targets that prepare pixels recognize both.
"""

from attrs import evolve

from snnc.frontends.pytorch.axes import F, feature_index
from snnc.frontends.pytorch.expr import Expr
from snnc.frontends.pytorch.flow import Flow, Ops


def backwards(o: Ops, x: Flow, place: int) -> Flow:
    """Return a value whose axis `place` runs backwards; refused for time and batch."""
    if x.axes[place] != F:
        raise o.refuse(
            f"axis {place} backwards, which is time or batch",
            "reverse the recording before the network sees it",
        )
    parts = _parts(o, x.expr, feature_index(x.axes, place))[::-1]
    axis = feature_index(x.axes, place)
    made = o.exprs.make("concat", parts, x.expr.shape, o.loc, axis=axis)
    return x if len(parts) == 1 else evolve(x, expr=made)


def channels_added(o: Ops, x: Flow) -> Flow:
    """Return the sum over the first axis of the sample, which stays with length 1."""
    parts = _parts(o, x.expr, 0)
    return evolve(x, expr=o.exprs.make("add", parts, parts[0].shape, o.loc))


def _parts(o: Ops, x: Expr, axis: int) -> list[Expr]:
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    if x.shape[axis] == 1:
        return [x]
    return [
        o.exprs.make("slice", (x,), shape, o.loc, axis=axis, start=n, stop=n + 1)
        for n in range(x.shape[axis])
    ]
