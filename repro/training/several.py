"""Several trainings on this machine, each a process of its own, as `repro train` would be alone.

One that fails leaves the others alone; what each says is in SUITE/jobs/runs, one file a run.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from repro import config
from repro.config import flags
from repro.storage import logs
from repro.storage.run import Run
from repro.system import disk, machine, terminal
from repro.system.signals import Stop, listening

_LOOK_SECONDS = 1.0
_TOLD_SECONDS = 60.0  # between two reports in a log


@dataclass
class _Job:
    """One run and its suite: its process, once there is one."""

    run: Run
    suite: Path
    title: str
    process: subprocess.Popen[bytes] | None = None
    code: int | None = None

    @property
    def log(self) -> Path:
        """The file with what it says."""
        return logs.log_file(self.suite, self.run.game, self.run.seed)

    def said(self) -> str:
        """The last line."""
        own = f"{self.run.game} seed {self.run.seed}: "
        return disk.one_line(logs.last_line(self.log)).removeprefix(own)

    def state(self) -> str:
        if self.code is None:
            return "running" if self.process else "waiting"
        return "finished" if self.code == 0 else f"ended with {self.code}"


def train(
    runs: Sequence[tuple[Path, Run]], device: str, threads: int | str | None, jobs: int,
    progress: bool, more: Sequence[str] = (), budget_minutes: float | None = None,
) -> int:  # fmt: skip
    """Train several runs, ``jobs`` at a time.

    Args:
        runs: each with the folder of its suite.
        device: for each.
        threads: of each, or "auto" [default the cores, divided by the jobs].
        jobs: processes at once.
        progress: whether to show a table.
        more: further words for each command.
        budget_minutes: of wall-clock time, of all together; then they stop with a checkpoint.

    Returns:
        0 if all are finished, 128 + the signal if one interrupted them, else 1.
    """
    threads = threads or max(1, machine.cores() // jobs)
    suites = {suite for suite, _ in runs}
    made = []
    for suite, run in runs:
        prefix = f"{suite.name}: " if len(suites) > 1 else ""
        made.append(_Job(run, suite, f"{prefix}{run.game} seed {run.seed}"))
    for suite in suites:
        logs.log_file(suite, "", 0).parent.mkdir(parents=True, exist_ok=True)

    def one(job: _Job) -> None:
        if stop.signal is not None:
            return
        words = _words(job, device, threads)
        with disk.open_to_append(job.log) as log:
            job.process = subprocess.Popen([*words, *more], stdout=log, stderr=log)
            job.code = job.process.wait()

    with listening(budget_minutes) as stop, ThreadPoolExecutor(jobs) as pool:
        table = _Progress(made, progress)
        waiting = [pool.submit(one, job) for job in made]
        passed_on = False
        while not all(future.done() for future in waiting):
            table.show()
            stop.look()
            if stop.signal is not None and not passed_on:
                passed_on = True
                _pass_on(stop, made)
            time.sleep(_LOOK_SECONDS / 10 if passed_on else _LOOK_SECONDS)
        table.close()
        for future in waiting:
            future.result()
        stop.ending = stop.signal is not None
    return _account(made, stop)


def _words(job: _Job, device: str, threads: int | str) -> list[str]:
    run = job.run
    return [
        sys.executable, "-m", "repro.cli", "train", run.game, "--seed", str(run.seed),
        "--preset", run.preset, *flags.write_settings(config.preset(run.preset), run.config),
        "--out", str(job.suite), "--device", device, "--threads", str(threads),
    ]  # fmt: skip


def _pass_on(stop: Stop, jobs: Sequence[_Job]) -> None:
    """Hand a signal to those that run: each writes its checkpoint."""
    for job in jobs:
        if job.process is not None and job.code is None and stop.signal is not None:
            job.process.send_signal(stop.signal)


def _account(jobs: Sequence[_Job], stop: Stop) -> int:
    failed = [job for job in jobs if job.code != 0]
    if stop.signal is not None:
        print(
            f"repro: {len(failed)} of {len(jobs)} runs stopped or not begun; the same command "
            "goes on from there",
            file=sys.stderr,
        )
        return 128 + stop.signal
    for job in jobs:
        if job.code == 0:
            print(job.said())
    for job in failed:
        print(f"repro: {job.title} {job.state()}: {job.said()} ({job.log})", file=sys.stderr)
    return 1 if failed else 0


class _Progress:
    """One table on a terminal; in a log a line a minute for each run."""

    def __init__(self, jobs: Sequence[_Job], shown: bool) -> None:
        self._jobs, self._shown, self._told = jobs, shown, time.monotonic()
        self._console = Console(file=terminal.raw(sys.stderr))
        self._live = Live(console=self._console, auto_refresh=False)
        if shown and self._console.is_terminal:
            self._live.start()

    def show(self) -> None:
        if not self._shown:
            return
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)
        elif time.monotonic() - self._told > _TOLD_SECONDS:
            self._told = time.monotonic()
            for job in self._jobs:
                if job.state() == "running":
                    print(f"{job.title}: {job.said()}", file=sys.stderr, flush=True)

    def _table(self) -> Table:
        table = Table(box=None)
        for name in ("run", "state", "last said"):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        for job in self._jobs:
            table.add_row(job.title, job.state(), job.said())
        return table

    def close(self) -> None:
        if self._live.is_started:
            self._live.update(self._table(), refresh=True)
            self._live.stop()
