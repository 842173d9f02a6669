"""What the user sets beside the network: clocks, decimators, readout, changes by a modifier.

Settings are written into the configuration tree after the network's own attributes; those that
only some chips have are refused on the others. What no emulator can know of them is stated by
`relies_on`, or makes the emulators refuse the build (`decimated`).
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snnc.diagnostics import SnncError, fail, nearest
from snnc.extend.foreign import guarded, load_file
from snnc.targets.dynapcnn.artifact.config import Tree
from snnc.targets.dynapcnn.artifact.json_text import dumps
from snnc.targets.dynapcnn.artifact.records import Core, Placed
from snnc.targets.dynapcnn.limits import LIMITS, chip
from snnc.targets.dynapcnn.options import Options

READOUT = ("readout_mode", "readout_threshold", "readout_average", "readout_class", "readout_pins")
"""Options that mean something only with `readout`."""


def configured(made: Tree, placed: Placed, options: Options) -> Tree:
    """Return the tree of a network with the user's settings.

    Raises:
        SnncError: `chip-setting`, `config-modifier`.
    """
    used = [name for name in ("decimate", "balance", "leak_divider") if getattr(options, name)]
    used += [name for name in READOUT if getattr(options, name) != getattr(Options(), name)]
    if used and not chip(placed.device).extras:
        raise refuse(f"{placed.device} has no {used[0].replace('_', '-')}", "leave the option out")
    _clock(options)
    for core, interval in _decimated(placed, options.decimate):
        layer = made["cnn_layers"][core.core]
        layer |= {"output_decimator_enable": True, "output_decimator_interval": interval}
    for word in options.balance:
        layer = made["cnn_layers"][_core(placed, word).core]
        layer["input_congestion_balancer_enable"] = True
    if options.leak_divider:
        _internal_clock(made, placed, options.leak_divider)
    if set(used) & set(READOUT):
        _readout(made, options)
    return _modified(made, options.config_modifier) if options.config_modifier else made


def refuse(reason: str, help: str) -> SnncError:
    """Return the error for a setting that the chip, or this network on it, does not have."""
    return fail("chip-setting", reason, help=help)


def _clock(options: Options) -> None:
    low, high = LIMITS.slow_clock
    if options.slow_clock and not low <= options.slow_clock <= high:
        raise refuse(
            f"a slow clock of {options.slow_clock} Hz is not between {low} and {high} Hz",
            "choose the rate at which leaks are applied within that range",
        )
    if options.slow_clock and options.leak_divider:
        raise refuse(
            "--slow-clock is given by the host, --leak-divider by the chip itself",
            "choose one of the two clocks",
        )


def _core(placed: Placed, word: str) -> Core:
    names = {core.name: core for core in placed.cores}
    numbers = {str(n): core for n, core in enumerate(placed.cores)}
    found = names.get(word) or numbers.get(word)
    if found is None:
        raise refuse(f"there is no layer {word!r}", nearest(word, [*names, *numbers]))
    return found


def _decimated(placed: Placed, words: tuple[str, ...]) -> Iterator[tuple[Core, int]]:
    """Yield cores and the code of how many spikes they pass one of."""
    for text in words:
        layer, _, number = text.rpartition(":")
        codes = {str(n): code for code, n in enumerate(LIMITS.decimations)}
        if not layer or number not in codes:
            known = ", ".join(codes)
            raise refuse(f"{text!r} is not LAYER:N with N one of {known}", "write for example 0:8")
        yield _core(placed, layer), codes[number]


def _internal_clock(made: Tree, placed: Placed, divider: int) -> None:
    low, high = LIMITS.leak_dividers
    if not low <= divider <= high:
        raise refuse(
            f"a divider of 2^{divider} events is not between 2^{low} and 2^{high}",
            f"give the exponent, {low} to {high}",
        )
    leaking = [core.core for core in placed.cores if core.bias is not None]
    if not leaking:
        raise refuse("no layer leaks, so there is nothing to clock", "leave --leak-divider out")
    for number in leaking:
        made["cnn_layers"][number]["leak_internal_slow_clk_enable"] = True
    made["factory_config"]["internal_slow_clk_divider"] = divider


def _readout(made: Tree, options: Options) -> None:
    if not options.readout:
        raise refuse(
            "options of the readout block are given, and nothing is sent to it", "add --readout"
        )
    modes = ("off", "threshold", "class", "largest")
    block: dict[str, Any] = {
        "output_mode_sel": modes.index(options.readout_mode),
        "threshold": options.readout_threshold,
        "output_neuron_num": options.readout_class,
        "low_pass_filter_disable": options.readout_average == 1,
        "low_pass_filter32_not16": options.readout_average == 32,
        "readout_pin_monitor_enable": options.readout_pins,
    }
    most = LIMITS.readout_classes
    if not 0 <= options.readout_class <= most or not 0 <= options.readout_threshold < 1 << 16:
        raise refuse(
            f"class {options.readout_class} or threshold {options.readout_threshold} is beyond "
            f"{most} classes and 16 bits",
            "classes count from 1; 0 is idle",
        )
    made["readout"] |= block


def _modified(made: Tree, where: str) -> Tree:
    """Return what the user's function makes of the tree, given as plain lists and dictionaries."""
    import json

    path, mark, name = where.rpartition(":")
    if not mark or not path.endswith(".py"):
        raise fail(
            "config-modifier",
            f"{where!r} is not FILE.py:function",
            help="give a function that takes the configuration and returns it",
        )
    if Path(path).is_absolute():
        raise fail(
            "config-modifier",
            f"{path} is an absolute path, which the manifest of a build does not hold",
            help="give the path from the current folder",
        )
    module = load_file(Path(path), "config-modifier", f"the modifier {path}")
    function = getattr(module, name, None)
    if not callable(function):
        raise fail("config-modifier", f"{path} has no function {name!r}", help="see its spelling")
    plain = json.loads(dumps(made))
    with guarded("config-modifier", f"the modifier {name}", file=Path(path)):
        changed: object = function(plain)
    if not isinstance(changed, dict):
        raise fail(
            "config-modifier",
            f"the modifier {name} returned {type(changed).__name__}, not the configuration",
            help="end it with `return config`",
        )
    return changed


