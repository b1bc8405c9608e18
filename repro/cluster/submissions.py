"""What was submitted: how arrays are handed to sbatch, and what SUITE/jobs keeps of it.

Every submission has a folder of its own, SUITE/jobs/<n>, by whose path the queue is searched
for it. Its record is there before sbatch is called and stays unless sbatch refuses: jobs may be
queued although nobody heard of it. A number is never used again.
"""

import datetime
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro import records
from repro.cluster import slurm
from repro.cluster.slurm import Job
from repro.config import Config, check
from repro.storage import lock
from repro.storage.run import Run
from repro.system import disk

UNANSWERED_SECONDS = 300.0  # what sbatch did not answer for may come into the queue so late
_ANY = Config()


class BusyError(RuntimeError):
    """Another process is submitting runs of the suite."""


def read(suite: Path) -> list[Job]:
    """All submissions of a suite, oldest first.

    Raises:
        RunDirectoryError: if a record is damaged.
    """
    files = (suite.resolve() / "jobs").glob("*/submission.json")
    return [_job(file) for file in sorted(files, key=lambda file: (len(str(file)), file))]


def _job(file: Path) -> Job:
    record = records.read_json(file)
    try:
        elements = [[(game, seed) for game, seed in element] for element in record["elements"]]
        asked = file.stat().st_mtime if record.get("job") is None else None
        texts = (record["name"], record.get("cluster", ""))
        job = Job(file.parent, texts[0], record["frames"], elements, texts[1], asked)
        check("frames", job.frames, int)
        if not all(type(text) is str and text.isprintable() for text in texts) or job.frames < 0:
            raise ValueError("no text that squeue could be given, or no count")
        for game, seed in job.runs:
            Run(game, seed, "", _ANY)  # which refuses what has no folder
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise records.RunDirectoryError(f"{file} is damaged; mend or remove it") from error
    return job


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


def send(job: Job, script: str, words: Sequence[str]) -> str:
    """Write script and record, call sbatch, and return the job's number.

    A run that was given up gets as many attempts as at first.

    Args:
        job: a new one.
        script: its text.
        words: of the command that asked for it.

    Raises:
        UnclearError: if it is not known whether sbatch took the script; the record stays.
        SlurmError: if sbatch refuses; of the submission only its empty folder is left then.
    """
    with disk.writing(job.folder):
        job.folder.mkdir(parents=True)
    record: dict[str, Any] = {
        "name": job.name,
        "job": None,
        "cluster": job.cluster,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": "repro " + shlex.join(words),
        "frames": job.frames,
        "elements": job.elements,
    }
    file = job.folder / "submission.json"
    failures: dict[Path, bytes] = {}
    try:
        records.write_atomic(job.file, os.fsencode(script))  # paths stay, byte by byte
        job.file.chmod(0o755)
        records.write_json(file, record)  # before the jobs are: none may be unknown
        for run in job.runs:
            failure = records.run_path(job.suite, *run) / "failure.json"
            if failure.exists():
                failures[failure] = disk.read_bytes(failure, disk.SMALL_BYTES)
                failure.unlink()
        record["job"], record["cluster"] = slurm.submit(job.file)
    except slurm.UnclearError as error:
        raise slurm.UnclearError(f"{error}; {_whereabouts(job)}") from error
    except KeyboardInterrupt:  # sbatch may have been at work
        print(f"repro: {_whereabouts(job)}", file=sys.stderr)
        raise
    except BaseException:
        for path in (job.file, file):
            path.unlink(missing_ok=True)
        for path, content in failures.items():
            records.write_atomic(path, content)
        raise
    records.write_json(file, record)
    return str(record["job"])


def _whereabouts(job: Job) -> str:
    """Whether the queue has the script, in words; it may still come."""
    accepted = f"whether {job.file} was accepted is not known"
    try:
        queued = slurm.queue([job])
        if queued is not None:
            accepted = f"{job.file} is not in the queue so far"
        if any(script == str(job.file) for script, _ in queued or ()):
            return f"{job.file} is in the queue all the same, and counts as submitted"
    except slurm.SlurmError as error:
        accepted += f" ({error})"
    minutes = UNANSWERED_SECONDS / 60
    return f"{accepted}; its runs count as queued for {minutes:.0f} minutes, then as missing"
