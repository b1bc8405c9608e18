"""The random player on many games, in several processes."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from repro import evaluate, records
from repro.games import Game


def play_all(games: Sequence[Game], seed: int, episodes: int, suite: Path, jobs: int) -> None:
    """Score the random player on each game and print a line for each as it ends.

    Raises:
        RunDirectoryError: see :func:`repro.evaluate.run_random`; games already scored stay.
        SystemExit: on SIGTERM. What has been played stays, the same command goes on from there.
    """
    context = multiprocessing.get_context("spawn")
    parent, ours = context.Pipe(duplex=False)
    with (
        _sigterm_raised(),
        concurrent.futures.ProcessPoolExecutor(
            min(jobs, len(games)), context, _end_with_parent, (parent,)
        ) as pool,
    ):
        try:
            pending = {
                pool.submit(_play_one, game.name, seed, episodes, suite): game for game in games
            }
            for future in concurrent.futures.as_completed(pending):
                game, scores = pending[future], future.result()
                result = evaluate.summary(scores)
                error = (result["sd_return"] or 0.0) / len(scores) ** 0.5
                print(
                    f"{game.title:<22}{result['mean_return']:>12.1f} +- {error:<9.1f}"
                    f"{len(scores)} games  "
                    f"{records.run_path(suite, game.name, seed)}",
                    flush=True,
                )
        except BaseException as end:
            if not isinstance(end, Exception):  # a signal: nobody waits for whole games
                ours.close()
            pool.shutdown(cancel_futures=True)
            raise


def _play_one(game: str, seed: int, episodes: int, suite: Path) -> list[float]:
    for _ in evaluate.run_random(game, seed, episodes, suite):
        pass
    table = records.run_path(suite, game, seed) / "evaluations.csv"
    return evaluate.final_returns(table, "random", 0)


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
def _sigterm_raised() -> Iterator[None]:
    """Make SIGTERM an exception (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        print("repro: stopped; the same command goes on from there", file=sys.stderr)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
