"""Runs of ours as curves: finished or in progress, read without a lock and without a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from paper_tables.caveats import departures
from paper_tables.collect import Results
from paper_tables.reading import Run, read_setup
from paper_tables.rows import UnsoundError, read_evaluations, read_learning
from paper_tables.trace import original
from repro.records import RunDirectoryError, runs
from repro.tables import RANDOM


@dataclass(frozen=True)
class Traced:
    """A run and what it logged.

    Attributes:
        run: what it is; ``run.path`` as it was given.
        curve: see :mod:`paper_tables.trace.original`; empty if nothing is logged yet.
    """

    run: Run
    curve: pd.DataFrame

    @property
    def last_step(self) -> int:
        """The newest row's."""
        return int(self.curve.index.max()) if len(self.curve) else 0

    def departures(self) -> list[str]:
        """Each setting that is not the released code's and bears on what is compared here."""
        other = departures([self.run])
        replay = self.run.settings["agent"].get("replay_steps", 0)
        if replay >= self.last_step:  # nothing was forgotten yet
            other.pop("agent.replay_steps", None)
        return list(other.values())


def read(paths: Sequence[Path | str]) -> list[Traced]:
    """Read all runs at or below some paths, which must be of one game that has an original.

    Raises:
        RunDirectoryError: saying in one line what is wrong and what to do.
    """
    unique = dict.fromkeys(folder for path in paths for folder in folders(path))
    ours = [_setup(folder) for folder in unique]
    games = sorted({run.game for run in ours})
    if len(games) > 1:
        raise RunDirectoryError(
            f"runs of {len(games)} games ({', '.join(games)}); trace one game at a time, "
            f"such as {Path(paths[0]) / games[0]}"
        )
    if games[0] not in original.games():
        raise RunDirectoryError(
            f"there is no log of the original program on {games[0]}; "
            f"there is one on {', '.join(original.games())}"
        )
    curves = []
    for run in ours:
        curve = traced(run)
        if curve is None:
            raise RunDirectoryError(
                f"{run.path} was made before version 0.2.0, which logs what the trace needs"
            )
        curves.append(curve)
    return curves


def traced(run: Run) -> Traced | None:
    """What a run has logged so far; ``None`` if it is of a version that logged too little.

    Raises:
        RunDirectoryError: naming the file that is damaged.
    """
    logged = read_learning(run.path / "learning.csv", original.LOGGED)
    if tuple(logged.columns) != original.LOGGED:
        return None
    curve = logged.join(_scores(run), how="outer").sort_index()
    return Traced(run, curve)


def folders(path: Path | str) -> list[Path]:
    """The run directories at or below a path, under the name that was given.

    Raises:
        RunDirectoryError: if there is none.
    """
    path = Path(path)
    if (path / "config.json").exists():
        return [path]
    below = [path / folder.relative_to(path.resolve()) for folder in runs(path)]
    if not below:
        raise RunDirectoryError(f"there is no run at or below {path}")
    return below


def _setup(folder: Path) -> Run:
    try:
        run, _ = read_setup(folder)
    except UnsoundError as error:
        raise RunDirectoryError(str(error.problems[0])) from error
    if run.preset == RANDOM:
        raise RunDirectoryError(f"{folder} is a run of the random player, which learns nothing")
    return run


def _scores(run: Run) -> "pd.Series[float]":
    try:
        games = read_evaluations(run.path / "evaluations.csv", growing=True)
    except UnsoundError as error:
        raise RunDirectoryError(str(error.problems[0])) from error
    periodic = Results((run,), games.assign(run=0), ()).periodic()
    return periodic.set_index("step")["mean"].rename("score")
