"""Figures along training: scores and values of every seed against emulator frames."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from paper_tables import reference, standing, style
from paper_tables.collect import Results
from paper_tables.rows import read_learning
from repro import games as catalogue

_PRINTED = {"dqn": style.DQN, "human": style.HUMAN, "random": style.RANDOM}
_SCORE = "average score per episode"
_FRAMES = "emulator frames (millions)"
_IN_VIEW = ("random", "dqn")
_LEAST_VALUE = 0.1  # that fills a panel: less is luck, and looks like none
_OFF_SCALE = "\u2191 \u2193 beyond the scale"


@matplotlib.rc_context(style.STYLE)
def training_progress(results: Results, games: Sequence[str]) -> Figure:
    """Draw the paper's Fig. 2: score above, predicted value below, a column per game.

    Every periodic evaluation, and the mean max-Q on the held-out states; a thin line per seed
    and, from two finished ones on, their mean. The random player and the printed DQN are always
    in view, so that a flat curve looks flat; the human where there is room, else as a number with
    an arrow.

    Args:
        results: trained runs.
        games: names or titles; a third game begins another pair of rows.

    Raises:
        UnknownGameError: if one is not of the 49.
        RunDirectoryError: if a run's learning.csv is damaged.
    """
    columns = min(len(games), 2)
    every = _evaluations(results)
    height = 14 + 94 * math.ceil(len(games) / columns)
    figure = style.sheet(height, 95 if columns == 1 else style.PAGE_MM)
    for name, (upper, lower) in zip(games, style.pairs(figure, len(games), columns), strict=True):
        game = catalogue.find(name)
        evaluations = every[every["game"] == game.name]
        _seeds(upper, evaluations)
        _references(upper, game, evaluations["value"], list(_PRINTED))
        upper.set(ylabel=_SCORE)
        _seeds(lower, _values(results, game.name))
        style.keep_in_view(lower, 0.0, _LEAST_VALUE)
        lower.set(xlabel=_FRAMES, ylabel="mean max-Q\non held-out states")
        for panel in (upper, lower):
            _finish(panel, results, game.name)
    style.legend(figure, 2 * columns)
    return figure


@matplotlib.rc_context(style.STYLE)
def learning_curves(results: Results, games: Sequence[str]) -> Figure:
    """Draw a small panel per game: periodic evaluations, their mean over seeds and its interval.

    The random player and the printed DQN are in view. The 95% t interval stands only where two or
    more finished seeds have the point, and is cut where it would take half of the height.

    Args:
        results: trained runs.
        games: names or titles, in this order; all 49 fill a page.

    Raises:
        UnknownGameError: if one is not of the 49.
    """
    columns = min(5, math.ceil(math.sqrt(len(games))))
    rows = math.ceil(len(games) / columns)
    width = 95 if columns == 1 else style.PAGE_MM
    every = _evaluations(results)
    figure = style.sheet(18 + rows * max(23.5, 0.65 * width / columns), width)
    # Games may be trained for different lengths, and a short one would vanish on a common axis.
    lengths = {run.train_frames for run in results.runs}
    grid = figure.subplots(rows, columns, squeeze=False, sharex=len(lengths) == 1)
    panels = list(grid.flat)
    for panel, name in zip(panels, games, strict=False):
        game = catalogue.find(name)
        evaluations = every[every["game"] == game.name]
        _seeds(panel, evaluations, interval=True, ticks=3 if columns > 3 else 5)
        _references(panel, game, evaluations["value"], _IN_VIEW, indent=-20 if columns > 3 else 0)
    for panel in panels[len(games) :]:
        panel.set_axis_off()
    for panel in panels[: len(games)][-columns:]:  # the lowest of each column
        panel.tick_params(labelbottom=True)
    for panel, name in zip(panels, games, strict=False):
        _finish(panel, results, catalogue.find(name).name)
    figure.supxlabel(_FRAMES, fontsize=7.5)
    figure.supylabel(_SCORE, fontsize=7.5)
    style.legend(figure, 1 if columns == 1 else 3, "upper")
    return figure


def _evaluations(results: Results) -> pd.DataFrame:
    """Every periodic evaluation: ``game``, ``run``, ``finished``, ``frames``, ``value``."""
    rows = results.periodic()
    runs = [results.runs[number] for number in rows["run"]]
    return rows.rename(columns={"mean": "value"}).assign(
        finished=np.array([run.finished for run in runs], bool),
        frames=rows["step"] * np.array([run.frames_per_step for run in runs], int),
    )


def _values(results: Results, game: str) -> pd.DataFrame:
    """Mean max-Q in the same columns; of a run that has no learning.csv yet, nothing.

    Of a long run only as many evenly spaced rows as can be told apart.
    """
    parts = [pd.DataFrame({"run": [], "finished": [], "frames": [], "value": []})]
    for number, run in enumerate(results.runs):
        if run.game != game:
            continue
        columns = ["frames", "mean_max_q"]
        logged = read_learning(run.path / "learning.csv", columns).reindex(columns=columns).dropna()
        apart = math.ceil(run.train_frames / 400) or 1
        place = logged["frames"] // apart
        part = logged[["frames"]].assign(
            run=number, finished=run.finished, value=logged["mean_max_q"]
        )
        parts.append(part[place != place.shift(fill_value=0)])
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _seeds(axes: Axes, rows: pd.DataFrame, interval: bool = False, ticks: int = 5) -> None:
    """Draw every seed, the mean of several finished ones and, if wanted, its interval."""
    style.tidy(axes, ticks)
    colour = style.OURS.colour
    finished = rows[rows["finished"].astype(bool)]
    several = finished["run"].nunique() > 1
    for _, run in rows.groupby("run"):
        whole = run["finished"].all()
        alone = whole and not several
        axes.plot(
            run["frames"] / 1e6,
            run["value"],
            color=colour,
            linewidth=1.3 if alone else 0.5,
            linestyle="-" if whole else (0, (3, 1.5)),
            alpha=1.0 if alone else 0.55,
            marker=_marker(run),
            markersize=3 if alone else 1.5,
            label="ours, one seed" if whole else "ours, unfinished seed (not in the mean)",
        )
    if not several:
        return
    mean = over_seeds(finished)
    millions = mean.index.to_numpy() / 1e6
    label = "ours, mean of seeds"
    axes.plot(millions, mean["mean"], color=colour, lw=1.3, marker=_marker(mean), ms=3, label=label)
    if interval and mean["low"].notna().any():
        label = "95% interval of the mean (2 or more seeds)"
        axes.fill_between(
            millions, mean["low"], mean["high"], color=colour, alpha=0.2, lw=0, label=label
        )


def _marker(points: pd.DataFrame) -> str:
    """A line through few points hides where they are, one point is no line."""
    return "o" if len(points) < 20 else ""


def over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over runs at each point and its 95% t interval.

    Args:
        rows: a row per run and point: ``run``, ``frames``, ``value``.

    Returns:
        ``mean``, ``low`` and ``high`` by ``frames``, at points that every run has that comes
        so far; the bounds NaN where there is one run.
    """
    points = rows.groupby("frames")["value"].agg(["mean", "std", "count"])
    ends = rows.groupby("run")["frames"].max().to_numpy()
    points = points[points["count"] == (ends >= points.index.to_numpy()[:, None]).sum(axis=1)]
    size = points["count"].where(points["count"] > 1)
    half = stats.t.ppf(0.975, size - 1) * points["std"] / np.sqrt(size)
    return pd.DataFrame(
        {"mean": points["mean"], "low": points["mean"] - half, "high": points["mean"] + half}
    )


