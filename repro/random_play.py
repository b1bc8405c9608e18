"""The random player on many games, in several processes; others may play of the same ones."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from repro import evaluate, records
from repro.games import Game
from repro.storage import lock
from repro.system import processes

_PAUSE_SECONDS = 1.0  # before a game is tried again that another process held


def play_all(games: Sequence[Game], seed: int, episodes: int, suite: Path, jobs: int) -> None:
    """Score the random player on each game and print a line for each as it ends.

    A game that another process holds goes to the end of the line and is waited for there: either
    that process plays it to its end, or it dies and the game goes on here.

    Raises:
        RunDirectoryError: see :func:`repro.evaluate.run_random`; games already scored stay.
        SystemExit: on SIGTERM. What has been played stays, the same command goes on from there.
    """
    line = [(game, seed, episodes, suite, 0.0) for game in games]
    held = set[Game]()
    remedy = "the same command goes on from there"
    for game, scores in processes.as_completed(_play_one, line, jobs, remedy):
        path = records.run_path(suite, game.name, seed)
        if scores is None:
            line.append((game, seed, episodes, suite, _PAUSE_SECONDS))
            if game not in held:
                owner = lock.describe(lock.read(path / ".lock"))
                print(f"repro: {path} is held by {owner}; it comes last", file=sys.stderr)
            held.add(game)
            continue
        result = evaluate.summary(scores)
        error = (result["sd_return"] or 0.0) / len(scores) ** 0.5
        print(
            f"{game.title:<22}{result['mean_return']:>12.1f} +- {error:<9.1f}"
            f"{len(scores)} games  {path}",
            flush=True,
        )


def _play_one(
    game: Game, seed: int, episodes: int, suite: Path, pause_seconds: float
) -> tuple[Game, list[float] | None]:
    """All scores of a game, played unless it has been; none if another process holds it."""
    time.sleep(pause_seconds)
    try:
        for _ in evaluate.run_random(game.name, seed, episodes, suite):
            pass
    except lock.HeldError:
        return game, None
    table = records.run_path(suite, game.name, seed) / "evaluations.csv"
    return game, evaluate.final_returns(table, "random", 0)
