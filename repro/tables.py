"""Every table of a run, said once: its columns, what their cells may hold, and the one reader.

Who reads strictly names each line that is not sound; who reads what others are writing passes over
it. What is sound is the same to both. Standard library only.
"""

import contextlib
import csv
import datetime
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wrappers.settings import LARGEST

if TYPE_CHECKING:
    import pandas as pd

LARGEST_VALUE = 1e12  # beyond any score or action value; sums of more would overflow
RANDOM = "random"  # weights, and preset, of the random player
_MARK = b"\xef\xbb\xbf"  # that some editors begin a file with

Row = dict[str, Any]
Kind = Callable[[str], Any]  # makes a value of a cell, or raises ValueError saying what is wrong
Columns = Mapping[str, Kind]


def count(cell: str) -> int:
    """A whole number from 0 up."""
    if cell.isdecimal() and cell.isascii() and len(cell) < 20 and (value := int(cell)) <= LARGEST:
        return value
    raise ValueError(f"{cell!r} is not a whole number")


def truth(cell: str) -> bool:
    """True or False, in any letters: spreadsheets write capitals."""
    if (lower := cell.lower()) in ("true", "false"):
        return lower == "true"
    raise ValueError(f"{cell!r} is neither True nor False")


def number(of: str = "", may_be_empty: bool = False) -> Kind:
    """A finite number, such as one ``of`` these; NaN if the cell is empty, where it may be."""

    def read(cell: str) -> float:
        if not cell and may_be_empty:
            return math.nan
        with contextlib.suppress(ValueError):
            if cell.isascii() and "_" not in cell and abs(value := float(cell)) <= LARGEST_VALUE:
                return value
        raise ValueError(f"{cell!r} is not a finite number, or beyond any {of}".rstrip())

    return read


@dataclass(frozen=True)
class Word:
    """One of some words."""

    known: tuple[str, ...]

    def __call__(self, cell: str) -> str:
        """The value of a cell."""
        if cell in self.known:
            return cell
        raise ValueError(f"{cell!r} is none of {', '.join(self.known)}")


_TYPES: dict[Kind, str] = {count: "int64", truth: "bool"}
score, measured = number("score"), number(may_be_empty=True)
later = number(may_be_empty=True)  # in a column that tables of before version 0.2 have not

EVALUATIONS: Columns = {
    "kind": Word(("periodic", "final")), "weights": Word(("last", "best", RANDOM)), "step": count,
    "episode": count, "seed": count, "return": score, "frames": count, "truncated": truth,
    "completed": truth,
}  # fmt: skip
# What the original logged of each layer, every 10,000 steps (ledger row 31).
LAYERS = ("convolution_1", "convolution_2", "convolution_3", "hidden", "output")
STATISTICS = ("mean_abs_weight", "max_abs_weight", "mean_abs_gradient", "max_abs_gradient")
LEARNING: Columns = {
    "step": count, "frames": count, "updates": count, "epsilon": measured, "loss": measured,
    "mean_max_q": measured, "v": later, "mean_abs_td_error": later,
    **{f"{layer}_{statistic}": later for layer in LAYERS for statistic in STATISTICS},
    "frames_per_second": measured,
}  # fmt: skip
TABLES: dict[str, Columns] = {
    "train_episodes.csv": {
        "step": count, "frames": count, "game": count, "return": score, "game_frames": count,
        "epsilon": number(),
    },
    "evaluations.csv": EVALUATIONS,
    "learning.csv": LEARNING,
}  # fmt: skip
# What a cluster's job lists of a run.
EVENTS: Columns = {
    "time": lambda cell: datetime.datetime.fromisoformat(cell).timestamp(),  # seconds since 1970
    "event": str, "job": str, "node": str, "exit_code": str, "step": count, "last_line": str,
}  # fmt: skip


def some(columns: Columns, *names: str) -> Columns:
    """Only these columns of a table."""
    return {name: columns[name] for name in names}


def plain(data: bytes) -> bytes:
    """A table as it was before an editor saved it: without its mark, lines as ours end."""
    return data.removeprefix(_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def is_header(cells: Sequence[str], columns: Columns) -> bool:
    """Whether a table has these columns, or had them before some were added."""
    older = [name for name, kind in columns.items() if kind is not later]
    return list(cells) in ([*columns], older)


def header(data: bytes) -> tuple[str, ...]:
    """The columns that a table has."""
    return tuple(_cells(plain(data).partition(b"\n")[0].decode(errors="replace")))


def read(data: bytes, wanted: Columns) -> Iterator[tuple[int, Row | str]]:
    """Read a table line by line: the number of each from 2 on, its row or what is wrong with it.

    Only the columns that are wanted are read; one that lacks them has line 1 wrong, and no other.
    """
    lines = plain(data).decode(errors="replace").split("\n")
    columns = _cells(lines[0])
    there = {name: kind for name, kind in wanted.items() if name in columns}
    if any(wanted[name] is not later for name in wanted.keys() - there):
        if data:
            yield 1, f"the columns are not {','.join(wanted)}"
        return
    places = [(name, kind, columns.index(name)) for name, kind in there.items()]
    for line_number, line in enumerate(lines[1:-1], start=2):
        cells, row, name = _cells(line), Row(), ""
        try:
            if len(cells) != len(columns):
                raise ValueError(f"{len(cells)} cells instead of {len(columns)}")
            for name, kind, place in places:
                row[name] = kind(cells[place])
        except ValueError as error:
            yield line_number, f"{name} {error}".lstrip()
        else:
            yield line_number, row
    if lines[1:] and lines[-1]:
        yield len(lines), "the line was cut short"


def _cells(line: str) -> list[str]:
    """Of one line by itself, so that a stray quotation mark takes no other with it."""
    if '"' not in line:
        return line.split(",") if line else []
    try:
        return next(csv.reader([line]))
    except csv.Error:  # no cell is so long
        return [line]


def frame(data: bytes, columns: Columns) -> "pd.DataFrame":
    """Read a table without empty cells at once, in a tenth of the time; words become categories.

    Raises:
        ValueError, OverflowError: if a line is not sound; :func:`read` says which.
    """
    import pandas as pd

    data = plain(data)
    types = {name: _TYPES.get(kind, "float64") for name, kind in columns.items()}
    words = {name: kind.known for name, kind in columns.items() if isinstance(kind, Word)}
    types |= dict.fromkeys(words, "category")
    table = pd.read_csv(io.BytesIO(data), dtype=types, skip_blank_lines=False)
    if [*table] != [*columns] or table.isna().any(axis=None) or not data.endswith(b"\n"):
        raise ValueError("there are other columns, or a cell or the end of a line is missing")
    for name, kind in columns.items():
        one = table[name]
        for cell in one.cat.categories if name in words else one.agg(["min", "max"]).dropna():
            kind(str(cell))
    return table.astype({name: pd.CategoricalDtype([*known]) for name, known in words.items()})
