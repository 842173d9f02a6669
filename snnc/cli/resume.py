"""The file in which a long count stands, so that it can go on where it was interrupted.

The contract: the file says what is counted, by digests of the network and of the data; a file that
was begun for anything else is refused. It is replaced as a whole, so an interrupt leaves the count
as it was after the last batch.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from snnc.diagnostics import SnncError, fail
from snnc.ir.files import write_atomically

SCHEMA = 1


@frozen
class Standing:
    """A file for the results of a question; without a path nothing is kept.

    `kind` is the command; `question` what must be the same for a result to count, as plain data.
    """

    path: Path | None
    kind: str
    question: Mapping[str, Any]

    def read(self) -> Any:
        """Return the result so far, None where there is no file yet.

        Raises:
            SnncError: `resume-foreign`, `resume-unreadable`.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            known = found["snnc"], found["schema"], found["question"], found["result"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._unreadable(str(error) or type(error).__name__) from error
        if known[:2] != (self.kind, SCHEMA):
            raise self._unreadable(f"it holds {known[0]!r} of schema {known[1]!r}")
        self._check(known[2])
        return known[3]

    def save(self, result: Any) -> None:
        """Replace the file.

        Raises:
            SnncError: `output-unwritable`.
        """
        if self.path is None:
            return
        data = {
            "snnc": self.kind,
            "schema": SCHEMA,
            "question": dict(self.question),
            "result": result,
        }
        write_atomically(self.path, (json.dumps(data, indent=1) + "\n").encode())

    @contextmanager
    def told(self, done: Callable[[], str]) -> Iterator[None]:
        """Say on stderr, after an interrupt, what stands in the file and how to go on."""
        try:
            yield
        except KeyboardInterrupt:
            if self.path is not None and self.path.exists():
                text = f"{self.path} has {done()}; the same command goes on from there"
                click.echo(f"snnc: {text}", err=True)
            raise

    def refuse(self, reason: str) -> SnncError:
        """Return the error for a file whose result is none of this question."""
        return fail(
            "resume-foreign",
            f"{self.path} cannot be continued: {reason}",
            help="name another file with --resume, or remove this one to begin anew",
        )

    def _check(self, begun: Any) -> None:
        asked = json.loads(json.dumps(dict(self.question)))
        if begun == asked:
            return
        keys = [*asked, *(begun if isinstance(begun, dict) else ())]
        there = begun if isinstance(begun, dict) else {}
        odd = [k for k in dict.fromkeys(keys) if there.get(k, ...) != asked.get(k, ...)]
        raise self.refuse("it was begun with other " + ", ".join(odd))

    def _unreadable(self, reason: str) -> SnncError:
        return fail(
            "resume-unreadable",
            f"{self.path} is no file of an interrupted {self.kind}: {reason}",
            help="name another file with --resume",
        )
