"""Minibatches, from draws of the replay memory."""

from typing import Any

from repro.replay import Batch, ReplayMemory


class MinibatchQueue:
    """Hands out minibatches from a larger draw made ahead (ledger row 12).

    The released code copied 512 transitions at a time and consumed them 32 by
    32, so a minibatch can be up to 15 updates old.

    Args:
        memory: drawn from when the queue is empty.
        draw: transitions per draw.
        minibatch: transitions handed out at a time; divides ``draw``.
    """

    def __init__(self, memory: ReplayMemory, draw: int, minibatch: int) -> None:
        if draw % minibatch:
            raise ValueError(f"draw ({draw}) must be a multiple of minibatch ({minibatch})")
        self._memory = memory
        self._draw = draw
        self._minibatch = minibatch
        self._ahead: Batch | None = None
        self._used = 0

    def next(self) -> Batch:
        """The next minibatch, drawing anew if none is left."""
        if self._ahead is None or self._used == self._draw:
            self._ahead, self._used = self._memory.sample(self._draw), 0
        self._used += self._minibatch
        return self._ahead.part(self._used - self._minibatch, self._used)

    def state(self) -> dict[str, Any]:
        """What has been drawn and not yet used up, for a checkpoint."""
        ahead = None if self._ahead is None else dict(vars(self._ahead))
        return {"used": self._used, "ahead": ahead}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self._used = state["used"]
        self._ahead = None if state["ahead"] is None else Batch(**state["ahead"])
