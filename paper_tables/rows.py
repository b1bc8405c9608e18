"""The tables of a run directory, read strictly: rows that are not sound are named by line."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from repro import tables
from repro.records import RunDirectoryError, read_rows
from repro.system.disk import TABLE_BYTES, one_line, open_to_read
from repro.tables import EVALUATIONS, LEARNING, Columns, Row

_NAMED_AT_MOST = 20  # bad lines of one file
_KEY = ["kind", "weights", "step", "episode"]
_NOT_DRAWN = ("updates", "epsilon", "loss", "frames_per_second")


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
    return tables.frame(f"{','.join(EVALUATIONS)}\n".encode(), EVALUATIONS).drop(columns="seed")


def read_evaluations(path: Path, growing: bool = False) -> pd.DataFrame:
    """Read the rows of evaluations.csv without ``seed``, which would pass for the run's.

    Args:
        path: the file; need not be there.
        growing: whether a last line without an end is one that is being written, and no damage.

    Raises:
        UnsoundError: naming every line that is not sound.
    """
    data = _read(path)
    if growing:
        data = data[: data.rfind(b"\n") + 1]
    if not data and (growing or not path.exists()):
        return nothing()
    try:
        table = tables.frame(data, EVALUATIONS)
        cut_short = (table["kind"] == "final") & ~table["completed"]
        if not cut_short.any() and not table.duplicated(_KEY).any():
            return table.drop(columns="seed")
    except (ValueError, OverflowError):
        pass
    seen = set()

    def misplaced(row: Row) -> str:
        if row["kind"] == "final" and not row["completed"]:
            return "a final game that is not completed"
        key = tuple(row[name] for name in _KEY)
        if key in seen:
            return f"game {row['episode']} of this evaluation is there already"
        seen.add(key)
        return ""

    problems = _problems(path, data, EVALUATIONS, misplaced)
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
    rows = read_rows(path, "step", *columns)
    names = [*rows[0]] if rows else ["step", *columns]
    table = pd.DataFrame(rows, columns=names, dtype="float64")
    table = table.astype({"step": "int64"}).set_index("step")
    if not table.index.is_unique:
        raise RunDirectoryError(f"{path} is damaged: it has rows of one step twice")
    return table


def learning_problems(path: Path) -> list[Problem]:
    """Name the rows of a learning.csv that cannot be drawn; none if it has not been begun."""
    last = -1

    def backwards(row: Row) -> str:
        nonlocal last
        before, last = last, row["step"]
        return "" if last > before else f"step {last} does not follow step {before}"

    try:
        data = _read(path)
    except UnsoundError as error:
        return error.problems
    return _problems(path, data, LEARNING, backwards, _NOT_DRAWN) if data else []


def beyond(path: Path, episodes: pd.DataFrame, train_steps: int) -> list[Problem]:
    """Name the rows of sound ``episodes``, read from ``path``, of a step that no training had."""
    late = [
        Problem(path, number, f"step {step:,}, in a training of {train_steps:,}")
        for number, step in enumerate(episodes["step"], start=2)
        if step > train_steps
    ]
    return _shortened(path, late)


def _read(path: Path) -> bytes:
    """Of a file that is not there, nothing."""
    try:
        with open_to_read(path, TABLE_BYTES) as file:
            return tables.plain(file.read())
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UnsoundError(Problem(path, None, f"cannot be read: {error}")) from error


def _problems(
    path: Path,
    data: bytes,
    columns: Columns,
    misplaced: Callable[[Row], str],
    passed_over: Collection[str] = (),
) -> list[Problem]:
    """Name every line that is not sound by itself, or ``misplaced`` after those before it.

    In columns that are ``passed_over`` there may be anything.
    """
    if not tables.is_header(tables.header(data), columns):
        return [Problem(path, 1, f"the columns are not {','.join(columns)}")]
    wanted = tables.some(columns, *(name for name in columns if name not in passed_over))
    problems = [
        Problem(path, number, what)
        for number, row in tables.read(data, wanted)
        if (what := row if isinstance(row, str) else misplaced(row))
    ]
    return _shortened(path, problems)


def _shortened(path: Path, problems: list[Problem]) -> list[Problem]:
    """The first problems of a file, and one for all the rest."""
    more = len(problems) - _NAMED_AT_MOST
    if more <= 0:
        return problems
    rest = Problem(path, None, f"and {more:,} more lines like these", more)
    return [*problems[:_NAMED_AT_MOST], rest]
