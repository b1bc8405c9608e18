"""The tables of a run directory, read strictly: rows that are not sound are named by line."""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from repro.records import EVALUATIONS, LEARNING, LEARNING_BEFORE_0_2
from repro.system.disk import TABLE_BYTES, one_line, open_to_read

RANDOM = "random"  # preset, and weights, of the random player
LARGEST_COUNT = 10**15
_KINDS = pd.CategoricalDtype(["periodic", "final"])
_WEIGHTS = pd.CategoricalDtype(["last", "best", RANDOM])
_DTYPES: dict[str, Any] = {
    "kind": "category", "weights": "category", "step": "int64", "episode": "int64",
    "seed": "int64", "return": "float64", "frames": "int64", "truncated": "bool",
    "completed": "bool",
}  # fmt: skip
_KEY = ["kind", "weights", "step", "episode"]
LARGEST_VALUE = 1e12  # beyond any score or action value; sums of more would overflow
_MEASURED = LEARNING[LEARNING.index("mean_max_q") : -1]  # what figures draw
_NAMED_AT_MOST = 20  # bad lines of one file


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


def learning_problems(path: Path) -> list[Problem]:
    """Name the rows of a learning.csv that cannot be drawn; none if there is no file."""
    if not path.exists():
        return []
    problems, last, columns = [], -1, list[str]()
    try:
        lines = _text(path).split("\n")
        for number, cells in enumerate(csv.reader(lines[:-1]), start=1):
            columns = cells if number == 1 else columns
            what = _not_learning(cells, columns, number == 1)
            if what is None and number > 1:
                if int(cells[0]) <= last:
                    what = f"step {cells[0]} does not follow step {last}"
                last = int(cells[0])
            if what:
                problems.append(Problem(path, number, what))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [Problem(path, None, f"cannot be read: {error}")]
    if lines[-1]:
        problems.append(Problem(path, len(lines), "the line was cut short"))
    return _shortened(path, problems)


def _bytes(path: Path) -> bytes:
    with open_to_read(path, TABLE_BYTES) as file:
        return file.read()


def _text(path: Path) -> str:
    return _bytes(path).decode()


def _shortened(path: Path, problems: list[Problem]) -> list[Problem]:
    """The first problems of a file, and one for all the rest."""
    more = len(problems) - _NAMED_AT_MOST
    if more <= 0:
        return problems
    rest = Problem(path, None, f"and {more:,} more lines like these", more)
    return [*problems[:_NAMED_AT_MOST], rest]


def _not_learning(cells: list[str], columns: list[str], head: bool) -> str | None:
    if head:
        known = (LEARNING, LEARNING_BEFORE_0_2)
        return None if tuple(cells) in known else f"the columns are not {','.join(LEARNING)}"
    if len(cells) != len(columns):
        return f"{len(cells)} cells instead of {len(columns)}"
    row = dict(zip(columns, cells, strict=True))
    for name in ("step", "frames"):
        if not _is_count(row[name]):
            return f"{name} {row[name]!r} is not a whole number"
    for name in _MEASURED:
        if row.get(name) and not abs(_number(row[name])) <= LARGEST_VALUE:
            return f"{name} {row[name]!r} is not a finite number, or beyond any"
    return None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_COUNT


def _number(text: str) -> float:
    """What pandas reads too; NaN if it is no number."""
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def nothing() -> pd.DataFrame:
    """No evaluation games, in the columns and types of :func:`read_evaluations`."""
    columns = {**_DTYPES, "kind": _KINDS, "weights": _WEIGHTS}
    del columns["seed"]
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
        data = _bytes(path)
        if growing:
            data = data[: data.rfind(b"\n") + 1]
            if not data:
                return nothing()
        table = pd.read_csv(io.BytesIO(data), dtype=_DTYPES, skip_blank_lines=False)
        counts = table[["step", "episode", "seed", "frames"]]
        sound = (
            tuple(table.columns) == EVALUATIONS
            and set(table["kind"].cat.categories) <= set(_KINDS.categories)
            and set(table["weights"].cat.categories) <= set(_WEIGHTS.categories)
            and bool(table.notna().all(axis=None))
            and bool((table["return"].abs() <= LARGEST_VALUE).all())
            and bool(((counts >= 0) & (counts <= LARGEST_COUNT)).all(axis=None))
            and not bool((table["completed"] < (table["kind"] == "final")).any())
            and not bool(table.duplicated(_KEY).any())
            and data.endswith(b"\n")
        )
    except (ValueError, KeyError, OverflowError, OSError):  # pandas' own errors are ValueErrors
        sound = False
    if sound:
        return table.drop(columns="seed").astype({"kind": _KINDS, "weights": _WEIGHTS})
    try:
        raise UnsoundError(*_damage(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnsoundError(Problem(path, None, f"cannot be read: {error}")) from error


def beyond(path: Path, episodes: pd.DataFrame, train_steps: int) -> list[Problem]:
    """Name the rows of sound ``episodes``, read from ``path``, of a step that no training had."""
    late = episodes.index[episodes["step"] > train_steps]
    return _shortened(
        path,
        [
            Problem(
                path, row + 2, f"step {episodes['step'][row]:,}, in a training of {train_steps:,}"
            )
            for row in late
        ],
    )


def _damage(path: Path) -> Iterator[Problem]:
    """Find the bad lines of a file that did not read as a whole."""
    text = _text(path)
    lines = [next(csv.reader([line]), []) for line in re.sub(r"\r\n?", "\n", text).split("\n")]
    if tuple(lines[0]) != EVALUATIONS:
        yield Problem(path, 1, f"the columns are not {','.join(EVALUATIONS)}")
        return
    problems, seen = [], set()
    for number, cells in enumerate(lines[1:-1], start=2):
        what = _wrong(cells)
        if what is None:
            key = (*cells[:2], int(cells[2]), int(cells[3]))
            if key in seen:
                what = f"game {cells[3]} of this evaluation is there already"
            seen.add(key)
        if what:
            problems.append(Problem(path, number, what))
    if lines[-1]:
        problems.append(Problem(path, len(lines), "the line was cut short"))
    yield from _shortened(path, problems)
    if not problems:
        yield Problem(path, None, "does not read as a table of evaluations")


def _wrong(cells: list[str]) -> str | None:
    if len(cells) != len(EVALUATIONS):
        return f"{len(cells)} cells instead of {len(EVALUATIONS)}"
    row = dict(zip(EVALUATIONS, cells, strict=True))
    for name, known in (("kind", _KINDS), ("weights", _WEIGHTS)):
        if row[name] not in known.categories:
            return f"{name} {row[name]!r} is none of {', '.join(known.categories)}"
    for name in ("step", "episode", "seed", "frames"):
        if not _is_count(row[name]):
            return f"{name} {row[name]!r} is not a whole number"
    for name in ("truncated", "completed"):
        if row[name].lower() not in ("true", "false"):
            return f"{name} {row[name]!r} is neither True nor False"
    if row["kind"] == "final" and row["completed"].lower() == "false":
        return "a final game that is not completed"
    if not abs(_number(row["return"])) <= LARGEST_VALUE:
        return f"return {row['return']!r} is not a finite number, or beyond any score"
    return None
