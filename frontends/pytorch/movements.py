"""What torch's functions that only move elements mean: in the sample, over time, in the batch."""

from typing import Any

from attrs import evolve

from snnc.frontends.pytorch.aten import lowers
from snnc.frontends.pytorch.axes import F, Untrackable, feature_index, reshaped, without_time
from snnc.frontends.pytorch.flow import Flow, Ops
from snnc.frontends.pytorch.unroll import unified

SAME = ("clone", "contiguous", "detach", "alias", "lift_fresh", "lift_fresh_copy", "detach_")
CASTS = ("to", "_to_copy", "type_as", "float")
"""ATen functions, whatever overload, that leave the values as they are."""


def same(o: Ops, self: Flow, **rest: Any) -> Flow:
    """The same values."""
    dtype = rest.get("dtype")
    if dtype is not None and str(dtype) != "torch.float32":
        raise o.refuse(
            f"a conversion to {str(dtype).removeprefix('torch.')}, which rounds otherwise",
            "stay with float32",
        )
    return self


@lowers("aten._assert_tensor_metadata.default")
def assertion(o: Ops, a: Any, **rest: Any) -> None:
    """Nothing: torch proves by it what `same` looks at."""


@lowers("aten.zeros_like.default", "aten.full_like.default")
def zeros_like(o: Ops, self: Flow, fill_value: float = 0.0, **rest: Any) -> Flow:
    """Zeros, with which states begin."""
    if fill_value:
        raise o.refuse(f"a tensor filled with {fill_value} as a value", "begin states with zeros")
    zero = o.exprs.make("zero", (), self.expr.shape, o.loc)
    return evolve(self, expr=zero, over="", factor=1.0)


def dropout(o: Ops, input: Flow, p: float, train: bool) -> Flow:
    """Nothing, outside training."""
    if train and p > 0:
        raise o.refuse("dropout in training mode", "call network.eval() first")
    return input


lowers("aten.dropout.default", "aten.feature_dropout.default", "aten.dropout_.default")(dropout)


@lowers("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default")
def view(o: Ops, self: Flow, size: Any = None, shape: Any = None) -> Flow:
    """Row-major reshape; time and batch must stay apart from the sample."""
    return _reshaped(o, self, o.shape)


@lowers("aten.unflatten.int")
def unflatten(o: Ops, self: Flow, dim: int, sizes: Any) -> Flow:
    """One axis becomes several."""
    return _reshaped(o, self, o.shape)


def _reshaped(o: Ops, x: Flow, new: tuple[int, ...]) -> Flow:
    try:
        axes, shape = reshaped(x.axes, x.expr.shape, new, o.sizes)
    except Untrackable as error:
        raise o.tracked(error) from error
    return _with(o, x, axes, shape)


def _with(o: Ops, x: Flow, axes: Any, shape: tuple[int, ...]) -> Flow:
    expr = x.expr
    if shape != expr.shape:
        inner = expr.args[0] if expr.kind == "reshape" else expr
        expr = inner
        if inner.shape != shape:
            expr = o.exprs.make("reshape", (inner,), shape, o.loc)
    return evolve(x, expr=expr, axes=axes)


@lowers("aten.flatten.using_ints")
def flatten(o: Ops, self: Flow, start_dim: int = 0, end_dim: int = -1) -> Flow:
    """Several axes become one."""
    self = o.own(self) if F in self.axes[start_dim % len(self.axes) :] else self
    first, last = start_dim % len(self.axes), end_dim % len(self.axes)
    part = self.axes[first : last + 1]
    if first == last:
        return self
    if all(a == F for a in part):
        begin = feature_index(self.axes, first)
        cut = self.expr.shape[begin : begin + len(part)]
        size = 1
        for n in cut:
            size *= n
        shape = (*self.expr.shape[:begin], size, *self.expr.shape[begin + len(part) :])
        return _with(o, self, (*self.axes[:first], F, *self.axes[last + 1 :]), shape)
    if F in part:
        raise o.refuse("flatten mixes time or batch with the sample", "flatten from start_dim=1")
    merged = tuple(atom for a in part for atom in a)
    return evolve(self, axes=(*self.axes[:first], merged, *self.axes[last + 1 :]))


@lowers("aten.unsqueeze.default")
def unsqueeze(o: Ops, self: Flow, dim: int) -> Flow:
    """A new axis of size 1."""
    place = dim % (len(self.axes) + 1)
    if F not in self.axes[:place]:
        return evolve(self, axes=(*self.axes[:place], (), *self.axes[place:]))
    begin = sum(a == F for a in self.axes[:place])
    shape = (*self.expr.shape[:begin], 1, *self.expr.shape[begin:])
    return _with(o, self, (*self.axes[:place], F, *self.axes[place:]), shape)


