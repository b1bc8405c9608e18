"""The random player on many games, in several processes."""

from collections.abc import Sequence
from pathlib import Path

from repro import evaluate, processes, records
from repro.games import Game


def play_all(games: Sequence[Game], seed: int, episodes: int, suite: Path, jobs: int) -> None:
    """Score the random player on each game and print a line for each as it ends.

    Raises:
        RunDirectoryError: see :func:`repro.evaluate.run_random`; games already scored stay.
        SystemExit: on SIGTERM. What has been played stays, the same command goes on from there.
    """
    calls = [(game, seed, episodes, suite) for game in games]
    remedy = "the same command goes on from there"
    for game, scores in processes.as_completed(_play_one, calls, jobs, remedy):
        result = evaluate.summary(scores)
        error = (result["sd_return"] or 0.0) / len(scores) ** 0.5
        print(
            f"{game.title:<22}{result['mean_return']:>12.1f} +- {error:<9.1f}"
            f"{len(scores)} games  "
            f"{records.run_path(suite, game.name, seed)}",
            flush=True,
        )


def _play_one(game: Game, seed: int, episodes: int, suite: Path) -> tuple[Game, list[float]]:
    for _ in evaluate.run_random(game.name, seed, episodes, suite):
        pass
    table = records.run_path(suite, game.name, seed) / "evaluations.csv"
    return game, evaluate.final_returns(table, "random", 0)
