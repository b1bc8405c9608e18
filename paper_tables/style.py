"""How every figure looks and is saved: legible in print, without colour, the same bytes again."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from repro.records import write_atomic

PAGE_MM = 180.0  # two columns of a journal
MM_PER_INCH = 25.4
PNG_DPI = 200
SMALL_POINTS = 7.0
_SCREENS = ("backend", "interactive", "toolbar", "webagg", "tk.")  # settings of no file
# All of matplotlib's own, so that nobody's matplotlibrc shows; then ours.
STYLE: Any = {
    name: value
    for name, value in matplotlib.rcParamsDefault.items()
    if not name.startswith(_SCREENS)
} | {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": SMALL_POINTS,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SMALL_POINTS,
    "ytick.labelsize": SMALL_POINTS,
    "legend.fontsize": SMALL_POINTS,
    "legend.frameon": False,
    "hatch.linewidth": 0.4,
    "text.parse_math": False,  # a label may be a stranger's
    "svg.hashsalt": "paper_tables",  # ids in the file are random without it
}
_METADATA: Mapping[str, Mapping[str, None]] = {"svg": {"Date": None}, "png": {"Software": None}}
COLOURS = sns.color_palette("colorblind").as_hex()


@dataclass(frozen=True)
class Series:
    """What stands for one source of scores in every figure: its name, colour and line."""

    label: str
    colour: str
    line: str


OURS = Series("ours", COLOURS[0], "-")
DQN = Series("DQN, 2015", COLOURS[3], "-.")
LINEAR = Series("best linear learner, 2015", COLOURS[7], "--")
HUMAN = Series("human, 2015", "0.2", "--")
RANDOM = Series("random player, 2015", "0.2", ":")
ORIGINAL = Series("the original program, one seed", DQN.colour, DQN.line)
LAYER_COLOURS = tuple(COLOURS[number] for number in (1, 2, 4, 7, 9))  # those of no series above


def sheet(height_mm: float, width_mm: float = PAGE_MM, arrange: bool = True) -> Figure:
    """Make an empty figure of a size on paper; ``arrange`` makes room for every label."""
    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
    figure.set_layout_engine("constrained" if arrange else "none")
    return figure


def pairs(figure: Figure, count: int, columns: int) -> list[tuple[Axes, Axes]]:
    """Fill a figure with so many pairs of panels, one above the other, ``columns`` in a row.

    Both of a pair have one x axis.
    """
    rows = math.ceil(count / columns)
    panels = figure.subplots(2 * rows, columns, squeeze=False)
    stacked = panels.reshape(rows, 2, columns).swapaxes(1, 2).reshape(-1, 2)
    for upper, lower in stacked:
        lower.sharex(upper)
    for panel in stacked[count:].flat:
        panel.set_axis_off()
    return [(upper, lower) for upper, lower in stacked[:count]]


def tidy(axes: Axes, ticks: int = 5) -> None:
    """Label both axes with a few plain numbers, thousands separated."""
    axes.tick_params(labelsize=SMALL_POINTS, width=0.6, length=2.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))


def keep_in_view(axes: Axes, *values: float) -> None:
    """Have these on the y axis, so that a small difference does not look like a large one."""
    axes.update_datalim([(0.0, value) for value in values], updatex=False)
    axes.autoscale_view(scalex=False)


def note(axes: Axes, text: str, place: Any, points: Any, inside: Any = "data", **look: Any) -> None:
    """Write a text so many points to the right and above of a place in coordinates ``inside``."""
    axes.annotate(text, place, points, inside, "offset points", **look)


def minus(text: str) -> str:
    """Write a number's minus as on the axes; a hyphen is shorter."""
    return text.replace("-", "\u2212")


def legend(figure: Figure, columns: int = 4, side: str = "lower") -> None:
    """Explain outside the panels, once each, whatever they draw with a label."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        place: Any = f"outside {side} center"
        figure.legend(handles.values(), handles.keys(), loc=place, ncols=columns)


def encoded(figure: Figure, ending: str) -> bytes:
    """A figure as a file of ``svg`` or ``png``; the same figure gives the same bytes."""
    data = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(data, format=ending, dpi=PNG_DPI, metadata=_METADATA[ending])
    return data.getvalue()


def save(figure: Figure, folder: Path | str, name: str) -> tuple[Path, Path]:
    """Write ``name.svg`` and ``name.png`` (see ``encoded``).

    Args:
        figure: any of this package's.
        folder: made if it is not there.
        name: of the files, without ending.

    Returns:
        The SVG and the PNG.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    for path in (svg, png):
        write_atomic(path, encoded(figure, path.suffix[1:]))
    return svg, png
