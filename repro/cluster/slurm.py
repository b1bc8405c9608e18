"""SLURM: the batch script as text, what sbatch answers, and what squeue says."""

import math
import os
import re
import shlex
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from repro.cluster.site import Site
from repro.system import disk

_MEMORY_MARGIN = 1.15  # for the page cache of checkpoints, and a GPU's driver
_QUERY_SECONDS = 60
# What a user has set for other purposes, and would hide jobs, or make them not the script's.
_BLINDING = re.compile(r"SQUEUE_.*|SLURM_CLUSTERS")
_ESTRANGING = re.compile(r"SBATCH_(ARRAY_INX|JOB_NAME|NO_REQUEUE|OPEN_MODE|OUTPUT|SIGNAL|WAIT)")
# The controller was reached, but its answer was not: it may have done what it was asked.
_NO_ANSWER = re.compile(
    r"timed out|Zero Bytes|(send|receive|shutdown) failure|reset by peer|Broken pipe"
    r"|Unexpected message|Header lengths"
)
# What sbatch says, with --parsable and without: a site's own sbatch may drop the option, and say
# more, before and after.
_ANSWER = re.compile(r"^[ \t]*([0-9]+)(?:;([\w.-]+))?[ \t\r]*$", re.MULTILINE)
_SENTENCE = re.compile(r"Submitted batch job ([0-9]+)(?: on cluster ([\w.-]+))?")


class SlurmError(RuntimeError):
    """A command of SLURM failed; the message ends with what it said."""


class UnclearError(SlurmError):
    """It ended without an answer; what it asked for may have been done."""


Element = Sequence[tuple[str, int]]  # of an array: the runs, game and seed, that share a job


@dataclass(frozen=True)
class Job:
    """One submission: an array job with a folder of its own, SUITE/jobs/<n>.

    ``frames`` are those of a run; ``cluster`` is empty for the one at hand; ``asked`` is the time,
    in seconds since 1970, of one that sbatch has not answered for.
    """

    folder: Path
    name: str
    frames: int
    elements: Sequence[Element]
    cluster: str = ""
    asked: float | None = None

    @property
    def file(self) -> Path:
        """The batch script, whose path squeue gives."""
        return self.folder / "submit.sh"

    @property
    def suite(self) -> Path:
        """Folder of the runs."""
        return self.folder.parents[1]

    @property
    def runs(self) -> list[tuple[str, int]]:
        """All runs, in order."""
        return [run for element in self.elements for run in element]


def elements(runs: Element, games_per_job: int) -> list[Element]:
    """The runs of each element of the array, in order."""
    starts = range(0, len(runs), games_per_job)
    return [runs[start : start + games_per_job] for start in starts]


def script(job: Job, site: Site, train: Sequence[str], run_bytes: int, python: str) -> str:
    """The batch script: an array with an element per job.

    It has its whole body, for it may wait in the queue while the program changes.

    Args:
        job: with the runs.
        site: what the cluster wants to be told.
        train: flags of `repro train` but for game, seed and --out.
        run_bytes: memory of one run.
        python: the interpreter, unless the site names one.
    """
    cpus = site.cpus or site.games_per_job
    memory = site.memory_gb * 10**9 or run_bytes * site.games_per_job * _MEMORY_MARGIN
    memory /= 2**20 * (cpus if site.memory_option == "mem-per-cpu" else 1)
    memory_is_said = site.asks_for_memory or site.memory_option == "none"
    options = [
        f"--job-name={job.name}",
        f"--array=0-{len(job.elements) - 1}" + (f"%{site.throttle}" if site.throttle else ""),
        f"--partition={site.partition}" if site.partition else "",
        f"--account={site.account}" if site.account else "",
        f"--time={site.time}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={cpus}",
        "" if memory_is_said else f"--{site.memory_option}={math.ceil(memory)}M",
        f"--gres={site.gres}" if site.gres else "",
        f"--signal=B:USR1@{site.signal_seconds}",
        "--requeue",
        "--open-mode=append",
        "--output=" + shlex.quote(str(job.folder).replace("%", "%%") + "/%a.log"),
        *site.extra,
    ]
    interpreter = shlex.quote(site.python or ("python3" if site.container else python))
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options if option),
        "",
        f"SUITE={shlex.quote(str(job.suite))}",
        f"SCRIPT={shlex.quote(str(job.file))}",
        f"PYTHON=({site.container + ' ' * bool(site.container)}{interpreter})",
        f"TRAIN=({shlex.join(train)})",
        f"ATTEMPTS={site.attempts}",
        f"RETRY_SECONDS={site.retry_seconds}",
        f"PER_JOB={site.games_per_job}",
        "RUNS=(",
        *("  " + shlex.quote(f"{game} {seed}") for game, seed in job.runs),
        ")",
        *([f"module load {site.modules}"] if site.modules else []),
        *([site.setup] if site.setup else []),
        "",
        (resources.files("repro.cluster") / "body.sh").read_text(),
    ]
    return "\n".join(lines)


