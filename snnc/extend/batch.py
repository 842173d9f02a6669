"""What all emulators ask of a batch: trains of one number of samples and of one length."""

from collections.abc import Mapping

from snnc.diagnostics import fail
from snnc.ir.weights import Array


def aligned(trains: Mapping[str, Array], ticks: int | None) -> tuple[dict[str, Array], int, int]:
    """Return trains `(samples, ticks, ...)` cut to `ticks`, and how many samples and ticks.

    Raises:
        SnncError: `sample-count`, `tick-count`.
    """
    samples = {len(train) for train in trains.values()} or {1}
    lengths = {train.shape[1] for train in trains.values()}
    if len(samples) > 1:
        raise fail(
            "sample-count",
            f"inputs have different numbers of samples: {sorted(samples)}",
            help="axis 0 counts samples; a single sample needs it too",
        )
    count = min(lengths, default=0) if ticks is None else ticks
    if len(lengths) > 1 or count < 0 or (lengths and count > min(lengths)):
        raise fail(
            "tick-count",
            f"{count} ticks were asked for, the inputs have {', '.join(map(str, sorted(lengths)))}",
            help="give inputs of one length, and ask for no more ticks than they have",
        )
    return {name: train[:, :count] for name, train in trains.items()}, samples.pop(), count
