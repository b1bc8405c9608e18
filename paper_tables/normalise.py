"""Scores on a common scale."""

from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Scores = TypeVar("Scores", float, "pd.Series[float]", NDArray[np.float64])


def human_normalised(score: Scores, random: Scores, human: Scores) -> Scores:
    """Scale raw scores so that random play is 0.0 and the human 1.0.

    Args:
        score: raw returns.
        random: the random player's, same shape.
        human: the human's, same shape and from the same table.
    """
    return (score - random) / (human - random)
