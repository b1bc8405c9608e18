"""A suite on a cluster, on paper: do all runs end, what is lost, what must the file system bear?

The elements of the array are those of `repro submit`; the cluster is simulated: so many jobs at a
time, a time limit, preemptions at random moments (a Poisson process), a wait before a job that
was preempted or ran into its limit starts again. docs/cluster.md shows the output; a test holds
the two together.
"""

import heapq
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from repro import config, games
from repro.cluster import slurm, submit
from repro.config.flags import OneLineParser, count, natural
from repro.storage import segments
from repro.system import machine, terminal

DAY_SECONDS = 86_400
START_SECONDS = 30  # libraries, emulator, reading a checkpoint
QUEUE_SECONDS = 600  # before a job that was sent back starts again, if there is room
# Of a run: 8 files and .lock, a log and a list of its starts; folders of its own: 2. With each
# start a file for TensorBoard. A log per job.
INODES_PER_RUN = 13
CHECKPOINTS = 3  # two, and one being written
INODES_PER_CHECKPOINT = 5
SEGMENT_COPIES = 2  # of every segment of the replay, in a folder each


@dataclass(frozen=True)
class Cluster:
    """What is assumed of cluster and code.

    ``warned`` is whether a preemption gives time for a checkpoint (SIGTERM, then a grace of
    more than its seconds); a time limit always does, by USR1.
    """

    jobs: int
    frames_per_second: float
    checkpoint_frames: int
    preemptions_per_day: float
    warned: bool
    save_seconds: float = 5.0
    limit_seconds: int = DAY_SECONDS
    signal_seconds: int = 300


@dataclass(frozen=True)
class Outcome:
    """What came of it, over all elements.

    ``lost_share`` is work done twice / work needed; ``overhead_share`` is the time of starting
    and saving likewise; ``begun`` is how many were begun and unfinished at once, at most.
    """

    finished: int
    days: float
    starts: int
    preemptions: int
    lost_share: float
    overhead_share: float
    begun: int


def simulate(cluster: Cluster, elements: int, work_frames: int, seed: int) -> Outcome:
    """Send the elements of an array through the cluster until none is left.

    Args:
        cluster: what is assumed.
        elements: of the array, each of ``work_frames``: training, and evaluation in frames.
        work_frames: per run.
        seed: of the preemptions.
    """
    generator = np.random.default_rng(seed)
    needed = work_frames / cluster.frames_per_second
    interval = cluster.checkpoint_frames / cluster.frames_per_second
    saved = np.zeros(elements)
    lost = overhead = end = 0.0
    starts = preemptions = 0
    first = np.full(elements, np.inf)
    last = np.full(elements, np.inf)
    free = [0.0] * cluster.jobs  # when each place of the cluster is free
    waiting = [(0.0, element) for element in range(elements)]
    while waiting:
        ready, element = heapq.heappop(waiting)
        begin = max(ready, heapq.heappop(free))
        starts += 1
        first[element] = min(first[element], begin)
        spell = DAY_SECONDS / cluster.preemptions_per_day if cluster.preemptions_per_day else np.inf
        preempted = generator.exponential(spell)
        stopped = cluster.limit_seconds - cluster.signal_seconds
        work, spent = _work(min(preempted, stopped), needed - saved[element], cluster)
        if saved[element] + work >= needed:
            last[element] = begin + spent
        else:
            if preempted < stopped and not cluster.warned:
                kept = work - work % interval
                lost += work - kept
                work = kept
            preemptions += preempted < stopped
            saved[element] += work
            heapq.heappush(waiting, (begin + spent + QUEUE_SECONDS, element))
        overhead += spent - work
        heapq.heappush(free, begin + spent)
        end = max(end, begin + spent)
    total = elements * needed
    return Outcome(
        int(np.isfinite(last).sum()), end / DAY_SECONDS, starts, preemptions, lost / total,
        (overhead - lost) / total, max(int(((first <= at) & (at < last)).sum()) for at in first),
    )  # fmt: skip


def _work(seconds: float, needed: float, cluster: Cluster) -> tuple[float, float]:
    """Work done within a job of so many seconds, and how long the job lasts."""
    interval = cluster.checkpoint_frames / cluster.frames_per_second
    rate = interval / (interval + cluster.save_seconds)
    last = START_SECONDS + needed / rate
    if last <= seconds:
        return needed, last
    return max(seconds - START_SECONDS, 0.0) * rate, seconds


