"""Figures of what a network makes of the states it meets, from the files of ``repro inspect RUN``.

Values are action values: expected discounted sums of clipped rewards.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from paper_tables import style
from paper_tables.inspection import load
from repro.system.disk import one_line

Floats = NDArray[np.float64]

_COLOURS = "viridis"  # rises in lightness too
_VALUE = "value: highest action value"
# The page of the map, in mm: screens and their numbers around it, title above, colours below.
_PAGE = np.array([style.PAGE_MM, 186.0])
_SCREEN = np.array([160, 210]) * 33.0 / 210
_NUMBER, _TITLE, _BAR = 5.0, 5.0, 14.0


@matplotlib.rc_context(style.STYLE)
def embedding(folder: Path | str) -> Figure:
    """Draw the paper's Fig. 4: the map of states, coloured by value, with screens around it.

    Args:
        folder: RUN/inspection.

    Raises:
        RunDirectoryError: naming a file that is missing or damaged.
    """
    inspection = load(folder)
    values = inspection.points["value"]
    places = inspection.points[["x", "y"]].to_numpy()
    figure = style.sheet(_PAGE[1], arrange=False)
    corner = _SCREEN + np.array([4, _NUMBER + _BAR + 3])
    size = _PAGE - 2 * corner + np.array([0, _BAR - _TITLE])
    axes = _axes(figure, corner, size)
    # One scale for both directions: only distances mean something on this map.
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    half = size / 2 * (np.ptp(places, axis=0) / size).max() * 1.05
    colours = ScalarMappable(Normalize(values.min(), values.max()), _COLOURS)
    axes.scatter(
        places[:, 0], places[:, 1], c=values, s=3, cmap=_COLOURS, linewidth=0, rasterized=True
    )
    for low, high, limit in zip(middle - half, middle + half, "xy", strict=True):
        axes.set(**{f"{limit}lim": (low, high), f"{limit}ticks": []})
    axes.set_axis_off()
    bar = _axes(figure, np.array([40.0, _BAR - 4]), np.array([style.PAGE_MM - 80, 2.5]))
    label = f"{_VALUE}; the number at a screen is its state's"
    figure.colorbar(colours, cax=bar, orientation="horizontal", label=label)
    bar.tick_params(labelsize=style.SMALL_POINTS, width=0.6, length=2.5)
    figure.text(0.5, 1 - 1.5 / _PAGE[1], inspection.title, ha="center", va="top", fontsize=8)

    shown = inspection.points.loc[inspection.screens]
    chosen = shown[["x", "y"]].to_numpy()
    targets = corner + (chosen - middle + half) / (2 * half) * size  # in mm on the page
    slots = _slots(len(shown))
    distances = np.linalg.norm(targets[:, None] - slots[None], axis=-1)
    text = _format(np.ptp(values))
    # Of all pairings the one with the shortest lines: in it no two cross.
    for index, slot in zip(*linear_sum_assignment(distances), strict=True):
        value = shown["value"].iloc[index]
        lower_left = slots[slot] - _SCREEN / 2
        panel = _axes(figure, lower_left, _SCREEN)
        _show(panel, inspection.screen(inspection.screens[index]), colours.to_rgba(value))
        below = slots[slot][1] < corner[1]
        edge, away, side = (0, -2, "top") if below else (1, 2, "bottom")
        place = (0.5, edge)
        style.note(panel, text(value), place, (0, away), "axes fraction", ha="center", va=side)
        nearest = np.clip(targets[index], lower_left, lower_left + _SCREEN)
        line = np.array([nearest, targets[index]]) / _PAGE
        figure.add_artist(Line2D(*line.T, color="0.25", linewidth=0.5))
    axes.plot(*chosen.T, "o", markersize=4, markerfacecolor="none", color="0", markeredgewidth=0.7)
    return figure


def _slots(count: int) -> Floats:
    """Centres, in mm, of so many screens around the page: up to two on each side."""
    beside = min(2, count // 6)
    above = math.ceil((count - 2 * beside) / 2)
    below = count - 2 * beside - above
    width, height = _PAGE
    low = _BAR + _NUMBER + _SCREEN[1] / 2
    high = height - _TITLE - _NUMBER - _SCREEN[1] / 2
    centres = [(width * (i + 0.5) / above, high) for i in range(above)]
    centres += [(width * (i + 0.5) / below, low) for i in range(below)]
    for i in range(1, beside + 1):
        y = low + (high - low) * i / (beside + 1)
        centres += [(_SCREEN[0] / 2 + 1, y), (width - _SCREEN[0] / 2 - 1, y)]
    return np.array(centres).reshape(-1, 2)


@matplotlib.rc_context(style.STYLE)
def value_stretch(folder: Path | str) -> Figure:
    """Draw Extended Data Fig. 2a: the value along a stretch of play, with the marked screens.

    Args:
        folder: RUN/inspection.

    Raises:
        RunDirectoryError: naming a file that is missing or damaged.
    """
    inspection = load(folder)
    stretch = inspection.play.loc[inspection.start : inspection.stop - 1]
    marked = inspection.play.loc[inspection.marks, ["frame", "value"]].to_numpy()
    figure = style.sheet(115)
    grid = figure.add_gridspec(2, len(marked))
    axes = figure.add_subplot(grid[0, :])
    style.tidy(axes, ticks=8)
    axes.plot(stretch["frame"], stretch["value"], color=style.OURS.colour, linewidth=1.1)
    axes.plot(marked[:, 0], marked[:, 1], "o", color="0", markersize=4)
    axes.margins(x=0.02, y=0.12)
    axes.set(title=inspection.title, xlabel="emulator frame of the game", ylabel=_VALUE)
    text = _format(np.ptp(stretch["value"]))
    for index, (frame, value) in enumerate(marked):
        number = str(index + 1)
        high = value > stretch["value"].mean()
        away, side = (4, "bottom") if high else (-4, "top")
        look = {"ha": "center", "va": side, "fontsize": 8, "fontweight": "bold"}
        style.note(axes, number, (frame, value), (0, away), **look)
        panel = figure.add_subplot(grid[1, index])
        _show(panel, inspection.screen(inspection.marks[index]))
        panel.set_title(f"{number}: {text(value)}")
    return figure


@matplotlib.rc_context(style.STYLE)
def action_values(folder: Path | str) -> Figure:
    """Draw Extended Data Fig. 2b: at each marked step the screen and every action's value.

    The highest is dark. All steps share one scale, and all bars begin where it does: at zero, or
    below the lowest value if that is negative. So the highest value always has the longest bar.

    Args:
        folder: RUN/inspection.

    Raises:
        RunDirectoryError: naming a file that is missing or damaged.
    """
    inspection = load(folder)
    marked = inspection.play.loc[
        inspection.marks, [f"q_{name}" for name in inspection.actions]
    ].to_numpy()
    bars_mm = 5 + 4.2 * len(inspection.actions)
    figure = style.sheet(28 + 46 + bars_mm)
    screens, panels = figure.subplots(
        2, len(marked), squeeze=False, sharey="row", sharex="row", height_ratios=[46, bars_mm]
    )
    figure.suptitle(inspection.title, fontsize=8)
    text = _format(10 * np.ptp(marked, axis=1).min())
    lowest, highest = min(0.0, float(marked.min())), max(0.0, float(marked.max()))
    floor = lowest - 0.1 * (highest - lowest) * (lowest < 0)
    for number, (screen, axes) in enumerate(zip(screens, panels, strict=True), start=1):
        step, q = inspection.marks[number - 1], marked[number - 1]
        _show(screen, inspection.screen(step))
        screen.set_title(str(number), fontweight="bold")
        style.tidy(axes, ticks=3)
        fill = [style.OURS.colour if value == q.max() else "0.75" for value in q]
        bars = axes.barh(range(len(q)), q - floor, 0.7, left=floor, color=fill)
        clear = [withStroke(linewidth=2, foreground="white")]  # of the line at zero
        texts = [text(value) for value in q]
        axes.bar_label(bars, texts, padding=2, fontsize=6.5, path_effects=clear, zorder=3)
        axes.axvline(0, color="0.2", linewidth=0.6)
        axes.set_yticks(range(len(q)), [one_line(name) for name in inspection.actions])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("action value")
    axes = panels[0]
    axes.set_xlim(floor, highest + 0.45 * (highest - floor))  # with room for the numbers
    for colour, label in ((style.OURS.colour, "highest value"), ("0.75", "other actions")):
        axes.plot([], [], "s", color=colour, label=label)
    style.legend(figure, 2)
    axes.set_ylim(len(inspection.actions) - 0.5, -0.5)
    return figure


def _axes(figure: Figure, corner: Floats, size: Floats) -> Axes:
    """Axes at a place on the page of the map: lower left corner and size in mm."""
    return figure.add_axes((*(corner / _PAGE), *(size / _PAGE)))


def _show(axes: Axes, screen: NDArray[Any], colour: Any = "0.5") -> None:
    """Fill axes with a screen, framed."""
    axes.imshow(screen)
    axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
    axes.spines[:].set(visible=True, color=colour, linewidth=1.0)


def _format(span: float) -> Callable[[float], str]:
    """Write numbers with as many decimals as tell a hundredth of ``span`` apart, four at most."""
    decimals = min(4, max(0, 2 - math.floor(math.log10(span or 1.0))))
    return lambda value: style.minus(f"{value:,.{decimals}f}")
