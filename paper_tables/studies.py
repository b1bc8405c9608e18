"""A study's results: a table and a figure of its configurations, over seeds."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from paper_tables import collect, style
from paper_tables.curves import over_seeds
from paper_tables.render import Column, Table, csv, grid, markdown
from repro.config.study import Study
from repro.records import START_VALUES, RunDirectoryError, write_atomic
from repro.system.disk import read_text, reason

_LINES = ("-", "--", "-.", ":")
_NAME = "study"  # of the files
_POINTS = "points.csv"  # every number that they are made of
_COLUMNS = ("configuration", "game", "seed", "frames", "kind", "value", "commit")


@dataclass(frozen=True)
class Row:
    """One configuration on one game.

    Attributes:
        cell: its title.
        game: its name.
        wanted: seeds that the study has.
        scores: final score of each finished seed, ``(seeds,)``, mean raw return.
        learning: mean of each finished seed's periodic evaluations, ``(seeds,)``: who learns
            sooner has more.
        curve: ``mean``, ``low``, ``high`` of the periodic evaluations by ``frames``.
        frames: length of the trainings.
        expected: value of a new game's first state, mean over seeds, if the study asks for it.
        collected: likewise the discounted return that was then collected.
    """

    cell: str
    game: str
    wanted: int
    scores: np.ndarray
    learning: np.ndarray
    curve: pd.DataFrame
    frames: int
    expected: float | None
    collected: float | None

    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """Of the mean over seeds, 95%, by Student's t; NaN of fewer than two."""
        if len(values) < 2:
            return math.nan, math.nan
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        return float(values.mean() - half), float(values.mean() + half)


def show(study: Study, folder: Path, write: bool = True) -> str:
    """Tabulate a study; write points.csv, study.md, .csv, .svg and .png into its folder.

    Args:
        study: what was compared.
        folder: of its runs, or, where they are not kept, of its points.csv.
        write: whether to write, too.

    Returns:
        The table, and where the files are.

    Raises:
        NoRunError: if nothing of the study is there.
        RunDirectoryError: if points.csv is damaged.
    """
    points = gather(study, folder)
    if points.empty and (folder / _POINTS).exists():
        points = _read(folder / _POINTS)
    if not (points["kind"] == "final").any():
        raise collect.NoRunError(f"no run of the study {study.name} is finished below {folder}")
    rows = summarise(study, points)
    table = tabulate(study, rows)
    if write:
        text = points.to_csv(index=False, lineterminator="\n")
        write_atomic(folder / _POINTS, text.encode())
        write_atomic(folder / f"{_NAME}.csv", csv(table).encode())
        write_atomic(folder / f"{_NAME}.md", markdown(table).encode())
        style.save(draw(study, rows), folder, _NAME)
    notes = "".join(f"{note}\n" for note in table.notes)
    return f"{table.title}\n\n{grid(table)}\n{notes}\n{folder / _NAME}.md, .csv, .svg and .png"


def gather(study: Study, folder: Path) -> pd.DataFrame:
    """Read every finished run of a study.

    Returns:
        A row per number: ``configuration``, ``game``, ``seed``, ``frames``, ``kind`` (periodic or
        final, a mean raw return; expected or collected, see
        :mod:`repro.evaluation.start_values`), ``value``, and the ``commit`` that made it.
    """
    found: list[tuple[Any, ...]] = []
    for cell in study.cells:
        try:
            whole = collect.collect(folder / cell.folder)
        except collect.NoRunError:
            continue
        for results in (whole, whole.others or collect.NOTHING):
            finals, periodic = results.final_scores(), results.periodic()
            for number, run in enumerate(results.runs):
                if not run.finished or run.game not in study.games:
                    continue
                commit = str(run.provenance.get("commit") or "")
                whose = (cell.title, run.game, run.seed)
                for _, one in periodic[periodic["run"] == number].iterrows():
                    frames = int(one["step"]) * run.frames_per_step
                    found.append((*whose, frames, "periodic", one["mean"], commit))
                values = {"final": finals.loc[finals["run"] == number, "return"].mean()}
                if (file := run.path / START_VALUES).exists():
                    values |= _start_values(file)
                for kind, value in values.items():
                    found.append((*whose, run.train_frames, kind, value, commit))
    return pd.DataFrame(found, columns=_COLUMNS)


def summarise(study: Study, points: pd.DataFrame) -> list[Row]:
    """A row per configuration and game, of its longest runs."""
    rows = []
    for cell in study.cells:
        for game in study.games:
            mine = points[(points["configuration"] == cell.title) & (points["game"] == game)]
            ends = mine[mine["kind"] == "final"].set_index("seed")["frames"]
            frames = int(ends.max()) if len(ends) else 0
            mine = mine[mine["seed"].isin(ends[ends == frames].index)]
            periodic = mine[mine["kind"] == "periodic"]
            curve = over_seeds(periodic.rename(columns={"seed": "run"}))
            learning = periodic.groupby("seed")["value"].mean().to_numpy()
            of_kind = {kind: part["value"].to_numpy() for kind, part in mine.groupby("kind")}
            scores, expected, collected = (
                of_kind.get(kind, np.array([])) for kind in ("final", "expected", "collected")
            )
            rows.append(
                Row(
                    cell.title, game, study.seeds, scores, learning, curve, frames,
                    _mean(expected), _mean(collected),
                )
            )  # fmt: skip
    return rows


