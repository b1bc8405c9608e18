"""A training small enough for tests, in this process or in one of its own."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

from repro import cli, config, records
from repro.storage.run import Run
from repro.system import signals
from repro.training import command

# Small, but with everything in it: the ring wraps, the target is renewed, four evaluations,
# drawn transitions in use when a checkpoint is made.
AGENT = {
    "hidden_units": 32, "replay_steps": 400, "learning_starts_steps": 60,
    "target_every_steps": 90, "epsilon_hold_steps": 60, "epsilon_decay_steps": 300,
}  # fmt: skip
TRAINING = {
    "frames": 2_400, "eval_every_steps": 150, "eval_steps": 50, "final_episodes": 2,
    "heldout_states": 20, "log_every_steps": 30, "checkpoint_every_steps": 90,
    "keep_checkpoint": False,
}  # fmt: skip
PROTOCOL = {"eval_cap_frames": 300}
STEPS = 600
EVALUATED = [150, 300, 450, 600]
KEPT = {
    "config.json", "provenance.json", "train_episodes.csv", "evaluations.csv", "learning.csv",
    "best.safetensors", "last.safetensors", "done.json", "games.zst",
}  # fmt: skip


def flags(**changes):
    values = PROTOCOL | AGENT | TRAINING | changes
    return [
        word
        for name, value in values.items()
        for word in (
            (f"--{'' if value else 'no-'}{name.replace('_', '-')}",)
            if isinstance(value, bool)
            else (f"--{name.replace('_', '-')}", str(value))
        )
    ]


def files(path):
    return {item.name for item in path.iterdir() if item.is_file()} - {".lock"}


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def without_speed(path):
    return [
        {name: value for name, value in row.items() if name != "frames_per_second"}
        for row in rows(path)
    ]


def score_of(path):
    """What done.json says, without the digests of files that hold the clock."""
    found = json.loads((path / "done.json").read_text())
    for name in ("learning.csv", "done.json"):
        assert len(found["sha256"].pop(name)) == 64
    return found


def assert_same_run(one, two):
    """Everything but the clock agrees, to the byte."""
    for name in (
        "config.json", "train_episodes.csv", "evaluations.csv", "last.safetensors",
        "best.safetensors", "games.zst",
    ):  # fmt: skip
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert score_of(one) == score_of(two)
    assert without_speed(one / "learning.csv") == without_speed(two / "learning.csv")


def use(capfd, *words):
    """Run the command in this process: exit code, standard output, standard error."""
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    out, err = capfd.readouterr()
    return code, out, err


def assert_one_line(err, *words):
    assert err.count("\n") == 1, err
    assert err.startswith("repro"), err
    assert "Traceback" not in err
    for word in words:
        assert word in err, err


def train_words(suite, **changes):
    return ["train", "breakout", *flags(**changes), "--threads", 1, "--quiet", "--out", suite]


def start(suite, *more, **changes):
    """The command in a process of its own."""
    words = [*train_words(suite, **changes), *more]
    return subprocess.Popen(
        [sys.executable, "-m", "repro.cli", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def wait_for_step(process, path, step, limit_seconds=120):
    """Wait until a process, just started, has written the row of a step to learning.csv."""
    table, began = path / "learning.csv", time.monotonic()
    # Rows that an earlier process left do not count: a resumed one replaces the file.
    before = table.stat().st_ino if table.exists() else None
    while time.monotonic() < began + limit_seconds:
        if table.exists() and table.stat().st_ino != before:
            found = records.read_rows(table)
            if found and int(found[-1]["step"]) >= step:
                return
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    raise AssertionError(f"step {step} was not reached in time")


def make_run(seed=1, preset="nature", game="breakout", **changes):
    chosen = config.preset(preset)
    values = PROTOCOL | AGENT | TRAINING | {"network": "linear"} | changes
    parts = {}
    for part in ("protocol", "agent", "training"):
        names = {item.name for item in dataclasses.fields(getattr(chosen, part))}
        mine = {name: value for name, value in values.items() if name in names}
        parts[part] = dataclasses.replace(getattr(chosen, part), **mine)
    return Run(game, seed, preset, dataclasses.replace(chosen, **parts))


class KilledError(BaseException):
    """As sudden as SIGKILL: nothing of ours catches it."""


class StopAt(signals.Stop):
    """Interrupts at the n-th time that the training listens."""

    def __init__(self, check, kill=False):
        super().__init__()
        self._left, self._kill = check, kill
        self.checks = 0

    def check(self, step):
        self.checks += 1
        self._left -= 1
        if self._left == 0:
            raise KilledError if self._kill else signals.Interrupted(signal.SIGTERM, step)


def go(run, suite, stop=None):
    """One call of the training; returns its directory and how it ended."""
    stop = stop or StopAt(-1)
    path = records.run_path(suite, run.game, run.seed)
    try:
        command.train(run, suite, "cpu", False, stop)
    except (signals.Interrupted, KilledError) as end:
        return path, type(end)
    return path, None
