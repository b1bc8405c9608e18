"""The random player (ledger row 26): one game, or many in several processes beside others'."""

import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from repro import records
from repro.evaluation import protocols
from repro.evaluation.protocols import Player, PlayerFactory
from repro.games import Game
from repro.storage import directory, done, lock
from repro.system import processes
from wrappers.protocol import NATURE, Protocol

ACTION_FRAMES = 6  # 10 Hz, the rate of a fast human; Methods
_PAUSE_SECONDS = 1.0  # before a game is tried again that another process held


def uniform(actions: int) -> PlayerFactory:
    """Uniformly random actions, 0 to ``actions - 1``."""

    def make(generator: np.random.Generator) -> Player:
        return lambda _: int(generator.integers(actions))

    return make


def slow(protocol: Protocol = NATURE) -> Protocol:
    """The random player's protocol: each action lasts six frames (ledger row 26)."""
    return dataclasses.replace(protocol, action_repeat_frames=ACTION_FRAMES)


def run_random(
    game: str, seed: int, episodes: int, suite: Path | str, protocol: Protocol = NATURE
) -> Iterator[protocols.Game]:
    """Score the random player and record it as a run; yields each game as it ends.

    The run directory gets the games one by one; a repeated call goes on where the
    last one stopped, and yields nothing if that was the end.

    Raises:
        RunDirectoryError: if the directory is in use or belongs to another configuration.
    """
    from wrappers.envs import make_eval_env

    slowed = slow(protocol)
    identity = {
        "game": game,
        "seed": seed,
        "preset": "random",
        "episodes": episodes,
        "config": {"environment": "atari", "protocol": dataclasses.asdict(slowed)},
    }
    with directory.RunDirectory(records.run_path(suite, game, seed), identity) as run:
        if run.done():
            return
        env = make_eval_env(game, seed, slowed)
        records.write_json(run.path / "provenance.json", protocols.describe(game, env))
        records.trim(run.path / "evaluations.csv", 0)
        table = run.table("evaluations.csv")
        there = len(records.read_rows(run.path / "evaluations.csv"))
        player = uniform(int(env.action_space.n))  # type: ignore[attr-defined]
        for result in protocols.play_episodes(env, player, seed, 0, episodes, there):
            table.append(result.row("final", "random", 0))
            yield result
        table.close()
        env.close()
        scores = protocols.final_returns(run.path / "evaluations.csv", "random", 0)
        done.write(run.path, protocols.summary(scores))


def play_all(games: Sequence[Game], seed: int, episodes: int, suite: Path | str, jobs: int) -> None:
    """Score the random player on each game and print a line for each as it ends.

    A game that another process holds goes to the end of the line and is waited for there: either
    that process plays it to its end, or it dies and the game goes on here.

    Raises:
        RunDirectoryError: see :func:`run_random`; games already scored stay.
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
        result = protocols.summary(scores)
        error = (result["sd_return"] or 0.0) / len(scores) ** 0.5
        print(
            f"{game.title:<22}{result['mean_return']:>12.1f} +- {error:<9.1f}"
            f"{len(scores)} games  {path}",
            flush=True,
        )


def _play_one(
    game: Game, seed: int, episodes: int, suite: Path | str, pause_seconds: float
) -> tuple[Game, list[float] | None]:
    """All scores of a game, played unless it has been; none if another process holds it."""
    time.sleep(pause_seconds)
    try:
        for _ in run_random(game.name, seed, episodes, suite):
            pass
    except lock.HeldError:
        return game, None
    table = records.run_path(suite, game.name, seed) / "evaluations.csv"
    return game, protocols.final_returns(table, "random", 0)
