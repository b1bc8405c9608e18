"""The run directory: its files, how they are written, trimmed and read. See also repro.tables.

SUITE/<game>/seed-<n>/ holds

==================== ======================================================================
config.json          game, seed, preset and every field of the configuration
provenance.json      code, libraries, emulator, ROM, action set, hardware; what of it changed
                     when the run went on elsewhere
train_episodes.csv   a row per training game
evaluations.csv      a row per evaluation game
games.zst            the actions of every final game, see repro.storage.game_log
learning.csv         a row per ``log_every_steps``
best.safetensors     weights of the best periodic evaluation
last.safetensors     weights at the end
checkpoint/          the whole state of an unfinished run
failure.json         why a cluster's job gave the run up
start_values.csv     what its last network expected of new games, and collected
inspection/          what `repro inspect` made of the weights
nonfinite/           the minibatch at which the loss stopped being a number, if it did
done.json            written last: the completion marker
verified.json        that `repro verify` played the final games again, and in which state
==================== ======================================================================

One process writes a run at a time. Rows reach the disk as they are made. A
checkpoint has every table as it was; a resumed run puts back what is no longer
so, and drops the rows that are newer. A file that is replaced is written
beside, fsynced and renamed over; one that is damaged gets the name
``<file>.damaged``.
"""

import csv
import io
import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import tables
from repro.system import disk
from repro.tables import EVALUATIONS, TABLES, Row, some

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
ASIDE = ".set-aside-"  # in the name of a run directory that a new run took the place of
VERIFIED = "verified.json"
START_VALUES = "start_values.csv"
_DEEPEST = 16  # a configuration has three levels; whoever walks through more runs out of stack
_WRITTEN = re.compile(rb"[\w.,+-]*")  # numbers and names, as they are written here


class RunDirectoryError(RuntimeError):
    """The directory cannot be used for this run; the message says what to do."""


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file as a whole, for good: also if the power fails right after."""
    disk.replace(path, data)
    disk.sync(path.parent)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write readable JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path | str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunDirectoryError: naming the file, if it is not one.
    """
    try:
        value = json.loads(disk.read_text(Path(path)))
        level = [value]
        for _ in range(_DEEPEST):
            level = [inner for outer in level for inner in _inside(outer)]
        if level:
            raise ValueError(f"more than {_DEEPEST} levels within each other")
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError(f"cannot read {path}: {disk.reason(error)}") from error
    if not isinstance(value, dict):
        raise RunDirectoryError(f"{path} does not hold a JSON object")
    return value


