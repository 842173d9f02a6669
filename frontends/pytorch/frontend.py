"""The front end for PyTorch: a network and a sample become a module, which is compared with it.

    snnc.load(network, sample=x)                 # a torch.nn.Module
    snnc.load("model.py:build")                  # build() returns (network, sample)

Options are the fields of `Options`, and `sample`; the driver adds `run`, which executes modules.
"""

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from snnc.diagnostics import fail
from snnc.extend.options import build
from snnc.extend.passes import option
from snnc.ir.graph import Module
from snnc.ir.types import F32, Element


@frozen
class Options:
    """What a user may say about a network of PyTorch."""

    time: str = option(
        "auto",
        help="where the sample has time: step (one tick), static (none), an axis, or auto",
        choices=("auto", "step", "static", "0", "1", "2", "3", "4"),
    )
    input: str = option(
        "auto",
        help="what arrives at every tick: spikes (0 or 1), counts, values (floats), or auto",
        choices=("auto", "spikes", "counts", "values"),
    )
    checkpoint: str = option("", help="file of weights (.safetensors, .pt, .pth) to load first")
    name: str = option("", help="name of the network; its class name if not given")
    check: bool = option(True, help="compare the lowering with the network, layer by layer")
    allow_mismatch: bool = option(False, help="go on where the comparison finds a difference")
    outputs: str = option(
        "all", help="which results of forward are kept: all, or their numbers from 0 (0 or [0,2])"
    )
    convert: bool = option(False, help="turn a plain ReLU network into a spiking one")
    percentile: float = option(
        99.9, help="percentile of a layer's activations on normalize_on that is its threshold"
    )
    spike: str = option(
        "count", help="spikes per tick of converted neurons", choices=("count", "single")
    )
    floor: float = option(-1.0, help="lowest potential of converted neurons, in thresholds")
    spiking_output: bool = option(False, help="neurons behind the last layer when converting")
    encode: str = option(
        "none",
        help="encoder in front of the network, whose input then has no time",
        choices=("none", "direct", "poisson"),
    )
    seed: int = option(0, help="seed of the encoder's draws")
    ticks: int = option(
        0, help="ticks of a run, where the input has no time; 0: those of the sample, or of forward"
    )
    single_crossing: bool = option(
        False, help="no potential reaches twice its threshold (snnTorch, reset_delay=False)"
    )


class Torch:
    """Reads `torch.nn.Module` objects, and pairs of one with a sample."""

    name = "pytorch"
    suffixes = (".pt2",)
    Options = Options
    data = ("sample", "normalize_on")
    runs = True
    """Asks the driver for `run`."""

    def accepts(self, source: Any) -> bool:
        """Whether an object is a network of torch, or a pair (network, sample)."""
        torch = sys.modules.get("torch")
        if torch is None:
            return False
        if isinstance(source, tuple) and len(source) == 2:
            source = source[0]
        return isinstance(source, torch.nn.Module)

    def read(self, source: Path | Any, options: Mapping[str, Any]) -> Module:
        """Return the module of a network, compared with it.

        Raises:
            SnncError: `sample-missing`, `sample-shape`, `sample-type`, `training-mode`,
                `unsupported-layer`, `unsupported-function`, `unsupported-network`,
                `torch-differs`, and what the weights' file raises.
        """
        from snnc.frontends.pytorch.capture import plain
        from snnc.frontends.pytorch.samples import as_samples
        from snnc.frontends.pytorch.weights import load_program, load_weights

        given = dict(options)
        run, sample = given.pop("run", None), given.pop("sample", None)
        data = given.pop("normalize_on", None)
        for number in ("time", "outputs"):
            if isinstance(given.get(number), int) and not isinstance(given[number], bool):
                given[number] = str(given[number])
        chosen: Options = build(Options, given, "front end pytorch")
        if isinstance(source, (str, Path)):
            source, sample = load_program(Path(source), sample)
        elif isinstance(source, tuple):
            source, sample = source[0], source[1] if sample is None else sample
        source = plain(source)
        if chosen.checkpoint:
            source = load_weights(source, Path(chosen.checkpoint))
        return lowered(source, as_samples(sample, argument_names(source)), chosen, run, data)