@lowers("aten.squeeze.dim", "aten.squeeze.dims", "aten.squeeze.default")
def squeeze(o: Ops, self: Flow, dim: Any = None) -> Flow:
    """Axes of size 1 disappear."""
    size = self.shape(o.sizes)
    given = range(len(size)) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = [d % len(size) for d in given if size[d % len(size)] == 1]
    if any(self.axes[d] not in (F, ()) for d in gone):
        raise o.refuse("squeeze takes the batch or time axis away", "name the axis to squeeze")
    axes = tuple(a for i, a in enumerate(self.axes) if i not in gone)
    cut = {feature_index(self.axes, d) for d in gone if self.axes[d] == F}
    shape = tuple(n for i, n in enumerate(self.expr.shape) if i not in cut)
    return _with(o, self, axes, shape)


@lowers("aten.permute.default")
def permute(o: Ops, self: Flow, dims: Any) -> Flow:
    """Axes in another order."""
    order = [d % len(self.axes) for d in dims]
    axes = tuple(self.axes[d] for d in order)
    mine = tuple(feature_index(self.axes, d) for d in order if self.axes[d] == F)
    if mine == tuple(range(len(mine))):
        return evolve(self, axes=axes)
    shape = tuple(self.expr.shape[i] for i in mine)
    made = o.exprs.make("permute", (self.expr,), shape, o.loc, order=mine)
    return evolve(self, expr=made, axes=axes)


