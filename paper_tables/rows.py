"""The tables of a run directory, read strictly: rows that are not sound are named by line."""

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from repro.config import LARGEST
from repro.records import (
    EVALUATIONS,
    LEARNING,
    LEARNING_BEFORE_0_2,
    RunDirectoryError,
    read_rows,
)
from repro.system.disk import TABLE_BYTES, one_line, read_text

RANDOM = "random"  # preset, and weights, of the random player
LARGEST_VALUE = 1e12  # beyond any score or action value; sums of more would overflow
_CATEGORIES = {
    "kind": pd.CategoricalDtype(["periodic", "final"]),
    "weights": pd.CategoricalDtype(["last", "best", RANDOM]),
}
_COUNTS = ("step", "episode", "seed", "frames")
_TRUTHS = ("truncated", "completed")
_TYPES: dict[str, Any] = {
    **dict.fromkeys(_CATEGORIES, "category"),
    **dict.fromkeys(_COUNTS, "int64"),
    **dict.fromkeys(_TRUTHS, "bool"),
    "return": "float64",
}
_KEY = ["kind", "weights", "step", "episode"]
_MEASURED = LEARNING[LEARNING.index("mean_max_q") : -1]  # what figures draw
_MARK = "\ufeff"  # that some editors begin a file with
_NAMED_AT_MOST = 20  # bad lines of one file
_BEYOND = "is not a finite number, or beyond any"


@dataclass(frozen=True)
class Problem:
    """Why a run is left out; ``line`` counts from 1, ``None`` for a file as a whole.

    ``count`` is more than 1 where one problem stands for several lines. One that ``spares`` the
    run is of a file without which it can be shown.
    """

    file: Path
    line: int | None
    what: str
    count: int = 1
    spares: bool = False

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else str(self.file)
        return one_line(f"{place}: {self.what}")


class UnsoundError(Exception):
    """What is wrong with a file."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = list(problems)


def nothing() -> pd.DataFrame:
    """No evaluation games, in the columns and types of :func:`read_evaluations`."""
    columns = {name: _TYPES[name] for name in EVALUATIONS if name != "seed"} | _CATEGORIES
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def read_evaluations(path: Path, growing: bool = False) -> pd.DataFrame:
    """Read the rows of evaluations.csv without ``seed``, which would pass for the run's.

    Args:
        path: the file; need not be there.
        growing: whether a last line without an end is one that is being written, and no damage.

    Raises:
        UnsoundError: naming every line that is not sound.
    """
    if not path.exists():
        return nothing()
    try:
        text = read_text(path, TABLE_BYTES)
        if growing:
            text = text[: text.rfind("\n") + 1]
            if not text:
                return nothing()
        table = pd.read_csv(io.StringIO(text), dtype=_TYPES, skip_blank_lines=False)
        counts = table[list(_COUNTS)]
        sound = (
            tuple(table.columns) == EVALUATIONS
            and set(table["kind"].cat.categories) <= set(_CATEGORIES["kind"].categories)
            and set(table["weights"].cat.categories) <= set(_CATEGORIES["weights"].categories)
            and bool(table.notna().all(axis=None))
            and bool((table["return"].abs() <= LARGEST_VALUE).all())
            and bool(((counts >= 0) & (counts <= LARGEST)).all(axis=None))
            and not bool((table["completed"] < (table["kind"] == "final")).any())
            and not bool(table.duplicated(_KEY).any())
            and text.endswith("\n")
        )
    except (ValueError, KeyError, OverflowError, OSError):  # pandas' own errors are ValueErrors
        sound = False
    if sound:
        return table.drop(columns="seed").astype(_CATEGORIES)
    seen = set()

    def repeated(row: dict[str, str]) -> str | None:
        key = (row["kind"], row["weights"], int(row["step"]), int(row["episode"]))
        if key in seen:
            return f"game {row['episode']} of this evaluation is there already"
        seen.add(key)
        return None

    problems = _problems(path, (EVALUATIONS,), repeated)
    raise UnsoundError(
        *problems or [Problem(path, None, "does not read as a table of evaluations")]
    )


def read_learning(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read the complete rows of a learning.csv, by step; NaN where a cell is empty.

    Args:
        path: the file; need not be there.
        columns: those wanted. One that the file has not, as runs of before version 0.2, is left
            out.

    Raises:
        RunDirectoryError: naming the file, if a row is damaged or there twice.
    """
    rows = read_rows(path) if path.exists() else []
    rows = [{name.removeprefix(_MARK): cell for name, cell in row.items()} for row in rows]
    names = ["step", *(name for name in columns if not rows or name in rows[0])]
    try:
        cells = [[_logged(row[name]) for name in names] for row in rows]
        table = pd.DataFrame(cells, columns=names, dtype="float64")
        table = table.astype({"step": "int64"}).set_index("step")
    except (KeyError, ValueError) as error:
        raise RunDirectoryError(f"{path} is damaged: {error}") from error
    if not table.index.is_unique:
        raise RunDirectoryError(f"{path} is damaged: it has rows of one step twice")
    return table


