"""Replay memory of single frames; stacks are rebuilt when sampling. NumPy only.

One slot holds what was known when an action was chosen (the newest frame of
the observation) and what came of it (action, reward, how the episode went on).
A full memory overwrites its oldest slot.

Transitions are numbered from 0 by when they were added, for ever: number n
lies in slot n modulo the capacity for as long as it is held.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GOES_ON, _TERMINAL, _TRUNCATED = 0, 1, 2

Transitions = dict[str, NDArray[Any]]  # frames, actions, rewards, ends; first axis the transition


@dataclass(frozen=True)
class Batch:
    """Transitions, first axis the transition.

    ``windows`` has shape ``(batch, history + steps, *frame)``: the frames of the
    state and, shifted by ``steps``, of the next state. The others have shape
    ``(batch,)``: ``numbers`` int64, by which the memory knows the transitions;
    ``actions`` int64; ``rewards`` float32, summed over the steps, discounted;
    ``terminals`` bool; ``discounts`` float32, of the value of the next state (0
    where terminal); ``weights`` float32, of the losses.
    """

    windows: NDArray[Any]
    numbers: NDArray[np.int64]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    terminals: NDArray[np.bool_]
    discounts: NDArray[np.float32]
    weights: NDArray[np.float32]
    steps: int = 1  # from the state to the next state

    @property
    def states(self) -> NDArray[Any]:
        """``(batch, history, *frame)``, oldest frame first."""
        return self.windows[:, : -self.steps]

    @property
    def next_states(self) -> NDArray[Any]:
        """``(batch, history, *frame)``; zeros from where the transition is terminal."""
        return self.windows[:, self.steps :]

    def part(self, start: int, stop: int) -> "Batch":
        """Views of some of the transitions."""
        whole = vars(self)
        return Batch(**{name: whole[name][start:stop] for name in whole.keys() - {"steps"}},
                     steps=self.steps)  # fmt: skip


class EmptyReplayError(RuntimeError):
    """There is no transition that could be sampled."""


class ReplayMemory:
    """The most recent transitions (ledger row 12).

    A million steps of 84x84 bytes take 7.06 GB, claimed when it is made, so
    that a lack of memory shows at the start of a run and not days into it.

    Args:
        capacity_steps: slots.
        frame_shape: of one frame, such as ``(84, 84)``.
        history: frames per state.
        generator: draws the samples.
        dtype: of a frame.
        discount: of the value of a next state, per step (ledger row 11).
        steps: from a state to the next state that it learns from: n of n-step returns.

    Raises:
        MemoryError: if the memory cannot be had.
        ValueError: if there is no room for a single state and its successor.
    """

    def __init__(
        self,
        capacity_steps: int,
        frame_shape: tuple[int, ...],
        history: int,
        generator: np.random.Generator,
        dtype: type[np.generic] | np.dtype[Any] = np.uint8,
        *,
        discount: float,
        steps: int = 1,
    ) -> None:
        if capacity_steps < history + steps:
            raise ValueError(f"capacity_steps must be history ({history}) and {steps} more")
        self.capacity_steps = capacity_steps
        self.history = history
        self.generator = generator
        self._discount = discount
        self._steps = steps
        self._frames = np.empty((capacity_steps, *frame_shape), dtype)
        self._frames.fill(0)  # touch every page now: the system hands memory out on first use
        self._actions = np.zeros(capacity_steps, np.uint8)
        self._rewards = np.zeros(capacity_steps, np.float32)
        self._ends = np.zeros(capacity_steps, np.uint8)
        self._added = 0

    @staticmethod
    def bytes_needed(capacity_steps: int, frame_shape: tuple[int, ...], dtype: Any) -> int:
        """Memory that a replay of this size will take."""
        frame_bytes = math.prod(frame_shape) * np.dtype(dtype).itemsize
        return int(capacity_steps * (frame_bytes + 1 + 4 + 1))

    def __len__(self) -> int:
        """Transitions held."""
        return self._added - self.oldest

    @property
    def added(self) -> int:
        """Transitions added so far: the number of the next one."""
        return self._added

    @property
    def oldest(self) -> int:
        """Number of the oldest transition held."""
        return max(self._added - self.capacity_steps, 0)

    def add(
        self,
        frame: NDArray[Any],
        action: int,
        reward: float,
        terminal: bool,
        truncated: bool = False,
    ) -> None:
        """Store one transition.

        Args:
            frame: the newest frame of the state in which ``action`` was chosen.
            action: 0 to 255.
            reward: as learned from (clipped, in the paper's protocol).
            terminal: no value beyond this transition.
            truncated: the episode was cut here for another reason. Such a transition has
                no successor in the memory and is never sampled.
        """
        slot = self._added % self.capacity_steps
        self._frames[slot] = frame
        self._actions[slot] = action
        self._rewards[slot] = reward
        self._ends[slot] = _TERMINAL if terminal else _TRUNCATED if truncated else _GOES_ON
        self._added += 1

    def sample(self, count: int, generator: np.random.Generator | None = None) -> Batch:
        """Draw uniformly, with replacement, from all transitions with a whole stack.

        The oldest ``history - 1`` slots lack frames that were overwritten, and the newest ones
        still lack the state that they lead to: these are left out. Frames from before an
        episode's start are zero.

        With n-step returns (Sutton 1988) a transition's reward is that of n steps, discounted, or
        of those up to a terminal one; where the episode was truncated on the way, it is left out.

        Args:
            count: transitions.
            generator: used instead of the memory's own.

        Raises:
            EmptyReplayError: if there is nothing to draw from.
        """
        generator = generator or self.generator
        numbers = self._draw(count, generator)
        slots = numbers % self.capacity_steps
        offsets = np.arange(1 - self.history, self._steps + 1)
        around = (slots[:, None] + offsets) % self.capacity_steps
        windows, ends = self._frames[around], self._ends[around] != _GOES_ON
        # A frame belongs to the state's episode if none ended between it and the state.
        ended = ends[:, : self.history - 1]
        stale = np.flip(np.logical_or.accumulate(np.flip(ended, axis=1), axis=1), axis=1)
        if stale.any():
            windows[:, : self.history - 1][stale] = 0
        over = np.logical_or.accumulate(ends[:, self.history - 1 : -1], axis=1)  # by step
        windows[:, self.history :][over] = 0
        terminals = over[:, -1]
        shares = self._discount ** np.arange(self._steps)
        rewards = self._rewards[around[:, self.history - 1 : -1]] * shares
        rewards[:, 1:][over[:, :-1]] = 0
        return Batch(
            windows=windows,
            numbers=numbers,
            actions=self._actions[slots].astype(np.int64),
            rewards=rewards.sum(axis=1).astype(np.float32),
            terminals=terminals,
            discounts=np.where(terminals, 0, self._discount**self._steps).astype(np.float32),
            weights=np.ones(count, np.float32),
            steps=self._steps,
        )

    def _draw(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of transitions that can be sampled."""
        first, last = self.history - 1, len(self) - self._steps  # ages, 0 the oldest; last excluded
        if last <= first:
            raise EmptyReplayError(f"{len(self)} transitions are too few to sample from")
        oldest = self.oldest
        numbers: NDArray[np.int64] = oldest + generator.integers(first, last, count)
        for _ in range(1_000):
            cut = np.flatnonzero(self._cut(numbers))
            if cut.size == 0:
                return numbers
            numbers[cut] = oldest + generator.integers(first, last, cut.size)
        raise EmptyReplayError("every transition that could be sampled is truncated")

    def _cut(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the episode was truncated on the way to the next state."""
        ends = self._ends[(numbers[:, None] + np.arange(self._steps)) % self.capacity_steps]
        first = np.argmax(ends != _GOES_ON, axis=1)
        return ends[np.arange(len(numbers)), first] == _TRUNCATED  # type: ignore[no-any-return]

    def learned(self, numbers: NDArray[np.int64], errors: NDArray[np.floating[Any]]) -> None:
        """Hear with which TD errors transitions were learned from; uniform drawing needs none."""

    def read(self, start: int, stop: int) -> Transitions:
        """Copy some of the transitions held.

        Args:
            start: number of the first.
            stop: number after the last.

        Raises:
            ValueError: if not all of them are held.
        """
        if not self.oldest <= start <= stop <= self._added:
            raise ValueError(f"transitions {start} to {stop - 1} are not all held")
        slots = np.arange(start, stop) % self.capacity_steps
        return {name: array[slots] for name, array in self._arrays().items()}

    def blank(self, count: int) -> Batch:
        """Transitions of zeros, of the shapes and types that :meth:`sample` gives."""
        shape = (count, self.history + self._steps, *self._frames.shape[1:])
        numbers, reals = np.zeros(count, np.int64), np.zeros(count, np.float32)
        windows, terminals = np.zeros(shape, self._frames.dtype), np.zeros(count, np.bool_)
        return Batch(windows, numbers, numbers, reals, terminals, reals, reals, self._steps)

    @property
    def actions(self) -> NDArray[np.uint8]:
        """Of all transitions held, ``(len,)``."""
        return self._actions[: len(self)]

    def state(self) -> dict[str, Any]:
        """Everything but the transitions, for a checkpoint."""
        return {
            "capacity_steps": self.capacity_steps,
            "added": self._added,
            "generator": self.generator.bit_generator.state,
        }

    def restore(self, state: dict[str, Any], pieces: Iterable[tuple[int, Transitions]]) -> None:
        """Take over what :meth:`state` gave, and the transitions that were held then.

        Args:
            state: of a memory like this one.
            pieces: the number of a first transition and what :meth:`read` gave from there,
                in order and without a gap; some may be older than what was held.

        Raises:
            ValueError: if they do not fit this memory.
        """
        added = int(state["added"])
        if state["capacity_steps"] != self.capacity_steps:
            raise ValueError("the saved replay has another size")
        due = max(added - self.capacity_steps, 0)
        for start, transitions in pieces:
            stop = start + len(transitions["actions"])
            if not start <= due < stop <= added:
                raise ValueError(f"the saved replay lacks transition {due}")
            slots = np.arange(due, stop) % self.capacity_steps
            for name, array in self._arrays().items():
                found = transitions[name]
                wanted = (stop - start, *array.shape[1:])
                if (found.shape, found.dtype) != (wanted, array.dtype):
                    raise ValueError(f"the saved replay has {name} of another size")
                array[slots] = found[due - start :]
            due = stop
        if due != added:
            raise ValueError(f"the saved replay lacks transition {due}")
        self._added = added
        self.generator.bit_generator.state = state["generator"]

    def _arrays(self) -> Transitions:
        return {
            "frames": self._frames,
            "actions": self._actions,
            "rewards": self._rewards,
            "ends": self._ends,
        }


class LatestTransitions(ReplayMemory):
    """No replay: what was met last is learned from, and forgotten (Extended Data Table 3)."""

    def _draw(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """The latest that can be sampled, oldest first; repeated if there are not enough."""
        first = self.oldest + self.history - 1
        numbers = np.arange(self.added - self._steps - 1, first - 1, -1)[: 2 * count]
        numbers = numbers[~self._cut(numbers)] if numbers.size else numbers
        if not numbers.size:
            raise EmptyReplayError(f"{len(self)} transitions are too few to sample from")
        return np.flip(np.resize(numbers, count))
