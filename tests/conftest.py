"""Collects `tests/filetests/**/*.snn`: a text, a pipeline, and what must come of it.

Line 1 says what to run: `// RUN: clean,fold-norm`, or `// RUN: verify`, or `// RUN:` for reading
and writing alone. Options stand in brackets: `// RUN(target=paicore, locs): ...` chooses a target
and prints locations. Then one of two things is expected:

- errors: each stands as `// error: code: words` on the line that it must point at (line 1 for an
  error without a place in the file); the words are part of the message. No others may come.
- output: everything after the line `// ---- out` is the exact text that must come out.

`pytest --update` writes the output that came into the file; review the diff.
"""

import difflib
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# No test measures time: an example may take as long as the machine needs.
settings.register_profile("snnc", deadline=None)
settings.load_profile("snnc")

ROOT = Path(__file__).resolve().parent.parent
# Tests import what they share as `tests.laws.strategies`, whichever way pytest was started.
sys.path.insert(0, str(ROOT))

OUT = "// ---- out\n"
RUN = re.compile(r"// RUN(?:\(([^)]*)\))?:([^\n]*?)(?:// error:.*)?\n")
ERROR = re.compile(r"// error: *([a-z0-9-]+): *(.*?) *(?=// error:|$)")


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="rewrite expected output of file tests")


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".snn" and "filetests" in file_path.parts:
        return SnnFile.from_parent(parent, path=file_path)
    return None


class SnnFile(pytest.File):
    def collect(self):
        yield SnnItem.from_parent(self, name=self.path.stem)


class FileTestFailure(Exception):
    """What the reader of a failed file test sees."""


class SnnItem(pytest.Item):
    def runtest(self):
        self.source, _, wanted = self.path.read_text(encoding="utf-8").partition(OUT)
        expected = _expected_errors(self.source)
        text, problems = self._run()
        found = [_place(d, self.path.name) for d in problems]
        if expected or found:
            _compare_errors(expected, found, problems)
        elif self.config.getoption("--update"):
            self.path.write_text(f"{self.source.rstrip()}\n\n{OUT}{text}", encoding="utf-8")
        elif text != wanted:
            diff = difflib.unified_diff(
                wanted.splitlines(), text.splitlines(), "expected", "actual", lineterm=""
            )
            raise FileTestFailure("\n".join([*diff, "(accept with pytest --update)"]))

    def _run(self):
        """Return the text that comes out, and the errors."""
        from snnc.diagnostics import SnncError
        from snnc.ir.read import read
        from snnc.ir.verify import verify
        from snnc.ir.write import write

        run = RUN.match(self.source)
        if run is None:
            raise FileTestFailure("line 1 must be // RUN: <pipeline>")
        options = {
            o.partition("=")[0].strip(): o.partition("=")[2] for o in (run[1] or "").split(",")
        }
        pipeline = run[2].strip()
        try:
            module = read(self.source, self.path.name, folder=self.path.parent)
            if pipeline == "verify":
                verify(module).check()
            elif pipeline:
                from snnc.driver import run_pipeline

                module = run_pipeline(module, pipeline, target=options.get("target"))
            return write(module, locs="locs" in options), ()
        except SnncError as error:
            return "", error.diagnostics

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, FileTestFailure):
            return f"{self.path}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, f"file test {self.name}"


def _expected_errors(source):
    lines = source.split("\n")
    return [(n, m[1], m[2]) for n, line in enumerate(lines, 1) for m in ERROR.finditer(line)]


def _place(diagnostic, name):
    loc = diagnostic.loc
    return (loc.line if loc.file == name else 1, diagnostic.code, diagnostic.message)


def _compare_errors(expected, found, problems):
    from snnc.diagnostics import render

    rest = list(found)
    missing = Counter()
    for line, code, words in expected:
        match = next((f for f in rest if f[:2] == (line, code) and words in f[2]), None)
        if match:
            rest.remove(match)
        else:
            missing[f"missing    line {line}: {code}: {words}"] += 1
    if missing or rest:
        report = [*missing, *(f"unexpected line {n}: {c}: {m}" for n, c, m in rest)]
        raise FileTestFailure("\n".join([*report, "", *map(render, problems)]))
