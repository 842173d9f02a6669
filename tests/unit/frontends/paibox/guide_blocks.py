"""The Python blocks of a guide in Markdown, cut into what is run and what is shown.

The guide prints after `>>>`; what follows up to a blank line is output. Names that the guide leaves
open (`w1 = ...`) are filled in by whoever runs a block.
"""

import re
from pathlib import Path

BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```", re.S | re.M)


def blocks(path: Path) -> list[str]:
    """Return the code of each Python block, without its output, imports turned to the facade."""
    found = []
    for indent, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        found.append(_redirected(_without_output(lines)))
    return found


def _without_output(lines: list[str]) -> str:
    kept, printing = [], False
    for line in lines:
        if line.startswith(">>>"):
            printing = True
        elif printing and re.match(r"(BACKEND_CONFIG|set_cflag|# Set)", line):
            printing = False
        if not printing:
            kept.append(line)
    return "\n".join(kept)


def _redirected(code: str) -> str:
    code = code.replace("import paibox as pb", "import snnc.frontends.paibox.guide as pb")
    return code.replace("from paibox import", "from snnc.frontends.paibox.guide import")
