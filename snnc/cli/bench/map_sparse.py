"""Networks of layers with few synapses for the bench of mapping: which weights are there is a mask.

A mask is a short description in the term of a matrix, so that both sides make the same network. A
peer's script gets the mask itself, its bits packed as text.
"""

from base64 import b64encode
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

Layer = dict[str, Any]


def _layer(size: int, *terms: Layer) -> Layer:
    return {"shape": [size], "terms": list(terms)}


def _term(of: int, read: int, made: int, **about: Any) -> Layer:
    return {"kind": "matrix", "of": of, "size": [made, read], **about}


def _chain(sizes: Sequence[int], mask: Layer, last: int = 0) -> tuple[Layer, ...]:
    """Return layers with a mask each; `last` ones without."""
    count = len(sizes) - 1
    return tuple(
        _layer(made, _term(n, read, made, **({"mask": mask} if n < count - last else {})))
        for n, (read, made) in enumerate(pairwise(sizes))
    )


def _reservoir(inputs: int, size: int, mask: Layer) -> tuple[Layer, ...]:
    """Return neurons that read each other a tick later, and ten that read all of them."""
    few = {"form": "random", "each": 3}
    first = _term(0, inputs, size, mask=few)
    return _layer(size, first, _term(1, size, size, mask=mask, late=1)), _layer(
        10, _term(1, size, 10)
    )


SPARSE: dict[str, tuple[tuple[int, ...], tuple[Layer, ...]]] = {
    "pruned": ((784,), _chain((784, 1024, 1024, 10), {"form": "part", "percent": 10}, 1)),
    "inputs": ((3072,), _chain((3072, 1024, 10), {"form": "random", "each": 20}, 1)),
    "blocks": ((2048,), _chain((2048, 2048, 2048), {"form": "blocks", "number": 16})),
    "band": ((2048,), _chain((2048, 2048, 2048), {"form": "band", "reach": 20})),
    "sheet": ((2304,), _chain((2304, 2304, 2304), {"form": "sheet", "side": 48, "reach": 2})),
    "ring": ((64,), _reservoir(64, 2000, {"form": "band", "reach": 8})),
    "reservoir": ((64,), _reservoir(64, 2000, {"form": "random", "each": 15})),
}
"""Input and layers by name. All but random masks are shuffled, so that no order shows."""


def mask_of(term: Layer) -> "Mask | None":
    """Return which weights of a term are there `(neurons, elements)`; None for all."""
    import numpy as np

    if "mask" not in term:
        return None
    about, (made, read) = term["mask"], term["size"]
    draw = np.random.Generator(np.random.PCG64(7))
    form = about["form"]
    if form in ("random", "part"):
        part = about["each"] / read if form == "random" else about["percent"] / 100
        return np.asarray(draw.random((made, read)) < part)
    at = np.arange(read) - np.arange(made)[:, None] * read // made
    if form == "blocks":
        block = np.arange(made)[:, None] * about["number"] // made
        mask = block == np.arange(read) * about["number"] // read
    elif form == "band":
        mask = np.minimum(np.abs(at), read - np.abs(at)) <= about["reach"]
    else:
        y, x = np.divmod(np.arange(read), about["side"])
        near = [np.abs(axis[:, None] - axis) <= about["reach"] for axis in (y, x)]
        mask = near[0] & near[1]
    return np.asarray(mask[draw.permutation(made)][:, draw.permutation(read)])


def with_masks(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers whose masks are there bit by bit, for a script that has no `mask_of`."""
    import numpy as np

    found = []
    for layer in layers:
        terms = []
        for term in layer["terms"]:
            mask = mask_of(term)
            bits = "" if mask is None else b64encode(np.packbits(mask).tobytes()).decode()
            terms.append(term if mask is None else {**term, "bits": bits})
        found.append({**layer, "terms": terms})
    return found
