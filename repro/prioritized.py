"""Replay that draws what was least expected more often (Schaul et al. 2016). NumPy only."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.replay import Batch, EmptyReplayError, ReplayMemory, Transitions

Floats = NDArray[np.float64]


class SumTree:
    """Numbers of which any can be changed, and drawn in proportion, in logarithmic time.

    A complete binary tree in one array: node i has the children 2 i and 2 i + 1 and holds their
    sum, the root is node 1, the numbers are the last level. A sum is always made anew of both
    children, so that the tree depends on the numbers alone, and not on how they came about.

    Args:
        size: how many numbers, all 0 at first.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._first = 1 << (size - 1).bit_length()  # node of the first number
        self._nodes = np.zeros(2 * self._first)

    @property
    def total(self) -> float:
        """Sum of all."""
        return float(self._nodes[1])

    @property
    def leaves(self) -> Floats:
        """All numbers, float64 ``(size,)``; a view."""
        return self._nodes[self._first : self._first + self._size]

    def set(self, indices: NDArray[np.int64], values: Floats) -> None:
        """Change some; of an index that is there twice, the last value counts."""
        nodes = indices + self._first
        self._nodes[nodes] = values
        while nodes.size and nodes[0] > 1:
            nodes = nodes >> 1
            self._nodes[nodes] = self._nodes[2 * nodes] + self._nodes[2 * nodes + 1]

    def fill(self, values: Floats) -> None:
        """Change all."""
        self.leaves[:] = values
        level = self._first
        while level > 1:
            below = self._nodes[level : 2 * level].reshape(-1, 2)
            level //= 2
            self._nodes[level : 2 * level] = below[:, 0] + below[:, 1]

    def find(self, masses: Floats) -> NDArray[np.int64]:
        """The index under each mass in [0, total), were the numbers laid end to end."""
        nodes, masses = np.ones(len(masses), np.int64), masses.copy()
        while nodes.size and nodes[0] < self._first:
            nodes = 2 * nodes
            left = self._nodes[nodes]
            # Where rounding leads beyond the last number, to the left: never to a number of 0.
            right = (masses >= left) & (self._nodes[nodes + 1] > 0)
            masses = np.where(right, masses - left, masses)
            nodes += right
        return nodes - self._first


class PrioritizedReplay(ReplayMemory):
    """Draws transition i with chance p_i / sum p; p = (|TD error| + offset) ** exponent.

    A new transition has the largest p so far, until it was learned from (section 3.3,
    Algorithm 1). Only those that can be sampled have a p other than 0. A minibatch's weights are
    (1 / (N P(i))) ** beta, divided by the largest among them (section 3.4); beta grows to 1 in a
    straight line.

    Args:
        As of :class:`ReplayMemory`, and ``exponent`` alpha, ``beta`` at the start,
        ``beta_steps`` until it is 1, and ``offset`` epsilon.
    """

    def __init__(
        self,
        *words: Any,
        exponent: float = 0.6,
        beta: float = 0.4,
        beta_steps: int = 50_000_000,
        offset: float = 1e-6,
        **named: Any,
    ) -> None:
        super().__init__(*words, **named)
        self._exponent, self._offset = exponent, offset
        self._beta, self._beta_steps = beta, beta_steps
        self._tree = SumTree(self.capacity_steps)
        self._largest = 1.0  # of all p so far

    def add(self, *words: Any, **named: Any) -> None:
        """Store one transition. One can be sampled from now on, another no more."""
        super().add(*words, **named)
        gone, come = self.oldest + self.history - 2, self.added - 1 - self._steps
        if gone >= 0:
            self._set(np.array([gone]), np.zeros(1))
        if come >= self.oldest + self.history - 1 and not self._cut(np.array([come]))[0]:
            self._set(np.array([come]), np.full(1, self._largest))

    def sample(self, count: int, generator: np.random.Generator | None = None) -> Batch:
        """Draw in proportion to p, one from each of ``count`` equal parts of the sum.

        Raises:
            EmptyReplayError: if there is nothing to draw from.
        """
        batch = super().sample(count, generator)
        return replace(batch, weights=self._weights(batch.numbers))

    def learned(self, numbers: NDArray[np.int64], errors: NDArray[np.floating[Any]]) -> None:
        """Take note of the TD errors that transitions were learned from with, ``(batch,)``."""
        held = self._tree.leaves[numbers % self.capacity_steps] > 0
        held &= numbers >= self.oldest + self.history - 1  # the rest was overwritten meanwhile
        p = (np.abs(errors[held]).astype(np.float64) + self._offset) ** self._exponent
        if p.size:
            self._set(numbers[held], p)
            self._largest = max(self._largest, float(p.max()))

    def beta(self) -> float:
        """How far the weights make up for the drawing, 0 to 1."""
        return self._beta + (1 - self._beta) * min(self.added / self._beta_steps, 1.0)

    def state(self) -> dict[str, Any]:
        """Everything but the transitions, for a checkpoint."""
        return super().state() | {"p": self._tree.leaves.copy(), "largest_p": self._largest}

    def restore(self, state: dict[str, Any], pieces: Iterable[tuple[int, Transitions]]) -> None:
        """As :meth:`ReplayMemory.restore`."""
        p, largest = state["p"], state["largest_p"]
        wanted = ((self.capacity_steps,), np.dtype(np.float64))
        if not isinstance(p, np.ndarray) or (p.shape, p.dtype) != wanted:
            raise ValueError("the saved replay has priorities of another size")
        if type(largest) is not float or not (p >= 0).all() or not p.max() <= largest < np.inf:
            raise ValueError("the saved replay has priorities that cannot be")
        super().restore(state, pieces)
        self._largest = largest
        self._tree.fill(p)

    def _draw(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        if not self._tree.total:
            raise EmptyReplayError(f"{len(self)} transitions are too few to sample from")
        shares = (np.arange(count) + generator.random(count)) / count
        slots = self._tree.find(shares * self._tree.total)
        oldest = self.oldest
        numbers: NDArray[np.int64] = oldest + (slots - oldest) % self.capacity_steps
        # In order of p they would reach the minibatches of a larger draw unevenly.
        return generator.permutation(numbers)

    def _weights(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        p = self._tree.leaves[numbers % self.capacity_steps]
        weights = (len(self) * p / self._tree.total) ** -self.beta()
        return (weights / weights.max()).astype(np.float32)  # type: ignore[no-any-return]

    def _set(self, numbers: NDArray[np.int64], p: Floats) -> None:
        self._tree.set(numbers % self.capacity_steps, p)
