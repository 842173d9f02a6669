"""The configuration tree of the vendor's objects, attribute by attribute, from records and back.

Names, nesting and index order are those of the vendor's Python classes (dynapcnn.md, section 2):
arrays are [feature][x][y], pairs have `x` and `y`. What the network does not determine is the
default that the documents give; the vendor's own defaults of unused cores are not published.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from snnc.ir.weights import Array
from snnc.targets.dynapcnn.artifact.records import Core, Destination, Pixels, Placed, Shape, windows
from snnc.targets.dynapcnn.limits import LIMITS, Chip

Tree = dict[str, Any]


def tree(placed: Placed, chip: Chip) -> Tree:
    """Return the whole configuration of a placed network as plain data and arrays."""
    cores = placed.by_number
    layers = [_layer(cores.get(n), chip) for n in range(chip.cores)]
    made: Tree = {"cnn_layers": layers, "dvs_layer": _dvs(placed.pixels)}
    readout = any(core.readout for core in placed.cores)
    return made | _blocks(readout) if chip.extras else made


def _blocks(readout: bool) -> Tree:
    off = dict.fromkeys
    return {
        "dvs_filter": {
            **off(("enable", "hot_pixel_filter_enable", "internal_slow_clk"), False),
            "low_pass_mode_enable": False,
            "filter_size": {"x": 0, "y": 0},
            "threshold": 0,
        },
        "readout": {
            "enable": readout,
            **off(("internal_slow_clk", "low_pass_filter32_not16"), False),
            **off(("low_pass_filter_disable", "monitor_enable", "override_threshold_max"), False),
            "readout_pin_monitor_enable": False,
            **off(("output_mode_sel", "output_neuron_num"), 0),
            **off(("readout_configuration_sel", "threshold"), 0),
        },
        "factory_config": {"io_sel": 0, "internal_slow_clk_divider": 14},
    }


def _layer(core: Core | None, chip: Chip) -> Tree:
    made = _unused() if core is None else _used(core)
    if chip.extras:
        made |= dict.fromkeys(
            ("input_congestion_balancer_enable", "output_decimator_enable"), False
        )
        made |= {"leak_internal_slow_clk_enable": False, "output_decimator_interval": 0}
    if chip.kill_bits:
        made |= _kill_bits(core)
    return made


def _kill_bits(core: Core | None) -> Tree:
    """Return which entries of the memories are disabled: weights and biases of 0."""
    names = ("weights_kill_bit", "biases_kill_bit", "neurons_value_kill_bit")
    if core is None:
        return {name: [] for name in names}
    none = np.zeros(core.output, dtype=bool)
    kept = (_x_first(core.weights) == 0, _bias(core) == 0, _x_first(none))
    return dict(zip(names, kept, strict=True))


def _x_first(array: Array) -> Array:
    return np.swapaxes(array, -1, -2)


def _bias(core: Core) -> Array:
    return np.zeros(core.output[0], dtype=np.int64) if core.bias is None else core.bias


def _used(core: Core) -> Tree:
    initial = np.zeros(core.output, dtype=np.int64) if core.initial is None else core.initial
    return {
        "biases": _bias(core),
        "destinations": _destinations(core.destinations, core.readout),
        "dimensions": {
            "input_shape": _shape(core.input),
            "output_shape": _shape(core.output),
            "kernel_size": core.kernel,
            "stride": _pair(core.stride),
            "padding": _pair(core.padding),
        },
        "leak_enable": core.bias is not None,
        "monitor_enable": core.monitor,
        "neurons_initial_value": _x_first(initial),
        "return_to_zero": core.return_to_zero,
        "threshold_high": core.high,
        "threshold_low": core.low,
        "weights": _x_first(core.weights),
    }


def _unused() -> Tree:
    return {
        "biases": [],
        "destinations": _destinations(()),
        "dimensions": {
            "input_shape": _shape((0, 0, 0)),
            "output_shape": _shape((0, 0, 0)),
            "kernel_size": 1,
            "stride": _pair((1, 1)),
            "padding": _pair((0, 0)),
        },
        **dict.fromkeys(("leak_enable", "monitor_enable", "return_to_zero"), False),
        **dict.fromkeys(("threshold_high", "threshold_low"), 0),
        "neurons_initial_value": [],
        "weights": [],
    }


def _pair(pair: Shape) -> Tree:
    return {"x": pair[1], "y": pair[0]}


def _shape(shape: Shape) -> Tree:
    return {"feature_count": shape[0], "size": _pair(shape[1:])}


def _destinations(sent: tuple[Destination, ...], readout: bool = False) -> list[Tree]:
    to_block = (Destination(LIMITS.readout_layer),) if readout else ()
    made = [
        {"layer": to.core, "enable": True, "pooling": to.pool, "feature_shift": to.shift}
        for to in (*sent, *to_block)
    ]
    free = {"layer": 0, "enable": False, "pooling": 1, "feature_shift": 0}
    return made + [dict(free) for _ in range(LIMITS.destinations - len(made))]


def _dvs(pixels: Pixels | None) -> Tree:
    last = LIMITS.dvs_size - 1
    set_ = pixels or Pixels("", False, (1, 1), (0, 0), (last, last))
    sent = [{"layer": to.core, "enable": True} for to in set_.destinations]
    free = [{"layer": 0, "enable": False}] * (LIMITS.dvs_destinations - len(sent))
    return {
        "merge": set_.merge,
        "mirror": {"x": set_.mirror[1], "y": set_.mirror[0]},
        "mirror_diagonal": set_.swap,
        "pooling": _pair(set_.pool),
        "origin": _pair(set_.origin),
        "cut": _pair(set_.last),
        "pass_sensor_events": set_.sensor,
        "monitor_enable": set_.monitor,
        "destinations": sent + [dict(one) for one in free],
        **dict.fromkeys(("on_channel", "off_channel"), True),
        "raw_monitor_enable": False,
    }


def misfits(found: Any, template: Any, path: str = "") -> Iterator[str]:
    """Yield where a configuration has other attributes, or other kinds of values, than it should.

    Arrays are judged when they are read.
    """
    if isinstance(template, dict):
        odd = sorted(set(template) ^ set(found)) if isinstance(found, dict) else [path]
        for key in odd:
            known = "has no" if key in template else "has an unknown"
            yield f"{path or 'it'} {known} attribute {key!r}"
        for key in () if odd else template:
            yield from misfits(found[key], template[key], f"{path}.{key}" if path else key)
    elif isinstance(template, list) and template:
        if not isinstance(found, list) or len(found) != len(template):
            yield f"{path} is no list of {len(template)}"
            return
        for number, (one, wanted) in enumerate(zip(found, template, strict=True)):
            yield from misfits(one, wanted, f"{path}[{number}]")
    elif type(found) is not type(template):
        yield f"{path} = {found!r} is no {type(template).__name__}"


def read_core(
    layer: Mapping[str, Any], number: int, name: str, shape: Shape, spike: tuple[str, int]
) -> Core:
    """Return the record of a configured core; errors of Python for what has another structure."""
    dimensions = layer["dimensions"]
    initial = _array(_x_first(_array(layer["neurons_initial_value"], 3, 16)), 3, 16)
    sent = tuple(
        Destination(to["layer"], to["pooling"], to["feature_shift"])
        for to in layer["destinations"]
        if to["enable"]
    )
    to_block = Destination(LIMITS.readout_layer)
    weights = np.ascontiguousarray(_x_first(_array(layer["weights"], 4, 8)))
    input_, stride = _read_shape(dimensions["input_shape"]), _read_pair(dimensions["stride"])
    padding, kernel = _read_pair(dimensions["padding"]), dimensions["kernel_size"]
    if min(stride) < 1 or weights.shape[2:] != (kernel, kernel):
        raise ValueError(f"core {number}: stride {list(stride)}, kernel {list(weights.shape[2:])}")
    given = _read_shape(dimensions["output_shape"])
    if given != (len(weights), *windows(input_, kernel, stride, padding)):
        raise ValueError(f"core {number}: its output_shape is not what its dimensions give")
    return Core(
        number,
        name,
        shape,
        *spike,
        input_,
        given,
        weights,
        _array(layer["biases"], 1, 16) if layer["leak_enable"] else None,
        np.ascontiguousarray(initial) if initial.any() else None,
        stride,
        padding,
        layer["return_to_zero"],
        layer["threshold_high"],
        layer["threshold_low"],
        layer["monitor_enable"],
        tuple(to for to in sent if to != to_block),
        to_block in sent,
    )


def _array(values: Any, axes: int, bits: int) -> Array:
    """Return integers of a nested list; ValueError for fractions or what `bits` can't hold."""
    array = np.asarray(values)
    high = 1 << bits - 1
    if (
        array.dtype.kind != "i"
        or array.ndim != axes
        or not -high <= array.min() <= array.max() < high
    ):
        raise ValueError(f"an array of {axes} axes does not hold integers of {bits} bits")
    return array.astype(np.int8 if bits == 8 else np.int16)


def _read_pair(pair: Mapping[str, Any]) -> Shape:
    return (pair["y"], pair["x"])


def _read_shape(shape: Mapping[str, Any]) -> Shape:
    return (shape["feature_count"], *_read_pair(shape["size"]))


def read_pixels(layer: Mapping[str, Any], name: str) -> Pixels:
    """Return the record of the pixel block, whose input is called `name`."""
    return Pixels(
        name,
        layer["merge"],
        _read_pair(layer["pooling"]),
        _read_pair(layer["origin"]),
        _read_pair(layer["cut"]),
        (layer["mirror"]["y"], layer["mirror"]["x"]),
        layer["mirror_diagonal"],
        layer["pass_sensor_events"],
        layer["monitor_enable"],
        tuple(Destination(to["layer"]) for to in layer["destinations"] if to["enable"]),
    )