@dataclass(frozen=True)
class Queued:
    """One element of an array in the queue, in squeue's words; there may be no reason."""

    state: str
    reason: str


Queue = Mapping[tuple[str, int], Queued]  # by script and array index


def queue(jobs: Collection[Job]) -> Queue | None:
    """What is queued or running of some jobs; ``None`` where there is no squeue.

    The script's path, rather than a job's number, still holds for a job that was left to go on.

    Raises:
        SlurmError: if squeue fails.
    """
    entries: dict[tuple[str, int], Queued] = {}
    for cluster in sorted({job.cluster for job in jobs}):
        names = sorted({job.name for job in jobs if job.cluster == cluster})
        command = ["squeue", "--noheader", "--all", "--array", "--name=" + ",".join(names)]
        command += [f"--clusters={cluster}"] if cluster else []
        try:
            said = _call([*command, "--format=%T|%K|%r|%o"], _BLINDING)
        except FileNotFoundError:
            return None
        # Scripts have whole paths; reason and path may have a "|" of their own.
        for match in re.finditer(r"^([^|\n]*)\|([0-9]+)\|(.*?)\|(/.*)$", said, re.MULTILINE):
            place = (match[4], int(match[2]))
            if place not in entries or entries[place].state == "PENDING":
                reason = "" if match[3] == "None" else disk.one_line(match[3])
                entries[place] = Queued(match[1], reason)
    return entries


def submit(file: Path) -> tuple[str, str]:
    """Give a script to sbatch and return the job's number and, if it is not this one, cluster.

    Raises:
        UnclearError: if it is not known whether sbatch took it.
        SlurmError: if there is no sbatch or it refuses.
    """
    try:
        said = _call(["sbatch", "--parsable", str(file)], _ESTRANGING)
    except FileNotFoundError:
        raise SlurmError(
            "there is no sbatch here; use --run on a login node of the cluster"
        ) from None
    answers = _ANSWER.findall(said) or _SENTENCE.findall(said)
    if not answers:
        raise UnclearError(f"sbatch answered without a job number: {said.strip()!r}")
    number, cluster = answers[-1]
    return number, cluster


def default_cluster() -> str:
    """Where sbatch sends a job if the user's environment names another cluster than this."""
    return os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS", "")


def _call(command: Sequence[str], unset: re.Pattern[str]) -> str:
    """Run a command without some environment variables; returns what it prints."""
    environment = {name: value for name, value in os.environ.items() if not unset.fullmatch(name)}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_QUERY_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise UnclearError(f"{command[0]} gave no answer in {_QUERY_SECONDS} seconds") from None
    out, err = os.fsdecode(done.stdout), os.fsdecode(done.stderr)  # paths as they are named here
    if done.returncode:
        said = disk.one_line((err.strip() or out.strip() or "no reason given").split("\n")[-1])
        unclear = done.returncode < 0 or _NO_ANSWER.search(said)
        raise (UnclearError if unclear else SlurmError)(f"{command[0]} failed: {said}")
    return out
