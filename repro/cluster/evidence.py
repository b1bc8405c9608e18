"""What the files of one run say, in whatever state they are. Reads only; takes no lock.

Each file is read by itself: one that is damaged is named and taken to say nothing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro import games, records, tables
from repro.storage import done, logs
from repro.system import disk
from repro.tables import Row

_TAIL_BYTES = 4096  # a few rows
_RECENT_BYTES = 1 << 16  # has the last periodic evaluation, behind it the final games
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
        events_file(suite, game, seed): lambda path: {"events": rows(path, tables.EVENTS)},
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


def _final(path: Path) -> Row:
    """Score and frames; the random player has none of these."""
    marker = done.read(path.parent) or {}
    frames = tables.count(str(marker.get("frames", 0)))
    score = tables.score(str(marker["mean_return"]))
    return {"final_score": score} | ({"frames": frames} if frames else {})


def _plan(path: Path) -> Row:
    training = records.read_json(path)["config"].get("training", {})
    names = ("frames", "eval_every_steps", "eval_steps")
    frames, every, steps = (tables.count(str(training.get(name, 0))) for name in names)
    return {"planned_frames": frames, "scored_share": steps / every if every else 0.0}


def _failure(path: Path) -> Row:
    found = records.read_json(path)
    how = f"gave up after {found.get('failures')} failures, exit code {found.get('exit_code')}"
    return {"failure": f"{how}: {found.get('last_line')}"}


def _learned(path: Path) -> Row:
    """What the last row holds."""
    wanted = tables.some(tables.LEARNING, "step", "frames", "frames_per_second")
    for last in rows(path, wanted, _TAIL_BYTES)[-1:]:
        speed = last["frames_per_second"]
        return last | {"frames_per_second": speed if speed > _SLOWEST else None}
    return {}


def _last_score(path: Path) -> Row:
    """Mean return of the last periodic evaluation, over completed games."""
    wanted = tables.some(tables.EVALUATIONS, "kind", "step", "return", "completed")
    for size in (_RECENT_BYTES, disk.TABLE_BYTES):
        played = [game for game in rows(path, wanted, size) if game["kind"] == "periodic"]
        if played and played[0]["step"] != played[-1]["step"]:  # it did not begin before
            break
    last = [game for game in played if game["step"] == played[-1]["step"]]
    returns = [game["return"] for game in last if game["completed"]]
    return {"last_score": sum(returns) / len(returns) if returns else None}


def _best_score(path: Path) -> Row:
    """The score in the header of a safetensors file; before version 0.4 there was none."""
    with disk.open_to_read(path, disk.TABLE_BYTES) as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError(f"{path} is cut short")
        metadata = json.loads(file.read(size))["__metadata__"]
    return {"best_score": tables.score(metadata["score"]) if "score" in metadata else None}


def rows(path: Path, wanted: tables.Columns, size: int = disk.TABLE_BYTES) -> list[Row]:
    """The complete and sound rows of a table, or of those in its last bytes.

    Raises:
        OSError, ValueError: if it cannot be read, or lacks one of the columns.
    """
    found = list(tables.read(disk.read_ends(path, size), wanted))
    if found and found[0][0] == 1:
        raise ValueError(f"{path}: {found[0][1]}")
    return [row for _, row in found if not isinstance(row, str)]
