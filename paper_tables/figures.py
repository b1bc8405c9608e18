"""Figures over all games, and the training curve of one run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from paper_tables import aggregate, reference, standing, style, summary
from paper_tables.collect import Results
from paper_tables.normalise import human_normalised, scale
from paper_tables.reference import BASELINES, FULL_LENGTH_FRAMES
from paper_tables.verdicts import SEEDS_FOR_SPREAD
from repro.games import GAMES
from repro.records import read_json, read_rows

Floats = NDArray[np.float64]

HUMAN_LEVEL_PERCENT = 75.0  # from here on the paper calls a game "at human-level or above"
_GAMES = f"games, of fewer than {SEEDS_FOR_SPREAD} seeds"
_LINEAR_TO_PERCENT = 600.0  # the paper breaks its axis here; the few longer bars are compressed
_PERCENT_TICKS = (-200, -100, 0, 100, 200, 300, 400, 500, 600, 1_000, 4_500)
_SCORE_TICKS = (0, 0.25, 0.5, 0.75, 1, 2, 5, 10, 25)


@matplotlib.rc_context(style.STYLE)
def normalised_bars(results: Results, baseline: str = "nature2015") -> Figure:
    """Draw the paper's Fig. 3: every game in percent of human, sorted by the printed DQN.

    Ours is the mean of the finished runs with its interval (see ``verdicts.TEST``), where there
    is one; what lies below -200% is cut, with an arrow.

    Args:
        results: trained runs.
        baseline: a key of ``reference.BASELINES``.
    """
    dqn, linear = (_percent_printed(column, baseline) for column in ("dqn", "linear"))
    order = sorted(dqn, key=lambda game: dqn[game], reverse=True)
    ours = _percent_ours(results, baseline)
    figure = style.sheet(16 + 4.7 * len(order))
    axes = figure.subplots()
    rows = np.arange(len(order))
    axes.barh(
        rows - 0.26,
        [dqn[game] for game in order],
        0.36,
        color=style.DQN.colour,
        label=style.DQN.label,
    )
    axes.barh(
        rows + 0.03,
        [linear.get(game, np.nan) for game in order],
        0.22,
        color="0.85",
        edgecolor="0.45",
        linewidth=0.3,
        hatch="//////",
        label=style.LINEAR.label,
    )
    bounds = list[tuple[float, ...]]()
    for over, line in (("seeds", "-"), (_GAMES, ":")):
        run = [row for row in rows if order[row] in ours and ours[order[row]].over == over]
        if not run and (bounds or (over == "seeds" and ours)):
            continue
        mean, low, high = np.array([ours[order[row]].percents for row in run]).reshape(-1, 3).T
        told = f"95% interval over {over}: {len(run)} of {len(order)} games run"
        drawn = axes.errorbar(
            mean,
            np.array(run) + 0.26,
            xerr=np.nan_to_num([mean - low, high - mean]),
            fmt="D",
            color=style.OURS.colour,
            markersize=2.6,
            elinewidth=0.8,
            label=f"ours, {told}{_shortened(results)}",
        )
        for whisker in drawn[2]:
            whisker.set_linestyle(line)
        bounds += [(float(row), *three) for row, *three in zip(run, mean, low, high, strict=True)]
    row, mean, low, high = np.array(bounds).reshape(-1, 4).T
    printed = np.array([*dqn.values(), *linear.values()])
    left = _percent_axis(axes, np.concatenate([printed, mean, low, high]))
    beyond = row[np.fmin(mean, low) < left]
    axes.plot(np.full(len(beyond), left), beyond + 0.26, "<", color=style.OURS.colour, ms=3.5)
    axes.hlines(rows[1:] - 0.5, 0, 1, transform=axes.get_yaxis_transform(), color="0.9", lw=0.4)
    axes.set_yticks(rows, [GAMES[game].title for game in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"% of human (0: random play, 100: {BASELINES[baseline].title})")
    if baseline != "world_record":  # which is no human's everyday level
        _divide(axes, sum(dqn[game] >= HUMAN_LEVEL_PERCENT for game in order) - 0.5)
    _number_column(axes, 26, "DQN %", [dqn[game] for game in order])
    _number_column(axes, 58, "linear %", [linear.get(game, np.nan) for game in order])
    known = dict(zip(row, mean, strict=True))
    _number_column(axes, 88, "ours %", [known.get(number, np.nan) for number in rows])
    style.legend(figure, 3)
    return figure


def _percent_printed(column: str, baseline: str) -> dict[str, float]:
    scores = summary.published_scores(column, baseline)
    return {game: 100 * float(score[0]) for game, score in scores.items()}


@dataclass(frozen=True)
class _Ours:
    """A game of ours in percent of human, with its interval, and what that is over."""

    percents: Floats  # mean, low, high
    over: str


def _percent_ours(results: Results, baseline: str) -> dict[str, _Ours]:
    """Each game that was run."""
    zero, one = scale(baseline)
    percents = {}
    for game, score in standing.our_scores(results).items():
        if game in zero.index:
            raw = np.array([score.mean, score.low, score.high])
            over = "seeds" if score.seeds >= SEEDS_FOR_SPREAD else _GAMES
            percents[game] = _Ours(100 * human_normalised(raw, zero[game], one[game]), over)
    return percents


def _shortened(results: Results) -> str:
    """What the name of ours must add if not every run was trained as long as the paper's."""
    lengths = [run.train_frames for run in results.runs if run.finished]
    short = sum(frames < FULL_LENGTH_FRAMES for frames in lengths)
    return f"\n({short} of {len(lengths)} runs shorter than the paper's)" if short else ""


