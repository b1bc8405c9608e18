"""Scores over many games as one number, with intervals; as defined by Agarwal et al. (2021).

Scores come as a list with one array per game, a normalised score per run in it. Every metric
takes arrays with further leading axes, ``(..., runs of the game)``, and returns ``(...)``: the
bootstrap calls it once for all its resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Scores = Sequence[NDArray[np.float64]]
Metric = Callable[[Scores], NDArray[np.float64]]


def _means(scores: Scores) -> NDArray[np.float64]:
    """Mean over runs, ``(..., games)``."""
    return np.stack([game.mean(axis=-1) for game in scores], axis=-1)


def median(scores: Scores) -> NDArray[np.float64]:
    """Median over games of the mean over runs."""
    return np.asarray(np.median(_means(scores), axis=-1))


def mean(scores: Scores) -> NDArray[np.float64]:
    """Mean over games of the mean over runs."""
    return np.asarray(_means(scores).mean(axis=-1))


def interquartile_mean(scores: Scores) -> NDArray[np.float64]:
    """Mean of the middle half of all runs of all games."""
    everything = np.concatenate(scores, axis=-1)
    return np.asarray(stats.trim_mean(everything, 0.25, axis=-1))


def optimality_gap(scores: Scores, goal: float = 1.0) -> NDArray[np.float64]:
    """How far runs fall short of ``goal`` (1.0 is human) on average; more than it earns nothing."""
    everything = np.concatenate(scores, axis=-1)
    return np.asarray(goal - np.minimum(everything, goal).mean(axis=-1))


def share_at_least(bound: float) -> Metric:
    """Make the metric: share of games whose mean over runs is ``bound`` or more."""

    def share(scores: Scores) -> NDArray[np.float64]:
        return np.asarray((_means(scores) >= bound).mean(axis=-1))

    return share


def probability_of_improvement(scores: Scores) -> NDArray[np.float64]:
    """Chance that a run beats a run of the others on a game drawn at random.

    Ties count half, as in the Mann-Whitney statistic.

    Args:
        scores: first an array per game, then the others' for the same games in the same order.
    """
    half = len(scores) // 2
    chances = [
        (np.sign(mine[..., :, None] - theirs[..., None, :]).mean(axis=(-1, -2)) + 1) / 2
        for mine, theirs in zip(scores[:half], scores[half:], strict=True)
    ]
    return np.asarray(np.stack(chances, axis=-1).mean(axis=-1))


def profile(bounds: NDArray[np.float64]) -> Metric:
    """Make the metric: share of all runs with a score above each bound, ``(..., bounds)``."""

    def shares(scores: Scores) -> NDArray[np.float64]:
        everything = np.concatenate(scores, axis=-1)
        return np.stack([(everything > bound).mean(axis=-1) for bound in bounds], axis=-1)

    return shares


@dataclass(frozen=True)
class Interval:
    """A metric's value with the bounds of its interval; NaN where there can be none."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def bootstrap(
    metric: Metric,
    scores: Scores,
    generator: np.random.Generator,
    resamples: int = 2_000,
    confidence: float = 0.95,
    fixed: Scores = (),
) -> Interval:
    """Value and percentile interval of a metric, runs resampled within each game.

    Args:
        metric: any of this module's, or one like them.
        scores: an array of shape ``(runs,)`` per game.
        generator: draws the resamples: the same state gives the same interval.
        resamples: how many.
        confidence: chance that the interval is meant to hold.
        fixed: further arrays for the metric, behind ``scores``, that are not resampled: numbers
            that were published once.

    Returns:
        Without bounds (NaN) if a game has a single run, which says nothing of its luck.

    Raises:
        ValueError: if there is no game, or a score is missing or not finite.
    """
    if not scores or any(len(game) == 0 or not np.isfinite(game).all() for game in scores):
        raise ValueError("scores must have a game, and each game a run, all finite")
    value = metric([*scores, *fixed])
    if any(len(game) < 2 for game in scores):
        nothing = np.full_like(value, np.nan)
        return Interval(value, nothing, nothing)
    drawn = [game[generator.integers(len(game), size=(resamples, len(game)))] for game in scores]
    tail = (1 - confidence) / 2
    low, high = np.quantile(metric([*drawn, *fixed]), [tail, 1 - tail], axis=0)
    return Interval(value, low, high)
