"""What became of each run of a suite, from its files and the queue. Reads only; takes no lock.

A run that was submitted is known from SUITE/jobs/*/submission.json, one that was begun from its
directory.
"""

import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repro import records
from repro.cluster import evidence, slurm, submissions
from repro.cluster.evidence import Evidence
from repro.cluster.slurm import Job, Queue, Queued
from repro.cluster.submissions import UNANSWERED_SECONDS
from repro.storage import lock, logs
from repro.tables import Row

STATES = ("running", "queued", "requeued", "stale", "missing", "dead", "done")
STALE_SECONDS = 600.0  # a training touches its lock every minute
_WORKING = {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT", "SIGNALING"}
_WATCHED = ("learning.csv", "train_episodes.csv", "evaluations.csv", ".lock")
_EVENT_SECONDS = 5.0  # a run's last file and the note of its end are written this close together

Place = tuple[Job, int]  # a submission and the index within its array


@dataclass(frozen=True, kw_only=True)
class RunStatus(Evidence):
    """One line of `repro status`; ``attempts`` counts starts within jobs."""

    state: str
    seconds_left: float | None
    attempts: int
    note: str


def look(suite: Path, unknown: str, stale_seconds: float = STALE_SECONDS) -> list[RunStatus]:
    """Look at every run that was begun or submitted, and at the queue.

    If squeue fails, ``unknown`` is said and files must do; if that is empty, it is an error.

    Raises:
        RunDirectoryError: if the record of a submission is damaged.
        SlurmError: if squeue fails.
    """
    known = submissions.read(suite)
    try:
        queue = slurm.queue(known)
    except slurm.SlurmError as error:
        if not unknown:
            raise
        print(f"repro: {error}; {unknown}", file=sys.stderr)
        queue = None
    return survey(suite, known, queue, stale_seconds)


def survey(
    suite: Path, known: Sequence[Job], queue: Queue | None, stale_seconds: float
) -> list[RunStatus]:
    """As :func:`look`, if it is known what squeue says: ``None`` if it cannot be asked.

    After ``stale_seconds`` of silence a run of another host is no longer taken to be working.
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
    stats = {name: stat for name in _WATCHED if (stat := _stat(run / name))}
    touched = max((stat.st_mtime for stat in stats.values()), default=0.0)
    silent_seconds = time.time() - touched
    silent = silent_seconds >= stale_seconds
    held = ".lock" in stats and stats[".lock"].st_ino in (locked or ())
    # A process that this host cannot see: an empty lock was let go of, and one that names this
    # host and is not held is a dead process's.
    owner = lock.read(run / ".lock")
    elsewhere = bool(owner) and (locked is None or owner.get("host") != socket.gethostname())
    ended = _ended(seen.events, touched, queue is not None and bool(places))
    at_work = held or (elsewhere and not silent and not ended)
    state, why = _state(seen, _entry(places, queue or {}), held, at_work)
    if state == "missing" and (run / "config.json").exists():
        state = "stale"
    planned = seen.planned_frames or max((one.frames for one, _ in places), default=0)
    left = None
    if state == "running" and seen.frames_per_second:
        left = (planned - seen.frames) * (1 + seen.scored_share) / seen.frames_per_second
    if state == "running" and silent and touched:
        why = f"no sign of life for {silent_seconds / 60:,.0f} min"
    if state == "missing" and places:
        job, index = places[-1]
        why = logs.last_line(job.folder / f"{index}.log")
    damaged = "damaged: " + ", ".join(seen.damaged) if seen.damaged else ""
    failing = _failing(seen.events) if state not in ("dead", "done") else ""
    attempts = sum(event["event"] == "started" for event in seen.events)
    return RunStatus(
        **vars(seen) | {"planned_frames": planned}, state=state, seconds_left=left,
        attempts=attempts, note="; ".join(note for note in (damaged, failing, why) if note),
    )  # fmt: skip


def _state(seen: Evidence, entry: Queued | None, held: bool, at_work: bool) -> tuple[str, str]:
    """The state of a run, and why."""
    if seen.final_score is not None:
        return "done", ""
    # No job goes on with a run that has a done.json, even a damaged one.
    if "done.json" in seen.damaged:
        return "dead", "its train command makes done.json again"
    if (seen.failure or "failure.json" in seen.damaged) and not held:
        return "dead", seen.failure
    if entry and entry.state not in _WORKING:
        return "requeued" if seen.events else "queued", entry.reason
    if entry or at_work:
        return "running", ""
    return "missing", ""


def _entry(places: list[Place], queue: Queue) -> Queued | None:
    """The run's place in the queue, or one that it may yet get; a working one first."""
    found = [queue.get((str(one.file), index)) for one, index in places]
    entries = [entry for entry in found if entry]
    asked = max((one.asked for one, _ in places if one.asked is not None), default=0.0)
    if not entries and time.time() - asked < UNANSWERED_SECONDS:
        return Queued("PENDING", "sbatch has not answered")
    return min(entries, key=lambda entry: entry.state not in _WORKING, default=None)


def _failing(events: Sequence[Row]) -> str:
    failures = evidence.failures_in_a_row(events)
    said = [event["last_line"] for event in events if event["event"] == "failed"]
    return f"failed {failures} times in a row: {said[-1]}" if failures else ""


def _ended(events: Sequence[Row], touched: float, queue_known: bool) -> bool:
    """Whether the last job to have the run is over, and nobody has touched the run since."""
    if not events:
        return False
    if events[-1]["event"] == "started":  # and the queue, if it can be asked, has no such job
        return queue_known and events[-1]["job"] != ""
    return bool(touched < events[-1]["time"] + _EVENT_SECONDS)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _locked_inodes() -> set[int] | None:
    """Files that a process of this host holds a lock on, if it tells; looking takes none."""
    try:
        lines = Path("/proc/locks").read_text()
    except OSError:
        return None
    return {int(inode) for inode in re.findall(r"FLOCK.* \w+:\w+:(\d+) ", lines)}
