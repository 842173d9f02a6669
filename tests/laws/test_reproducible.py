"""The same network gives the same bytes, whatever the hash seed, and on a second run."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


Made = tuple[Path, dict[str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A folder of builds, and their digests."""
    place = tmp_path_factory.mktemp("here") / "builds"
    return place, digests(place, "0")


def test_builds_do_not_depend_on_the_hash_seed(made: Made, tmp_path: Path) -> None:
    _, first = made
    assert len(first) > 50
    assert first == digests(tmp_path / "b", "1")
    assert first == digests(tmp_path / "c", "7")


def test_no_file_of_a_build_names_the_folder_it_was_made_in(made: Made) -> None:
    place, known = made
    for name in known:
        content = (place / name).read_bytes()
        assert str(place.parent).encode() not in content
        assert str(ROOT).encode() not in content
