"""What the files of one run say, in whatever state they are. Reads only; takes no lock.

Each file is read by itself: one that is damaged is named and taken to say nothing.
"""

import contextlib
import csv
import datetime
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro import games, records
from repro.storage import done, logs
from repro.system import disk

Row = dict[str, Any]
Columns = Mapping[str, Callable[[str], Any]]
_TAIL_BYTES = 4096  # a few rows
_RECENT_BYTES = 1 << 16  # has the last periodic evaluation, behind it the final games
_LARGEST = 10**15  # of any score
_SLOWEST = 1e-6  # frames per second
# All that reading a file can raise if anything at all may be in it.
_DAMAGE = (
    records.RunDirectoryError, OSError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, MemoryError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a run from its files; zero, nothing or ``None`` where they do not say.

    ``scored_share`` is steps of evaluation per step of training; scores are mean raw returns;
    ``failure`` is why the run was given up; ``damaged`` are names of files.
    """

    game: str
    seed: int
    step: int = 0
    frames: int = 0
    planned_frames: int = 0
    scored_share: float = 0.0
    frames_per_second: float | None = None
    last_score: float | None = None
    best_score: float | None = None
    final_score: float | None = None
    failure: str = ""
    events: Sequence[Row] = ()
    damaged: Sequence[str] = ()

    def percent(self, score: str) -> float | None:
        """The last, best or final score on the scale of the human, who has 100; random is 0."""
        known, found = games.GAMES.get(self.game), getattr(self, f"{score}_score")
        return None if known is None or found is None else known.percent_of_human(found)


def read(suite: Path, game: str, seed: int) -> Evidence:
    """Read all files of a run that `repro status` needs."""
    run = records.run_path(suite, game, seed)
    files: dict[Path, Callable[[Path], Row]] = {
        run / "done.json": _final,
        run / "best.safetensors": _best_score,
        run / "learning.csv": _learned,
        run / "evaluations.csv": _last_score,
        run / "config.json": _plan,
        run / "failure.json": _failure,
        events_file(suite, game, seed): lambda path: {"events": rows(path, EVENTS)},
    }
    damaged: list[str] = []
    found: Row = {}
    for path, parse in files.items():
        try:
            if path.exists() and path.name not in damaged:
                found = parse(path) | found
        except _DAMAGE:
            damaged.append(path.name)
        if path.name == "done.json" and not damaged:
            damaged += [name for name in done.SHOWN if any(done.changes(run, [name]))]
    return Evidence(game=game, seed=seed, damaged=damaged, **found)


def events_file(suite: Path, game: str, seed: int) -> Path:
    """Where its starts and ends are listed."""
    return logs.log_file(suite, game, seed).with_suffix(".csv")


def failures_in_a_row(events: Sequence[Row]) -> int:
    """Failures since the run last came further than at any failure before, or was given up.

    A start without an end is a lost node or a preemption, and no failure.
    """
    failures, reached = 0, -1
    for event in events:
        if event["event"] in ("given up", "done"):
            failures, reached = 0, -1
        elif event["event"] == "failed":
            failures = 1 if event["step"] > reached else failures + 1
            reached = max(reached, event["step"])
    return failures


def whole(value: object) -> int:
    """A count, from a cell or JSON."""
    if not re.fullmatch("[0-9]{1,15}", str(value)):
        raise ValueError(f"{value!r} is no count")
    return int(str(value))


def _number(value: Any) -> float:
    if not -_LARGEST <= (number := float(value)) <= _LARGEST:
        raise ValueError(f"{value!r} is no score")
    return number


def _seconds(text: str) -> float:
    """Since 1970."""
    return datetime.datetime.fromisoformat(text).timestamp()


# What is listed of a run in its jobs.
EVENTS: Columns = {
    "time": _seconds, "event": str, "job": str, "node": str, "exit_code": str, "step": whole,
    "last_line": str,
}  # fmt: skip


def _final(path: Path) -> Row:
    """Score and frames; the random player has none of these."""
    marker = done.read(path.parent) or {}
    frames = whole(marker.get("frames", 0))
    return {"final_score": _number(marker["mean_return"])} | ({"frames": frames} if frames else {})


def _plan(path: Path) -> Row:
    training = records.read_json(path)["config"].get("training", {})
    every, steps = (whole(training.get(f"eval{name}_steps", 0)) for name in ("_every", ""))
    share = steps / every if every else 0.0
    return {"planned_frames": whole(training.get("frames", 0)), "scored_share": share}


def _failure(path: Path) -> Row:
    found = records.read_json(path)
    how = f"gave up after {found.get('failures')} failures, exit code {found.get('exit_code')}"
    return {"failure": f"{how}: {found.get('last_line')}"}


def _learned(path: Path) -> Row:
    """What the last row holds."""
    found = rows(path, {"step": whole, "frames": whole, "frames_per_second": _speed}, _TAIL_BYTES)
    return found[-1] if found else {}


def _speed(cell: str) -> float | None:
    speed = _number(cell or 0)
    return speed if speed > _SLOWEST else None


def _last_score(path: Path) -> Row:
    """Mean return of the last periodic evaluation, over completed games."""
    columns: Columns = {"kind": str, "step": whole, "return": _number, "completed": str}
    for size in (_RECENT_BYTES, disk.TABLE_BYTES):
        played = [row for row in rows(path, columns, size) if row["kind"] == "periodic"]
        if played and played[0]["step"] != played[-1]["step"]:  # it did not begin before
            break
    last = [game for game in played if game["step"] == played[-1]["step"]]
    returns = [game["return"] for game in last if game["completed"] == "True"]
    return {"last_score": sum(returns) / len(returns) if returns else None}


def _best_score(path: Path) -> Row:
    """The score in the header of a safetensors file; before version 0.4 there was none."""
    with disk.open_to_read(path, disk.TABLE_BYTES) as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError(f"{path} is cut short")
        metadata = json.loads(file.read(size))["__metadata__"]
    return {"best_score": _number(metadata["score"]) if "score" in metadata else None}


def rows(path: Path, columns: Columns, size: int = disk.TABLE_BYTES) -> list[Row]:
    """The complete and sound rows of a table; one that is damaged counts as absent.

    Args:
        path: of the table.
        columns: that are wanted, each with what makes a value of its cells, or raises ValueError.
        size: of the part, at its end, that is read; in bytes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it lacks one of the columns.
    """
    with disk.open_to_read(path, disk.TABLE_BYTES) as file:
        header = _cells(file.readline())
        first = file.tell()
        begin = file.seek(max(first, file.seek(0, 2) - size))
        lines = file.read().split(b"\n")[begin > first : -1]  # the others may have lost a part
    if header and not set(columns) <= set(header):
        raise ValueError(f"{path} has other columns")
    found = []
    for cells in map(_cells, lines):
        if len(cells) == len(header):
            row = dict(zip(header, cells, strict=True))
            with contextlib.suppress(ValueError):
                found.append({name: parse(row[name]) for name, parse in columns.items()})
    return found


def _cells(line: bytes) -> list[str]:
    """Of one line by itself, so that a stray quotation mark takes no other with it."""
    try:
        return next(csv.reader([line.decode(errors="replace")]), [])
    except csv.Error:
        return []
