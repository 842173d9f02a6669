"""How a value reaches a layer: sums of pooled, shifted spike trains, seen without numbers.

A form is what a core can receive: a map of events made of parts. Each part is a source (neurons, or
a train that the host sends), pooled on its way, added to the map from a feature on. Sums overlay
parts, concatenation shifts them, flattening is only a view. Averages are sums with a factor, which
the weights of the reader take over. On a train of the host, all that moves pixels is the pixel
block's (`views`); a mirrored map is written as its rows, or columns, joined backwards.
"""

from attrs import evolve, frozen

from snnc.diagnostics import SnncError, fail
from snnc.ir.analysis import makers
from snnc.ir.graph import Module, Op, Value
from snnc.ir.levels.shapes import Shape
from snnc.targets.dynapcnn.artifact.records import pooled
from snnc.targets.dynapcnn.lowering.views import WHOLE, View
from snnc.targets.dynapcnn.ops import map_of


@frozen
class Part:
    """One source in a form: `pool` is that of neurons, `view` that of a host's train."""

    source: Value
    pool: int = 1
    factor: float = 1.0
    shift: int = 0
    features: int = 1
    view: View = WHOLE


@frozen
class Form:
    """Parts in a map of `map` (features, y, x), seen under another `shape` where flattened."""

    parts: tuple[Part, ...]
    map: Shape
    shape: Shape


class Forms:
    """The forms of a module's values, found on demand."""

    def __init__(self, module: Module) -> None:
        self.makers = makers(module.graph)
        self._known: dict[Value, Form] = {}

    def of(self, value: Value) -> Form:
        """Return the form of a value.

        Raises:
            SnncError: `not-for-cores` for an op between spikes and weights that no core does.
        """
        if value not in self._known:
            self._known[value] = self._find(value)
        return self._known[value]

    def is_train(self, value: Value) -> bool:
        """Whether a value is a spike train by itself: from the host, or of neurons."""
        op = self.makers.get(value)
        return op is None or op.kind in ("neuron", "poisson", "latency", "periodic", "direct")

    def _map(self, value: Value) -> Shape:
        """Return the map of a train: that of its weights' sums for neurons that see it flat."""
        made = self.makers.get(value)
        while made is not None and made.kind in ("neuron", "reshape"):
            made = self.makers.get(made.values[0])
        if made is None or made.kind not in ("conv2d", "linear"):
            return map_of(value.type.shape)
        shape = made.result.type.shape
        return shape if made.kind == "conv2d" else (made.result.type.size, 1, 1)

    def is_neuron(self, value: Value) -> bool:
        """Whether a value is the spikes of neurons."""
        op = self.makers.get(value)
        return op is not None and op.kind == "neuron"

    def _find(self, value: Value) -> Form:
        if self.is_train(value):
            whole = self._map(value)
            return Form((Part(value, features=whole[0]),), whole, value.type.shape)
        op = self.makers[value]
        if op.kind not in _MOVES:
            raise _refuse(op, _REASONS.get(op.kind, f"no core does {op.name}"))
        known = self._merged(op) or self._mirrored(op)
        if known is not None:
            return known
        forms = [self.of(v) for v in op.values]
        if op.kind in ("sum_pool2d", "avg_pool2d"):
            return self._pool(op, forms[0])
        if op.kind == "reshape":
            # Another view of the same map: readers that need the map itself compare the two.
            return Form(forms[0].parts, forms[0].map, tuple(op["shape"]))
        if op.kind == "add":
            return _add(op, forms)
        if op.kind == "concat":
            return _concat(op, forms)
        return self._cut(op, forms[0])

    def _host(self, form: Form) -> Part | None:
        """Return the one train of the host that a form is, with its map as it is, if it is that."""
        part = form.parts[0]
        alone = len(form.parts) == 1 and form.shape == form.map and part.shift == 0
        return part if alone and not self.is_neuron(part.source) else None

    def _pool(self, op: Op, form: Form) -> Form:
        kernel = tuple(op["kernel"])
        stride = tuple(op["stride"]) or kernel
        if stride != kernel:
            raise _refuse(op, f"the stride {list(stride)} is not the window {list(kernel)}")
        if any(op["padding"]) or any(d != 1 for d in op["dilation"]):
            raise _refuse(op, "pooling on the way to a core has no padding and no dilation")
        if form.shape != form.map:
            raise _refuse(op, "pooling comes before a flattening")
        factor = 1.0 / (kernel[0] * kernel[1]) if op.kind == "avg_pool2d" else 1.0
        host = self._host(form)
        if host is not None:
            view = host.view.pooled((kernel[0], kernel[1]), map_of(host.source.type.shape)[1:])
            if view is None:
                raise _refuse(op, f"its windows {list(kernel)} straddle those of the pixel block")
            return _seen(evolve(host, factor=host.factor * factor), view)
        if len(set(kernel)) > 1:
            raise _refuse(op, f"the window {list(kernel)} is not square")
        if any(p.view != WHOLE for p in form.parts):
            raise _refuse(op, "what the pixel block prepares is pooled before it joins others")
        size = kernel[0]
        parts = tuple(evolve(p, pool=p.pool * size, factor=p.factor * factor) for p in form.parts)
        shape = pooled(form.map, size)
        return Form(parts, shape, shape)

    def _cut(self, op: Op, form: Form) -> Form:
        """Return the form behind a crop or a swap of axes, which only the pixel block does."""
        host = self._host(form)
        if host is None:
            raise _refuse(op, "only the pixel block at the input crops maps and swaps their axes")
        if op.kind == "permute":
            if tuple(op["order"]) == (0, 1, 2):
                return form
            if tuple(op["order"]) != (0, 2, 1):
                raise _refuse(op, f"the order {list(op['order'])} is no swap of y and x")
            return _seen(host, host.view.swapped())
        axis, start, stop = op["axis"], op["start"], op["stop"]
        if axis == 0 and (start, stop) != (0, form.map[0]):
            raise _refuse(op, "features can't be left out on the way; the pixel block adds both up")
        if axis == 0:
            return form
        size = map_of(host.source.type.shape)[1:]
        return _seen(host, host.view.cropped(axis - 1, start, stop, size))

    def _slices(self, op: Op, axis: int) -> tuple[Value, list[int]] | None:
        """Return the value whose slices of length 1 along an axis are the operands, and where."""
        cuts = [self.makers.get(value) for value in op.values]
        found = [m for m in cuts if m is not None and m.kind == "slice" and m["axis"] == axis]
        if len(found) < len(cuts) or len({m.values[0] for m in found}) > 1:
            return None
        if any(m["stop"] - m["start"] != 1 for m in found):
            return None
        return found[0].values[0], [m["start"] for m in found]

    def _merged(self, op: Op) -> Form | None:
        """Return the form of a sum of an input's two polarities, if the op is that."""
        slices = self._slices(op, 0) if op.kind == "add" else None
        host = None if slices is None else self._host(self.of(slices[0]))
        if host is None or slices is None or host.view.merge or sorted(slices[1]) != [0, 1]:
            return None
        return _seen(host, evolve(host.view, merge=True))

    def _mirrored(self, op: Op) -> Form | None:
        """Return the form of an input's rows or columns joined backwards, if the op is that."""
        axis = op["axis"] if op.kind == "concat" else 0
        slices = self._slices(op, axis) if axis in (1, 2) and len(op.values) > 1 else None
        host = None if slices is None else self._host(self.of(slices[0]))
        if host is None or slices is None:
            return None
        first, last = slices[1][0], slices[1][-1]
        if slices[1] != list(range(first, last - 1, -1)):
            return None
        size = map_of(host.source.type.shape)[1:]
        view = host.view.cropped(axis - 1, last, first + 1, size)
        return _seen(host, view.mirrored(axis - 1))


