"""The modules that stand in the texts of the file tests: each valid one that the reference runs."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from snnc.builtins import open_registry
from snnc.diagnostics import SnncError
from snnc.ir import Module
from snnc.ir.read import read
from snnc.ir.verify import verify

CORPUS = Path(__file__).parents[1] / "filetests"


@cache
def corpus() -> Mapping[str, Module]:
    """Modules by file and number, those after a pipeline too; what a file says is wrong is none."""
    levels, found = open_registry().get_engine("reference").levels, {}
    for path in sorted(CORPUS.rglob("*.snn")):
        texts = re.split(r"^(?=module @)", path.read_text(), flags=re.MULTILINE)[1:]
        for number, text in enumerate(texts):
            try:
                module = read(text.partition("\n// ----")[0], path.name)
                verify(module).check()
            except SnncError:
                continue
            if module.level in levels:
                found[f"{path.relative_to(CORPUS)}-{number}"] = module
    return found
