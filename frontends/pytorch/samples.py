"""The sample that a network is captured with: an array, a tensor, or a file of one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snnc.diagnostics import fail
from snnc.ir.types import F32, U1, U8, U16, Element


def as_samples(given: Any, names: Sequence[str]) -> tuple[Any, ...]:
    """Return the sample as float32 tensors, one for each input of the network in order.

    Args:
        given: an array or a tensor; a tuple of them, or a mapping by the names of forward's
            arguments, where there are several inputs; or a file (`.npy`, `.npz`).
        names: the names of forward's arguments.

    Raises:
        SnncError: `sample-missing`, `sample-type` for what is not numbers, or not finite.
    """
    if given is None:
        raise fail(
            "sample-missing",
            "a network of torch is captured with an example input",
            help="give sample=x (Python), --sample x.npy, or let the function return "
            "(network, sample)",
        )
    if isinstance(given, (str, Path)):
        given = _from_file(Path(given))
    if isinstance(given, Mapping):
        given = _in_order(given, names)
    several = isinstance(given, (tuple, list)) and any(hasattr(g, "shape") for g in given)
    return tuple(_tensor(g) for g in given) if several else (_tensor(given),)


def _in_order(given: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """Return arrays by name in the order of forward's arguments; one alone needs no name."""
    if len(given) == 1:
        return tuple(given.values())
    unknown = [n for n in given if n not in names]
    wanted = tuple(n for n in names if n in given)
    if unknown or wanted != tuple(names[: len(given)]):
        raise fail(
            "sample-type",
            f"the sample holds {', '.join(given)}, forward takes {', '.join(names)}",
            help="name the arrays as the arguments of forward",
        )
    return tuple(given[n] for n in wanted)


def _tensor(given: Any) -> Any:
    import numpy as np
    import torch

    try:
        array = given.detach().cpu().numpy() if hasattr(given, "detach") else np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise fail("sample-type", f"the sample is not numbers: {error}") from error
    if array.dtype.kind not in "biuf" or array.size == 0 or array.ndim == 0:
        raise fail(
            "sample-type",
            f"the sample is {array.dtype} {list(array.shape)}, not an array of numbers",
            help="give the input of one call of the network, with its batch axis",
        )
    if not np.isfinite(array).all():
        raise fail("sample-type", "the sample holds NaN or infinity", help="repair the data")
    return torch.from_numpy(np.array(array, dtype=np.float32))


def _from_file(path: Path) -> Any:
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        return {name: loaded[name] for name in loaded}
    except FileNotFoundError:
        raise fail(
            "sample-missing", f"there is no file {path}", help="give a .npy or .npz file"
        ) from None
    except Exception as error:  # A damaged file makes numpy raise nearly anything.
        raise fail(
            "sample-type",
            f"{path} holds no array of numbers, or is damaged ({type(error).__name__})",
            help="write it with numpy.save(path, array); objects are never loaded from files",
        ) from error


def element_of(sample: Any, stated: str) -> Element:
    """Return the element of the network's input: as stated, or as the sample's values are."""
    import numpy as np

    array = np.asarray(sample)
    whole = bool((array == np.floor(array)).all()) and float(array.min()) >= 0
    top = float(array.max())
    if stated == "values":
        return F32
    if stated == "spikes" or (stated == "auto" and whole and top <= 1):
        if not (whole and top <= 1):
            raise fail(
                "sample-type",
                f"the input is stated to be spikes, but the sample holds {float(array.min()):g} to "
                f"{top:g}",
                help="give a sample of 0 and 1, or say input=values",
            )
        return U1
    if stated == "counts" or (stated == "auto" and whole and top <= 65535):
        if not (whole and top <= 65535):
            raise fail(
                "sample-type", "the input is stated to be counts, but the sample has fractions"
            )
        return U8 if top <= 255 else U16
    return F32
