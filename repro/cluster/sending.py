"""Handing arrays of runs to sbatch, and what is written down of it in SUITE/jobs.

Every submission has a folder of its own, SUITE/jobs/<n>, by whose path the queue is searched
for it. Its record is there before sbatch is called and stays unless sbatch refuses: jobs may be
queued although nobody heard of it. A number is never used again.
"""

import datetime
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro import records
from repro.cluster import slurm
from repro.cluster.site import Site
from repro.cluster.survey import UNANSWERED_SECONDS
from repro.storage import lock
from repro.system import disk


class BusyError(RuntimeError):
    """Another process is submitting runs of the suite."""


@contextmanager
def alone(suite: Path) -> Iterator[None]:
    """Keep other submissions to a suite out: two at a time would hand in the same runs.

    Raises:
        BusyError: if there is another one at work.
        UnwritableError: if the suite cannot be written.
    """
    folder = suite / "jobs"
    one = lock.Lock(folder)
    try:
        with disk.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            one.take()
    except lock.HeldError:
        who = lock.describe(lock.read(folder / ".lock"))
        raise BusyError(
            f"another submission to {suite} is at work: {who}; repeat the command when it has ended"
        ) from None
    try:
        yield
    finally:
        one.release()


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
    parts = slurm.elements(job.runs, where.games_per_job)
    record: dict[str, Any] = {
        "name": job.name,
        "job": None,
        "cluster": slurm.default_cluster(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": "repro " + shlex.join(words),
        "frames": frames,
        "elements": [[list(run) for run in part] for part in parts],
    }
    note = job.folder / "submission.json"
    failures: dict[Path, bytes] = {}
    try:
        records.write_atomic(job.file, slurm.script(job, where, sys.executable).encode())
        job.file.chmod(0o755)
        records.write_json(note, record)  # before the jobs are: none may be unknown
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
        for file in (job.file, note):
            file.unlink(missing_ok=True)
        for file, content in failures.items():
            records.write_atomic(file, content)
        raise
    records.write_json(note, record)
    return str(record["job"])


def _whereabouts(job: slurm.Job, cluster: str) -> str:
    """Whether the queue has the script, in words; it may still come."""
    try:
        queue, reason = slurm.queue([(job.name, cluster)]), ""
    except slurm.SlurmError as error:
        queue, reason = None, f" ({error})"
    if queue is None:
        said = f"whether {job.file} was accepted is not known{reason}"
    elif any(file == str(job.file) for file, _ in queue):
        return f"{job.file} is in the queue all the same, and counts as submitted"
    else:
        said = f"{job.file} is not in the queue so far"
    minutes = UNANSWERED_SECONDS / 60
    return f"{said}; its runs count as queued for {minutes:.0f} minutes, then as missing"
