"""Trainings that are killed at chosen operations on files end as if nothing had happened.

Not at moments that a clock decides: before, within and after each kind of operation, over the
whole run and whatever goes on. `killed_at.py` says how one is repeated by hand.
"""

import json
import os
import random
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from repro import records
from tests.repro import killed_at
from tests.repro.small import KEPT, assert_same_run, files

# Vectors rather than screens, for speed; whole segments of 2,000 transitions, of which the first
# is dropped, four evaluations, 15 checkpoints.
SETTINGS = {
    "frames": 6_000, "replay_steps": 2_900, "learning_starts_steps": 200, "minibatch": 8,
    "hidden_units": 16, "epsilon_decay_steps": 3_000, "target_every_steps": 500,
    "eval_every_steps": 1_500, "eval_steps": 150, "final_episodes": 3, "heldout_states": 20,
    "log_every_steps": 200, "checkpoint_every_steps": 400,
}  # fmt: skip
GAME, ROOT = "CartPole-v1", Path(__file__).parents[2]
RUNS, KILLS = 16, 5  # so many runs, each of which is killed so often
FAR = 1.15  # kills throw a run back
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is of"
)


def words(suite):
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    fixed = ["--preset", "cartpole", "--threads", "1", "--quiet", "--out", str(suite)]
    fixed.append("--no-keep-checkpoint")
    return ["train", GAME, *fixed, *flags]


def use(*command):
    """Run a module of Python; what it printed."""
    command = [sys.executable, "-m", *map(str, command)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr) == (0, ""), shlex.join(command) + "\n" + done.stderr
    return done.stdout


def killed(suite, points):
    """A training that is killed at each of the points in turn, and then ends; the reports."""
    said = use("tests.repro.killed_at", suite, *points, "--", *words(suite))
    return [json.loads(line) for line in said.splitlines()]


def pairs_of(reports):
    """Kind and moment of each operation at which a process was killed."""
    points = (report["point"].split(":") for run in reports for report in run if report["killed"])
    return [(kind, moment) for kind, _, moment in points]


def draw(counts):
    """The points of each run: all kinds and moments alike, spread evenly over the run."""
    generator = random.Random(0)
    moments = killed_at.MOMENTS * (RUNS * KILLS // len(killed_at.MOMENTS))
    generator.shuffle(moments)
    for _ in range(RUNS):
        places = sorted(FAR * generator.random() for _ in range(KILLS))
        points = []
        for before, place in zip([0, *places], places, strict=False):
            kind, moment = moments.pop()
            points.append(f"{kind}:{1 + int((place - before) * counts[kind])}:{moment}")
        yield points


@pytest.mark.slow
def test_trainings_killed_at_any_operation_on_files_are_the_same_training(tmp_path):
    assert "finished after 6,000 frames" in use("repro.cli", *words(tmp_path / "whole"))
    whole = records.run_path(tmp_path / "whole", GAME, 0)
    (undisturbed,) = killed(tmp_path / "counted", [])
    assert_same_run(records.run_path(tmp_path / "counted", GAME, 0), whole)
    assert set(undisturbed["counts"]) == set(killed_at.KINDS)

    drawn = list(draw(undisturbed["counts"]))
    suites = [tmp_path / f"killed-{number}" for number in range(RUNS)]
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(killed, suites, drawn))
    for suite, points in zip(suites, drawn, strict=True):
        path = records.run_path(suite, GAME, 0)
        print(
            "python -m tests.repro.killed_at",
            shlex.join([str(suite), *points, "--", *words(suite)]),
        )  # shown if what follows fails
        assert_same_run(path, whole)
        assert files(path) == KEPT
        assert not list(path.rglob("*.tmp"))
        assert not (path / "checkpoint").exists()
    assert len(pairs_of(reports)) >= 60

    # Some points lie beyond what was left of their run, and nothing comes after an operation that
    # failed, as it does to make a folder that is there: the first that can be reached, then.
    for kind, moment in sorted(set(killed_at.MOMENTS) - set(pairs_of(reports))):
        for number in range(1, undisturbed["counts"][kind] + 1):
            suite = tmp_path / f"{kind}-{number}-{moment}"
            reports.append(killed(suite, [f"{kind}:{number}:{moment}"]))
            assert_same_run(records.run_path(suite, GAME, 0), whole)
            if pairs_of(reports[-1:]):
                break
    assert set(pairs_of(reports)) == set(killed_at.MOMENTS)