@lowers("aten.transpose.int", "aten.t.default", "aten.numpy_T.default")
def transpose(o: Ops, self: Flow, dim0: int = 0, dim1: int = -1) -> Flow:
    """Two axes change places."""
    if len(self.axes) > 2 and not o.name.startswith("aten.transpose"):
        raise o.refuse(".T of more than two axes", "use permute")
    order = list(range(len(self.axes)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute(o, self, order)


@lowers("aten.movedim.int", "aten.swapaxes.default")
def movedim(o: Ops, self: Flow, source: int, destination: int) -> Flow:
    """One axis moves to another place."""
    order = list(range(len(self.axes)))
    moved = order.pop(source % len(self.axes))
    order.insert(destination % len(self.axes), moved)
    return permute(o, self, order)


@lowers("aten.expand.default", "aten.repeat.default")
def repeated(o: Ops, self: Flow, size: Any = None, repeats: Any = None, **rest: Any) -> Flow:
    """An axis of size 1 repeated as time: the same value at every tick."""
    now, new = self.shape(o.sizes), o.shape
    lead = len(new) - len(now)
    axes = [() for _ in range(lead)] + list(self.axes)
    changed = [i for i, n in enumerate(new) if n != ((1,) * lead + now)[i]]
    if not changed and not lead:
        return self
    if len(changed) > 1 or any(axes[i] != () or new[i] != o.sizes.ticks for i in changed):
        if not self.expr.timed and len(changed) == 0:
            return evolve(self, axes=tuple(axes))
        if all(axes[i] == F for i in changed):
            return _widened(o, self, changed)
        raise o.refuse(f"{o.name} from {list(now)} to {list(new)}", "repeat over time alone")
    for i in changed:
        axes[i] = ("T",)
    if self.expr.timed:
        raise o.refuse("one tick repeated as all", "repeat the input, or run the layers each tick")
    return evolve(self, axes=tuple(axes), tick=None)


def _widened(o: Ops, x: Flow, changed: list[int]) -> Flow:
    """Return x with one axis of size 1 repeated, by putting copies one after the other."""
    axis = feature_index(x.axes, changed[0])
    count = o.shape[changed[0]]
    shape = (*x.expr.shape[:axis], count, *x.expr.shape[axis + 1 :])
    if x.expr.shape[axis] != 1 or len(changed) > 1:
        raise o.refuse(f"{o.name} to {list(o.shape)}", "repeat one axis of size 1")
    made = o.exprs.make("concat", [x.expr] * count, shape, o.loc, axis=axis)
    return evolve(x, expr=made)


@lowers("aten.select.int")
def select(o: Ops, self: Flow, dim: int, index: int) -> Flow:
    """One tick, or one element along an axis of the sample."""
    place = dim % len(self.axes)
    axis = self.axes[place]
    if axis == ("T",):
        tick = index % o.sizes.ticks
        return evolve(self, axes=without_time(self.axes), tick=tick if self.expr.timed else None)
    if axis == ():
        return evolve(self, axes=(*self.axes[:place], *self.axes[place + 1 :]))
    if axis != F:
        raise o.refuse(f"one element of axis {dim}, which holds the batch", "keep the batch whole")
    cut = _sliced(o, self, place, index % self.shape(o.sizes)[place], 1)
    begin = feature_index(self.axes, place)
    shape = (*self.expr.shape[:begin], *self.expr.shape[begin + 1 :])
    return _with(o, cut, (*self.axes[:place], *self.axes[place + 1 :]), shape)


def _sliced(o: Ops, x: Flow, place: int, start: int, count: int) -> Flow:
    axis = feature_index(x.axes, place)
    shape = (*x.expr.shape[:axis], count, *x.expr.shape[axis + 1 :])
    if count == x.expr.shape[axis]:
        return x
    return o.mapped(x, "slice", shape, axis=axis, start=start, stop=start + count)


@lowers("aten.slice.Tensor")
def sliced(
    o: Ops, self: Flow, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Flow:
    """A range of an axis of the sample."""
    place = dim % len(self.axes)
    size = self.shape(o.sizes)[place]
    first, last, _ = slice(start, end).indices(size)
    if (first, last, step) == (0, size, 1):
        return self
    if self.axes[place] != F or step != 1:
        raise o.refuse(
            f"elements {first}:{last}:{step} of axis {dim}, which is time or batch, or with steps",
            "use all ticks: networks run for ever, with the same rule at every tick",
        )
    return _sliced(o, self, place, first, last - first)


@lowers("aten.unbind.int")
def unbind(o: Ops, self: Flow, dim: int = 0) -> list[Flow]:
    """All elements along an axis."""
    count = self.shape(o.sizes)[dim % len(self.axes)]
    return [select(o, self, dim, i) for i in range(count)]


@lowers("aten.split.Tensor", "aten.chunk.default", "aten.split_with_sizes.default")
def split(o: Ops, self: Flow, dim: int = 0, **rest: Any) -> list[Flow]:
    """Parts along an axis of the sample."""
    place = dim % len(self.axes)
    size = self.shape(o.sizes)[place]
    if self.axes[place] != F:
        if self.axes[place] == ("T",) and rest.get("split_size") == 1:
            return [unsqueeze(o, f, place) for f in unbind(o, self, place)]
        raise o.refuse("a split over time or batch", "index single ticks")
    sizes = rest.get("split_sizes")
    if sizes is None:
        part = rest.get("split_size") or -(-size // rest["chunks"])
        sizes = [min(part, size - at) for at in range(0, size, part)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [_sliced(o, self, place, a, n) for a, n in zip(starts, sizes, strict=True)]


@lowers("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def cat(o: Ops, tensors: list[Any], dim: int = 0) -> Flow:
    """Values one after the other: ticks to a train, or along an axis of the sample."""
    flows = [_flow(o, t) for t in tensors]
    place = dim % len(flows[0].axes)
    axis = flows[0].axes[place]
    if axis == ():
        ticks = [f.tick for f in flows if f.expr.timed]
        if o.sizes.ticks > 1 and ticks == list(range(o.sizes.ticks)):
            bare = [evolve(f, axes=(*f.axes[:place], *f.axes[place + 1 :])) for f in flows]
            return stack(o, bare, place)
        flows = [o.own(f) for f in flows]
        axis = flows[0].axes[place]
    if axis != F:
        raise o.refuse("cat along batch or time", "stack the ticks, or concatenate the samples")
    exprs, model = o.joined(flows)
    begin = feature_index(flows[0].axes, place)
    shape = list(exprs[0].shape)
    shape[begin] = sum(e.shape[begin] for e in exprs)
    made = o.exprs.make("concat", exprs, shape, o.loc, axis=begin)
    return evolve(model, expr=made)


def _flow(o: Ops, value: Any) -> Flow:
    if isinstance(value, Flow):
        return value
    raise o.refuse("a constant is joined with values", "give constants as biases")


@lowers("aten.stack.default")
def stack(o: Ops, tensors: list[Any], dim: int = 0) -> Flow:
    """All ticks of one value, in order, are its train."""
    flows = [_flow(o, t) for t in tensors]
    place = dim % (len(flows[0].axes) + 1)
    ticks = [f.tick for f in flows]
    if any(f.over for f in flows) or any(f.axes != flows[0].axes for f in flows):
        raise o.refuse("stack of values with different axes", "stack ticks of one value")
    still = not any(f.expr.timed for f in flows) and len(flows) == o.sizes.ticks
    if not still and ticks != list(range(o.sizes.ticks)):
        raise o.refuse(
            f"stack of ticks {ticks} of {o.sizes.ticks}", "stack every tick of one value, in order"
        )
    canonical, first = unified(o.exprs, [f.expr for f in flows])
    if canonical is None:
        raise o.refuse(
            f"tick {first} is computed in another way than the last one",
            "do the same at every tick",
        )
    axes = (*flows[0].axes[:place], ("T",), *flows[0].axes[place:])
    return evolve(flows[0], expr=canonical, axes=axes, tick=None)
