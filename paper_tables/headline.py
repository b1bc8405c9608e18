"""How a suite stands to the paper, in one sentence and one picture: the head of the report."""

from collections import Counter
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from paper_tables import aggregate, style, summary
from paper_tables.collect import Results
from paper_tables.reference import BASELINES, FULL_LENGTH_FRAMES
from paper_tables.standing import LEFT_OUT, NOT_RUN, UNFINISHED, standings
from paper_tables.verdicts import NO_DIFFERENCE, TOO_SHORT

Interval = tuple[float, float, float]

_METRICS = {"median": aggregate.median, "interquartile mean": aggregate.interquartile_mean}
# What is counted, by verdict, with its shade: from as good as the paper to nothing known.
_ALWAYS = ("matched", "below", "above", TOO_SHORT, NOT_RUN)
_SHADES = {
    "matched": style.COLOURS[2],
    "below": style.COLOURS[1],
    "above": style.COLOURS[9],
    "untested": style.COLOURS[4],
    TOO_SHORT: "0.55",
    UNFINISHED: "0.7",
    LEFT_OUT: "0.8",
    NOT_RUN: "0.92",
}


@dataclass(frozen=True)
class Headline:
    """A suite in a few numbers.

    Attributes:
        ours: by name of the metric its value and 95% interval over the games run, in percent of
            human; empty if no game has a score.
        paper: the printed DQN's on the same games; on all, if none has a score.
        games: how many those are.
        lengths_frames: the least and the largest number of frames trained; (0, 0) for none.
        counts: games by verdict, those that are always told and those there are.
        human: whose score is 100%.
    """

    ours: dict[str, Interval]
    paper: dict[str, float]
    games: int
    lengths_frames: tuple[int, int]
    counts: dict[str, int]
    human: str

    @property
    def sentence(self) -> str:
        """All of it."""
        if not self.ours:
            told = " and an ".join(f"{name} of {self.paper[name]:,.1f}%" for name in _METRICS)
            return (
                f"No game has a finished run here: the paper's DQN has a {told} of human over its "
                f"{self.games} games, after {FULL_LENGTH_FRAMES:,} frames."
            )
        told = " and an ".join(
            f"{name} of {style.minus(f'{self.ours[name][0]:,.1f}')}% "
            f"(the paper's {self.paper[name]:,.1f}%)"
            for name in _METRICS
        )
        least, most = self.lengths_frames
        length = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        games = "1 game" if self.games == 1 else f"{self.games} games"
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        counts = counts.replace("matched", f"matched ({NO_DIFFERENCE})")
        return (
            f"On the {games} run here, for {length} of the paper's {FULL_LENGTH_FRAMES:,} frames, "
            f"DQN has a {told} of human; games: {counts}."
        )


def headline(results: Results, baseline: str = "nature2015", seed: int = 0) -> Headline:
    """Sum a suite up.

    Args:
        results: trained runs under one protocol.
        baseline: a key of ``reference.BASELINES``.
        seed: of the bootstrap.
    """
    ours = summary.run_scores(results, baseline)
    printed = summary.published_scores("dqn", baseline)
    shown = [game for game in printed if game in ours] or list(printed)
    mine = [ours[game] for game in shown if game in ours]
    games = standings(results)
    lengths = [one.train_frames for one in games.values() if one.train_frames] or [0]
    verdicts = Counter(_counted_as(one.verdict) for one in games.values())
    return Headline(
        {name: _percent(metric, mine, seed) for name, metric in _METRICS.items()} if mine else {},
        {n: 100 * float(m([printed[game] for game in shown])) for n, m in _METRICS.items()},
        len(shown),
        (min(lengths), max(lengths)),
        {name: verdicts[name] for name in _SHADES if name in _ALWAYS or verdicts[name]},
        BASELINES[baseline].title,
    )


def _percent(metric: aggregate.Metric, scores: aggregate.Scores, seed: int) -> Interval:
    value, low, high = (100 * bound for bound in summary.bounds(metric, scores, seed))
    return value, low, high


def _counted_as(verdict: str) -> str:
    if verdict == NO_DIFFERENCE:
        return "matched"
    return "untested" if verdict.endswith("untested") else verdict


@matplotlib.rc_context(style.STYLE)
def draw(head: Headline) -> Figure:
    """Draw both metrics, ours and the paper's, and below them the games by verdict."""
    figure = style.sheet(62, 95)
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1])
    rows = np.arange(len(_METRICS))
    look = {"markersize": 5, "linewidth": 0}
    upper.plot(
        [head.paper[name] for name in _METRICS], rows - 0.12, "s", **look,
        color=style.DQN.colour, label=f"{style.DQN.label}, {_games(head)}",
    )  # fmt: skip
    if head.ours:
        value, low, high = np.array([head.ours[name] for name in _METRICS]).T
        interval = np.nan_to_num([value - low, high - value])
        label = "ours, 95% interval over seeds" if np.isfinite(low).all() else "ours"
        upper.errorbar(
            value, rows + 0.12, xerr=interval, fmt="D", markersize=4.5, elinewidth=1.2,
            color=style.OURS.colour, label=label,
        )  # fmt: skip
    upper.axvline(100, color=style.HUMAN.colour, lw=0.7, ls=style.HUMAN.line, label=head.human)
    upper.set_yticks(rows, [name.replace(" ", "\n") for name in _METRICS])
    upper.set_ylim(len(rows) - 0.4, -0.6)
    left, right = upper.get_xlim()
    upper.set_xlim(min(0.0, left), right + 0.05 * (right - min(0.0, left)))
    upper.set_xlabel("% of human (0: random play)")
    before = 0
    for name, count in head.counts.items():
        if count:
            lower.barh(0, count, left=before, color=_SHADES[name], label=f"{count} {name}")
            before += count
    lower.set_axis_off()
    lower.set_xlim(0, before)
    lower.legend(loc="upper center", bbox_to_anchor=(0.5, 0.05), ncols=3, title="games")
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return figure


def _games(head: Headline) -> str:
    return "the same games" if head.ours else f"all {head.games} games"
