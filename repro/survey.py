"""What became of each run of a suite, from its files and the queue. Reads only; takes no lock.

A run that was submitted is known from SUITE/jobs/*/submission.json, one that was begun from its
directory. Of the tables only the ends are read, and the rows of the best evaluation.
"""

import datetime
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro import games, job, records, tails
from repro.slurm import Queued

STATES = ("running", "queued", "requeued", "stale", "missing", "dead", "done")
STALE_SECONDS = 600.0  # a training touches its lock every minute
_WORKING = {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT", "SIGNALING"}
_WATCHED = ("learning.csv", "train_episodes.csv", "evaluations.csv", ".lock")
_EVENT_SECONDS = 5.0  # a run's last file and the note of its end are written this close together


@dataclass(frozen=True)
class RunStatus:
    """One line of `repro status`.

    Scores are mean raw returns, percentages are of the human (random is 0); ``None`` where
    there is none yet. ``attempts`` counts starts within jobs.
    """

    game: str
    seed: int
    state: str
    frames: int
    planned_frames: int
    frames_per_second: float | None = None
    last_score: float | None = None
    last_percent: float | None = None
    best_score: float | None = None
    best_percent: float | None = None
    final_score: float | None = None
    final_percent: float | None = None
    seconds_left: float | None = None
    attempts: int = 0
    note: str = ""


@dataclass(frozen=True)
class Submission:
    """What one `repro submit --run` asked for: ``elements`` are lists of game and seed."""

    folder: Path
    name: str
    frames: int
    elements: list[list[tuple[str, int]]]

    @property
    def script(self) -> str:
        """The script's path, as squeue gives it."""
        return str(self.folder / "submit.sh")


Queue = Mapping[tuple[str, int], Queued]
Place = tuple[Submission, int]  # a submission and the index within its array


def submissions(suite: Path) -> list[Submission]:
    """All submissions of a suite, oldest first.

    Raises:
        RunDirectoryError: if a record is damaged.
    """
    found = []
    files = (suite.resolve() / "jobs").glob("*/submission.json")
    for file in sorted(files, key=lambda file: (len(file.parent.name), file.parent.name)):
        record = records.read_json(file)
        try:
            elements = [[(game, seed) for game, seed in one] for one in record["elements"]]
            found.append(Submission(file.parent, record["name"], record["frames"], elements))
        except (KeyError, TypeError, ValueError) as error:
            raise records.RunDirectoryError(f"{file} is damaged; mend or remove it") from error
    return found


def survey(
    suite: Path,
    known: Sequence[Submission],
    queue: Queue | None,
    stale_seconds: float = STALE_SECONDS,
) -> list[RunStatus]:
    """Look at every run that was begun or submitted.

    Args:
        suite: folder of the runs.
        known: its submissions.
        queue: what squeue says of them, ``None`` if it cannot be asked.
        stale_seconds: silence after which a run is no longer taken to be working.
    """
    places: dict[tuple[str, int], list[Place]] = {}
    for submission in known:
        for index, runs in enumerate(submission.elements):
            for run in runs:
                places.setdefault(run, []).append((submission, index))
    begun = {
        (config.parent.parent.name, int(seed[1]))
        for config in suite.glob("*/seed-*/config.json")
        if (seed := re.fullmatch(r"seed-(\d+)", config.parent.name))
    }
    locked = _locked_inodes()
    return [
        _look(suite, game, seed, places.get((game, seed), []), queue, stale_seconds, locked)
        for game, seed in sorted(begun | set(places))
    ]


def _look(
    suite: Path, game: str, seed: int, places: list[Place], queue: Queue | None,
    stale_seconds: float, locked: set[int],
) -> RunStatus:  # fmt: skip
    run = records.run_path(suite, game, seed)
    config, done, failure = (_json(run / f"{name}.json") for name in ("config", "done", "failure"))
    training = config.get("config", {}).get("training", {})
    events = job.read_events(job.events_file(suite, game, seed))
    learned = (tails.last_rows(run / "learning.csv") or [{}])[-1]
    touched = max((_changed(run / name) for name in _WATCHED), default=0.0)
    silence = time.time() - touched
    entry = _entry(places, queue or {})
    fresh = bool(config) and silence < stale_seconds
    held = (run / ".lock").exists() and (run / ".lock").stat().st_ino in locked
    if done:
        state = "done"
    elif failure and not held:
        state = "dead"
    elif entry and entry.state in _WORKING:
        state = "running"
    elif entry:
        state = "requeued" if events else "queued"
    elif held or (fresh and not _ended(events, touched, queue is not None and bool(places))):
        state = "running"
    else:
        state = "stale" if config else "missing"
    frames = int(done.get("frames", learned.get("frames") or 0))
    planned = int(training.get("frames", 0)) or max((one.frames for one, _ in places), default=0)
    rate = float(learned["frames_per_second"]) if learned.get("frames_per_second") else None
    left = None
    if state == "running" and rate:
        every = training.get("eval_every_steps", 0)
        scored = training.get("eval_steps", 0) / every if every else 0
        left = (planned - frames) * (1 + scored) / rate
    last, best = _evaluations(run)
    final = done.get("mean_return")
    return RunStatus(
        game, seed, state, frames, planned, rate, last, _percent(game, last), best,
        _percent(game, best), final, _percent(game, final), left,
        sum(event["event"] == "started" for event in events),
        _note(
            state, failure, events, entry, silence if touched and silence > stale_seconds else 0,
            places,
        ),
    )  # fmt: skip


def _entry(places: list[Place], queue: Queue) -> Queued | None:
    """The run's place in the queue; a working one before a waiting one."""
    found = [queue[one.script, index] for one, index in places if (one.script, index) in queue]
    return min(found, key=lambda entry: entry.state not in _WORKING, default=None)


def _ended(events: list[dict[str, str]], touched: float, queue_known: bool) -> bool:
    """Whether the last job to have the run is over, and nobody has touched the run since."""
    if not events:
        return False
    if events[-1]["event"] == "started":  # and the queue, if it can be asked, has no such job
        return queue_known and bool(events[-1]["job"])
    end = datetime.datetime.fromisoformat(events[-1]["time"]).timestamp()
    return touched < end + _EVENT_SECONDS


def _note(
    state: str, failure: dict[str, Any], events: list[dict[str, str]], entry: Queued | None,
    silent_seconds: float, places: list[Place],
) -> str:  # fmt: skip
    """What a person should know: why it failed, why it waits, how long it has been silent."""
    if state == "dead":
        times, code = failure.get("failures"), failure.get("exit_code")
        return f"gave up after {times} failures, exit code {code}: {failure.get('last_line')}"
    if state == "done":
        return ""
    notes = []
    failures = job.failures_in_a_row(events)
    if failures:
        said = next(one["last_line"] for one in reversed(events) if one["event"] == "failed")
        notes.append(f"failed {failures} times in a row: {said}")
    if state in ("queued", "requeued") and entry and entry.reason not in ("", "None"):
        notes.append(entry.reason)
    if state == "running" and silent_seconds:
        notes.append(f"no sign of life for {silent_seconds / 60:,.0f} min")
    if state == "missing" and places:
        submission, index = places[-1]
        notes.append(tails.last_line(submission.folder / f"{index}.log"))
    return "; ".join(note for note in notes if note)


def _evaluations(run: Path) -> tuple[float | None, float | None]:
    """Mean return of the last periodic evaluation, and of the best."""
    table, size = run / "evaluations.csv", 1 << 15
    while True:
        rows = [row for row in tails.last_rows(table, size) if row.get("kind") == "periodic"]
        # The tail may begin within an evaluation of very many games.
        if not rows or rows[0]["step"] != rows[-1]["step"] or size > table.stat().st_size:
            break
        size *= 8
    if not rows:
        return None, None
    last = _mean([row for row in rows if row["step"] == rows[-1]["step"]])
    step = _weights_step(run / "best.safetensors")
    if step is None:
        return last, None
    return last, _mean([row for row in tails.rows_at(table, step) if row["kind"] == "periodic"])


def _mean(rows: list[dict[str, str]]) -> float | None:
    """Over completed games, as training chooses the best network."""
    returns = [float(row["return"]) for row in rows if row["completed"] == "True"]
    return sum(returns) / len(returns) if returns else None


def _weights_step(path: Path) -> int | None:
    """The training step in the header of a safetensors file."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return int(header["__metadata__"]["step"])
    except (OSError, ValueError, LookupError, MemoryError, OverflowError):
        return None


def _percent(game: str, score: float | None) -> float | None:
    known = games.GAMES.get(game)
    return None if known is None or score is None else known.percent_of_human(score)


def _json(path: Path) -> dict[str, Any]:
    try:
        return records.read_json(path)
    except records.RunDirectoryError:
        return {}


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _locked_inodes() -> set[int]:
    """Files that a process of this machine holds a lock on; looking takes none."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return set()
    pattern = re.compile(r"FLOCK.* \w+:\w+:(\d+) ")
    return {int(found[1]) for line in lines if (found := pattern.search(line))}
