"""The two evaluations of a training: a row of evaluations.csv per game."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.agent import Agent
from repro.evaluation import protocols
from repro.experiment import Environments
from repro.records import Table
from repro.storage.lock import LostDirectoryError
from repro.storage.run import Run


class Scoring:
    """Lets the agent of a training play for scores.

    Args:
        run: which training.
        envs: its environments.
        agent: plays with the weights that it has when asked.
        table: evaluations.csv.
        check: called before every step with the share of the evaluation that is played; may
            raise, to stop.
    """

    def __init__(
        self,
        run: Run,
        envs: Environments,
        agent: Agent,
        table: Table,
        check: Callable[[float], None],
    ) -> None:
        self._run = run
        self._envs = envs
        self._table, self._path = table, table.path
        self._check = check
        self._play = agent.player(run.config.training.eval_epsilon)
        self._step, self._games = 0, list[protocols.Game]()  # of the last periodic evaluation
        self._share = 0.0  # of the evaluation under way

    def periodic(self, step: int) -> list[protocols.Game]:
        """The periodic evaluation, of the network after ``step`` training steps.

        Goes on where an interrupted one stopped; the game that was cut short is played again.
        """
        if step != self._step:
            self._step, self._games = step, []
        self._share = self.played_steps / self._run.config.training.eval_steps
        budget = self._run.config.training.eval_steps - self.played_steps
        for game in protocols.play_steps(
            self._envs.periodic, self._player, self._run.seed, step, budget, len(self._games)
        ):
            self._table.append(game.row("periodic", "last", step))
            self._games.append(game)
            self._share = self.played_steps / self._run.config.training.eval_steps
        return self._games

    @property
    def played_steps(self) -> int:
        """Steps of the games of the last periodic evaluation that are over."""
        return sum(game.steps for game in self._games)

    def state(self) -> dict[str, Any]:
        """For a checkpoint: how far the last periodic evaluation has come."""
        return {"step": self._step, "games": [dataclasses.asdict(game) for game in self._games]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self._step = state["step"]
        self._games = [protocols.Game(**game) for game in state["games"]]

    def final(self, weights: str, step: int) -> dict[str, Any]:
        """The final evaluation; goes on where a killed one stopped, and returns its summary.

        Args:
            weights: "best" or "last", as the agent has them.
            step: training step that they are from.
        """
        there = len(protocols.final_returns(self._path, weights, step))
        asked = self._run.config.training.final_episodes
        self._share = there / asked
        games = protocols.record_episodes(
            self._envs.final, self._player, self._run, self._table, weights, step, asked, there
        )
        for played, _ in enumerate(games, start=there + 1):
            self._share = played / asked
        returns = protocols.final_returns(self._path, weights, step)
        if len(returns) < asked:
            raise LostDirectoryError(f"{self._path} has lost games that were just played")
        return protocols.summary(returns[:asked])  # `repro evaluate` may have played more

    def close(self) -> None:
        """Close the table."""
        self._table.close()

    def _player(self, generator: np.random.Generator) -> protocols.Player:
        """The agent at play, listening."""
        act = self._play(generator)

        def play(observation: NDArray[Any]) -> int:
            self._check(self._share)
            return act(observation)

        return play
