"""Runs `tests/filetests/frontends/dsl/*.snnl`: a network, and the module or the errors it gives.

What follows the line `# ---- out` is the exact text of the module (`pytest --update` rewrites it);
an error stands as `# error: code: words` on its line (line 1 if it has no place), and none else may
come.
"""

import re
from pathlib import Path

import pytest

from snnc.diagnostics import SnncError
from snnc.frontends.dsl import read_text
from snnc.ir.read import read
from snnc.ir.verify import verify
from snnc.ir.write import write

FOLDER = Path(__file__).parents[3] / "filetests" / "frontends" / "dsl"
FILES = sorted(FOLDER.glob("*.snnl"))
OUT = "# ---- out\n"
ERROR = re.compile(r"# error: *([a-z0-9-]+): *(.*?) *(?=# error:|$)")


@pytest.mark.parametrize("path", FILES, ids=[f.stem for f in FILES])
def test_a_network_gives_what_its_file_says(path, pytestconfig):
    source, _, wanted = path.read_text(encoding="utf-8").partition(OUT)
    expected = [
        (number, *match.groups())
        for number, line in enumerate(source.split("\n"), 1)
        for match in ERROR.finditer(line)
    ]
    try:
        module = read_text(source, path.name, FOLDER)
    except SnncError as error:
        found = [(d.loc.line or 1, d.code, d.message) for d in error.diagnostics]
        _compare(expected, sorted(found))
        return
    assert expected == []
    verify(module).check()
    text = write(module, locs=False)
    if all(weight.tensor.inline for weight in module.weights.values()):
        assert text == write(read(text), locs=False)
    if pytestconfig.getoption("--update"):
        path.write_text(f"{source.rstrip()}\n\n{OUT}{text}", encoding="utf-8")
    else:
        assert wanted == text


def _compare(expected, found):
    assert [e[:2] for e in sorted(expected)] == [f[:2] for f in found], "\n".join(map(str, found))
    for wanted, message in zip(sorted(expected), found, strict=True):
        assert wanted[2] in message[2]
