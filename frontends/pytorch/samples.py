"""The sample that a network is captured with: an array, a tensor, or a file of one."""

from pathlib import Path
from typing import Any

from snnc.diagnostics import fail
from snnc.ir.types import F32, U1, U8, U16, Element


def as_sample(given: Any) -> Any:
    """Return the sample as a float32 tensor.

    Raises:
        SnncError: `sample-missing`, `sample-type` for what is not numbers, or not finite.
    """
    import numpy as np
    import torch

    if given is None:
        raise fail(
            "sample-missing",
            "a network of torch is captured with an example input",
            help="give sample=x (Python), --sample x.npy, or let the function return "
            "(network, sample)",
        )
    if isinstance(given, (str, Path)):
        given = _from_file(Path(given))
    if isinstance(given, (tuple, list)) and len(given) == 1:
        given = given[0]
    if isinstance(given, (tuple, list)) and any(hasattr(g, "shape") for g in given):
        raise fail(
            "sample-type",
            f"the sample has {len(given)} inputs; networks with one input are read",
            help="join the inputs into one tensor, and take it apart in forward",
        )
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
        names = list(loaded.keys())
        if len(names) == 1:
            return loaded[names[0]]
    except FileNotFoundError:
        raise fail("sample-missing", f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise fail("sample-type", f"{path} is not an array: {error}") from error
    raise fail(
        "sample-type",
        f"{path} holds {len(names)} arrays: {', '.join(names)}",
        help="give a file with one array",
    )


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
