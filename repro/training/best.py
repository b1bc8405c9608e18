"""The best network of a training so far, by its periodic evaluations."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from repro import records
from repro.storage import weights_file


class Best:
    """Keeps best.safetensors, and the same bytes for checkpoints.

    A checkpoint needs them: the file may be of a later step, which a training that goes on
    from the checkpoint has yet to make, and on a GPU may make differently.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.evaluated_step = 0
        self._score = -math.inf
        self._weights: NDArray[np.uint8] | None = None

    def offer(self, score: float | None, network: nn.Module, step: int) -> None:
        """Keep a network, evaluated at that step, if it is better than all before.

        One without a score, because no game ended, is kept only while there is no other.
        """
        self.evaluated_step = step
        if self._weights is None or (score is not None and score > self._score):
            self._score = -math.inf if score is None else score
            data = weights_file.save(self.path, network, step, score)
            self._weights = np.frombuffer(data, np.uint8)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "evaluated_step": self.evaluated_step,
            "score": self._score,
            "weights": self._weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.evaluated_step = int(state["evaluated_step"])
        self._score, self._weights = state["score"], state["weights"]

    def put_back(self) -> None:
        """Make the file what it was at the checkpoint."""
        if self._weights is None:
            self.path.unlink(missing_ok=True)
        else:
            records.write_atomic(self.path, self._weights.tobytes())
