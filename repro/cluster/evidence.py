"""What the files of one run say, in whatever state they are. Reads only; takes no lock.

Each file is read by itself: one that is damaged is named and taken to say nothing.
"""

import contextlib
import csv
import datetime
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from repro import records
from repro.storage import done
from repro.system import disk

T = TypeVar("T")
Row = dict[str, str]
EVENTS = ("time", "event", "job", "node", "exit_code", "step", "last_line")  # of a run in its jobs
TAIL_BYTES = 4096  # a last line, or a few rows
_STEP = re.compile(r"[0-9]{1,15}")
_LARGEST = 10**15  # of any count or score
_SLOWEST = 1e-6  # frames per second
_GAME = ("kind", "step", "return", "completed")
_RECENT_BYTES = 1 << 16  # has the last periodic evaluation, behind it the final games
# All that reading a file can raise if anything at all may be in it.
_DAMAGE = (
    records.RunDirectoryError, OSError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, MemoryError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What is known of a run from its files; zero, nothing or ``None`` where they do not say.

    ``begun`` and ``given_up`` tell whether there is a config.json and a failure.json, of whatever
    kind; ``scored_share`` is steps of evaluation per step of training; scores are mean raw returns;
    ``failure`` is why the run was given up; ``damaged`` are names of files.
    """

    begun: bool
    given_up: bool
    planned_frames: int
    scored_share: float
    frames: int
    frames_per_second: float | None
    last_score: float | None
    best_score: float | None
    final_score: float | None
    failure: str
    events: list[Row]
    damaged: tuple[str, ...]


def read(suite: Path, game: str, seed: int) -> Evidence:
    """Read all files of a run that `repro status` needs."""
    run = records.run_path(suite, game, seed)
    damaged: list[str] = []

    def told(path: Path, parse: Callable[[Path], T]) -> T | None:
        try:
            return parse(path) if path.exists() and path.name not in damaged else None
        except _DAMAGE:
            damaged.append(path.name)
            return None

    final_frames, final = told(run / "done.json", _final) or (0, None)
    if not damaged:
        damaged += [name for name in done.SHOWN if any(done.changes(run, [name]))]
    best = told(run / "best.safetensors", _best_score)
    frames, speed = told(run / "learning.csv", _learned) or (0, None)
    last = told(run / "evaluations.csv", _last_score)
    plan = told(run / "config.json", _plan)
    failure = told(run / "failure.json", _failure)
    events = told(events_file(suite, game, seed), _events)
    return Evidence(
        plan is not None or "config.json" in damaged,
        failure is not None or "failure.json" in damaged,
        *(plan or (0, 0.0)), final_frames or frames, speed, last, best, final,
        failure or "", events or [], tuple(damaged),
    )  # fmt: skip


def log_file(suite: Path, game: str, seed: int) -> Path:
    """Where everything goes that the run prints."""
    return suite / "jobs" / "runs" / f"{game}-seed-{seed}.log"


def events_file(suite: Path, game: str, seed: int) -> Path:
    """Where its starts and ends are listed."""
    return log_file(suite, game, seed).with_suffix(".csv")


def failures_in_a_row(events: Sequence[Row]) -> int:
    """Failures since the run last came further than at any failure before, or was given up.

    A start without an end is a lost node or a preemption, and no failure.
    """
    failures, reached = 0, -1
    for event in events:
        step = int(event["step"])
        if event["event"] in ("given up", "done"):
            failures, reached = 0, -1
        elif event["event"] == "failed":
            failures = 1 if step > reached else failures + 1
            reached = max(reached, step)
    return failures


def when(event: Row) -> float:
    """Seconds since 1970 at which a job noted something."""
    return datetime.datetime.fromisoformat(event["time"]).timestamp()


def _final(path: Path) -> tuple[int, float]:
    """Frames and score; the random player has no frames."""
    marker = done.read(path.parent) or {}
    return _count(marker.get("frames", 0)), _number(marker["mean_return"])


def _plan(path: Path) -> tuple[int, float]:
    """Frames and scored share."""
    training = records.read_json(path)["config"].get("training", {})
    every, steps = (_count(training.get(f"eval{name}_steps", 0)) for name in ("_every", ""))
    return _count(training.get("frames", 0)), steps / every if every else 0.0


def _failure(path: Path) -> str:
    failure = records.read_json(path)
    times, code = failure.get("failures"), failure.get("exit_code")
    return f"gave up after {times} failures, exit code {code}: {failure.get('last_line')}"


def _events(path: Path) -> list[Row]:
    return [event for event, _ in _sound(rows(path, EVENTS), when)]


def _learned(path: Path) -> tuple[int, float | None]:
    """Frames and speed in the last row that holds them."""

    def numbers(row: Row) -> tuple[int, float | None]:
        speed = _number(float(row["frames_per_second"] or 0))
        return _count(int(row["frames"])), speed if speed > _SLOWEST else None

    learned = rows(path, ("frames", "frames_per_second"), TAIL_BYTES)
    return next((last for _, last in reversed(_sound(learned, numbers))), (0, None))


def _last_score(path: Path) -> float | None:
    """Mean return of the last periodic evaluation, over completed games."""
    games = _periodic(rows(path, _GAME, _RECENT_BYTES))
    if not games:
        return None
    step = games[-1][0]["step"]
    if games[0][0]["step"] == step:  # it may have begun before
        games = _periodic(rows(path, _GAME, step=int(step)))
    completed = (row["step"] == step and row["completed"] == "True" for row, _ in games)
    returns = [score for (_, score), counts in zip(games, completed, strict=True) if counts]
    return sum(returns) / len(returns) if returns else None


def _periodic(games: list[Row]) -> list[tuple[Row, float]]:
    games = [row for row in games if row["kind"] == "periodic"]
    return _sound(games, lambda row: _number(float(row["return"])))


def _best_score(path: Path) -> float | None:
    """The score in the header of a safetensors file; before version 0.4 there was none."""
    with disk.open_to_read(path, disk.TABLE_BYTES) as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError(f"{path} is cut short")
        metadata = json.loads(file.read(size))["__metadata__"]
        return _number(float(metadata["score"])) if "score" in metadata else None


def _sound(table: list[Row], parse: Callable[[Row], T]) -> list[tuple[Row, T]]:
    """Rows with what they hold; one that does not hold what it should counts as absent."""
    sound = []
    for row in table:
        with contextlib.suppress(*_DAMAGE):
            sound.append((row, parse(row)))
    return sound


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"{value!r} is no count")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"{value!r} is no score")
    return float(value)


def last_line(path: Path, start: int = 0) -> str:
    """The last line with something on it, at or after a byte of the file; not all of a long one.

    Empty if there is none, or no such file.
    """
    try:
        with disk.open_to_read(path, disk.TABLE_BYTES) as file:
            file.seek(max(start, file.seek(0, 2) - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines()]
    return next((line[:300] for line in reversed(lines) if line), "")


def rows(
    path: Path, needed: Collection[str], size: int = disk.TABLE_BYTES, step: int | None = None
) -> list[Row]:
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
        first = file.tell()
        begin = file.seek(max(first, file.seek(0, 2) - size))
        lines = file.read().split(b"\n")
    if columns and not set(needed) <= set(columns):
        raise ValueError(f"{path} has other columns")
    lines = lines[begin > first : -1]  # the others may have lost a part
    if step is not None:  # it is faster to look at the few that can be right
        lines = [line for line in lines if str(step).encode() in line]
    sound = (row for line in lines if (row := _row(line, columns)))
    return [row for row in sound if step is None or int(row["step"]) == step]


def rows_if_any(path: Path, needed: Collection[str], size: int = disk.TABLE_BYTES) -> list[Row]:
    """As :func:`rows`; none where it raises."""
    try:
        return rows(path, needed, size)
    except (OSError, ValueError):
        return []


def _row(line: bytes, columns: list[str]) -> Row | None:
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
