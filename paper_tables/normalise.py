"""Scores on a common scale."""

from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from paper_tables.reference import BASELINES
from repro.games import GAMES

Scores = TypeVar("Scores", float, "pd.Series[float]", NDArray[np.float64])


def human_normalised(score: Scores, random: Scores | float, human: Scores | float) -> Scores:
    """Scale raw scores so that random play is 0.0 and the human 1.0.

    Args:
        score: raw returns.
        random: the random player's, one number or the same shape.
        human: the human's, likewise, and from the same table.
    """
    return (score - random) / (human - random)


def scale(baseline: str) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    """Random player and human of a baseline (a key of ``BASELINES``), by game.

    Games whose human is not above random play are left out: they have no scale.
    """
    humans = BASELINES[baseline]
    zero, one = (column.load().reindex(list(GAMES)) for column in (humans.random, humans.human))
    return zero[one > zero], one[one > zero]