def _percent_axis(axes: Axes, percents: Floats) -> float:
    """Linear up to 600%, logarithmic and shaded from there on; returns where it begins."""
    lowest, highest = float(np.nanmin(percents)), float(np.nanmax(percents))
    left = max(-200.0, min(-5.0, 1.05 * lowest))
    knee = _LINEAR_TO_PERCENT
    stretch = 0.25 * knee

    def squeeze(percent: Floats) -> Floats:
        return np.where(
            percent <= knee, percent, knee + stretch * np.log(np.maximum(percent, knee) / knee)
        )

    def stretch_back(place: Floats) -> Floats:
        return np.where(
            place <= knee, place, knee * np.exp((np.maximum(place, knee) - knee) / stretch)
        )

    if highest > knee:
        right = max(highest, _PERCENT_TICKS[-1])
        axes.set_xscale("function", functions=(squeeze, stretch_back))
        axes.axvspan(knee, right, color="0.95", zorder=0)
        axes.text(knee + 20, -0.9, "compressed scale", fontsize=6.5, color="0.35", va="bottom")
        ticks = [tick for tick in _PERCENT_TICKS if tick >= left]
    else:
        right = max(150.0, 1.05 * highest)
        ticks = [tick for tick in range(-200, 601, 50) if left <= tick <= right]
    axes.set_xticks(ticks, [style.minus(f"{tick:,}") for tick in ticks])
    axes.tick_params(labelsize=style.SMALL_POINTS)
    axes.set_xlim(left, right)
    axes.axvline(100, color=style.HUMAN.colour, lw=0.7, ls=style.HUMAN.line, zorder=0)
    return left


def _divide(axes: Axes, row: float) -> None:
    """Part the games at human level or above from those below."""
    axes.axhline(row, color="0.2", linewidth=0.8)
    look: dict[str, Any] = {
        "ha": "right",
        "color": "0.2",
        "fontsize": 7.5,
        "fontstyle": "italic",
        "path_effects": [withStroke(linewidth=2.5, foreground="white")],
    }
    above = f"at human level or above ({HUMAN_LEVEL_PERCENT:.0f}% or more)"
    across = axes.get_yaxis_transform()
    axes.text(0.99, row - 0.2, above, va="bottom", transform=across, **look)
    axes.text(0.99, row + 0.2, "below human level", va="top", transform=across, **look)


def _number_column(axes: Axes, right_points: float, title: str, values: list[float]) -> None:
    """Write values in percent beside the bars, so far to the right of the axes."""
    texts = ["\u2013" if np.isnan(value) else style.minus(f"{value:z,.0f}") for value in values]
    for row, text in enumerate([title, *texts], start=-1):
        inside = axes.get_yaxis_transform()
        look = {"ha": "right", "va": "center", "fontsize": 6.5}
        style.note(axes, text, (1, row), (right_points, 0), inside, **look)