def _logged(cell: str) -> float:
    value = _number(cell) if cell else math.nan
    if cell and not abs(value) <= LARGEST_VALUE:
        raise ValueError(f"{cell!r} {_BEYOND}")
    return value


def learning_problems(path: Path) -> list[Problem]:
    """Name the rows of a learning.csv that cannot be drawn; none if it has not been begun."""
    last = -1

    def backwards(row: dict[str, str]) -> str | None:
        nonlocal last
        before, last = last, int(row["step"])
        return None if last > before else f"step {row['step']} does not follow step {before}"

    known = (LEARNING, LEARNING_BEFORE_0_2)
    begun = path.exists() and path.stat().st_size > 0
    return _problems(path, known, backwards) if begun else []


def beyond(path: Path, episodes: pd.DataFrame, train_steps: int) -> list[Problem]:
    """Name the rows of sound ``episodes``, read from ``path``, of a step that no training had."""
    late = [
        Problem(path, number, f"step {step:,}, in a training of {train_steps:,}")
        for number, step in enumerate(episodes["step"], start=2)
        if step > train_steps
    ]
    return _shortened(path, late)


def _problems(
    path: Path,
    known: tuple[tuple[str, ...], ...],
    misplaced: Callable[[dict[str, str]], str | None],
) -> list[Problem]:
    """Name every line of a table that is not sound.

    Args:
        path: of the file.
        known: the columns that it may have.
        misplaced: what is wrong with a row, sound by itself, after those before.
    """
    try:
        text = re.sub(r"\r\n?", "\n", read_text(path, TABLE_BYTES).removeprefix(_MARK))
        lines = [next(csv.reader([line]), []) for line in text.split("\n")]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [Problem(path, None, f"cannot be read: {error}")]
    columns = tuple(lines[0])
    if columns not in known:
        return [Problem(path, 1, f"the columns are not {','.join(known[0])}")]
    problems = []
    for number, cells in enumerate(lines[1:-1], start=2):
        what = f"{len(cells)} cells instead of {len(columns)}"
        if len(cells) == len(columns):
            row = dict(zip(columns, cells, strict=True))
            what = _wrong(row) or misplaced(row) or ""
        if what:
            problems.append(Problem(path, number, what))
    if lines[-1]:
        problems.append(Problem(path, len(lines), "the line was cut short"))
    return _shortened(path, problems)


def _shortened(path: Path, problems: list[Problem]) -> list[Problem]:
    """The first problems of a file, and one for all the rest."""
    more = len(problems) - _NAMED_AT_MOST
    if more <= 0:
        return problems
    rest = Problem(path, None, f"and {more:,} more lines like these", more)
    return [*problems[:_NAMED_AT_MOST], rest]


def _wrong(row: dict[str, str]) -> str | None:
    """What is wrong with a row of any table, by the names of its columns."""
    for name, cell in row.items():
        what = None
        if name in _CATEGORIES and cell not in (known := _CATEGORIES[name].categories):
            what = f"is none of {', '.join(known)}"
        elif name in _COUNTS and not _is_count(cell):
            what = "is not a whole number"
        elif name in _TRUTHS and cell.lower() not in ("true", "false"):
            what = "is neither True nor False"
        elif name == "return" and not abs(_number(cell)) <= LARGEST_VALUE:
            what = f"{_BEYOND} score"
        elif name in _MEASURED and cell and not abs(_number(cell)) <= LARGEST_VALUE:
            what = _BEYOND
        if what:
            return f"{name} {cell!r} {what}"
    if row.get("kind") == "final" and row["completed"].lower() == "false":
        return "a final game that is not completed"
    return None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST


def _number(text: str) -> float:
    """What pandas reads too; NaN if it is no number."""
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan
