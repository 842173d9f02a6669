"""Rules on attributes that no single declaration can state: bounds, and parameters with widths.

A range is a row of a table; what depends on other attributes is code. They hold for the ops of
`snn` and `int`. Parameters may be numbers or tensors: a rule sees their smallest and largest value.
"""

from collections.abc import Callable, Mapping
from typing import Any

from snnc.diagnostics import Diagnostics
from snnc.ir.graph import Module, Op
from snnc.ir.opset import Symbol

LEVELS = ("snn", "int")


def check_bounds(module: Module, op: Op, found: Diagnostics) -> None:
    """Record every rule that an op of `snn` or `int` breaks, as `bad-attribute`."""

    def say(message: str, help: str = "") -> None:
        found.error("bad-attribute", f"{op.name}: {message}", op.loc, help=help)

    if module.level not in LEVELS:
        return
    for name, low, high in _RANGES.get(op.kind, ()):
        if not low <= op[name] <= high:
            say(f"{name} = {op[name]} must be {_interval(low, high)}")
    if op.kind == "neuron":
        _check_neuron(module, op, say)
    if op.kind == "poisson" and op["generator"] == "mt19937" and op["seed"] > _WORD:
        say(f"seed = {op['seed']} must be at most {_WORD} for generator mt19937")
    if op.kind == "latency" and op["curve"] == "log" and op["ticks"] > _LONGEST_LOG:
        say(
            f"ticks = {op['ticks']} must be at most {_LONGEST_LOG} where the curve is log",
            "exp(ticks - 1) must be a double",
        )


_MANY = 2**31 - 1
_WORD = 2**32 - 1
_LONGEST_LOG = 710

_RANGES: Mapping[str, tuple[tuple[str, int, int], ...]] = {
    "neuron": (("first", 0, _MANY), ("ticks", 0, _MANY), ("max_count", 1, _MANY)),
    "poisson": (("seed", 0, 2**63 - 1),),
    "latency": (("ticks", 2, _MANY),),
}


def _interval(low: int, high: int) -> str:
    return f"at least {low}" if high >= _MANY else f"{low} to {high}"


def _bounds(module: Module, value: Any) -> tuple[Any, Any]:
    """Return the smallest and largest value of a parameter."""
    if isinstance(value, Symbol):
        array = module.tensor(value)
        if not array.size:
            return 0, 0
        return array.min().item(), array.max().item()
    return value, value


def _check_neuron(module: Module, op: Op, say: Callable[..., None]) -> None:
    low, _ = _bounds(module, op["threshold"])
    if op["spike"] == "count" and low <= 0:
        say(
            f"threshold = {low} must be positive where spikes are counted",
            "the count is v / threshold",
        )
    if module.level == "int":
        _check_integer_neuron(module, op, say)


def _check_integer_neuron(module: Module, op: Op, say: Callable[..., None]) -> None:
    if not 0 <= op["truncate"] <= 29:
        say(f"truncate = {op['truncate']} must be 0 to 29")
    half = 1 << op["width"] - 1
    for spec in op.spec.attrs:
        value = op[spec.name]
        if spec.kind != "param" or value is None:
            continue
        if isinstance(value, float):
            say(f"{spec.name} = {value} must be an integer", "run quantize")
            continue
        if isinstance(value, Symbol) and module.symbol_type(value).element.is_float:
            continue  # reported as float-at-int
        low, high = _bounds(module, value)
        # A magnitude reaches one further: -negative is what must fit.
        bottom, top = (0, half) if spec.name == "negative" else (-half, half - 1)
        if low < bottom or high > top:
            shown = str(low) if low == high else f"{low}..{high}"
            say(
                f"{spec.name} = {shown} must be {bottom} to {top}",
                f"the membrane has width = {op['width']} bits",
            )
