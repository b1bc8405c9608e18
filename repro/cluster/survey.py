"""What became of each run of a suite, from its files and the queue. Reads only; takes no lock.

A run that was submitted is known from SUITE/jobs/*/submission.json, one that was begun from its
directory.
"""

import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro import games, records
from repro.cluster import evidence, tails, watcher
from repro.cluster.evidence import Evidence
from repro.cluster.slurm import Queued
from repro.config.checks import LARGEST
from repro.storage import lock

STATES = ("running", "queued", "requeued", "stale", "missing", "dead", "done")
STALE_SECONDS = 600.0  # a training touches its lock every minute
_FOLDER = re.compile(r"\w[\w.-]*", re.ASCII)
_WORKING = {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT", "SIGNALING"}
_WATCHED = ("learning.csv", "train_episodes.csv", "evaluations.csv", ".lock")
UNANSWERED_SECONDS = 300.0  # what sbatch did not answer for may come into the queue so late
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
    """What one `repro submit --run` asked for: ``elements`` are lists of game and seed.

    ``cluster`` is empty for the one at hand, ``asked`` the time, in seconds since 1970, of one
    that sbatch has not answered for.
    """

    folder: Path
    name: str
    frames: int
    elements: list[list[tuple[str, int]]]
    cluster: str = ""
    asked: float | None = None

    @property
    def script(self) -> str:
        """The script's path, as squeue gives it."""
        return str(self.folder / "submit.sh")

    @property
    def job(self) -> tuple[str, str]:
        """What to ask squeue for: the job's name, and its cluster."""
        return self.name, self.cluster


Queue = Mapping[tuple[str, int], Queued]
Place = tuple[Submission, int]  # a submission and the index within its array


def submissions(suite: Path) -> list[Submission]:
    """All submissions of a suite, oldest first.

    Raises:
        RunDirectoryError: if a record is damaged.
    """
    files = (suite.resolve() / "jobs").glob("*/submission.json")
    ordered = sorted(files, key=lambda file: (len(file.parent.name), file.parent.name))
    return [_submission(file) for file in ordered]


def _submission(file: Path) -> Submission:
    record = records.read_json(file)
    try:
        elements = [[(game, seed) for game, seed in one] for one in record["elements"]]
        texts = [record["name"], record.get("cluster", "")]
        texts += [game for one in elements for game, _ in one]
        counts = [record["frames"], *(seed for one in elements for _, seed in one)]
        if {*map(type, texts)} != {str} or {*map(type, counts)} != {int}:
            raise TypeError("texts and counts are mixed up")
        if not "".join(texts).isprintable():  # no command could be given it
            raise ValueError("there is more than text")
        if (
            not all(map(_FOLDER.fullmatch, texts[2:]))
            or not 0 <= min(counts) <= max(counts) <= LARGEST
        ):
            raise ValueError("no folder's name, or beyond any count")
        asked = file.stat().st_mtime if record.get("job") is None else None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise records.RunDirectoryError(f"{file} is damaged; mend or remove it") from error
    return Submission(file.parent, texts[0], counts[0], elements, texts[1], asked)


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
    stale_seconds: float, locked: set[int] | None,
) -> RunStatus:  # fmt: skip
    run = records.run_path(suite, game, seed)
    found = evidence.read(suite, game, seed)
    entry = _entry(places, queue or {}) or _unanswered(places)
    touched = max(_changed(run / name) for name in _WATCHED)
    silence = time.time() - touched
    held = _inode(run / ".lock") in (locked or ())
    believed = (
        silence < stale_seconds
        and _out_of_sight(run / ".lock", locked is not None)
        and not _ended(found.events, touched, queue is not None and bool(places))
    )
    state = _state(found, entry, held, believed)
    plan = found.plan or evidence.Plan()
    planned = plan.frames or max((one.frames for one, _ in places), default=0)
    left = None
    if state == "running" and found.frames_per_second:
        left = (planned - found.frames) * (1 + plan.scored_share) / found.frames_per_second
    scores = (found.last_score, found.best_score, found.final_score)
    last, best, final = (_percent(game, score) for score in scores)
    return RunStatus(
        game, seed, state, found.frames, planned, found.frames_per_second, scores[0], last,
        scores[1], best, scores[2], final, left,
        sum(event["event"] == "started" for event in found.events),
        _note(state, found, entry, silence if touched and silence > stale_seconds else 0, places),
    )  # fmt: skip


def _state(found: Evidence, entry: Queued | None, held: bool, believed: bool) -> str:
    if found.final_score is not None:
        return "done"
    # No job goes on with a run that has a done.json, even a damaged one.
    if "done.json" in found.damaged or (found.given_up and not held):
        return "dead"
    if entry and entry.state in _WORKING:
        return "running"
    if entry:
        return "requeued" if found.events else "queued"
    if held or believed:
        return "running"
    return "stale" if found.begun else "missing"


def _entry(places: list[Place], queue: Queue) -> Queued | None:
    """The run's place in the queue; a working one before a waiting one."""
    found = [queue[one.script, index] for one, index in places if (one.script, index) in queue]
    return min(found, key=lambda entry: entry.state not in _WORKING, default=None)


def _unanswered(places: list[Place]) -> Queued | None:
    """A place in the queue that the run may yet get."""
    times = [one.asked for one, _ in places if one.asked is not None]
    young = any(time.time() - asked < UNANSWERED_SECONDS for asked in times)
    return Queued("PENDING", "sbatch has not answered") if young else None


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


def _note(
    state: str, found: Evidence, entry: Queued | None, silent_seconds: float, places: list[Place]
) -> str:
    """What a person should know: why it failed, why it waits, how long it has been silent."""
    notes = []
    if found.damaged:
        notes.append("damaged: " + ", ".join(found.damaged))
    if state == "dead":
        marker = "done.json" in found.damaged
        notes.append("its train command makes done.json again" if marker else found.failure or "")
    failures = watcher.failures_in_a_row(found.events)
    if failures and state not in ("dead", "done"):
        failed = (event for event in reversed(found.events) if event["event"] == "failed")
        notes.append(f"failed {failures} times in a row: {next(failed)['last_line']}")
    if state in ("queued", "requeued") and entry and entry.reason not in ("", "None"):
        notes.append(entry.reason)
    if state == "running" and silent_seconds:
        notes.append(f"no sign of life for {silent_seconds / 60:,.0f} min")
    if state == "missing" and places:
        submission, index = places[-1]
        notes.append(tails.last_line(submission.folder / f"{index}.log"))
    return "; ".join(note for note in notes if note)


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
    return {int(found[1]) for line in lines if (found := pattern.search(line))}