def lowered(
    network: Any, samples: tuple[Any, ...], options: Options, run: Any = None, data: Any = None
) -> Module:
    """Return the module of a network called with `samples`; `run` executes it for the check.

    A ReLU network that is converted is compared as it is, before; `data` sets its thresholds.
    """
    from snnc.frontends.pytorch.capture import capture, check_mode, check_numbers
    from snnc.frontends.pytorch.check import check
    from snnc.frontends.pytorch.convert import with_outputs
    from snnc.frontends.pytorch.emit import emit
    from snnc.frontends.pytorch.lower import lower
    from snnc.frontends.pytorch.samples import element_of

    check_mode(network)
    check_numbers(network)
    names = argument_names(network)[: len(samples)]
    if len(names) < len(samples):
        raise fail(
            "sample-type",
            f"the sample has {len(samples)} inputs, forward takes {len(names)}",
            help="give one array for each argument of forward",
        )
    captured = capture(network, samples, {"single_crossing": options.single_crossing})
    time = int(options.time) if options.time.isdigit() else options.time
    found = lower(captured, samples, time, names)
    name = options.name or type(network).__name__
    elements = {n: element_of(s, options.input) for n, s in zip(names, samples, strict=True)}
    emitted = emit(found, name, elements)
    ties: tuple[str, ...] = ()
    if options.check:
        if run is None:
            raise fail(
                "no-engine",
                "the lowering of a network of torch is compared with it, which needs an engine",
                help="read it with snnc.load, or say check=False",
            )
        report = check(network, samples, found, emitted, run, options.allow_mismatch)
        ties = tuple(str(tie) for tie in report.ties)
    if options.outputs != "all":
        found = with_outputs(found, chosen_outputs(found.outputs, options.outputs))
    if options.convert:
        made = _converted(found, name, elements, options, run, data)
    elif options.encode != "none":
        made = _encoded(found, name, elements, options)
    else:
        made = emit(found, name, elements).module if options.outputs != "all" else emitted.module
    told: dict[str, Any] = _length(made, options.ticks, found.sizes.ticks)
    if ties and not options.convert:
        told["ties"] = ties
    return evolve(made, attrs={**made.attrs, **told}) if told else made


def _length(module: Module, asked: int, own: int) -> dict[str, int]:
    """Return the length of a run to state where no input has time: what is asked for, or `own`.

    Raises:
        SnncError: `unused-option` where an input has time, which tells the length of each run.
    """
    timed = any(v.type.timed for v in module.graph.inputs)
    if asked and (timed or asked < 1):
        raise fail(
            "unused-option",
            f"ticks = {asked} has no use: " + ("the input has time" if timed else "below 1"),
            help="leave it out, or put an encoder in front (encode)",
        )
    ticks = asked or own
    return {} if timed or ticks <= 1 else {"ticks": ticks}


def chosen_outputs(outputs: list[Any], text: str) -> list[Any]:
    """Return the results of forward that a text of numbers names, in its order.

    Raises:
        SnncError: `unknown-output` for what is no number of a result, or one twice.
    """
    given = [part.strip() for part in text.strip("[]").split(",")]
    known = [str(number) for number in range(len(outputs))]
    if any(part not in known for part in given) or len(set(given)) < len(given):
        raise fail(
            "unknown-output",
            f"outputs = {text}: forward has {len(outputs)} results",
            help=f"name some of them once: {', '.join(known)}; or all",
        )
    return [outputs[int(part)] for part in given]


def _converted(
    found: Any, name: str, elements: dict[str, Element], options: Options, run: Any, data: Any
) -> Module:
    """Return the spiking form of a lowered ReLU network."""
    from snnc.frontends.pytorch.convert import converted, relus, thresholds
    from snnc.frontends.pytorch.emit import emit
    from snnc.frontends.pytorch.samples import as_samples

    chosen = _conversion(options)
    found_relus = relus(found)
    levels = {}
    if data is not None:
        arrays = [a.numpy() for a in as_samples(data, list(elements))]
        levels = thresholds(found, found_relus, arrays, options.percentile, run)
    spiking = converted(found, found_relus, levels, chosen)
    if options.encode != "none":
        elements = dict.fromkeys(elements, F32)
    return emit(spiking, name, elements).module


def _encoded(found: Any, name: str, elements: dict[str, Element], options: Options) -> Module:
    """Return a network that is not converted behind an encoder."""
    from snnc.frontends.pytorch.convert import encoded
    from snnc.frontends.pytorch.emit import emit

    return emit(encoded(found, _conversion(options)), name, dict.fromkeys(elements, F32)).module


def _conversion(options: Options) -> Any:
    from snnc.frontends.pytorch.convert import Conversion

    return Conversion(
        options.percentile,
        options.spike,
        options.floor,
        options.spiking_output,
        options.encode,
        options.seed,
    )


def argument_names(network: Any) -> list[str]:
    """Return the names of forward's arguments, those of `*inputs` numbered."""
    names: list[str] = []
    for p in inspect.signature(network.forward).parameters.values():
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
        elif p.kind == p.VAR_POSITIONAL:
            names += [p.name if not i else f"{p.name}_{i}" for i in range(_MANY)]
    return names


_MANY = 16
"""Inputs that a forward with `*inputs` may be given."""
