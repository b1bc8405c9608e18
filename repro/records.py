"""The run directory: its files, their columns, how they are written, trimmed and read.

SUITE/<game>/seed-<n>/ holds

==================== ======================================================================
config.json          game, seed, preset and every field of the configuration
provenance.json      code, libraries, emulator, ROM, action set, hardware; what of it changed
                     when the run went on elsewhere
train_episodes.csv   a row per training game
evaluations.csv      a row per evaluation game
learning.csv         a row per ``log_every_steps``
best.safetensors     weights of the best periodic evaluation
last.safetensors     weights at the end
checkpoint/          the whole state of an unfinished run
failure.json         why a cluster's job gave the run up
inspection/          what `repro inspect` made of the weights
nonfinite/           the minibatch at which the loss stopped being a number, if it did
done.json            written last: the completion marker
==================== ======================================================================

One process writes a run at a time. Rows reach the disk as they are made, and
a resumed run first drops those that are newer than its checkpoint. A file
that is replaced is written beside, fsynced and renamed over.
"""

import csv
import io
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
TRAIN_EPISODES = ("step", "frames", "game", "return", "game_frames", "epsilon")
EVALUATIONS = (
    "kind", "weights", "step", "episode", "seed", "return", "frames", "truncated", "completed",
)  # fmt: skip
LEARNING = (
    "step", "frames", "updates", "epsilon", "loss", "mean_max_q", "frames_per_second",
)  # fmt: skip
TABLES = {
    "train_episodes.csv": TRAIN_EPISODES,
    "evaluations.csv": EVALUATIONS,
    "learning.csv": LEARNING,
}


class RunDirectoryError(RuntimeError):
    """The directory cannot be used for this run; the message says what to do."""


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file as a whole: readers see the old or the new one, never a part."""
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write readable JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunDirectoryError: naming the file, if it is not one.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise RunDirectoryError(f"{path} does not hold a JSON object")
    return value


class Table:
    """A CSV file of the run directory, appended to row by row.

    Args:
        path: the file; its name decides the columns.

    Raises:
        RunDirectoryError: if the file there has other columns.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns = TABLES[path.name]
        fresh = not path.exists() or path.stat().st_size == 0
        if not fresh:
            with path.open(newline="") as file:
                header = tuple(next(csv.reader(file), ()))
            if header != self._columns:
                raise RunDirectoryError(f"{path} has other columns than this version writes")
        self._file = path.open("a", newline="")
        self._writer = csv.DictWriter(self._file, self._columns, lineterminator="\n")
        if fresh:
            self._writer.writeheader()
            self._file.flush()

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row and flush it."""
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Flush to the disk and close."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def trim(path: Path, step: int, final_step: int | None = None) -> None:
    """Drop the rows of a table made after ``step``, and a last line that was cut short.

    Args:
        path: of the table; need not be there.
        step: the last one that stays.
        final_step: likewise for games of a final evaluation, whose step is that of their
            weights [default ``step``]. Those that follow a row that is dropped go too.
    """
    if not path.exists():
        return
    kept = io.StringIO(newline="")
    writer = csv.DictWriter(kept, TABLES[path.name], lineterminator="\n")
    writer.writeheader()
    limits = {"final": step if final_step is None else final_step}
    writer.writerows(
        itertools.takewhile(
            lambda row: int(row["step"]) <= limits.get(row.get("kind", ""), step), read_rows(path)
        )
    )
    write_atomic(path, kept.getvalue().encode())


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the complete rows of a table.

    Raises:
        RunDirectoryError: naming file and line, if a row has too few or too many cells.
    """
    rows = list(csv.DictReader(_whole_lines(path)))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not row.get("step", "0").isdigit():
            raise RunDirectoryError(f"{path}, line {number}, is damaged; mend or remove the line")
    return rows


def _whole_lines(path: Path) -> io.StringIO:
    """A table without its last line, if that was cut short: then it has no newline."""
    text = path.read_text(errors="replace")  # what a power cut left is found line by line
    return io.StringIO(text[: text.rfind("\n") + 1])


def run_path(suite: Path, game: str, seed: int) -> Path:
    """Where a run lives: SUITE/<game>/seed-<n>."""
    return suite / game / f"seed-{seed}"


def runs(path: Path) -> Iterator[Path]:
    """Yield the run directories at or below a path, sorted."""
    yield from sorted(file.parent for file in path.resolve().rglob("config.json"))


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
    for run in runs(Path(path)):
        table = run / "evaluations.csv"
        seed = re.fullmatch(r"seed-(\d+)", run.name)
        if not table.exists() or seed is None:
            continue
        config = read_json(run / "config.json")
        part = pd.read_csv(_whole_lines(table))
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
