"""`repro submit --estimate`: what the jobs will take, on paper, before anything is sent."""

import argparse
import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro import places, records
from repro.cluster.site import Site
from repro.cluster.slurm import Element, Job
from repro.cluster.survey import RunStatus
from repro.config import Config, ConfigError
from repro.config.flags import count
from repro.system import machine
from repro.system.disk import one_line

MEASUREMENT = "benchmark.json"  # of repro benchmark
FINISHED_BYTES = machine.FINISHED_BYTES


@dataclass(frozen=True)
class Speed:
    """Emulator frames per second of one run, and who says so."""

    frames_per_second: float
    source: str


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what tells how fast a run is."""
    group = parser.add_argument_group("estimate")
    group.add_argument(
        "--frames-per-second", type=count, metavar="N",
        help="of one run in its job [default what begun runs of the suite measured, else the file]",
    )  # fmt: skip
    group.add_argument(
        "--measurement",
        type=Path,
        metavar="FILE",
        help="of `repro benchmark --json FILE`, on such a machine "
        f"[default {places.own(MEASUREMENT)}]",
    )


def speed(options: argparse.Namespace, begun: Collection[RunStatus]) -> Speed:
    """How fast a run is: as a flag says, a file that is named, runs of the suite, or our own file.

    Raises:
        ConfigError: if nobody knows, or the file holds no such measurement.
        RunDirectoryError: if it cannot be read.
    """
    if options.frames_per_second:
        return Speed(options.frames_per_second, "as given")
    speeds = [run.frames_per_second for run in begun if run.frames_per_second]
    if speeds and not options.measurement:
        return Speed(statistics.median(speeds), f"median of {len(speeds)} runs of this suite")
    file = options.measurement or places.own(MEASUREMENT)
    if not options.measurement and not file.exists():
        raise ConfigError(
            f"how fast a run is here is not known: there is no {file}; name a --measurement of "
            "`repro benchmark`, or --frames-per-second"
        )
    found = records.read_json(file)
    try:
        (rate,) = (one["median"] for one in found["measurements"] if one["name"] == "training")
        where = found["provenance"]
        source = f"{file}, {where['processor']}, {where['cores']} cores, {where['time'][:10]}"
        if not 0 < rate < math.inf:
            raise ValueError(rate)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{file} holds no measurement of `training`; `repro benchmark --json FILE` makes one"
        ) from error
    return Speed(rate, one_line(source))


def report(
    jobs: Sequence[Job], begun: Mapping[tuple[str, int], RunStatus], where: Site, chosen: Config,
    fast: Speed, gpus: int, replay_bytes: int,
) -> Iterator[str]:  # fmt: skip
    """The account, line by line. A start, a wait in the queue and a lost job are not in it.

    Args:
        jobs: that would be sent.
        begun: runs that need only the rest of their frames.
        where: what the cluster is told.
        chosen: configuration of every run.
        fast: how fast one run is, evaluations included.
        gpus: of a job.
        replay_bytes: memory of a run's replay.
    """
    training = chosen.training
    evaluations = chosen.steps // training.eval_every_steps if training.eval_every_steps else 0
    scored_frames = evaluations * training.eval_steps * chosen.frames_per_step
    whole_hours = (training.frames + scored_frames) / fast.frames_per_second / 3600

    def hours(element: Element) -> float:
        """Of a job: as long as the longest of its runs."""
        done = [begun[run].frames / training.frames if run in begun else 0.0 for run in element]
        return whole_hours * (1 - min(1.0, min(done)))

    elements = [element for job in jobs for element in job.elements]
    runs = sum(map(len, elements))
    spans = [hours(element) for element in elements]
    total = sum(spans)
    limit = (where.time_seconds - where.signal_seconds) / 3600
    at_a_time = min((where.throttle or len(elements)) * len(jobs), len(elements))
    days = max(max(spans), total / at_a_time) / 24
    # A run that comes back waits behind the others: all are begun before the first is finished.
    unfinished = runs if max(spans) > limit else min(runs, at_a_time * where.games_per_job)
    checkpoints = unfinished * machine.checkpoints_bytes(replay_bytes)
    cores = where.cpus or where.games_per_job
    yield f"runs        {runs:,}, in {len(elements):,} jobs, {at_a_time:,} at a time at most"
    yield f"speed       {fast.frames_per_second:,.0f} frames a second and run ({fast.source})"
    yield (
        f"a run       {training.frames:,} frames of training and {scored_frames:,} of evaluation: "
        f"{whole_hours:,.1f} hours, {math.ceil(whole_hours / limit):,} spells of {where.time}"
    )
    yield f"hours       {total:,.1f} of jobs, {total * cores:,.1f} of processor cores"
    yield f"GPU-hours   {total * gpus:,.1f}" + ("" if gpus else ": no job asks for a GPU")
    yield f"days        {days:,.1f} from the first start, if none waits"
    yield (
        f"disk        {machine.gigabytes(checkpoints)} for checkpoints of {unfinished} unfinished "
        f"runs, {machine.gigabytes(runs * FINISHED_BYTES)} for good; "
        f"{machine.gigabytes(machine.free_disk_bytes(jobs[0].suite))} is free"
    )
