"""The random player on many games, in several processes."""

import concurrent.futures
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

from repro import evaluate, records
from repro.games import Game


def play_all(games: Sequence[Game], seed: int, episodes: int, suite: Path, jobs: int) -> None:
    """Score the random player on each game and print a line for each as it ends.

    Raises:
        RunDirectoryError: see :func:`repro.evaluate.run_random`; games already scored stay.
    """
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(min(jobs, len(games)), context) as pool:
        pending = {pool.submit(_play_one, game.name, seed, episodes, suite): game for game in games}
        try:
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
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _play_one(game: str, seed: int, episodes: int, suite: Path) -> list[float]:
    for _ in evaluate.run_random(game, seed, episodes, suite):
        pass
    table = records.run_path(suite, game, seed) / "evaluations.csv"
    return [float(row["return"]) for row in records.read_rows(table)]
