"""How each game of ours stands to the printed DQN: what Table 2 and the report's head say."""

import math
from dataclasses import dataclass

from paper_tables import reference
from paper_tables.collect import Results
from paper_tables.normalise import human_normalised
from paper_tables.reference import FULL_LENGTH_FRAMES
from paper_tables.verdicts import (
    NO_DIFFERENCE,
    NO_SCORE,
    TOO_SHORT,
    Effect,
    Score,
    against_printed,
    summarise,
)
from repro.games import GAMES

NOT_RUN, UNFINISHED, LEFT_OUT = "not run", "unfinished", "left out"


@dataclass(frozen=True)
class Standing:
    """A game of ours beside the printed DQN.

    Attributes:
        ours: our score; ``NO_SCORE`` if there is none.
        train_frames: how long the finished runs were trained, 0 if there is none.
        verdict: of the test, or why there is none (see ``verdicts.TEST``).
        percent: ours in percent of DQN, random play being 0; NaN where DQN is not above that.
        margin: half of its interval, and so the smallest difference that would have been found.
    """

    ours: Score
    train_frames: int
    verdict: str
    percent: float
    margin: float

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds of ``percent``, as the test has them; NaN where there is no test."""
        return self.percent - self.margin, self.percent + self.margin

    @property
    def percent_text(self) -> str:
        """Such as "95 (88 to 102)"."""
        low, high = self.interval
        return f"{self.percent:z,.0f}" + (
            "" if math.isnan(low) else f" ({low:z,.0f} to {high:z,.0f})"
        )

    @property
    def verdict_text(self) -> str:
        """The verdict; where no difference was found, with the smallest that would have been."""
        if self.verdict != NO_DIFFERENCE or math.isnan(self.margin):
            return self.verdict
        return f"{self.verdict} (smallest: {self.margin:,.0f}%)"


def our_scores(results: Results | None) -> dict[str, Score]:
    """Summarise the finished runs of each game that has one."""
    by_game = results.final_scores().groupby("game", sort=False) if results else ()
    return {str(game): summarise(rows) for game, rows in by_game}


def trained_frames(results: Results) -> dict[str, int]:
    """How long the finished runs of each game were trained."""
    return {run.game: run.train_frames for run in results.runs if run.finished and run.train_frames}


def state(results: Results, game: str) -> str:
    """Say why a game has no score of ours: not run, unfinished, or left out as damaged."""
    if any(run.game == game for run in results.runs):
        return UNFINISHED
    damaged = {problem.file.parent.parent.name for problem in results.fatal}
    return LEFT_OUT if game in damaged else NOT_RUN


def standings(results: Results) -> dict[str, Standing]:
    """Every game of the paper, in its order."""
    printed = reference.load("nature2015_scores").to_dict("index")
    scores, frames = our_scores(results), trained_frames(results)
    made = {}
    for game in GAMES:
        ours, row = scores.get(game, NO_SCORE), printed[game]
        effect = Effect(math.nan, math.nan)
        verdict = state(results, game)
        if ours.seeds:
            effect = against_printed(ours, row["dqn"], row["dqn_sd"])
            verdict = effect.verdict if frames[game] >= FULL_LENGTH_FRAMES else TOO_SHORT
        random, gain = row["random_unrounded"], row["dqn"] - row["random_unrounded"]
        percent, margin = (
            (100 * human_normalised(ours.mean, random, row["dqn"]), 100 * effect.margin / gain)
            if gain > 0
            else (math.nan, math.nan)
        )
        made[game] = Standing(ours, frames.get(game, 0), verdict, percent, margin)
    return made