def _references(
    axes: Axes,
    game: catalogue.Game,
    drawn: "pd.Series[float]",
    keys: Sequence[str],
    indent: float = 0,
) -> None:
    """Title a panel with the printed scores, and draw those that belong there or fit."""
    printed = reference.load("nature2015_scores").loc[game.name]
    wanted = [float(str(printed[key])) for key in _IN_VIEW]
    low, high = min([*drawn, *wanted]), max([*drawn, *wanted])
    room = 0.5 * (high - low) or max(abs(high), 1.0)
    texts = []
    for key in keys:
        series, score = _PRINTED[key], float(str(printed[key]))
        text = f"{series.label.split(',')[0].replace(' player', '')} {style.minus(f'{score:,.6g}')}"
        if len(drawn):
            if low - room <= score <= high + room:
                line = axes.axhline(score, lw=0.9, color=series.colour, ls=series.line)
                line.set_label(series.label)
            else:
                text += " \u2191" if score > high else " \u2193"
                axes.plot([], [], " ", label=_OFF_SCALE)
        if not indent or key == "dqn":  # a small panel has room for one
            texts.append(text)
    if len(drawn):  # an interval of two seeds can be far wider than they are apart
        style.keep_in_view(axes, *wanted, low + 0.1 * room)
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, low - 1.1 * room), min(top, high + 1.1 * room))
    for text, points, height in (
        (game.title, 7 if indent else 8, 14),
        ("   ".join(texts), 6.5, 5),
    ):
        style.note(axes, text, (0, 1), (indent, height), "axes fraction", fontsize=points)


def _finish(axes: Axes, results: Results, game: str) -> None:
    """Begin a panel at the first frame, or say why it is empty."""
    if any(np.size(line.get_xdata()) for line in axes.lines):
        axes.set_xlim(left=0)
        return
    trained = any(run.game == game for run in results.runs)
    text = "nothing recorded" if trained else standing.state(results, game)
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
