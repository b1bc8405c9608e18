"""The last line of a log and the sound rows of a table, in whatever state they are."""

import csv
import re
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from repro.system import disk

TAIL_BYTES = 4096  # of a log's last line, or a few rows
_STEP = re.compile(r"[0-9]{1,15}")


def last_line(path: Path, start: int = 0, limit: int = 300) -> str:
    """The last line with something on it, at or after a byte of the file; at most ``limit`` long.

    Empty if there is none, or no such file.
    """
    try:
        with disk.open_to_read(path, disk.TABLE_BYTES) as file:
            text, _ = _tail(file, TAIL_BYTES, start)
    except OSError:
        return ""
    lines = text.decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip()[:limit] for line in reversed(lines) if line.strip()), "")


def rows(
    path: Path, needed: Collection[str], size: int = disk.TABLE_BYTES, step: int | None = None
) -> list[dict[str, str]]:
    """The complete and sound rows of a table.

    Args:
        path: of the table.
        needed: columns that it must have; a new one may be empty.
        size: of the part, at its end, that is read; in bytes.
        step: the only one that is wanted [default all].

    Raises:
        OSError: if it cannot be read.
        ValueError: if it has other columns.
    """
    with disk.open_to_read(path, disk.TABLE_BYTES) as file:
        columns = _cells(file.readline())
        text, whole = _tail(file, size, file.tell())
    if columns and not set(needed) <= set(columns):
        raise ValueError(f"{path} has other columns")
    lines = text.split(b"\n")[0 if whole else 1 : -1]  # the others may have lost a part
    if step is not None:  # it is faster to look at the few that can be right
        lines = [line for line in lines if str(step).encode() in line]
    sound = (row for line in lines if (row := _row(line, columns)))
    return [row for row in sound if step is None or int(row["step"]) == step]


def rows_if_any(
    path: Path, needed: Collection[str], size: int = disk.TABLE_BYTES
) -> list[dict[str, str]]:
    """As :func:`rows`; none where it raises."""
    try:
        return rows(path, needed, size)
    except (OSError, ValueError):
        return []


def _row(line: bytes, columns: list[str]) -> dict[str, str] | None:
    """The cells of a line, ``None`` if it is damaged."""
    cells = _cells(line)
    if len(cells) != len(columns):
        return None
    row = dict(zip(columns, cells, strict=True))
    return row if _STEP.fullmatch(row.get("step", "0")) else None


def _cells(line: bytes) -> list[str]:
    """Of one line by itself, so that a stray quotation mark takes no other with it."""
    try:
        return next(csv.reader([line.decode(errors="replace")]), [])
    except csv.Error:
        return []


def _tail(file: BinaryIO, size: int, start: int) -> tuple[bytes, bool]:
    """The last ``size`` bytes after ``start``, and whether those are all after it."""
    end = file.seek(0, 2)
    begin = max(start, end - size)
    file.seek(min(begin, end))
    return file.read(), begin <= start
