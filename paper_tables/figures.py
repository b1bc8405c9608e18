"""Figures from run directories, legible in print and for colour-blind readers."""

from pathlib import Path

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from paper_tables import reference
from repro.records import read_json

matplotlib.use("Agg")  # files only: no screen is needed


def training_curve(run: Path) -> Figure:
    """Draw the raw return of every training game of a run against emulator frames.

    With their running mean over ten games and, as lines, the printed random player and human.

    Args:
        run: a run directory with train_episodes.csv.
    """
    game = read_json(run / "config.json")["game"]
    printed = reference.load("nature2015_scores").loc[game]
    games = pd.read_csv(run / "train_episodes.csv")
    colours = sns.color_palette("colorblind")
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot(games["frames"], games["return"], ".", color=colours[7], label="training game")
    running = games["return"].rolling(10, min_periods=1).mean()
    axes.plot(games["frames"], running, color=colours[0], label="mean of the last 10")
    for name, column, style in (("human", "human", "--"), ("random player", "random", ":")):
        label = f"{name}, 2015 ({printed[column]:g})"
        axes.axhline(printed[column], color="0.2", linestyle=style, linewidth=1, label=label)
    axes.set(title=f"{printed['title']}: training games", xlabel="emulator frames", ylabel="return")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.legend(frameon=False, fontsize="small", loc="center right")
    sns.despine(ax=axes)
    return figure
