"""The files of ``repro inspect RUN``, read strictly.

A folder RUN/inspection holds play.csv, embedding.csv, screens/ and inspection.json. Values are
action values: expected discounted sums of clipped rewards.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from matplotlib.image import imread
from numpy.typing import NDArray

from paper_tables.rows import Problem
from repro.config import check
from repro.games import GAMES
from repro.records import SCHEMA, RunDirectoryError, read_json
from repro.system.disk import open_to_read
from repro.tables import LARGEST_VALUE

# More than any has, and no more than can be drawn.
_MOST_BYTES = 1 << 28  # of a file: a million steps' values are less
_HEADER_BYTES = 1 << 14
_MOST_PIXELS = 4_096  # the emulator's screens have 210 by 160
_MOST_STEPS = 1_000_000  # of a stretch of play
_MOST_ACTIONS, _ACTION_LETTERS = 18, 32
_MOST_MARKS, _MOST_SCREENS = 16, 64

_TOLD = {"run_seed": int, "weights": Literal["best", "last"], "weights_step": int}

Kind = TypeVar("Kind", int, str)


@dataclass(frozen=True)
class Inspection:
    """The checked contents of a folder; ``play`` and ``points`` are indexed by step."""

    folder: Path
    title: str
    actions: list[str]
    start: int
    stop: int
    marks: list[int]
    screens: list[int]
    play: pd.DataFrame
    points: pd.DataFrame

    def screen(self, step: int) -> NDArray[Any]:
        """The picture shown at a step."""
        path = self.folder / "screens" / f"step-{step:06d}.png"
        try:
            with open_to_read(path, _MOST_BYTES) as file:
                data = file.read()
            _refuse_giants(data)
            return np.asarray(imread(io.BytesIO(data)))
        except (OSError, SyntaxError, ValueError, LookupError) as error:  # of damaged PNG files
            raise _damaged(self.folder, path) from error


def _refuse_giants(png: bytes) -> None:
    """A few bytes can name a picture that fills all memory; its size stands in bytes 16 to 24."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    if max(width, height) > _MOST_PIXELS or png[12:16] != b"IHDR" or png.count(b"IHDR") != 1:
        raise ValueError(f"a picture of {width} by {height} pixels")


def _damaged(folder: Path, path: Path) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path} is missing or damaged; `repro inspect {folder.parent}` makes it"
    )


def load(folder: Path | str) -> Inspection:
    """Read RUN/inspection.

    Raises:
        RunDirectoryError: naming a file that is missing or damaged.
    """
    folder = Path(folder)
    path = folder / "inspection.json"
    try:
        told = read_json(path)
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {told['schema']}")
        start, stop = _items(told["stretch"], int, 2)
        actions = _items(told["actions"], str, _MOST_ACTIONS)
        marks = _items(told["marks"], int, _MOST_MARKS)
        screens = _items(told["screens"], int, _MOST_SCREENS)
        for name, kind in _TOLD.items():
            check(name, told[name], kind)
        if not start < stop <= start + _MOST_STEPS:
            raise ValueError(f"a stretch from {start:,} to {stop:,}")
        if len(set(actions)) < len(actions) or max(map(len, actions)) > _ACTION_LETTERS:
            raise ValueError("no such actions")
        run = folder.parent
        if (told["game"], f"seed-{told['run_seed']}") != (run.parent.name, run.name):
            raise ValueError("of another run")
        title = (
            f"{GAMES[told['game']].title}, seed {told['run_seed']}, "
            f"{told['weights']} network (step {told['weights_step']:,})"
        )
        path = folder / "play.csv"
        columns = ["frame", "value", *(f"q_{name}" for name in actions)]
        play = _table(path, columns, {*range(start, stop), *marks})
        path = folder / "embedding.csv"
        points = _table(path, ["x", "y", "value"], set(screens))
        if not np.ptp(points[["x", "y"]].to_numpy(), axis=0).all():
            raise ValueError("no map")
    except (KeyError, TypeError, ValueError, OSError, RunDirectoryError) as error:
        raise _damaged(folder, path) from error
    return Inspection(folder, title, actions, start, stop, marks, screens, play, points)


def _items(values: Any, kind: type[Kind], most: int) -> list[Kind]:
    """A list, which has items and not too many, each of the type.

    Raises:
        ValueError: if it is something else.
    """
    check("a list", values, list)
    for value in values:
        check("each", value, kind)
    if not 0 < len(values) <= most:
        raise ValueError(f"{len(values)} items")
    return list(values)


def _table(path: Path, columns: list[str], steps: set[int]) -> pd.DataFrame:
    with open_to_read(path, _MOST_BYTES) as file:
        if not file.readline(_HEADER_BYTES).endswith(b"\n"):
            raise ValueError("no header")
        file.seek(0)
        whole = pd.read_csv(file, index_col="step", dtype={"step": "int64"})
    table = whole[columns].astype(float)
    values = {name for name in whole.columns if name.startswith("q_")}
    if not (table.abs() <= LARGEST_VALUE).all(axis=None) or not values <= set(columns):
        raise ValueError("a number or an action is missing")
    if not steps <= set(table.index) or not table.index.is_monotonic_increasing:
        raise ValueError("a step is missing, or not in its place")
    if not table.index.is_unique:
        raise ValueError("a step is there twice")
    return table


def problems(run: Path) -> list[Problem]:
    """What is wrong with a run's inspection, without which it is shown; nothing if it has none."""
    folder = run / "inspection"
    if not (folder / "inspection.json").exists():
        return []
    try:
        inspection = load(folder)
        for step in {*inspection.marks, *inspection.screens}:
            inspection.screen(step)
    except RunDirectoryError as error:
        return [Problem(folder, None, str(error), spares=True)]
    return []
