"""The rows of a sweep or a comparison: made, or taken from the file of an earlier run.

The contract: a row of the file counts only for the same question (network, data, options), and
where the files that its point names are still the same; the file is written after every row.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from snnc.cli.printing import counted
from snnc.cli.resume import Standing
from snnc.cli.session import Session
from snnc.cli.sweeping import Point, Progress, Rows, Sweep, made_rows

KEYS = {"options", "digests", "error"}
"""What every row of a file has."""


class Gathered:
    """All rows so far; `kind` is the command, `resume` the file in which they stand.

    Raises:
        SnncError: `resume-foreign`, `resume-unreadable`; what reading the network raises.
    """

    def __init__(
        self, session: Session, sweep: Sweep, kind: str, resume: str | None, progress: Progress
    ) -> None:
        self._sweep, self._progress = sweep, progress
        self._maker = Rows(sweep, session)
        self._standing = _standing(resume, kind, sweep, self._maker)
        self._kept = self._read()

    def rows(self, wanted: Sequence[Point], jobs: int) -> list[dict[str, Any]]:
        """Return the row of each point, in order; what stands already is not made again."""
        kept, asked = self._kept, list(wanted)
        stale = [
            row
            for row in kept
            if row["options"] in asked and row["digests"] != self._maker.digests(row["options"])
        ]
        kept[:] = [row for row in kept if row not in stale]
        left = [point for point in asked if not any(r["options"] == point for r in kept)]
        with (
            self._standing.told(lambda: counted(len(kept), "row")),
            closing(made_rows(self._maker, self._sweep, left, jobs, self._progress)) as made,
        ):
            for row in made:
                kept.append(row)
                self._standing.save(kept)
        return [next(r for r in kept if r["options"] == point) for point in asked]

    def _read(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._standing.read() or []
        if not isinstance(found, list) or not all(
            isinstance(r, dict) and set(r) >= KEYS for r in found
        ):
            raise self._standing.refuse("its rows are damaged")
        return found


def _standing(resume: str | None, kind: str, sweep: Sweep, rows: Rows) -> Standing:
    """Return the file of the rows; digests are taken only where there is one."""
    from snnc.driver.artifact import digest, module_digest

    if resume is None:
        return Standing(None, kind, {})
    calibrate = sweep.fixed.get("calibrate")
    question: Mapping[str, Any] = {
        "network": module_digest(rows.network({})),
        "options of the front end": sweep.given,
        "data": digest(Path(sweep.data)) if Path(sweep.data).is_file() else None,
        "calibration": digest(Path(calibrate)) if calibrate else None,
        "target": sweep.target,
        "options": {k: v for k, v in sweep.fixed.items() if k != "calibrate"},
        "calibrate-scale": sweep.calibrate_scale,
        "calibrate-limit": sweep.calibrate_limit,
        "limit": sweep.limit,
        "scale": sweep.scale,
        "ticks": sweep.ticks,
        "hold": sweep.hold,
        "read": sweep.read,
        "engine": sweep.engine,
    }
    return Standing(Path(resume), kind, question)
