"""The ends of files, and single places of a sorted table, without reading what lies before."""

import csv
import re
from pathlib import Path
from typing import BinaryIO

from repro.system import disk

_TAIL_BYTES = 4096
_BLOCK_BYTES = 1 << 16
_STEP = re.compile(r"[0-9]{1,15}")


def last_line(path: Path, start: int = 0, limit: int = 300) -> str:
    """The last line with something on it, at or after a byte of the file; at most ``limit`` long.

    Empty if there is none, or no such file.
    """
    try:
        with disk.open_to_read(path, disk.TABLE_BYTES) as file:
            text, _ = _tail(file, _TAIL_BYTES, start)
    except OSError:
        return ""
    lines = text.decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip()[:limit] for line in reversed(lines) if line.strip()), "")


def header(path: Path) -> list[str]:
    """The header of a table; nothing if there is none."""
    try:
        with disk.open_to_read(path, disk.TABLE_BYTES) as file:
            return _columns(file)
    except OSError:
        return []


def last_rows(path: Path, size: int = _TAIL_BYTES) -> list[dict[str, str]]:
    """The complete rows in the last ``size`` bytes of a table; none if there is no file."""
    try:
        with disk.open_to_read(path, disk.TABLE_BYTES) as file:
            columns = _columns(file)
            text, whole = _tail(file, size, file.tell())
    except OSError:
        return []
    if not whole:
        text = text[text.find(b"\n") + 1 :]  # the first line may have lost its beginning
    return _rows(text.split(b"\n")[:-1], columns)


def rows_at(path: Path, step: int) -> list[dict[str, str]]:
    """The rows of one step of a table that is sorted by its column ``step``; found by bisection.

    A table is sorted here if no row before those of ``step`` is of a later one.
    """
    try:
        with disk.open_to_read(path, disk.TABLE_BYTES) as file:
            columns = _columns(file)
            if "step" not in columns:
                return []
            low, high = file.tell(), file.seek(0, 2)
            while high - low > _BLOCK_BYTES:
                middle = (low + high) // 2
                file.seek(middle)
                file.readline()
                row = _rows([file.readline()], columns)
                if row and int(row[0]["step"]) < step:
                    low = middle
                else:
                    high = middle
            file.seek(low)
            return _from(file, columns, step)
    except OSError:
        return []


def _from(file: BinaryIO, columns: list[str], step: int) -> list[dict[str, str]]:
    """Read on from a place within the rows before ``step`` until past those of it."""
    found: list[dict[str, str]] = []
    while lines := file.readlines(_BLOCK_BYTES):
        rows = _rows([line for line in lines if line.endswith(b"\n")], columns)
        found += [row for row in rows if int(row["step"]) == step]
        if rows and int(rows[-1]["step"]) > step:
            break
    return found


def _columns(file: BinaryIO) -> list[str]:
    return _cells(file.readline())


def _rows(lines: list[bytes], columns: list[str]) -> list[dict[str, str]]:
    """Rows with all their cells: one that was jumped into, or is damaged, may lack some."""
    cells = (_cells(line) for line in lines)
    named = (dict(zip(columns, row, strict=True)) for row in cells if len(row) == len(columns))
    return [row for row in named if _STEP.fullmatch(row.get("step", "0"))]


def _cells(line: bytes) -> list[str]:
    """Each line by itself, so that a stray quotation mark takes no other with it."""
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
