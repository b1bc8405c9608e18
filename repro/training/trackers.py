"""What watches a training: CSV rows, TensorBoard, the live line. Each sees every event."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from repro.agent import Agent
from repro.config import Config
from repro.loop import Event
from repro.records import Table
from repro.replay import Batch, ReplayMemory
from repro.training import measure


class Tracker(Protocol):
    """Observes a training."""

    def __call__(self, event: Event) -> None:
        """Take notice of one step."""

    def close(self) -> None:
        """Finish up."""


class EpisodeTracker:
    """Writes train_episodes.csv: a row per training game, raw returns."""

    def __init__(self, table: Table, frames_per_step: int) -> None:
        self._table = table
        self._frames_per_step = frames_per_step
        self._games = 0
        self.returns: deque[float] = deque(maxlen=100)

    def __call__(self, event: Event) -> None:
        """Write a row when a game has ended."""
        if event.game_return is None:
            return
        self._table.append(
            {
                "step": event.step,
                "frames": event.step * self._frames_per_step,
                "game": self._games,
                "return": event.game_return,
                "game_frames": event.game_frames,
                "epsilon": round(event.epsilon, 6),
            }
        )
        self._games += 1
        self.returns.append(event.game_return)

    def state(self) -> dict[str, Any]:
        """The number of games and the last 100 returns."""
        return {"games": self._games, "returns": list(self.returns)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on counting."""
        self._games = state["games"]
        self.returns.extend(state["returns"])

    def close(self) -> None:
        """Close the table."""
        self._table.close()


class LearningTracker:
    """Writes learning.csv, with what the original logged (ledger rows 27 and 31).

    The held-out transitions are drawn from replay, by a generator of their own, when learning
    starts.
    """

    def __init__(
        self,
        table: Table,
        config: Config,
        agent: Agent,
        memory: ReplayMemory,
        generator: np.random.Generator,
    ) -> None:
        self._table = table
        self._config = config
        self._agent = agent
        self._memory = memory
        self._generator = generator
        self._heldout: Batch | None = None
        self._gradients: dict[str, float] = {}  # as they were when the run was interrupted
        self._updates = 0
        self._losses: list[float] = []
        self._since = (time.perf_counter(), -1)
        self._paused = 0.0
        self.latest: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        """Count; write a row every ``log_every_steps``."""
        training = self._config.training
        if self._since[1] < 0:
            self._since = (self._since[0], event.step - 1)
        if event.step == self._config.agent.learning_starts_steps and training.heldout_states:
            self._heldout = self._memory.sample(training.heldout_states, self._generator)
        if event.loss is not None:
            self._updates += 1
            self._losses.append(event.loss)
        if event.step % training.log_every_steps == 0:
            self._write(event)

    def _write(self, event: Event) -> None:
        now, frames_per_step = time.perf_counter(), self._config.frames_per_step
        rate = (event.step - self._since[1]) * frames_per_step / (now - self._since[0])
        self.latest = {
            "step": event.step,
            "frames": event.step * frames_per_step,
            "updates": self._updates,
            "epsilon": round(event.epsilon, 6),
            "loss": float(np.mean(self._losses)) if self._losses else None,
            **(vars(measure.values(self._agent, self._heldout)) if self._heldout else {}),
            **self._gradients,
            **measure.layers(self._agent.network),
            "frames_per_second": round(rate, 1),
        }
        self._table.append(self.latest)
        self._losses.clear()
        self._since = (time.perf_counter(), event.step)

    def pause(self) -> None:
        """Leave the time until the next step out of frames per second (an evaluation, say)."""
        self._paused = time.perf_counter()

    def go_on(self) -> None:
        """End of :meth:`pause`."""
        self._since = (self._since[0] + time.perf_counter() - self._paused, self._since[1])

    def state(self) -> dict[str, Any]:
        """Held-out transitions, and what the next row needs."""
        return {
            "updates": self._updates,
            "losses": list(self._losses),
            "gradients": {
                name: value
                for name, value in (self._gradients | measure.layers(self._agent.network)).items()
                if name.endswith("gradient")
            },
            "heldout": None if self._heldout is None else dict(vars(self._heldout)),
            "generator": self._generator.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the same held-out transitions."""
        self._updates = state["updates"]
        self._losses = list(state["losses"])
        self._gradients = state["gradients"]
        self._heldout = Batch(**state["heldout"]) if state["heldout"] else None
        self._generator.bit_generator.state = state["generator"]

    def close(self) -> None:
        """Close the table."""
        self._table.close()


class TensorBoardTracker:
    """Writes the same numbers for TensorBoard, against emulator frames."""

    def __init__(
        self, folder: Path, config: Config, learning: LearningTracker, resumed_frames: int
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(
            folder, purge_step=resumed_frames + 1 if resumed_frames else None
        )
        self._frames_per_step = config.frames_per_step
        self._every = config.training.log_every_steps
        self._learning = learning

    def __call__(self, event: Event) -> None:
        """Follow the two tables."""
        frames = event.step * self._frames_per_step
        if event.game_return is not None:
            self.scalar("train/return", event.game_return, frames)
        if event.step % self._every == 0:
            for name in ("epsilon", "loss", "mean_max_q", "v", "mean_abs_td_error",
                         "frames_per_second"):  # fmt: skip
                value = self._learning.latest.get(name)
                if value is not None:
                    self.scalar(f"learning/{name}", value, frames)

    def scalar(self, name: str, value: float, frames: int) -> None:
        """Write one number."""
        self._writer.add_scalar(name, value, frames)

    def close(self) -> None:
        """Flush."""
        self._writer.close()


@contextmanager
def quiet_writers() -> Iterator[None]:
    """Print nothing when TensorBoard's own thread cannot write.

    What it met is raised again by the tracker's next call, as every other failure to write.
    """
    before = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            before(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before
