"""Our score of a game against a printed one: how far apart they are, and what a test says."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

PRINTED_EPISODES = 30  # behind each printed mean and standard deviation
SIGNIFICANCE = 0.05
SEEDS_FOR_SPREAD = 3  # fewer say too little of how seeds differ
TOO_SHORT, NO_DIFFERENCE = "too short to compare", "no difference found"
TEST = (
    f"Verdict: {TOO_SHORT!r} where the training had fewer frames than the paper's; else a test at "
    f"{SIGNIFICANCE:g}, not corrected for the number of games. From {SEEDS_FOR_SPREAD} seeds on: "
    "whether the printed mean, taken as that of one more training, lies outside the t prediction "
    "interval of our seeds' means. Below that: Welch's two-sided t-test of our games against the "
    f"printed mean and s.d. over {PRINTED_EPISODES} games, which leaves out how much trainings "
    'differ, so that it says "above" or "below" too often. The interval of a percentage of DQN is '
    "that of the test, and half of it the smallest difference that would have been called one: no "
    "difference found is no proof of equality. The interval of ours is the 95% t interval of our "
    "mean over seeds, or below that over games."
)


@dataclass(frozen=True)
class Score:
    """Our result on one game.

    Attributes:
        seeds: finished runs.
        episodes: games, over all seeds.
        mean: mean over seeds of the mean over games.
        episode_sd: s.d. over the games of a seed (root of the mean variance).
        seed_sd: s.d. over seeds' means; NaN with one.
    """

    seeds: int
    episodes: int
    mean: float
    episode_sd: float
    seed_sd: float

    @property
    def sample(self) -> tuple[float, float, int]:
        """Mean, s.d. and size of the sample that the test takes."""
        if self.seeds >= SEEDS_FOR_SPREAD:
            return self.mean, self.seed_sd, self.seeds
        return self.mean, self.episode_sd, self.episodes

    @property
    def low(self) -> float:
        """Lower end of the 95% interval of the mean; NaN if the sample says nothing of it."""
        return self.mean - self._half_width

    @property
    def high(self) -> float:
        """Its upper end."""
        return self.mean + self._half_width

    @property
    def _half_width(self) -> float:
        _, sd, size = self.sample
        return _quantile(size - 1) * sd / math.sqrt(size) if size > 1 else math.nan


@dataclass(frozen=True)
class Effect:
    """A difference of two means, and how large one must be to be told from luck.

    Attributes:
        difference: ours less the other.
        margin: half of its 95% interval: the smallest difference that the test would have called
            one; NaN where there is no test.
    """

    difference: float
    margin: float

    @property
    def verdict(self) -> str:
        """Whether ours is "above" or "below", or no difference was found."""
        if math.isnan(self.margin):
            side = {-1: "below", 0: "equal", 1: "above"}[int(np.sign(self.difference))]
            return f"{side}, untested"
        if abs(self.difference) <= self.margin:
            return NO_DIFFERENCE
        return "above" if self.difference > 0 else "below"


NO_SCORE = Score(0, 0, math.nan, math.nan, math.nan)


def summarise(games: pd.DataFrame) -> Score:
    """Summarise the final games of one game's runs: columns ``run`` and ``return``."""
    by_run = games.groupby("run")["return"]
    means = by_run.mean()
    return Score(
        seeds=len(means),
        episodes=len(games),
        mean=float(means.mean()),
        episode_sd=math.sqrt(by_run.var(ddof=1).mean()),
        seed_sd=float(means.std(ddof=1)),
    )


def against_printed(ours: Score, printed_mean: float, printed_sd: float) -> Effect:
    """Test a score of ours against a printed one (see ``TEST``)."""
    mean, sd, size = ours.sample
    if size < 2 or math.isnan(sd):
        margin = math.nan
    elif ours.seeds >= SEEDS_FOR_SPREAD:
        # How far one more training may be from the mean of ours.
        margin = _quantile(size - 1) * sd * math.sqrt(1 + 1 / size)
    else:
        margin = welch_margin(sd, size, printed_sd, PRINTED_EPISODES)
    return Effect(mean - printed_mean, margin)


def welch_margin(sd: float, size: int, other_sd: float, other_size: int) -> float:
    """The difference of two means from which on Welch's two-sided t-test tells them apart."""
    variance, other = sd**2 / size, other_sd**2 / other_size  # of the means
    if not variance + other:
        return 0.0
    degrees = (variance + other) ** 2 / (variance**2 / (size - 1) + other**2 / (other_size - 1))
    return _quantile(degrees) * math.sqrt(variance + other)


def _quantile(degrees: float) -> float:
    return float(stats.t.ppf(1 - SIGNIFICANCE / 2, degrees))