@matplotlib.rc_context(style.STYLE)
def performance_profiles(results: Results, baseline: str = "nature2015", seed: int = 0) -> Figure:
    """Draw which share of runs scores above any bound: ours and the printed learners.

    The band is the 95% bootstrap interval with runs resampled within each game; there is none
    unless every game has two runs.

    Args:
        results: trained runs.
        baseline: a key of ``reference.BASELINES``.
        seed: of the bootstrap: the same gives the same band.
    """
    dqn = summary.published_scores("dqn", baseline)
    linear = summary.published_scores("linear", baseline)
    ours = summary.run_scores(results, baseline)
    count = sum(len(runs) for runs in ours.values())
    same = {game: dqn[game] for game in ours if len(ours) < len(dqn)}
    drawn = [
        (linear, style.LINEAR, f"{style.LINEAR.label}, all {len(linear)} games", style.LINEAR.line),
        (dqn, style.DQN, f"{style.DQN.label}, all {len(dqn)} games", ":"),
        (same, style.DQN, f"{style.DQN.label}, the {len(same)} games we ran", style.DQN.line),
        (
            ours,
            style.OURS,
            f"ours, {count} runs of {len(ours)} games{_shortened(results)}",
            style.OURS.line,
        ),
    ]
    every = np.concatenate([score for scores, *_ in drawn for score in scores.values()])
    # A profile changes only where a run scores, so these bounds draw it exactly.
    bounds = np.unique([-0.1, *every, 1.1 * every.max()])
    metric = aggregate.profile(bounds)
    figure = style.sheet(95, 130)
    axes = figure.subplots()
    for scores, series, label, line in drawn:
        if not scores:  # nothing run, or all games, so that two lines were one
            continue
        interval = aggregate.bootstrap(metric, list(scores.values()), np.random.default_rng(seed))
        axes.plot(
            bounds,
            interval.value,
            drawstyle="steps-post",
            color=series.colour,
            linestyle=line,
            linewidth=1.6 if series is style.OURS else 1.1,
            label=label,
        )
        if np.isfinite(interval.low).all():
            axes.fill_between(
                bounds,
                interval.low,
                interval.high,
                step="post",
                color=series.colour,
                alpha=0.2,
                linewidth=0,
                label=f"{series.label}, 95% interval over seeds",
            )
    if not ours:
        axes.plot([], [], " ", label="ours: not run")
    axes.set_xscale("symlog", linthresh=1.0, linscale=1.5)
    axes.set_xlim(-0.1, bounds[-1])
    axes.xaxis.set_major_locator(FixedLocator(_SCORE_TICKS))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=style.SMALL_POINTS)
    axes.set_ylim(-0.01, 1.02)
    axes.set_xlabel(
        "human-normalised score \u03c4 (0: random play, 1: "
        f"{BASELINES[baseline].title}; logarithmic above 1)"
    )
    axes.set_ylabel("share of runs above \u03c4")
    style.legend(figure, 2)
    return figure


@matplotlib.rc_context(style.STYLE)
def training_curve(run: Path | str) -> Figure:
    """Draw the raw return of every training game of a run against emulator frames.

    With their running mean over ten games and, as lines, the paper's random player and human.

    Args:
        run: a run directory with train_episodes.csv.
    """
    run = Path(run)
    game = read_json(run / "config.json")["game"]
    scores = reference.load("nature2015_scores")
    printed = scores.loc[game] if game in scores.index else None
    games = pd.DataFrame(read_rows(run / "train_episodes.csv", "frames", "return"))
    figure = style.sheet(80, 130)
    axes = figure.subplots()
    style.tidy(axes)
    axes.plot(
        games["frames"], games["return"], ".", color="0.6", markersize=4, label="training game"
    )
    running = games["return"].rolling(10, min_periods=1).mean()
    axes.plot(games["frames"], running, color=style.OURS.colour, label="mean of the last 10")
    for column, series in (("human", style.HUMAN), ("random", style.RANDOM)):
        if printed is not None:
            label = f"{series.label} ({style.minus(f'{printed[column]:g}')})"
            axes.axhline(printed[column], color=series.colour, ls=series.line, lw=1, label=label)
    title = game if printed is None else printed["title"]
    axes.set(title=f"{title}: training games", xlabel="frames", ylabel="return")
    axes.legend(loc="center right")
    return figure
