"""The same work on many things in several processes, which all end when the command does."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, TypeVar

Found = TypeVar("Found")


def as_completed(
    work: Callable[..., Found], calls: list[tuple[Any, ...]], jobs: int, remedy: str
) -> Iterator[Found]:
    """Call a function once for each of some arguments, and yield what it returns as it comes.

    Args:
        work: of a module, as the processes import it.
        calls: the arguments, one tuple for each call; they are used up, and more may be added
            while results are taken.
        jobs: processes at most.
        remedy: what to do after a SIGTERM, said on standard error.

    Raises:
        Exception: the first that a call raises; calls that have not begun are then given up.
        SystemExit: on SIGTERM.
    """
    context = multiprocessing.get_context("spawn")
    parent, ours = context.Pipe(duplex=False)
    with (
        _sigterm_raised(remedy),
        concurrent.futures.ProcessPoolExecutor(
            min(jobs, len(calls)), context, _end_with_parent, (parent,)
        ) as pool,
    ):
        try:
            pending = set[concurrent.futures.Future[Found]]()
            while calls or pending:
                while calls:
                    pending.add(pool.submit(work, *calls.pop(0)))
                done, pending = concurrent.futures.wait(
                    pending, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    yield future.result()
        except BaseException as end:
            if not isinstance(end, Exception):  # a signal: nobody waits for what has begun
                ours.close()
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent(parent: Connection) -> None:
    """End this process, whatever it does, when the other end of the pipe is closed.

    The system closes it when the parent dies, even of SIGKILL. Rows are written whole, and locks
    are let go by the system, too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # sent to all by a terminal; the parent decides

    def wait() -> None:
        parent.poll(None)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _sigterm_raised(remedy: str) -> Iterator[None]:
    """Make SIGTERM an exception (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        print(f"repro: stopped; {remedy}", file=sys.stderr)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
