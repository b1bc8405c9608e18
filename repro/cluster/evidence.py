"""What the files of one run say, in whatever state they are. Reads only; takes no lock.

Each file is read by itself: one that is damaged is named and taken to say nothing.
"""

import contextlib
import datetime
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from repro import records
from repro.cluster import tails, watcher
from repro.storage import done
from repro.system import disk

T = TypeVar("T")
_LARGEST = 10**15  # of any count or score
_SLOWEST = 1e-6  # frames per second
_RECENT_BYTES = 1 << 16  # has the last periodic evaluation, behind it the final games
# All that reading a file can raise if anything at all may be in it.
_DAMAGE = (
    records.RunDirectoryError, OSError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, MemoryError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What is known of a run from its files; zero or ``None`` where they say nothing.

    ``begun`` and ``given_up`` are whether there is a config.json, a failure.json, of whatever
    kind; ``scored_share`` is steps of evaluation per step of training, ``failure`` why the run was
    given up, ``events`` what its jobs noted, ``damaged`` the names of the files that could not be
    read. Scores are mean raw returns.
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
    events: list[dict[str, str]]
    damaged: tuple[str, ...]


def read(suite: Path, game: str, seed: int) -> Evidence:
    """Read all files of a run that `repro status` needs."""
    run = records.run_path(suite, game, seed)
    damaged: list[str] = []

    def told(path: Path, parse: Callable[[Path], T], nothing: T) -> T:
        try:
            return parse(path) if path.exists() and path.name not in damaged else nothing
        except _DAMAGE:
            damaged.append(path.name)
            return nothing

    nothing: tuple[int, float | None] = (0, None)
    unplayed: tuple[float | None, float | None] = (None, None)
    final_frames, final = told(run / "done.json", _final, nothing)
    if not damaged:
        damaged += [name for name in done.SHOWN if any(done.changes(run, [name]))]
    best_step = told(run / "best.safetensors", _weights_step, None)
    frames, speed = told(run / "learning.csv", _learned, nothing)
    last, best = told(run / "evaluations.csv", lambda path: _evaluations(path, best_step), unplayed)
    plan = told(run / "config.json", _plan, None)
    failure = told(run / "failure.json", _failure, "")
    events: list[dict[str, str]] = told(watcher.events_file(suite, game, seed), _events, [])
    return Evidence(
        plan is not None or "config.json" in damaged,
        bool(failure) or "failure.json" in damaged,
        *(plan or (0, 0.0)),
        final_frames or frames, speed, last, best, final, failure, events, tuple(damaged),
    )  # fmt: skip


def when(event: dict[str, str]) -> float:
    """Seconds since 1970 at which a job noted something."""
    return datetime.datetime.fromisoformat(event["time"]).timestamp()


def _plan(path: Path) -> tuple[int, float]:
    training = records.read_json(path)["config"].get("training", {})
    every, steps = (_count(training.get(f"eval{name}_steps", 0)) for name in ("_every", ""))
    return _count(training.get("frames", 0)), steps / every if every else 0.0


def _final(path: Path) -> tuple[int, float | None]:
    """Frames and score; the random player has no frames."""
    marker = done.read(path.parent) or {}
    return _count(marker.get("frames", 0)), _number(marker["mean_return"])


def _failure(path: Path) -> str:
    failure = records.read_json(path)
    times, code = failure.get("failures"), failure.get("exit_code")
    return f"gave up after {times} failures, exit code {code}: {failure.get('last_line')}"


def _events(path: Path) -> list[dict[str, str]]:
    events = tails.rows(path, watcher.EVENTS)
    return [event for event, _ in _sound(lambda event: (event, when(event)), events)]


def _learned(path: Path) -> tuple[int, float | None]:
    """Frames and speed in the last row that holds them."""

    def numbers(row: dict[str, str]) -> tuple[int, float | None]:
        speed = _number(float(row["frames_per_second"] or 0))
        return _count(int(row["frames"])), speed if speed > _SLOWEST else None

    rows = tails.rows(path, ("frames", "frames_per_second"), tails.TAIL_BYTES)
    return [(0, None), *_sound(numbers, rows)][-1]


def _evaluations(path: Path, best_step: int | None) -> tuple[float | None, float | None]:
    """Mean return of the last periodic evaluation, and of the best, over completed games.

    As training chooses the best network.
    """
    needed = ("kind", "step", "return", "completed")

    def numbers(row: dict[str, str]) -> tuple[int, float, bool]:
        return int(row["step"]), _number(float(row["return"])), row["completed"] == "True"

    def periodic(rows: list[dict[str, str]]) -> list[tuple[int, float, bool]]:
        return _sound(numbers, (row for row in rows if row["kind"] == "periodic"))

    def mean(step: int | None) -> float | None:
        games = [] if step is None else periodic(tails.rows(path, needed, step=step))
        returns = [score for _, score, completed in games if completed]
        return sum(returns) / len(returns) if returns else None

    recent = periodic(tails.rows(path, needed, _RECENT_BYTES))
    return (mean(recent[-1][0]), mean(best_step)) if recent else (None, None)


def _weights_step(path: Path) -> int | None:
    """The training step in the header of a safetensors file."""
    with disk.open_to_read(path, disk.TABLE_BYTES) as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError(f"{path} is cut short")
        return _count(int(json.loads(file.read(size))["__metadata__"]["step"]))


def _sound(parse: Callable[[dict[str, str]], T], rows: Iterable[dict[str, str]]) -> list[T]:
    """What the rows hold; one that does not hold what it should counts as absent."""
    sound = []
    for row in rows:
        with contextlib.suppress(*_DAMAGE):
            sound.append(parse(row))
    return sound


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"{value!r} is no count")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"{value!r} is no score")
    return float(value)
