"""The training loop: a generator that yields one event per step and knows nothing of logging."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from repro import schedule
from repro.agent import Agent
from repro.minibatches import MinibatchQueue
from repro.player import Player
from repro.replay import Batch


@dataclass(frozen=True, slots=True)
class Event:
    """What happened in one step.

    ``loss`` is that of the update, if there was one. ``game_return`` (raw) and
    ``game_frames`` are set on the last step of a whole game.
    """

    step: int
    epsilon: float
    loss: float | None
    game_return: float | None
    game_frames: int | None


class Loop:
    """Plays and learns. Between two events its state is that after a step, the target not copied.

    Args:
        player: plays, and stores every transition.
        agent: acts and learns.
        queue: hands out the minibatches.
    """

    def __init__(self, player: Player, agent: Agent, queue: MinibatchQueue) -> None:
        self.player = player
        self.agent = agent
        self.queue = queue
        self.step = 0
        self.updates = 0
        self.games = 0
        self.action = 0
        self.batch: Batch | None = None  # of the latest update

    def run(self, steps: int) -> Iterator[Event]:
        """Go on until ``steps`` steps have been taken in all, yielding after each.

        Raises:
            NonFiniteError: see :meth:`repro.agent.Agent.update`.
        """
        if self.player.observation is None:
            self.action = self.agent.act(self.player.start(), self._epsilon())
        else:
            self._renew_target()
        while self.step < steps:
            yield self._one_step()
            self._renew_target()

    def state(self) -> dict[str, Any]:
        """Counters and the chosen action, for a checkpoint."""
        return {name: getattr(self, name) for name in ("step", "updates", "games", "action")}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        vars(self).update(state)

    def _one_step(self) -> Event:
        """Act, store, choose, update: the order of ledger row 21."""
        observation, info = self.player.step(self.action)
        self.step += 1
        self.games += "game_return" in info
        epsilon = self._epsilon()
        self.action = self.agent.act(observation, epsilon)
        loss = None
        if schedule.update_due(self.step, self.agent.config):
            self.batch = self.queue.next()
            loss = self.agent.update(self.batch)
            if self.agent.config.replay == "prioritized":
                self.player.memory.learned(self.batch.numbers, self.agent.learner.errors())
            self.updates += 1
        return Event(self.step, epsilon, loss, info.get("game_return"), info.get("game_frames"))

    def _epsilon(self) -> float:
        return schedule.epsilon(self.step, self.agent.config)

    def _renew_target(self) -> None:
        """The last thing in a step, after it was logged as in the original (ledger row 31)."""
        if schedule.target_due(self.step, self.agent.config):
            self.agent.renew_target()
