"""Work spread over processes: results in order, few in flight, an interrupt ends them at once."""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from snnc.cli.session import Session
from snnc.diagnostics import fail

if TYPE_CHECKING:
    from snnc.ir.graph import Module

Work = Callable[[Any], Any]


@contextmanager
def written(module: "Module") -> Iterator[str]:
    """Give a file of a network that was read, so that no other process reads its source again."""
    from snnc.ir.write import save

    with tempfile.TemporaryDirectory(prefix="snnc-") as folder:
        path = Path(folder, "network.snn")
        save(module, path)
        yield str(path)


class Opener(Protocol):
    """Plain data that another process can be given, and makes the work from."""

    @property
    def plugins(self) -> tuple[str, ...]:
        """Files of plugins that the work needs."""

    def open(self, session: Session) -> Work:
        """Return the function that does a piece of work."""


_WORK: Work | None = None


def spread(opener: Opener, pieces: Iterable[Any], jobs: int) -> Generator[Any, None, None]:
    """Yield what the work gives for each piece, in order, from `jobs` processes.

    Pieces are drawn as processes become free, so few of them are in memory.

    Raises:
        SnncError: what the work raises; `process-died`.
    """
    # Threads beside processes cost more than they give.
    for name in ("OPENBLAS_NUM_THREADS", "SNNC_THREADS"):
        os.environ.setdefault(name, "1")
    from multiprocessing import active_children, get_context

    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin, initargs=(opener,))
    try:
        waiting: deque[Future[Any]] = deque()
        for piece in pieces:
            with _uninterrupted():
                waiting.append(pool.submit(_work, piece))
            if len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise fail(
            "process-died",
            "a process of --jobs ended without a result; the system may have had no memory left",
            help="give fewer --jobs or a smaller --batch",
        ) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()
        raise
    pool.shutdown()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold an interrupt back until processes have begun, which then never see one."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):  # Windows.
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(opener: Opener) -> None:
    """Prepare a process; an interrupt is for the process that began it."""
    import signal

    from snnc.cli.settings import Settings

    signal.signal(signal.SIGINT, signal.SIG_IGN)

    global _WORK
    _WORK = opener.open(Session(opener.plugins, False, Settings()))


def _work(piece: Any) -> Any:
    assert _WORK is not None
    return _WORK(piece)