def scenarios(base: Cluster) -> Iterator[tuple[str, Cluster]]:
    """The base, and what changes with one thing of it at a time."""
    yield "no preemption", replace(base, preemptions_per_day=0.0)
    yield "one a day, with warning", replace(base, warned=True)
    yield "one a day, without", base
    for part in (2, 4):
        frames = base.checkpoint_frames // part
        yield (
            f"without, a checkpoint every {frames:,} frames",
            replace(base, checkpoint_frames=frames),
        )
    yield "without, at twice the speed", replace(base, frames_per_second=2 * base.frames_per_second)
    yield "four a day, without", replace(base, preemptions_per_day=4.0)


def report(base: Cluster, seeds: int, games_per_job: int, seed: int) -> Iterator[str]:
    """The account, line by line, in Markdown."""
    chosen = config.preset("nature")
    training = chosen.training
    runs = [(game, number) for number in range(seeds) for game in games.GAMES]
    elements = len(slurm.elements(runs, games_per_job))
    steps = chosen.steps + training.eval_steps * (chosen.steps // training.eval_every_steps)
    work_frames = steps * chosen.frames_per_step
    yield (
        f"{len(runs)} runs ({len(games.GAMES)} games, {seeds} seeds) in {elements} jobs, "
        f"{base.jobs} at a time, limit {base.limit_seconds / 3600:g} h, "
        f"{base.frames_per_second:,.0f} frames a second, a checkpoint every "
        f"{base.checkpoint_frames:,} frames. A run is {training.frames:,} frames of training and "
        f"{work_frames - training.frames:,} of evaluation: "
        f"{work_frames / base.frames_per_second / DAY_SECONDS:.1f} days."
    )
    yield ""
    yield "| preemptions | finished | days | starts | preempted | work lost | starts and saves |"
    yield "| --- | --: | --: | --: | --: | --: | --: |"
    outcomes = []
    for name, cluster in scenarios(base):
        one = simulate(cluster, elements, work_frames, seed)
        outcomes.append(one)
        yield (
            f"| {name} | {one.finished} of {elements} | {one.days:.0f} | {one.starts:,} | "
            f"{one.preemptions:,} | {one.lost_share:.2%} | {one.overhead_share:.2%} |"
        )
    yield ""
    yield from _storage(base, chosen, outcomes[2], len(runs), games_per_job)


def _storage(
    base: Cluster, chosen: config.Config, one: Outcome, runs: int, games_per_job: int
) -> Iterator[str]:
    """What the file system must bear in the base scenario."""
    interval_steps = base.checkpoint_frames // chosen.frames_per_step
    spans_steps = chosen.agent.replay_steps + (CHECKPOINTS - 1) * interval_steps
    shared = SEGMENT_COPIES * (spans_steps // segments.STEPS + 1)
    checkpoint = shared + CHECKPOINTS * INODES_PER_CHECKPOINT + 1
    begun = min(one.begun * games_per_job, runs)
    size = machine.checkpoints_bytes(submit.replay_bytes(chosen))
    small = runs * INODES_PER_RUN + one.starts * games_per_job + runs // games_per_job
    yield (
        f"At most {begun} runs are begun and unfinished at once. Each keeps up to "
        f"{machine.gigabytes(size)} and {checkpoint:,} files and folders of checkpoints: "
        f"{machine.gigabytes(begun * size)} and {begun * checkpoint:,}. The rest of all runs is "
        f"{small:,} files and folders; of a finished run no checkpoint stays."
    )


def main() -> int:
    """Parse, simulate, print."""
    parser = OneLineParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=count, default=5, help="seeds per game [default 5]")
    parser.add_argument("--jobs", type=count, default=50, help="jobs at a time [default 50]")
    parser.add_argument("--games-per-job", type=count, default=1, help="[default 1]")
    parser.add_argument(
        "--frames-per-second", type=count, default=1_000,
        help="of one run, evaluations included [default 1,000]",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint-every-steps", type=count,
        default=config.preset("nature").training.checkpoint_every_steps,
        help="steps between checkpoints [default that of preset nature]",
    )  # fmt: skip
    parser.add_argument("--preemptions-per-day", type=count, default=1, help="per job [default 1]")
    parser.add_argument("--save-seconds", type=natural, default=5, help="[default 5]")
    parser.add_argument("--seed", type=natural, default=0, help="of the preemptions [default 0]")
    options = parser.parse_args()
    base = Cluster(
        options.jobs,
        options.frames_per_second,
        options.checkpoint_every_steps * config.preset("nature").frames_per_step,
        options.preemptions_per_day,
        warned=False,
        save_seconds=options.save_seconds,
    )
    for line in report(base, options.seeds, options.games_per_job, options.seed):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(terminal.script(main))
