"""From a configuration of BIDL to a network and a sample."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from snnc.diagnostics import Location, SnncError, at, fail, nearest
from snnc.extend.foreign import guarded, load_file
from snnc.frontends.bidl.config import Config, read_config

if TYPE_CHECKING:
    from snnc.frontends.bidl.capture import Form
    from snnc.frontends.bidl.frontend import Options

LARGEST = 1 << 28
"""Most numbers of an input."""


def configured(path: Path, options: "Options", form: "Form") -> tuple[Any, Any, dict[str, Any]]:
    """Return the network that a configuration describes, zeros of its input's shape, and the rest.

    Several models are slices of one network, which is the whole, to be cut between them; a slice
    alone is asked for by its number. The rest is `unused`, the names that deployment does not need,
    `devices`, its matrix, and `cuts`, the names of values between slices.

    Raises:
        SnncError: `bidl-config`, `bidl-backbone`, `bidl-option`, `bidl-neuron`; what a file of
            `--backbone` raises.
    """
    import torch

    from snnc.frontends.bidl.backbones import backbone, sample_shape

    config = read_config(path)
    said, number = _chosen(config, options.slice_, at(str(path), config.lines[0]))
    place = at(str(path), config.lines[number])
    if options.backbone:
        given = {k: v for k, v in said.items() if k != "type"}
        network = _of_file(options.backbone, given, form)
    else:
        network = _placed(place, lambda: backbone(**said))
    shape: Sequence[int] | None = options.input_shape
    if not shape and config.shapes:
        shape = _stated(config, number, place)
    shape = shape or _placed(place, lambda: sample_shape(network, said))
    if not shape:
        missing = [n for n in ("timestep", "input_channels", "h", "w") if n not in said]
        text = f"{path.name} does not say the shape of an input: no {', '.join(missing)}"
        example = "T,1,C,H,W" if getattr(network, "batch_axis", 0) else "1,C,H,W"
        raise fail("bidl-config", text, place, help=f"give --set input_shape={example}")
    if not all(n > 0 for n in shape) or prod(shape) > LARGEST:
        text = f"an input of {', '.join(map(str, shape))} does not hold 1 to {LARGEST} numbers"
        raise fail("bidl-config", text, place, help="correct its sizes")
    cuts = len(config.backbones) - 1 if options.slice_ is None else 0
    told: dict[str, Any] = {
        "unused": config.unused,
        "devices": config.devices,
        "cuts": tuple(f"model_{n}" for n in range(cuts)),
    }
    return network, torch.zeros(tuple(shape)), {k: v for k, v in told.items() if v}


def _placed(place: Location, make: Callable[[], Any]) -> Any:
    """Return what a function makes; its error points at the configuration."""
    try:
        return make()
    except SnncError as error:
        found = [d if d.loc.known else evolve(d, loc=place) for d in error.diagnostics]
        raise SnncError(found, error.exit_status) from None


def _chosen(config: Config, slice_: int | None, place: Location) -> tuple[dict[str, Any], int]:
    """Return what is said of one slice, or of the whole, and which input shape is its."""
    count = len(config.backbones)
    if slice_ is None and count > 1:
        return _whole(config.backbones, place), 0
    number = slice_ or 0
    if not 0 <= number < count:
        text = f"slice {number} of {count} models"
        raise fail("bidl-config", text, place, help=f"slices are 0 to {count - 1}")
    return dict(config.backbones[number]), number


def _whole(slices: Sequence[Mapping[str, Any]], place: Location) -> dict[str, Any]:
    """Return the network whose slices stand one after the other."""
    rests = [{k: v for k, v in s.items() if k != "split"} for s in slices]
    splits = [s.get("split") for s in slices]
    ends = [s[1] for s in splits if s]
    starts = [s[0] for s in splits if s]
    if any(r != rests[0] for r in rests) or len(ends) < len(slices) or starts[1:] != ends[:-1]:
        said = ", ".join(map(str, splits))
        raise fail(
            "bidl-config",
            f"the models, split {said}, are not one network in slices one after the other",
            place,
            help="compile them one by one, with --set slice=0, 1, ..",
        )
    return {**rests[0], "split": [starts[0], ends[-1]], "cuts": ends[:-1]}


def _stated(config: Config, number: int, place: Location) -> tuple[int, ...]:
    if number >= len(config.shapes):
        text = f"models_compile_inputshape has {len(config.shapes)} rows, none for model {number}"
        raise fail("bidl-config", text, place, help="give a row for each model")
    return config.shapes[number]


def _of_file(text: str, arguments: dict[str, Any], form: "Form") -> Any:
    from snnc.frontends.bidl.stand_ins import standing

    file, _, name = text.partition(":")
    with standing(form):
        loaded = load_file(Path(file), "source-failed", text, "the fault is in this file")
        if not name or not hasattr(loaded, name):
            own = [k for k, v in vars(loaded).items() if isinstance(v, type)]
            what = f"has no {name!r}" if name else "is a file; a class of it is needed"
            help = nearest(name, own) if own else "give file.py:Class"
            raise fail("source-function", f"{file} {what}", help=help)
        with guarded("source-failed", text, "the fault is in this file", Path(file)):
            return getattr(loaded, name)(**arguments).eval()
