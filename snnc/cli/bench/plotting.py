"""Draws the rows of benches; needs matplotlib, which is optional."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from snnc.diagnostics import fail

SUFFIXES = (".svg", ".png")
COLORS = {
    "sinabs": "#4c72b0",
    "spikingjelly": "#55a868",
    "snntorch": "#c44e52",
    "norse": "#8172b3",
    "paibox": "#937860",
}
SIZE = 9.0, 4.2
ROW = 0.17
"""Inches of a row, where there are more than the size has room for."""

MARKERS = "osD^v"


def check_plot(path: str) -> None:
    """Refuse, before anything is measured, what could not be drawn.

    Raises:
        SnncError: `plot-format` for another suffix than .svg or .png, `missing-package`.
    """
    from importlib.util import find_spec

    if Path(path).suffix not in SUFFIXES:
        raise fail(
            "plot-format",
            f"{path} is no .svg and no .png file",
            help="give the plot one of these endings",
        )
    if not find_spec("matplotlib"):
        raise fail(
            "missing-package",
            "a plot needs the package matplotlib, which is not installed",
            help="pip install snnc[report], or leave --plot out",
        )


def draw(rows: list[dict[str, Any]], path: str) -> None:
    """Write a picture: how much longer each peer takes, and how time grows with products."""
    compared = [row for row in rows if row.get("peers")]
    grown = [row for row in rows if "macs" in row and not row["peers"]]
    kinds = ((_ratios, compared), (_sizes, grown))
    size = SIZE[0], max(SIZE[1], ROW * len(compared))
    saved([partial(panel, rows=found) for panel, found in kinds if found], path, size)


def saved(
    panels: Sequence[Callable[[Any], None]], path: str, size: tuple[float, float] = SIZE
) -> None:
    """Write a picture of panels side by side, each drawn on an axis of its own; inches."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "snnc", "svg.fonttype": "none", "font.size": 8})
    figure, axes = pyplot.subplots(1, max(1, len(panels)), figsize=size, squeeze=False)
    for panel, axis in zip(panels, axes[0], strict=False):
        panel(axis)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.endswith(".svg") else None)
    pyplot.close(figure)


def _ratios(axis: Any, rows: list[dict[str, Any]]) -> None:
    names = [row["case"] for row in rows][::-1]
    for name, color in COLORS.items():
        points = [
            (row["peers"][name]["ratio"], names.index(row["case"]))
            for row in rows
            if name in row["peers"]
        ]
        if points:
            axis.plot(*zip(*points, strict=True), "o", color=color, label=name, markersize=4)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yticks(range(len(names)), names)
    axis.grid(axis="x", which="both", linewidth=0.3)
    axis.set_xlabel("times as long as the native engine")
    axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, 1.12), ncols=5)


def _sizes(axis: Any, rows: list[dict[str, Any]]) -> None:
    kinds = dict.fromkeys(row["case"].partition(",")[0] for row in rows)
    for kind, marker in zip(kinds, MARKERS, strict=False):
        mine = [row for row in rows if row["case"].startswith(kind)]
        points = [(row["macs"], row["seconds"]) for row in mine]
        axis.plot(*zip(*points, strict=True), marker=marker, label=kind, markersize=4)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.grid(which="both", linewidth=0.3)
    axis.set_xlabel("products of a run, all counted")
    axis.set_ylabel("seconds of a run")
    axis.legend(frameon=False)
