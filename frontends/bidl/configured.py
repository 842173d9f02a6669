"""From a configuration of BIDL to a network and a sample."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnc.diagnostics import at, fail, nearest
from snnc.extend.foreign import guarded, load_file
from snnc.frontends.bidl.config import read_config

if TYPE_CHECKING:
    from snnc.frontends.bidl.frontend import Options


def configured(path: Path, options: "Options") -> tuple[Any, Any, dict[str, Any]]:
    """Return the network that a configuration describes, zeros of its input's shape, and the rest.

    The rest is `unused`, the names that deployment does not need, and `devices`, its matrix.

    Raises:
        SnncError: `bidl-config`, `bidl-backbone`, `bidl-option`, `bidl-neuron`; what a file of
            `--backbone` raises.
    """
    import torch

    from snnc.frontends.bidl.backbones import backbone, sample_shape

    config, place = read_config(path), at(str(path), 1)
    if not 0 <= options.slice_ < len(config.backbones):
        text = f"slice {options.slice_} of {len(config.backbones)} models"
        raise fail("bidl-config", text, place, help="count slices from 0")
    said = dict(config.backbones[options.slice_])
    if options.backbone:
        network = _of_file(options.backbone, {k: v for k, v in said.items() if k != "type"})
    else:
        network = backbone(**said)
    shape: tuple[int, ...] | None = options.input_shape
    if not shape and config.shapes:
        shape = config.shapes[options.slice_]
    shape = shape or sample_shape(network, said)
    if not shape:
        text = f"{path.name} does not say the shape of an input"
        raise fail("bidl-config", text, place, help="give --set input_shape=1,C,H,W")
    told: dict[str, Any] = {"unused": config.unused} if config.unused else {}
    told |= {"devices": config.devices} if config.devices else {}
    return network, torch.zeros(tuple(shape)), told


def _of_file(text: str, arguments: dict[str, Any]) -> Any:
    file, _, name = text.partition(":")
    loaded = load_file(Path(file), "source-failed", text, "the fault is in this file")
    if not hasattr(loaded, name):
        known = [k for k, v in vars(loaded).items() if isinstance(v, type)]
        raise fail("source-function", f"{file} has no {name!r}", help=nearest(name, known))
    with guarded("source-failed", text, "the fault is in this file", Path(file)):
        return getattr(loaded, name)(**arguments).eval()
