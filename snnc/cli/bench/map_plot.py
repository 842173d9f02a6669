"""Draws the rows of `snnc bench map`; needs matplotlib, which is optional."""

from typing import Any

from snnc.cli.bench.plotting import SIZE, saved

COLORS = {"required": "#4c72b0", "occupied": "#55a868", "links": "#c44e52"}

ROW = 0.15
"""Inches that a name takes."""


def draw(rows: list[dict[str, Any]], path: str) -> None:
    """Write a picture: what we take by what the peer takes, and how time grows with bytes."""
    compared = [row for row in rows if "bits" in row and "occupied_by_peer" in row]
    grown = [row for row in rows if row["suite"] == "growth" and "seconds" in row]
    grown.sort(key=lambda row: row["bytes"])
    panels = []
    if compared:
        panels.append(lambda axis: _ratios(axis, compared))
    if grown:
        panels.append(lambda axis: _times(axis, grown))
    saved(panels, path, (SIZE[0], max(SIZE[1], 1.2 + ROW * len(compared))))


def _ratios(axis: Any, rows: list[dict[str, Any]]) -> None:
    names = [row["case"] for row in rows][::-1]
    for name, color in COLORS.items():
        points = [(row[f"{name}_by_peer"], names.index(row["case"])) for row in rows]
        axis.plot(*zip(*points, strict=True), "o", color=color, label=name, markersize=3.5)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yticks(range(len(names)), names)
    axis.grid(axis="x", which="both", linewidth=0.3)
    axis.set_xlabel("by what PAIBox takes")
    axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, 1.08), ncols=3)


def _times(axis: Any, rows: list[dict[str, Any]]) -> None:
    points = [(row["bytes"] / 1e6, row["seconds"]) for row in rows]
    axis.plot(*zip(*points, strict=True), "o", color=COLORS["required"], markersize=4)
    # What the smallest network would cost with as many bytes.
    size, seconds = points[0]
    most = points[-1][0]
    line = [0, most], [0, seconds / size * most]
    axis.plot(*line, ":", color="black", linewidth=0.8, label="as many per byte as the smallest")
    for number, (row, at) in enumerate(zip(rows, points, strict=True)):
        # Neighbors may be as good as equal, so that their texts go apart.
        beside = {"xytext": (5, -9)} if number % 2 else {"xytext": (-5, 4), "ha": "right"}
        axis.annotate(f"{row['required']:,} cores", at, textcoords="offset points", **beside)
    axis.legend(frameon=False, loc="upper left")
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    axis.grid(linewidth=0.3)
    axis.set_xlabel("megabytes written")
    axis.set_ylabel("seconds to compile")
