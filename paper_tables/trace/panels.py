"""The pictures of traces: ours beside the original, a game in four panels or a panel a game."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from paper_tables import style
from paper_tables.render import counted
from paper_tables.trace import original
from paper_tables.trace.rule import JUDGED_STEPS, Trace, quantities
from repro.games import GAMES
from repro.tables import LAYERS

_MILLIONS_PER_STEP = original.FRAMES_PER_STEP / 1e6
_LEAST_STEPS = 100_000  # that are shown
_BEYOND = 1.15  # times as far as ours came is shown of the original
_LEAST_VALUE = 0.05
_LEAST_GROWTH = 0.02  # that fills a panel: less is no growth, and looks like none


@matplotlib.rc_context(style.STYLE)
def draw(trace: Trace) -> Figure:
    """Draw V, TD error, score, and how the weights of each layer grew.

    The original is a line; ours is a line too, with a band from the least to the largest of
    several runs.
    """
    last = _last_step(trace)
    figure = style.sheet(120)
    panels = list(figure.subplots(2, 2).flat)
    number = len(trace.runs)
    ours = "ours" if number == 1 else f"ours, mean of {counted(number, 'run')}"
    titles = {
        "v": "V: mean max-Q of the target network, held-out states",
        "mean_abs_td_error": "TD error: mean absolute, clipped, there",
        "score": "score: mean of whole games",
    }
    for axes, (column, title) in zip(panels, titles.items(), strict=False):
        axes.set_title(title, loc="left")
        _measured(axes, trace, column, last, ours)
    panels[-1].set_title("growth of the mean absolute weight of each layer", loc="left")
    _growth(panels[-1], trace, last)
    for axes in panels:
        style.tidy(axes)
        axes.set_xlim(0, last * _MILLIONS_PER_STEP)
        axes.set_xlabel("emulator frames (millions)")
        if last >= JUDGED_STEPS:
            end = JUDGED_STEPS * _MILLIONS_PER_STEP
            axes.axvline(end, color="0.5", lw=0.6, ls=":", label="judged up to here")
    panels[-1].yaxis.set_major_formatter(PercentFormatter(1.0))
    figure.suptitle(GAMES[trace.game].title, fontsize=9)
    style.legend(figure, 4)
    return figure


@matplotlib.rc_context(style.STYLE)
def overview(traces: Sequence[Trace]) -> Figure:
    """Draw two panels for each game, at least one: V above, the growth of each layer below."""
    columns = min(3, len(traces))
    figure = style.sheet(18 + 76 * math.ceil(len(traces) / columns))
    pairs = style.pairs(figure, len(traces), columns)
    for number, (trace, (upper, lower)) in enumerate(zip(traces, pairs, strict=True)):
        last = _last_step(trace)
        upper.set_title(f"{GAMES[trace.game].title}: {trace.verdict}", loc="left")
        _measured(upper, trace, "v", last, style.OURS.label)
        _growth(lower, trace, last)
        for axes in (upper, lower):
            style.tidy(axes, 4)
            axes.set_xlim(0, last * _MILLIONS_PER_STEP)
        lower.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        lower.set_xlabel("emulator frames (millions)")
        if number % columns == 0:
            upper.set_ylabel("V: mean max-Q")
            lower.set_ylabel("growth of mean |weight|")
    style.legend(figure, 4, "upper")
    return figure


def _measured(axes: Axes, trace: Trace, column: str, last: float, label: str) -> None:
    """A column of the curves."""
    _original(axes, trace.original[column].loc[:last], style.ORIGINAL.colour)
    _ours(axes, [one.curve[column] for one in trace.runs], style.OURS.colour, label)
    if column == "score":
        random = GAMES[trace.game].random
        look: dict[str, Any] = {
            "color": style.RANDOM.colour,
            "ls": style.RANDOM.line,
            "label": style.RANDOM.label,
        }
        axes.axhline(random, lw=0.9, **look)
        style.keep_in_view(axes, random, random + 0.1 * (GAMES[trace.game].human - random))
    else:
        style.keep_in_view(axes, 0.0, _LEAST_VALUE)


def _growth(axes: Axes, trace: Trace, last: float) -> None:
    """How much the mean absolute weight of each layer has grown."""
    logged = quantities(trace.original.loc[:last])
    mine = [quantities(one.curve) for one in trace.runs]
    for layer, colour in zip(LAYERS, style.LAYER_COLOURS, strict=True):
        of = ("mean_growth", layer)
        _original(axes, logged[of], colour)
        _ours(axes, [one[of] for one in mine], colour, layer.replace("_", " "))
    style.keep_in_view(axes, 0.0, _LEAST_GROWTH)


def _last_step(trace: Trace) -> float:
    """As far as is shown: a little further than ours came."""
    return max(_LEAST_STEPS, *(one.last_step for one in trace.runs)) * _BEYOND


def _original(axes: Axes, values: "pd.Series[float]", colour: str) -> None:
    values = values.dropna()
    label = style.ORIGINAL.label if colour == style.ORIGINAL.colour else None
    look: dict[str, Any] = {
        "color": colour,
        "lw": 0.9,
        "ls": style.ORIGINAL.line,
        "zorder": 3,
        "markersize": 2.5,
    }
    axes.plot(_millions(values), values, **look, marker=_marker(values), label=label)


def _ours(axes: Axes, runs: "list[pd.Series[float]]", colour: str, label: str) -> None:
    """The mean of the runs that came so far, and their range."""
    rows = pd.concat(runs, axis=1).dropna(how="all").sort_index()
    look: dict[str, Any] = {"color": colour, "lw": 1.3, "ls": style.OURS.line, "markersize": 3}
    axes.plot(_millions(rows), rows.mean(axis=1), **look, marker=_marker(rows), label=label)
    if len(runs) > 1:
        band = "ours, least to largest" if colour == style.OURS.colour else None
        low, high = rows.min(axis=1), rows.max(axis=1)
        axes.fill_between(_millions(rows), low, high, color=colour, alpha=0.2, lw=0, label=band)


def _marker(points: "pd.Series[float] | pd.DataFrame") -> str:
    """A line through few points hides where they are, one point is no line."""
    return "o" if len(points) < 10 else ""


def _millions(points: "pd.Series[float] | pd.DataFrame") -> "pd.Index[float]":
    return points.index * _MILLIONS_PER_STEP
