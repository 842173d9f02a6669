"""Runs golden cases through the reference and prints a table: `python -m tests.golden.run DIR...`.

A folder is a case, or holds case folders. Exit status 3 where a case differs from its record.
"""

import sys
from pathlib import Path

import numpy as np

from snnc.diagnostics import SnncError
from snnc.extend.engine import Engine
from snnc.runtime.reference import Reference
from tests.golden.paibox_translate import Case, translate


def case_folders(folder: Path) -> list[Path]:
    """Return the case folders at or below a folder, in order of name."""
    if (folder / "net.json").exists():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/net.json"))


def difference(case: Case, engine: Engine) -> str:
    """Return where a run first differs from the record, or nothing."""
    run = engine.prepare(case.module).run(case.inputs, probe=tuple(case.expected))
    found = []
    for name, expected in case.expected.items():
        actual = run.trace[name][:, : expected.shape[1]].reshape(expected.shape)
        if not np.array_equal(expected, actual):
            _, tick, neuron = np.argwhere(expected != actual)[0]
            numbers = f"{expected[0, tick, neuron]} recorded, {actual[0, tick, neuron]} computed"
            found.append((tick, f"{name}[{neuron}] at tick {tick}: {numbers}"))
    return min(found)[1] if found else ""


def outcome(folder: Path, engine: Engine) -> tuple[str, str]:
    """Return ("equal" | "differs" | "refused", detail) of one case."""
    try:
        case = translate(folder)
        found = difference(case, engine)
    except SnncError as error:
        return "refused", error.diagnostics[0].message
    if found:
        return "differs", found
    spikes = sum(int(a.sum()) for n, a in case.expected.items() if not n.endswith(".v"))
    return "equal", f"{len(case.expected)} records, {spikes} spikes"


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    results = []
    for folder in (f for argument in arguments for f in case_folders(Path(argument))):
        results.append((folder.name, *outcome(folder, Reference())))
        print(
            "  ".join((f"{results[-1][0]:36}", f"{results[-1][1]:8}", results[-1][2])), flush=True
        )
    counts = [sum(r[1] == word for r in results) for word in ("equal", "differs", "refused")]
    print("{} equal, {} differ, {} refused".format(*counts))
    return 3 if counts[1] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