def _seen(part: Part, view: View) -> Form:
    """Return the form of a host's train behind the pixel block."""
    shape = view.map(map_of(part.source.type.shape))
    return Form((evolve(part, view=view, features=shape[0]),), shape, shape)


def _add(op: Op, forms: list[Form]) -> Form:
    maps = sorted({f.map for f in forms})
    if len(maps) > 1:
        raise _refuse(op, f"maps of different shapes meet: {', '.join(str(list(m)) for m in maps)}")
    return Form(tuple(p for f in forms for p in f.parts), forms[0].map, forms[0].shape)


def _concat(op: Op, forms: list[Form]) -> Form:
    sizes = {f.map[1:] for f in forms}
    # Maps of one size that are flat one after the other are flat maps joined along their features.
    bent = any(f.shape != f.map for f in forms) and any(len(f.shape) > 1 for f in forms)
    if op["axis"] != 0 or len(sizes) > 1 or (bent and sizes != {(1, 1)}):
        raise _refuse(op, "maps are joined along their features, as maps of one size")
    parts: list[Part] = []
    features = 0
    for form in forms:
        parts += [evolve(p, shift=p.shift + features) for p in form.parts]
        features += form.map[0]
    return Form(tuple(parts), (features, *sizes.pop()), op.result.type.shape)


def _refuse(op: Op, reason: str) -> SnncError:
    return fail("not-for-cores", f"%{op.result.name}: {reason}", op.loc, help=HELP)


HELP = (
    "a core takes sums of spike trains, pooled by squares, joined along features or flattened; "
    "then weights (a convolution or a linear op), then an integrate-and-fire neuron"
)
_MOVES = ("sum_pool2d", "avg_pool2d", "reshape", "add", "concat", "slice", "permute")
_WEIGHTS = "weights are followed by something else than a neuron"
_REASONS = {
    **dict.fromkeys(("conv1d", "conv2d", "linear", "masked_linear", "scale"), _WEIGHTS),
    **dict.fromkeys(("max_pool1d", "max_pool2d"), "no core takes the largest of several spikes"),
    "relu": "a ReLU is no spiking neuron; put an integrate-and-fire neuron in its place",
    "batch_norm": "run fold-norm before",
    "delay": "events of a core arrive at once; no core delays them",
}
