"""Our score of a game against a printed one: what is compared, and by which test."""

import math
from dataclasses import dataclass

import pandas as pd
from scipy import stats

PRINTED_EPISODES = 30  # behind each printed mean and standard deviation
SIGNIFICANCE = 0.05
SEEDS_FOR_SPREAD = 3  # fewer say too little of how seeds differ
TEST = (
    f"Verdict, at {SIGNIFICANCE:g} and not corrected for the number of games. From "
    f"{SEEDS_FOR_SPREAD} seeds on: whether the printed mean, taken as that of one more training, "
    "lies outside the t prediction interval of our seeds' means. Below that: Welch's two-sided "
    f"t-test of our games against the printed mean and s.d. over {PRINTED_EPISODES} games, which "
    'leaves out how much trainings differ, so that it says "above" or "below" too often. '
    '"Matches" is no proof of equality: no difference was found. The interval is the 95% t '
    "interval of our mean over seeds, or below that over games."
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
        return float(stats.t.ppf(0.975, size - 1)) * sd / math.sqrt(size) if size > 1 else math.nan


NO_SCORE = Score(0, 0, math.nan, math.nan, math.nan)


def score(games: pd.DataFrame) -> Score:
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


def verdict(ours: Score, printed_mean: float, printed_sd: float) -> str:
    """Say whether ours "matches", is "above" or "below" (see ``TEST``)."""
    mean, sd, size = ours.sample
    if mean == printed_mean:
        return "matches"
    side = "above" if mean > printed_mean else "below"
    if size < 2 or math.isnan(sd):
        return f"{side}, untested"
    if ours.seeds >= SEEDS_FOR_SPREAD:
        spread = sd * math.sqrt(1 + 1 / size)  # of one more training about the mean of ours
        surprise = abs(mean - printed_mean) / spread if spread else math.inf
        chance = 2 * float(stats.t.sf(surprise, size - 1))
    elif sd == 0 and printed_sd == 0:
        chance = 0.0
    else:
        chance = float(
            stats.ttest_ind_from_stats(
                mean, sd, size, printed_mean, printed_sd, PRINTED_EPISODES, equal_var=False
            ).pvalue
        )
    return side if chance < SIGNIFICANCE else "matches"
