"""Inside a cluster job: watches one training, tries again after a failure, gives up in the end.

``python -m repro.job SUITE GAME SEED [flags of repro train]`` is what the batch script calls.
What happened to a run is kept in SUITE/jobs/runs/<game>-seed-<n>.csv, its output beside it in a
.log; the reason for giving up is RUN/failure.json.
"""

import csv
import datetime
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from repro import records, tables
from repro.cluster import evidence
from repro.config import flags
from repro.storage import done, logs
from repro.storage.run import Run
from repro.system import disk

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
BUSY_SECONDS = 900.0  # a lost machine's lock is believed for some minutes; a requeue may be faster
_SAVED = {128 + number for number in SIGNALS} | {-number for number in SIGNALS}


class Watcher:
    """Runs a training command until it is done, interrupted, or has failed too often.

    Args:
        run: which training.
        suite: folder of the runs.
        attempts: failures in a row, without progress, after which it is given up.
        retry_seconds: pause between a failure and the next attempt.
    """

    def __init__(self, run: Run, suite: Path, attempts: int, retry_seconds: int) -> None:
        self._run, self._suite = run, suite
        self._folder = records.run_path(suite, run.game, run.seed)
        self._attempts, self._retry_seconds = attempts, retry_seconds
        self._log = logs.log_file(suite, run.game, run.seed)
        self._table = evidence.events_file(suite, run.game, run.seed)
        self._process: subprocess.Popen[bytes] | None = None
        self._signal: int | None = None
        self._woken = threading.Event()
        self._patience = time.monotonic() + BUSY_SECONDS
        self._failures = 0

    def receive(self, number: int, _: FrameType | None) -> None:
        """Take a signal: hand it to the training, which saves itself."""
        self._signal = number
        self._woken.set()
        if self._process is not None:
            self._process.send_signal(number)

    def watch(self, command: Sequence[str]) -> int:
        """Run the command as often as needed.

        Returns:
            0 once the run is finished, 1 if it was given up, 128 + the signal if it was
            interrupted.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        while not (self._folder / "done.json").exists():
            if self._signal is not None:
                return 128 + self._signal
            start = self._log.stat().st_size if self._log.exists() else 0
            self._note("started")
            code = self._once(command)
            said = logs.last_line(self._log, start)
            if code == 0:
                self._note("done", code)
                return 0
            if self._signal is not None or code in _SAVED:
                self._note("interrupted", code, said)
                return 128 + (self._signal or abs(code) % 128)
            if code == os.EX_TEMPFAIL:  # another process holds the run: no reason to give it up
                self._note("busy", code, said)
                if time.monotonic() >= self._patience:
                    return 1
            elif self._is_too_much(code, said):
                return 1
            self._woken.wait(self._retry_seconds)
        return 0

    def _once(self, command: Sequence[str]) -> int:
        with disk.open_to_append(self._log) as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            if self._signal is not None:  # it came before there was anyone to hand it to
                self._process.send_signal(self._signal)
            return self._process.wait()

    def _is_too_much(self, code: int, said: str) -> bool:
        """Note a failure; whether it was the last, after which the run is given up."""
        self._note("failed", code, said)
        self._failures += 1  # also if the disk is too full to list them
        failures = evidence.failures_in_a_row(self._seen().events) or self._failures
        if failures < self._attempts:
            return False
        given_up = self._note("given up", code, said)
        try:
            if not self._is_anothers():
                self._folder.mkdir(parents=True, exist_ok=True)
                reason = given_up | {"failures": failures, "log": str(self._log)}
                records.write_json(self._folder / "failure.json", reason)
        except OSError as error:
            print(f"repro.job: {self._folder} given up after: {said} ({error})", file=sys.stderr)
        return True

    def _note(self, event: str, code: int | None = None, said: str = "") -> dict[str, Any]:
        """List what happened, and return what is listed."""
        array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        row = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "event": event,
            "job": f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", ""),
            "node": os.environ.get("SLURMD_NODENAME") or os.uname().nodename,
            "exit_code": code,
            "step": self._seen().step,
            "last_line": said,
        }
        try:
            with io.TextIOWrapper(disk.open_to_append(self._table), "utf-8", newline="") as file:
                writer = csv.DictWriter(file, tables.EVENTS, lineterminator="\n")
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:  # a full disk must not end the watcher too
            print(f"repro.job: {self._table}: {event} not noted: {error}", file=sys.stderr)
        return row

    def _seen(self) -> evidence.Evidence:
        return evidence.read(self._suite, self._run.game, self._run.seed)

    def _is_anothers(self) -> bool:
        """Whether there is something else than this run, into which nothing may be written.

        Of a damaged config.json it is not known; the run is given up for the damage then.
        """
        try:
            self._run.directory(self._folder).begun()
        except records.RunDirectoryError:
            return not any(done.changes(self._folder, [done.CONFIG]))
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and watch; the training gets every flag that is not known here."""
    parser = flags.OneLineParser(
        prog="repro.job", description=__doc__, allow_abbrev=False, strict=False
    )
    parser.add_argument("suite", type=Path, metavar="SUITE")
    parser.add_argument("game", metavar="GAME")
    parser.add_argument("seed", type=flags.natural, metavar="SEED")
    parser.add_argument("--attempts", type=flags.count, default=3, metavar="N")
    parser.add_argument("--retry-seconds", type=flags.natural, default=60, metavar="N")
    options, train = parser.parse_known_args(arguments)
    try:
        run = _run(options.game, options.seed, train)
    except ValueError as error:  # of the configuration; the training would refuse it, too
        parser.error(str(error))
    watcher = Watcher(run, options.suite, options.attempts, options.retry_seconds)
    for number in SIGNALS:
        signal.signal(number, watcher.receive)
    place = ["--seed", str(options.seed), "--out", str(options.suite)]
    return watcher.watch([sys.executable, "-m", "repro.cli", "train", options.game, *place, *train])


def _run(game: str, seed: int, train: Sequence[str]) -> Run:
    """Which run `repro train` makes with these flags; those that make no difference are free."""
    parser = flags.OneLineParser(prog="repro.job", strict=False)
    flags.add_preset(parser)
    default = flags.chosen_preset(train)
    flags.add_settings(parser, default)
    options, _ = parser.parse_known_args(train)
    return Run(game, seed, options.preset, flags.read_settings(options, default))
