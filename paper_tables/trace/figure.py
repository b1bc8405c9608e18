"""The picture of a trace: ours beside the original, four panels."""

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from paper_tables import style
from paper_tables.render import counted
from paper_tables.trace.rule import JUDGED_STEPS, Trace, quantities
from repro.games import GAMES
from repro.records import LAYERS

_MILLIONS_PER_STEP = 4e-6  # emulator frames
_LEAST_STEPS = 100_000  # that are shown
_BEYOND = 1.15  # times as far as ours came is shown of the original


@matplotlib.rc_context(style.STYLE)
def draw(trace: Trace) -> Figure:
    """Draw V, TD error, score, and how the weights of each layer grew.

    The original is a line; ours is a line too, with a band from the least to the largest of
    several runs.
    """
    last = max(_LEAST_STEPS, *(one.last_step for one in trace.runs)) * _BEYOND
    figure = style.sheet(120)
    panels = list(figure.subplots(2, 2).flat)
    number = len(trace.runs)
    ours = "ours" if number == 1 else f"ours, mean of {counted(number, 'run')}"
    for axes, column, title in zip(
        panels,
        ("v", "mean_abs_td_error", "score"),
        (
            "V: mean max-Q of the target network, held-out states",
            "TD error: mean absolute, clipped, there",
            "score: mean of whole games",
        ),
        strict=False,
    ):
        axes.set_title(title, loc="left")
        _original(axes, trace.original[column].loc[:last], style.ORIGINAL.colour)
        _ours(axes, [one.curve[column] for one in trace.runs], style.OURS.colour, ours)
    axes, logged = panels[-1], quantities(trace.original.loc[:last])
    axes.set_title("growth of the mean absolute weight of each layer", loc="left")
    mine = [quantities(one.curve) for one in trace.runs]
    for layer, colour in zip(LAYERS, style.LAYER_COLOURS, strict=True):
        of = ("mean_growth", layer)
        _original(axes, logged[of], colour)
        _ours(axes, [one[of] for one in mine], colour, layer.replace("_", " "))
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


def _original(axes: Axes, values: "pd.Series[float]", colour: str) -> None:
    values = values.dropna()
    label = style.ORIGINAL.label if colour == style.ORIGINAL.colour else None
    axes.plot(
        _millions(values), values, color=colour, lw=0.9, ls=style.ORIGINAL.line, zorder=3,
        marker=_marker(values), markersize=2.5, label=label,
    )  # fmt: skip


def _ours(axes: Axes, runs: "list[pd.Series[float]]", colour: str, label: str) -> None:
    """The mean of the runs that came so far, and their range."""
    rows = pd.concat(runs, axis=1).dropna(how="all").sort_index()
    axes.plot(
        _millions(rows), rows.mean(axis=1), color=colour, lw=1.3, ls=style.OURS.line,
        marker=_marker(rows), markersize=3, label=label,
    )  # fmt: skip
    if len(runs) > 1:
        band = "ours, least to largest" if colour == style.OURS.colour else None
        low, high = rows.min(axis=1), rows.max(axis=1)
        axes.fill_between(_millions(rows), low, high, color=colour, alpha=0.2, lw=0, label=band)


def _marker(points: "pd.Series[float] | pd.DataFrame") -> str:
    """A line through few points hides where they are, one point is no line."""
    return "o" if len(points) < 10 else ""


def _millions(points: "pd.Series[float] | pd.DataFrame") -> "pd.Index[float]":
    return points.index * _MILLIONS_PER_STEP
