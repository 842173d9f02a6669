"""A product of options: the grid, and what one point of it gives as a row.

The contract: a point that is refused is a row with the reason; a row depends on its point alone,
so that rows may come from several processes, or from a file of an earlier run.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from snnc.cli.parameters import calibration, holding
from snnc.cli.session import Session
from snnc.diagnostics import SnncError, fail, nearest

if TYPE_CHECKING:
    from snnc.cli.evaluation import Evaluator
    from snnc.driver import Build
    from snnc.ir.graph import Module

Point = Mapping[str, Any]
Progress = Callable[[str, int, int], None]

TARGET, SET = "target", "set"
DIRECT = (TARGET, "bits", "per", "shrink", "pipeline", "calibrate")
"""Keys of a grid that are arguments of `compile`."""

ITSELF = "the network"
"""The name of the point without options: what is compiled, before any target has taken it."""

MEASURING = ("ticks",)
"""Keys that are no options of compiling."""


def read_axis(text: str) -> tuple[str, tuple[Any, ...]]:
    """Return name and values of `NAME=A,B,C`; commas in brackets, braces and quotes part nothing.

    Raises:
        SnncError: `bad-grid`.
    """
    name, mark, rest = text.partition("=")
    parts = _parts(rest)
    if not (name.strip() and mark) or not all(parts):
        raise fail("bad-grid", f"{text!r} is not NAME=VALUE,VALUE", help="for example bits=8,4,2")
    values = tuple(_value(part) for part in parts)
    twice = [part for n, part in enumerate(parts) if values[n] in values[:n]]
    if twice:
        raise fail("bad-grid", f"{name} has {twice[0]} twice", help="give each value once")
    return name.strip().replace("-", "_"), values


def _parts(text: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _value(text: str) -> Any:
    from snnc.extend.pipeline_text import parse_value

    if text in ("none", "null"):
        return None
    try:
        found = parse_value(text)
    except SnncError:
        return text
    return list(found) if isinstance(found, tuple) else found


def points(axes: Sequence[tuple[str, tuple[Any, ...]]]) -> list[dict[str, Any]]:
    """Return the product of axes, the last one varying fastest.

    Raises:
        SnncError: `bad-grid` for an axis that is given twice.
    """
    names = [name for name, _ in axes]
    twice = next((name for n, name in enumerate(names) if name in names[:n]), None)
    if twice:
        raise fail("bad-grid", f"{twice} is given twice", help=f"write --grid {twice}=A,B,C once")
    return [dict(zip(names, values, strict=True)) for values in product(*(v for _, v in axes))]


def check_names(session: Session, names: Sequence[str], targets: Sequence[str]) -> None:
    """Raise `bad-grid` for a name that is no option of anything."""
    from snnc.extend.options import declared

    known = [*DIRECT, *MEASURING]
    for target in targets:
        known += [o.name for o in declared(session.registry.get_target(target).Options)]
    owners: set[str] = set()
    for target in targets:
        owners |= set(session.registry.pass_names(target))
    for name in names:
        owner, dot, _ = name.partition(".")
        if name in known or (dot and (owner == SET or owner.replace("_", "-") in owners)):
            continue
        options = [f"{o}." for o in sorted(owners)] if dot else known
        close = nearest(owner + "." if dot else name, [k.replace("_", "-") for k in options])
        raise fail(
            "bad-grid",
            f"there is no option {name!r}",
            help=f"{close}; PASS.OPTION is for a pass, set.NAME for the front end",
        )


@frozen
class Sweep:
    """What is the same at all points, as plain data that another process can be given."""

    source: str
    given: dict[str, str]
    plugins: tuple[str, ...]
    target: str
    fixed: Mapping[str, Any]
    calibrate_scale: float | None
    calibrate_limit: int | None
    data: str
    limit: int | None
    scale: float | None
    ticks: int | None
    hold: bool
    read: str | None
    engine: str
    batch: int

    def open(self, session: Session) -> "Rows":
        """Return the function from points to rows."""
        return Rows(self, session)


class Rows:
    """Makes the row of a point: compiles, and evaluates the files."""

    def __init__(self, sweep: Sweep, session: Session) -> None:
        self._sweep, self._session = sweep, session
        self._loaded: dict[tuple[tuple[str, str], ...], Module] = {}
        self.progress: Progress = lambda what, done, total: None

    def __call__(self, point: Point) -> dict[str, Any]:
        """Return `options`, and figures or the `error` that the point is refused with.

        The point without options is the network, before anything is made of it.

        Raises:
            SnncError: what reading that network and the data raises.
        """
        if not point:
            return {"options": {}, "digests": {}, **self._itself()}
        try:
            module = self.network(point)
            begun = time.perf_counter()
            build = self._compiled(module, point)
            compiled = time.perf_counter()
            figures = self._evaluated(build, point)
        except SnncError as error:
            first = error.diagnostics[0]
            return {
                "options": dict(point),
                "digests": self.digests(point),
                "error": {"code": first.code, "message": first.message, "help": first.help},
            }
        seconds = {
            "compile_seconds": round(compiled - begun, 3),
            "evaluate_seconds": _since(compiled),
        }
        made = {"options": dict(point), "digests": self.digests(point), "error": None}
        return {**made, **figures, **seconds}

    def digests(self, point: Point) -> dict[str, str]:
        """Return digests of what the names of a point stand for: files, networks.

        A row of an earlier run counts only where these are still the same.
        """
        from snnc.driver.artifact import digest, module_digest

        found = {}
        data = point.get("calibrate")
        if isinstance(data, str) and Path(data).is_file():
            found["calibrate"] = digest(Path(data))
        if any(name.partition(".")[0] == SET for name in point):
            with suppress(SnncError):
                found["network"] = module_digest(self.network(point))
        return found

    def network(self, point: Point) -> "Module":
        """Return the network at a point; options of the front end may change it."""
        own = {n.partition(".")[2]: v for n, v in point.items() if n.partition(".")[0] == SET}
        given = {**self._sweep.given, **{n: _text(v) for n, v in own.items()}}
        key = tuple(sorted(given.items()))
        if key not in self._loaded:
            self._loaded[key] = self._session.load(self._sweep.source, given)
        return self._loaded[key]

    def _compiled(self, module: "Module", point: Point) -> "Build":
        from snnc.driver import compile as compile_network

        options: dict[str, Any] = dict(self._sweep.fixed)
        passes: dict[str, dict[str, Any]] = {}
        for name, value in point.items():
            owner, dot, option = name.partition(".")
            if dot and owner != SET:
                passes.setdefault(owner.replace("_", "-"), {})[option] = value
            elif not dot and name not in MEASURING and value is not None:
                options[name] = value
        target = options.pop(TARGET, self._sweep.target)
        scale, limit = self._sweep.calibrate_scale, self._sweep.calibrate_limit
        options["calibrate"] = calibration(module, options.get("calibrate"), scale, limit)
        return compile_network(
            module,
            target,
            passes=passes,
            plugin=self._session.plugins,
            progress=self.progress,
            **options,
        )

    def _evaluated(self, build: "Build", point: Point) -> dict[str, Any]:
        from snnc.cli.evaluation import of_build

        sweep, manifest = self._sweep, build.manifest
        ticks = point.get("ticks", sweep.ticks)
        evaluator = of_build(build, sweep.engine, ticks, sweep.read, activity=True)
        return {
            **self._counted(evaluator, ticks),
            "latency": max(manifest["latency"].values(), default=0),
            "resources": manifest["resources"],
            "pipeline": manifest["pipeline"],
        }

    def _itself(self) -> dict[str, Any]:
        """Return figures of the network, before anything is made of it."""
        from snnc.cli.evaluation import of_network

        sweep, module = self._sweep, self.network({})
        evaluator = of_network(
            self._session, module, ticks=sweep.ticks, read=sweep.read, activity=True
        )
        begun = time.perf_counter()
        counted = self._counted(evaluator, sweep.ticks)
        return {"error": None, **counted, "evaluate_seconds": _since(begun)}

    def _counted(self, evaluator: "Evaluator", ticks: int | None) -> dict[str, Any]:
        """Return accuracy and spikes on the data."""
        from snnc.cli.evaluation import Tally
        from snnc.cli.labelled import Labelled

        sweep, held = self._sweep, holding(self._sweep.hold, ticks)
        labelled = Labelled(
            sweep.data, evaluator.module, evaluator.classes, sweep.limit, sweep.scale, held
        )
        tally = Tally()
        for batch in labelled.batches(sweep.batch):
            self.progress("evaluating", tally.samples, len(labelled))
            tally.add(evaluator.run(batch))
        report = tally.report()
        spikes = report.pop("spikes_per_sample")
        return {**report, "spikes_per_sample": sum(spikes.values())}


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 3)


def made_rows(
    rows: Rows, sweep: Sweep, left: Sequence[Point], jobs: int, progress: Progress
) -> Generator[dict[str, Any], None, None]:
    """Yield the row of each point, in order, from this process or from several."""
    from snnc.cli.pool import spread, written

    if jobs == 1:
        for number, point in enumerate(left):

            def tell(what: str, done: int, total: int, number: int = number) -> None:
                at = f"{what} {done:,}" if what == "evaluating" else what
                progress(f"{name_of(left[number])}: {at}", number, len(left))

            rows.progress = tell
            yield rows(point)
        return
    progress("sweeping", 0, len(left))
    with ExitStack() as stack:
        if not any(name.startswith(f"{SET}.") for point in left for name in point):
            source = stack.enter_context(written(rows.network({})))
            sweep = evolve(sweep, source=source, given={})
        for number, row in enumerate(spread(sweep, left, jobs), 1):
            progress("sweeping", number, len(left))
            yield row


def _text(value: Any) -> str:
    from snnc.extend.pipeline_text import write_value

    return value if isinstance(value, str) else write_value(value)


def name_of(point: Point) -> str:
    """Return a point in words.

    >>> name_of({"bits": 4, "per": "layer"})
    'bits=4 per=layer'
    >>> name_of({})
    'the network'
    """
    return (
        ITSELF if not point else " ".join(f"{name}={_text(value)}" for name, value in point.items())
    )


def flat(row: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a row for a table of text: options, figures, the reason against it."""
    for name in names:
        yield name, _text(row["options"][name])
    low, high = row.get("interval_95") or (None, None)
    yield from (("samples", row.get("samples")), ("accuracy", row.get("accuracy")))
    yield from (("interval_low", low), ("interval_high", high))
    yield from ((k, row.get(k)) for k in ("spikes_per_sample", "latency"))
    yield from ((k, v) for k, v in row.get("resources", {}).items() if isinstance(v, int | float))
    yield from ((k, row.get(k)) for k in ("compile_seconds", "evaluate_seconds"))
    error = row["error"] or {"code": None, "message": None}
    yield from (("error", error["code"]), ("message", error["message"]))
