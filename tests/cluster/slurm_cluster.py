"""A running SLURM as a person talks to it; tiny trainings."""

import csv
import json
import subprocess
import sys
import time

# A training with everything in it, long enough to be caught on its way by a slow `squeue`.
TINY = {
    "frames": 6_000, "hidden_units": 32, "replay_steps": 400, "learning_starts_steps": 60,
    "target_every_steps": 90, "epsilon_hold_steps": 60, "epsilon_decay_steps": 300,
    "eval_every_steps": 150, "eval_steps": 50, "final_episodes": 2, "heldout_states": 20,
    "log_every_steps": 30, "checkpoint_every_steps": 90, "eval_cap_frames": 300,
}  # fmt: skip


def tiny(**changes):
    return [
        word
        for name, value in (TINY | changes).items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]


class Cluster:
    """The running cluster: its commands, `repro`, and patience."""

    def __init__(self, folder, environment, user):
        self.folder = folder
        self.environment = environment
        self.user = user

    def call(self, *words, check=True, **variables):
        """Run a command, with some more environment variables."""
        done = subprocess.run(
            [*self.user, *map(str, words)],
            env=self.environment | variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    def repro(self, *words, check=True, **variables):
        return self.call(sys.executable, "-m", "repro.cli", *words, check=check, **variables)

    def submit(self, suite, *words, **changes):
        """Submit tiny trainings; returns the job's number."""
        done = self.repro(
            "submit", "--time", 5, "--signal-seconds", 60, "--retry-seconds", 1, *words,
            *tiny(**changes), "--out", suite, "--run",
        )  # fmt: skip
        return done.stdout.split("as job ")[1].split(";")[0]

    def status(self, suite):
        """What `repro status` says, by game and seed."""
        found = json.loads(self.repro("status", suite, "--json").stdout)
        return {(one["game"], one["seed"]): one for one in found}

    def wait(self, condition, seconds=120):
        """Wait until a condition holds and return what it gave."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.2)
        raise AssertionError(f"not in {seconds} s; {self.call('squeue', '-a').stdout}")

    def wait_done(self, *runs, seconds=120):
        self.wait(lambda: all((run / "done.json").exists() for run in runs), seconds)

    def wait_end(self, *runs, seconds=120):
        """Wait until the runs are finished and their jobs are gone."""
        self.wait_done(*runs, seconds=seconds)
        self.wait_empty()

    def wait_step(self, run, step):
        """Wait until a training has come this far."""
        self.wait(lambda: any(int(row["step"]) >= step for row in rows(run / "learning.csv")))

    def queue(self, form="%i %T"):
        return self.call("squeue", "--noheader", "--array", f"--format={form}").stdout.split("\n")

    def wait_empty(self):
        self.wait(lambda: self.queue() == [""])


def rows(path):
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
