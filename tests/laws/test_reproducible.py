"""The same network gives the same bytes, whatever the hash seed, and on a second run."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
import snnc
from tests.golden.paibox_translate import translate
for name in ("16_conv2d_multi_tile", "26_residual_add", "53_opt_core", "70_random_0"):
    module = translate(Path("tests/golden/paibox") / name).module
    build = snnc.compile(module, target="paicore", format=["bin", "npy", "txt"])
    build.save(Path(sys.argv[1]) / name)
for name, bits in (("mlp", 4), ("conv", 2)):
    build = snnc.compile(f"examples/mnist/{name}.snnl", target="paicore", bits=bits)
    build.save(Path(sys.argv[1]) / name)
"""


def digests(folder: Path, seed: str) -> dict[str, str]:
    """Compile a few networks in a process of its own; return the digest of every file."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_builds_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    first = digests(tmp_path / "a", "0")
    assert len(first) > 50
    assert first == digests(tmp_path / "b", "1")
    assert first == digests(tmp_path / "c", "7")


def test_no_file_of_a_build_names_the_folder_it_was_made_in(tmp_path: Path) -> None:
    digests(tmp_path / "here", "0")
    for path in (tmp_path / "here").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes()
            assert str(ROOT).encode() not in path.read_bytes()
