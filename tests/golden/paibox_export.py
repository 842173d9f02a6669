"""Runs where PAIBox is: `python paibox_export.py OUT NAME...` exports networks of the table.

OUT gets `NAME.npz` for each that PAIBox compiles: configuration frames, JSON files as text.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import paibox as pb
import paibox_table
import paibox_table_bytes  # noqa: F401 (adds entries)
import paibox_table_mixed  # noqa: F401 (adds entries)


def export(name):
    """Return frames and files of a network as PAIBox exports it."""
    mapper = pb.Mapper()
    mapper.build(paibox_table.network(name))
    mapper.compile()
    with tempfile.TemporaryDirectory() as folder:
        mapper.export(fp=folder, format="npy")
        texts = {p.stem: np.array(p.read_text()) for p in Path(folder).glob("*.json")}
        return {"frames": np.load(Path(folder) / "config_all.npy"), **texts}


def main(out, names):
    warnings.simplefilter("ignore")
    for name in names:
        # PAIBox prints for each group, and fails in ways of its own.
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            np.savez(out / f"{name}.npz", **export(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