def modifier_digest(options: Options) -> dict[str, str]:
    """Return the SHA-256 of the modifier's file for the manifest, nothing where there is none."""
    path = options.config_modifier.rpartition(":")[0]
    return {"modifier": hashlib.sha256(Path(path).read_bytes()).hexdigest()} if path else {}


def relies_on(options: Options) -> tuple[str, ...]:
    """Return what the settings need of the silicon, or leave to chance there."""
    found = []
    if options.decimate:
        found.append("decimator: which spikes of a layer pass is not published; not emulated")
    if options.balance:
        found.append("balancer: a busy core drops events, which depends on time; not emulated")
    if options.leak_divider:
        found.append("internal-clock: the leak's clock counts events of the pixels; not emulated")
    if options.config_modifier:
        found.append("modifier: a function of the user has changed the configuration")
    return tuple(found)


def check_emulated(config: Mapping[str, Any]) -> None:
    """Refuse to emulate configurations that drop events, weights or states where we can't follow.

    Raises:
        SnncError: `decimated`.
    """
    for number, layer in enumerate(config["cnn_layers"]):
        dropping = [
            name
            for name in ("output_decimator_enable", "input_congestion_balancer_enable")
            if layer.get(name)
        ]
        dropping += [name for name in _KILLED if name in layer and _kills(layer, name)]
        if dropping:
            raise _dropping(f"core {number}", dropping[0])
    pixels = config["dvs_layer"]
    if not (pixels["on_channel"] and pixels["off_channel"]):
        raise _dropping("the pixel block", "on_channel or off_channel not")
    for name, value in config.get("dvs_filter", {}).items():
        if value is True and name != "internal_slow_clk":
            raise _dropping("the filter of the pixel block", name)


_KILLED = {
    "weights_kill_bit": "weights",
    "biases_kill_bit": "biases",
    "neurons_value_kill_bit": None,
}
"""Bits that disable entries of a memory, and the entries, of which only zeros may be disabled."""


def _kills(layer: Mapping[str, Any], name: str) -> bool:
    """Return whether a core's bits disable anything that is not zero anyway."""
    bits, of = np.asarray(layer[name]).astype(bool), _KILLED[name]
    values = True if of is None else np.asarray(layer[of]) != 0
    return bits.shape != np.shape(layer[of or "neurons_initial_value"]) or bool(
        (bits & values).any()
    )


def _dropping(where: str, what: str) -> SnncError:
    return fail(
        "decimated",
        f"{where} has {what} set: what is dropped then is not published or not emulated",
        help="emulate a build without --decimate, --balance and such a modifier",
    )
