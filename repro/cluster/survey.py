"""What became of each run of a suite, from its files and the queue. Reads only; takes no lock.

A run that was submitted is known from SUITE/jobs/*/submission.json, one that was begun from its
directory.
"""

import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repro import games, records
from repro.cluster import evidence, tails, watcher
from repro.cluster.evidence import Evidence
from repro.cluster.slurm import Queue, Queued
from repro.cluster.submissions import UNANSWERED_SECONDS, Submission
from repro.storage import lock

STATES = ("running", "queued", "requeued", "stale", "missing", "dead", "done")
STALE_SECONDS = 600.0  # a training touches its lock every minute
_WORKING = {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT", "SIGNALING"}
_WATCHED = ("learning.csv", "train_episodes.csv", "evaluations.csv", ".lock")
_EVENT_SECONDS = 5.0  # a run's last file and the note of its end are written this close together

Place = tuple[Submission, int]  # a submission and the index within its array


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
    frames_per_second: float | None
    last_score: float | None
    last_percent: float | None
    best_score: float | None
    best_percent: float | None
    final_score: float | None
    final_percent: float | None
    seconds_left: float | None
    attempts: int
    note: str


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
        stale_seconds: silence after which a run of another host is no longer taken to be working.
    """
    places: dict[tuple[str, int], list[Place]] = {
        (config.parent.parent.name, int(seed[1])): []
        for config in suite.glob("*/seed-*/config.json")
        if (seed := re.fullmatch(r"seed-(\d+)", config.parent.name))
    }
    for submission in known:
        for index, runs in enumerate(submission.elements):
            for run in runs:
                places.setdefault(run, []).append((submission, index))
    locked = _locked_inodes()
    return [
        _look(suite, game, seed, places[game, seed], queue, stale_seconds, locked)
        for game, seed in sorted(places)
    ]


def _look(
    suite: Path, game: str, seed: int, places: list[Place], queue: Queue | None,
    stale_seconds: float, locked: set[int] | None,
) -> RunStatus:  # fmt: skip
    run = records.run_path(suite, game, seed)
    seen = evidence.read(suite, game, seed)
    entry = _entry(places, queue or {})
    held = _inode(run / ".lock") in (locked or ())
    touched = max(_changed(run / name) for name in _WATCHED)
    silence = time.time() - touched
    believed = (
        silence < stale_seconds
        and _out_of_sight(run / ".lock", locked is not None)
        and not _ended(seen.events, touched, queue is not None and bool(places))
    )
    state = _state(seen, entry, held, believed)
    planned = seen.planned_frames or max((one.frames for one, _ in places), default=0)
    left = None
    if state == "running" and seen.frames_per_second:
        left = (planned - seen.frames) * (1 + seen.scored_share) / seen.frames_per_second
    notes = _notes(state, seen, entry, places)
    if state == "running" and touched and silence > stale_seconds:
        notes.append(f"no sign of life for {silence / 60:,.0f} min")
    return RunStatus(
        game, seed, state, seen.frames, planned, seen.frames_per_second,
        seen.last_score, _percent(game, seen.last_score),
        seen.best_score, _percent(game, seen.best_score),
        seen.final_score, _percent(game, seen.final_score),
        left, sum(event["event"] == "started" for event in seen.events),
        "; ".join(note for note in notes if note),
    )  # fmt: skip


def _state(seen: Evidence, entry: Queued | None, held: bool, believed: bool) -> str:
    if seen.final_score is not None:
        return "done"
    # No job goes on with a run that has a done.json, even a damaged one.
    if "done.json" in seen.damaged or (seen.given_up and not held):
        return "dead"
    if entry and entry.state in _WORKING:
        return "running"
    if entry:
        return "requeued" if seen.events else "queued"
    if held or believed:
        return "running"
    return "stale" if seen.begun else "missing"


def _entry(places: list[Place], queue: Queue) -> Queued | None:
    """The run's place in the queue, or one that it may yet get; a working one first."""
    entries = [queue[one.script, index] for one, index in places if (one.script, index) in queue]
    if not entries and any(
        one.asked is not None and time.time() - one.asked < UNANSWERED_SECONDS for one, _ in places
    ):
        return Queued("PENDING", "sbatch has not answered")
    return min(entries, key=lambda entry: entry.state not in _WORKING, default=None)


def _out_of_sight(path: Path, locks_known: bool) -> bool:
    """Whether a lock is that of a process that this host cannot see: one of another host.

    An empty lock was let go of; one that names this host and is not held is a dead process's.
    """
    owner = lock.read(path)
    return bool(owner) and not (locks_known and owner.get("host") == socket.gethostname())


def _ended(events: list[dict[str, str]], touched: float, queue_known: bool) -> bool:
    """Whether the last job to have the run is over, and nobody has touched the run since."""
    if not events:
        return False
    if events[-1]["event"] == "started":  # and the queue, if it can be asked, has no such job
        return queue_known and bool(events[-1]["job"])
    return touched < evidence.when(events[-1]) + _EVENT_SECONDS


def _notes(state: str, seen: Evidence, entry: Queued | None, places: list[Place]) -> list[str]:
    """What a person should know: what is damaged, why it failed, why it waits."""
    notes = []
    if seen.damaged:
        notes.append("damaged: " + ", ".join(seen.damaged))
    if state == "dead":
        marker = "done.json" in seen.damaged
        notes.append("its train command makes done.json again" if marker else seen.failure)
    failures = watcher.failures_in_a_row(seen.events)
    if failures and state not in ("dead", "done"):
        failed = [event for event in seen.events if event["event"] == "failed"]
        notes.append(f"failed {failures} times in a row: {failed[-1]['last_line']}")
    if state in ("queued", "requeued") and entry and entry.reason != "None":
        notes.append(entry.reason)
    if state == "missing" and places:
        submission, index = places[-1]
        notes.append(tails.last_line(submission.folder / f"{index}.log"))
    return notes


def _percent(game: str, score: float | None) -> float | None:
    known = games.GAMES.get(game)
    return None if known is None or score is None else known.percent_of_human(score)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _locked_inodes() -> set[int] | None:
    """Files that a process of this host holds a lock on, if it tells; looking takes none."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    pattern = re.compile(r"FLOCK.* \w+:\w+:(\d+) ")
    return {int(match[1]) for line in lines if (match := pattern.search(line))}