def _inside(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class Table:
    """A CSV file of the run directory, appended to row by row.

    Who edits it meanwhile gets a copy: the file is put back as it was written.

    Args:
        path: the file; its name decides the columns.

    Raises:
        RunDirectoryError: if the file there has other columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        columns, there = tuple(TABLES[path.name]), _content(path)
        if there and tables.header(there) != columns:
            raise RunDirectoryError(f"{path} has other columns than this version writes")
        self._file = disk.open_to_append(path)
        self._text = io.StringIO()
        self._writer = csv.DictWriter(self._text, columns, lineterminator="\n")
        self._written, self._seen = bytearray(there), disk.state(path)
        if not there:
            self._writer.writeheader()
            self._write()

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row and flush it.

        Raises:
            UnwritableError: if it cannot be written.
        """
        self.put_back()
        with disk.writing(self.path):
            self._writer.writerow(row)
            self._write()

    def _write(self) -> None:
        data = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        self._file.write(data)
        self._file.flush()
        self._written += data
        self._seen = disk.state(self.path)

    def put_back(self) -> None:
        """Make the file what was written, if somebody changed it; theirs gets another name.

        Raises:
            OSError: if it cannot be written.
        """
        if disk.state(self.path) == self._seen or not self.path.parent.is_dir():
            return
        if not self.path.exists() or disk.read_bytes(self.path) != self._written:
            aside = disk.set_aside(self.path).name if self.path.exists() else "gone"
            write_atomic(self.path, bytes(self._written))
            self._file.close()
            self._file = disk.open_to_append(self.path)
            print(
                f"repro: {self.path} was changed while it is written; put back, what was there is "
                f"now {aside}",
                file=sys.stderr,
            )
        self._seen = disk.state(self.path)

    def close(self) -> None:
        """Flush to the disk and close."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def trim(
    path: Path, step: int, final_step: int | None = None, saved: bytes | None = None
) -> Path | None:
    """Drop the rows of a table made after ``step``, and a last line that was cut short.

    Args:
        path: of the table; need not be there.
        step: the last one that stays.
        final_step: likewise for games of a final evaluation, whose step is that of their
            weights [default ``step``]. Those that follow a row that is dropped go too.
        saved: what the checkpoint has of it, empty if there is none. The table begins with that
            again, whatever became of it. Rows after it can be made again, so a damaged line
            there, as a power cut leaves, is dropped with what follows. Without ``saved`` it is an
            error.

    Returns:
        Where the table is now if it did not begin with ``saved``.

    Raises:
        RunDirectoryError: naming the file, if a row is damaged that cannot be made again.
    """
    if not path.exists() and not saved:
        return None
    aside = None
    try:
        data = _content(path)
    except disk.UnreadableError:
        if not saved:
            raise
        data = b""
    if saved and not data.startswith(saved):
        aside = disk.set_aside(path) if path.exists() else path
        data = saved
    kinds = TABLES[path.name]
    header = ",".join(kinds).encode() + b"\n"
    end = len(saved or header)
    if not saved and not data.startswith(header):
        if saved is None and b"\n" in data:
            raise RunDirectoryError(f"{path} has other columns than this version writes")
        end = 0  # it was cut short, or need not be right
    lines = data[end:].split(b"\n")[:-1] if end else []
    place = some(kinds, *kinds.keys() & {"kind", "step"})
    for line, (number, row) in zip(lines, tables.read(header + data[end:], place), strict=False):
        if not _WRITTEN.fullmatch(line):
            row = "it has what no row has"
        if isinstance(row, str):
            if saved is None:
                raise _damaged(path, number, row)
            break
        own = final_step is not None and row.get("kind") == "final"
        if row["step"] > (final_step if own else step):
            break
        end += len(line) + 1
    write_atomic(path, data[:end])
    return aside


def read_rows(path: Path | str, *wanted: str) -> list[Row]:
    """Read the complete rows of a table; of one that is not there, none.

    Args:
        path: of the table.
        wanted: columns that are read [default all of them].

    Raises:
        RunDirectoryError: naming file and line, if a row is damaged.
    """
    path = Path(path)
    kinds = TABLES[path.name]
    rows = []
    for number, row in tables.read(_whole_lines(path), some(kinds, *(wanted or kinds))):
        if isinstance(row, str):
            raise _damaged(path, number, row)
        rows.append(row)
    return rows


def _content(path: Path) -> bytes:
    """Of a table; of none, nothing."""
    try:
        return tables.plain(disk.read_bytes(path))
    except FileNotFoundError:
        return b""
    except disk.ForeignFileError as error:
        raise RunDirectoryError(f"cannot read {path}: {disk.reason(error)}") from error


def _whole_lines(path: Path) -> bytes:
    """A table without its last line, if that was cut short: then it has no newline."""
    data = _content(path)
    return data[: data.rfind(b"\n") + 1]


def _damaged(path: Path, line: int, what: object) -> RunDirectoryError:
    return RunDirectoryError(f"{path}, line {line}, is damaged ({what}); mend or remove the line")


def earned(path: Path | str) -> list[str]:
    """What a run directory has that took time to make: its tables' rows and its weights."""
    path, found = Path(path), []
    for name in TABLES:
        rows = _content(path / name).count(b"\n") - 1
        if rows > 0:
            found.append(f"{rows:,} rows of {name}")
    return found + sorted(file.name for file in path.glob("*.safetensors"))


def run_path(suite: Path | str, game: str, seed: int) -> Path:
    """Where a run lives: SUITE/<game>/seed-<n>."""
    return Path(suite) / game / f"seed-{seed}"


def runs(path: Path | str) -> Iterator[Path]:
    """Yield the run directories at or below a path, sorted; those set aside only if named."""
    top = Path(path).resolve()
    found = sorted(file.parent for file in top.rglob("config.json"))
    yield from (run for run in found if ASIDE not in run.name or run == top)


def read_results(path: Path | str) -> "pd.DataFrame":
    """Read every evaluation game at or below a path.

    Args:
        path: a run, a game, a suite or the whole of results/.

    Returns:
        A DataFrame: suite, game, run_seed, finished, train_frames, then the columns of
        evaluations.csv. ``frames`` are emulator frames of that game, ``return`` is raw.

    Raises:
        RunDirectoryError: if there is no run there.
    """
    import pandas as pd

    parts = []
    for run in runs(path):
        table = run / "evaluations.csv"
        seed = re.fullmatch(r"seed-(\d+)", run.name)
        if not table.exists() or seed is None:
            continue
        config = read_json(run / "config.json")
        try:
            part = tables.frame(_whole_lines(table), EVALUATIONS)
        except (ValueError, OverflowError):
            part = pd.DataFrame(read_rows(table), columns=list(EVALUATIONS))
        part = part.astype({"kind": str, "weights": str})
        part.insert(0, "suite", run.parent.parent.name)
        part.insert(1, "game", config["game"])
        part.insert(2, "run_seed", int(seed.group(1)))
        part.insert(3, "finished", (run / "done.json").exists())
        training = config.get("config", {}).get("training", {})
        part.insert(4, "train_frames", training.get("frames", 0))
        parts.append(part)
    if not parts:
        raise RunDirectoryError(f"no evaluations at or below {path}")
    return pd.concat(parts, ignore_index=True)
