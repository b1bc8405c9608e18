"""What was submitted: how arrays are handed to sbatch, and what SUITE/jobs keeps of it.

Every submission has a folder of its own, SUITE/jobs/<n>, by whose path the queue is searched
for it. Its record is there before sbatch is called and stays unless sbatch refuses: jobs may be
queued although nobody heard of it. A number is never used again.
"""

import datetime
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro import records
from repro.cluster import slurm
from repro.cluster.site import Site
from repro.config import LARGEST
from repro.storage import lock
from repro.system import disk

UNANSWERED_SECONDS = 300.0  # what sbatch did not answer for may come into the queue so late
FOLDER = re.compile(r"\w[\w.-]*", re.ASCII)  # the name of a game's folder


class BusyError(RuntimeError):
    """Another process is submitting runs of the suite."""


@dataclass(frozen=True)
class Submission:
    """What one `repro submit --run` asked for: ``elements`` are lists of game and seed.

    ``cluster`` is empty for the one at hand, ``asked`` the time, in seconds since 1970, of one
    that sbatch has not answered for.
    """

    folder: Path
    name: str
    cluster: str
    frames: int
    elements: list[list[tuple[str, int]]]
    asked: float | None

    @property
    def script(self) -> str:
        """The script's path, as squeue gives it."""
        return str(self.folder / "submit.sh")


def read(suite: Path) -> list[Submission]:
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
        elements = [[(game, seed) for game, seed in element] for element in record["elements"]]
        runs = [run for element in elements for run in element]
        texts = (record["name"], record.get("cluster", ""))
        counts = (record["frames"], *(seed for _, seed in runs))
        if not (
            all(type(text) is str and text.isprintable() for text in texts)  # squeue is given them
            and all(type(count) is int and 0 <= count <= LARGEST for count in counts)
            and all(FOLDER.fullmatch(game) for game, _ in runs)
        ):
            raise ValueError("no text, no count, or no folder's name")
        asked = file.stat().st_mtime if record.get("job") is None else None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise records.RunDirectoryError(f"{file} is damaged; mend or remove it") from error
    return Submission(file.parent, *texts, record["frames"], elements, asked)


@contextmanager
def alone(suite: Path) -> Iterator[None]:
    """Keep other submissions to a suite out: two at a time would hand in the same runs.

    Raises:
        BusyError: if there is another one at work.
        UnwritableError: if the suite cannot be written.
    """
    folder = suite / "jobs"
    mine = lock.Lock(folder)
    try:
        with disk.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            mine.take()
    except lock.HeldError:
        who = lock.describe(lock.read(folder / ".lock"))
        raise BusyError(
            f"another submission to {suite} is at work: {who}; repeat the command when it has ended"
        ) from None
    try:
        yield
    finally:
        mine.release()


def next_number(suite: Path) -> int:
    """The first number above those of all submissions so far, refused ones included."""
    taken = [int(path.name) for path in (suite / "jobs").glob("*") if path.name.isdecimal()]
    return max(taken, default=0) + 1


def send(job: slurm.Job, where: Site, frames: int, words: Sequence[str]) -> str:
    """Write script and record, call sbatch, and return the job's number.

    A run that was given up gets as many attempts as at first.

    Raises:
        UnclearError: if it is not known whether sbatch took the script; the record stays.
        SlurmError: if sbatch refuses; of the submission only its empty folder is left then.
    """
    with disk.writing(job.folder):
        job.folder.mkdir(parents=True)
    record: dict[str, Any] = {
        "name": job.name,
        "job": None,
        "cluster": slurm.default_cluster(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": "repro " + shlex.join(words),
        "frames": frames,
        "elements": slurm.elements(job.runs, where.games_per_job),
    }
    file = job.folder / "submission.json"
    failures: dict[Path, bytes] = {}
    try:
        records.write_atomic(job.file, slurm.script(job, where, sys.executable).encode())
        job.file.chmod(0o755)
        records.write_json(file, record)  # before the jobs are: none may be unknown
        for run in job.runs:
            failure = records.run_path(job.suite, *run) / "failure.json"
            if failure.exists():
                failures[failure] = disk.read_bytes(failure, disk.SMALL_BYTES)
                failure.unlink()
        record["job"], record["cluster"] = slurm.submit(job.file)
    except slurm.UnclearError as error:
        raise slurm.UnclearError(f"{error}; {_whereabouts(job, record['cluster'])}") from error
    except KeyboardInterrupt:  # sbatch may have been at work
        print(f"repro: {_whereabouts(job, record['cluster'])}", file=sys.stderr)
        raise
    except BaseException:
        for path in (job.file, file):
            path.unlink(missing_ok=True)
        for path, content in failures.items():
            records.write_atomic(path, content)
        raise
    records.write_json(file, record)
    return str(record["job"])


def _whereabouts(job: slurm.Job, cluster: str) -> str:
    """Whether the queue has the script, in words; it may still come."""
    accepted = f"whether {job.file} was accepted is not known"
    try:
        queued = slurm.queue([(job.name, cluster)])
        if queued is not None:
            accepted = f"{job.file} is not in the queue so far"
        if any(script == str(job.file) for script, _ in queued or ()):
            return f"{job.file} is in the queue all the same, and counts as submitted"
    except slurm.SlurmError as error:
        accepted += f" ({error})"
    minutes = UNANSWERED_SECONDS / 60
    return f"{accepted}; its runs count as queued for {minutes:.0f} minutes, then as missing"