def _read(file: Path) -> pd.DataFrame:
    try:
        points = pd.read_csv(io.StringIO(read_text(file)), keep_default_na=False)
        if tuple(points.columns) != _COLUMNS:
            raise ValueError(f"the columns are not {','.join(_COLUMNS)}")
        return points.astype({"seed": "int64", "frames": "int64", "value": "float64"})
    except (ValueError, OSError) as error:
        raise RunDirectoryError(f"{file} is damaged: {reason(error)}") from error


def _start_values(file: Path) -> dict[str, float]:
    """Means over the games of a run: ``expected`` and ``collected``."""
    try:
        games = pd.read_csv(io.StringIO(read_text(file)), dtype="float64")
        return {name: float(games[name].mean()) for name in ("expected", "collected")}
    except (ValueError, LookupError, OSError) as error:
        raise RunDirectoryError(f"{file} is damaged, remove it: {reason(error)}") from error


def tabulate(study: Study, rows: list[Row]) -> Table:
    """A line for each configuration and game."""
    several = len(study.games) > 1

    def of_scores(row: Row) -> str:
        low, high = row.interval(row.scores)
        return "-" if math.isnan(low) else f"{low:,.1f} to {high:,.1f}"

    columns: tuple[Column, ...] = (
        Column("configuration", "configuration", lambda row: row.cell),
        Column("game", "game" if several else "", lambda row: row.game),
        Column("frames", "frames", lambda row: row.frames, 0),
        Column("seeds", "seeds", lambda row: len(row.scores), 0),
        Column("score", "score", lambda row: _mean(row.scores), 1),
        Column("low", "", lambda row: row.interval(row.scores)[0]),
        Column("high", "", lambda row: row.interval(row.scores)[1]),
        Column("", "95% interval", of_scores),
        Column("worst", "worst seed", lambda row: row.scores.min() if len(row.scores) else None, 1),
        Column("best", "best seed", lambda row: row.scores.max() if len(row.scores) else None, 1),
        Column("while_learning", "while learning", lambda row: _mean(row.learning), 1),
    )
    if study.start_values:
        columns += (
            Column("expected", "expected at first", lambda row: row.expected, 2),
            Column("collected", "then collected", lambda row: row.collected, 2),
        )
    notes = [
        "score: mean raw return of the final games of the best network, over seeds, with Student's "
        "interval; while learning: mean of all periodic evaluations, more for who learns sooner."
    ]
    if study.start_values:
        notes.append(
            "expected at first: the largest action value of a new game's first state, of the last "
            "network; then collected: discounted return of its greedy play, rewards and endings as "
            "in training; means over seeds and their games."
        )
    missing = sum(row.wanted - len(row.scores) for row in rows)
    if missing > 0:
        notes.append(f"{missing} trainings are not finished.")
    if study.shortened:
        notes.append(f"Shortened: {study.shortened}")
    return Table(_NAME, study.summary, columns, rows, tuple(notes))


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


@matplotlib.rc_context(style.STYLE)
def draw(study: Study, rows: list[Row]) -> Figure:
    """A row per game: the periodic evaluations over frames, and the final score of every seed.

    Lines are means over seeds, bands and bars their 95% intervals.
    """
    titles = [cell.title for cell in study.cells]
    figure = style.sheet(14 + 56 * len(study.games))
    panels = figure.subplots(len(study.games), 2, squeeze=False, width_ratios=[3, 2], sharey="row")
    for (learning, final), game in zip(panels, study.games, strict=True):
        for axes in (learning, final):
            style.tidy(axes)
        for row in (row for row in rows if row.game == game and len(row.scores)):
            place = titles.index(row.cell)
            colour = style.COLOURS[place % len(style.COLOURS)]
            line = _LINES[place // len(style.COLOURS) % len(_LINES)]
            thousands = row.curve.index.to_numpy() / 1e3
            learning.plot(thousands, row.curve["mean"], line, color=colour, label=row.cell, lw=1.2)
            learning.fill_between(
                thousands, row.curve["low"], row.curve["high"], color=colour, alpha=0.15, lw=0
            )
            spread = np.linspace(-0.2, 0.2, len(row.scores) + 2)[1:-1]
            final.plot(place + spread, row.scores, "o", color=colour, ms=2.5, alpha=0.6)
            low, high = row.interval(row.scores)
            mean = float(row.scores.mean())
            half = [[mean - low], [high - mean]]
            final.errorbar(place, mean, None if math.isnan(low) else half, fmt="_", color="0.1")
        learning.set(xlabel="emulator frames (thousands)", ylabel="score", xlim=(0, None))
        learning.set_title(game if len(study.games) > 1 else "periodic evaluations")
        final.set_title("final scores, mean, 95% interval")
        final.set_xticks(range(len(titles)), [])
        final.set_xlim(-0.6, len(titles) - 0.4)
        drawn = [
            value for row in rows if row.game == game and len(row.scores)
            for value in (*row.scores, *row.curve["mean"])
        ]  # fmt: skip
        if drawn:  # an interval of few seeds can be far wider than they are apart
            room = 0.1 * (max(drawn) - min(drawn)) or 1.0
            learning.set_ylim(min(drawn) - room, max(drawn) + room)
    style.legend(figure, 2 if len(titles) > 3 else len(titles))
    return figure
