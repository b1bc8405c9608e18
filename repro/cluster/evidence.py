"""What the files of one run say, in whatever state they are. Reads only; takes no lock.

Each file is read by itself: one that is damaged is named and taken to say nothing. Of the tables
only the ends are read, and the rows of the best evaluation.
"""

import datetime
import json
from collections.abc import Callable, Collection
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
_NO_RESULT: tuple[int, float | None] = (0, None)
_NO_SCORES: tuple[float | None, float | None] = (None, None)
# All that reading a file can raise if anything at all may be in it.
_DAMAGE = (
    records.RunDirectoryError, OSError, ValueError, TypeError, LookupError, AttributeError,
    ArithmeticError, MemoryError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What config.json asks for; ``scored_share`` is steps of evaluation per step of training."""

    frames: int = 0
    scored_share: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """What is known of a run from its files; ``None`` where they say nothing.

    ``failure`` is why it was given up, ``events`` what its jobs noted, ``damaged`` the names of
    the files that could not be read. Scores are mean raw returns.
    """

    plan: Plan | None
    frames: int
    frames_per_second: float | None
    last_score: float | None
    best_score: float | None
    final_score: float | None
    failure: str | None
    events: list[dict[str, str]]
    damaged: tuple[str, ...]

    @property
    def begun(self) -> bool:
        """Whether there is a config.json, of whatever kind."""
        return self.plan is not None or "config.json" in self.damaged

    @property
    def given_up(self) -> bool:
        """Whether there is a failure.json, of whatever kind."""
        return self.failure is not None or "failure.json" in self.damaged


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

    final = told(run / "done.json", _final, _NO_RESULT)
    if not damaged:
        damaged += [name for name in done.SHOWN if any(done.changes(run, [name]))]
    best_step = told(run / "best.safetensors", _weights_step, None)
    learned = told(run / "learning.csv", _learned, _NO_RESULT)
    last, best = told(
        run / "evaluations.csv", lambda path: _evaluations(path, best_step), _NO_SCORES
    )
    return Evidence(
        plan=told(run / "config.json", _plan, None),
        frames=final[0] or learned[0],
        frames_per_second=learned[1],
        last_score=last,
        best_score=best,
        final_score=final[1],
        failure=told(run / "failure.json", _failure, None),
        events=told(watcher.events_file(suite, game, seed), _events, []),
        damaged=tuple(damaged),
    )


def when(event: dict[str, str]) -> float:
    """Seconds since 1970 at which a job noted something."""
    return datetime.datetime.fromisoformat(event["time"]).timestamp()


def _plan(path: Path) -> Plan | None:
    training = records.read_json(path)["config"].get("training", {})
    every, steps = (_count(training.get(f"eval{name}_steps", 0)) for name in ("_every", ""))
    return Plan(_count(training.get("frames", 0)), steps / every if every else 0.0)


def _final(path: Path) -> tuple[int, float | None]:
    """Frames and score; the random player has no frames."""
    found = done.read(path.parent) or {}
    return _count(found.get("frames", 0)), _number(found["mean_return"])


def _failure(path: Path) -> str | None:
    found = records.read_json(path)
    times, code = found.get("failures"), found.get("exit_code")
    return f"gave up after {times} failures, exit code {code}: {found.get('last_line')}"


def _events(path: Path) -> list[dict[str, str]]:
    _refuse_other(path, watcher.EVENTS)
    return [event for event in watcher.read_events(path) if _converts(when, event)]


def _learned(path: Path) -> tuple[int, float | None]:
    """Frames and speed in the last row that holds them."""
    _refuse_other(path, ("frames", "frames_per_second"))

    def numbers(row: dict[str, str]) -> tuple[int, float | None]:
        rate = _number(float(row["frames_per_second"] or 0))
        return _count(int(row["frames"])), rate if rate > _SLOWEST else None

    rows = [row for row in tails.last_rows(path) if _converts(numbers, row)]
    return numbers(rows[-1]) if rows else (0, None)


def _evaluations(path: Path, best_step: int | None) -> tuple[float | None, float | None]:
    """Mean return of the last periodic evaluation, and of the best."""
    _refuse_other(path, ("kind", "step", "return", "completed"))
    size = 1 << 15
    while True:
        rows = _periodic(tails.last_rows(path, size))
        # The tail may begin within an evaluation of very many games.
        if not rows or rows[0]["step"] != rows[-1]["step"] or size > path.stat().st_size:
            break
        size *= 8
    if not rows:
        return None, None
    last = _mean([row for row in rows if row["step"] == rows[-1]["step"]])
    if best_step is None:
        return last, None
    return last, _mean(_periodic(tails.rows_at(path, best_step)))


def _periodic(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [
        row
        for row in rows
        if row["kind"] == "periodic" and _converts(lambda row: _number(float(row["return"])), row)
    ]


def _mean(rows: list[dict[str, str]]) -> float | None:
    """Over completed games, as training chooses the best network."""
    returns = [float(row["return"]) for row in rows if row["completed"] == "True"]
    return sum(returns) / len(returns) if returns else None


def _weights_step(path: Path) -> int | None:
    """The training step in the header of a safetensors file."""
    with disk.open_to_read(path, disk.TABLE_BYTES) as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError(f"{path} is cut short")
        return _count(int(json.loads(file.read(size))["__metadata__"]["step"]))


def _refuse_other(path: Path, needed: Collection[str]) -> None:
    """Refuse a table without the columns that are needed; a new one may be empty."""
    there = tails.header(path)
    if there and not set(needed) <= set(there):
        raise ValueError(f"{path} has other columns")


def _converts(parse: Callable[[dict[str, str]], Any], row: dict[str, str]) -> bool:
    """Whether a row holds what it should; one that does not counts as absent."""
    try:
        parse(row)
    except _DAMAGE:
        return False
    return True


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"{value!r} is no count")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"{value!r} is no score")
    return float(value)
