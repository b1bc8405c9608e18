"""docs/reading.md: the files exist, and each worked change does what it says."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.repro.small import flags

ROOT = Path(__file__).parents[1]
READING = (ROOT / "docs" / "reading.md").read_text()
FIELD, WRAPPER, AGGREGATE, VARIANT = re.findall(r"```diff\n(.*?)```", READING, re.DOTALL)


def changed(folder, diff):
    """A copy of the program with a change made."""
    for package in ("repro", "wrappers", "paper_tables"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc"))
    subprocess.run(
        ["git", "apply"], cwd=folder, input=diff, text=True, check=True,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)},
    )  # fmt: skip
    return folder


def repro(program, *words):
    done = subprocess.run(
        [sys.executable, "-m", "repro.cli", *map(str, words)],
        cwd=program, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(program), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(program, suite, *more):
    small = flags(network="linear", frames=2_000, eval_every_steps=0, final_episodes=1)
    repro(program, "train", "breakout", *small, "--quiet", "--out", suite, *more)
    return load_file(suite / "breakout" / "seed-0" / "last.safetensors")


def test_the_files_are_there():
    named = re.findall(r"\]\(\.\./([\w/]+\.py)\)", READING)
    assert len(named) >= 6
    assert all((ROOT / name).is_file() for name in named)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("diff", "flag"),
    [
        (FIELD, ["--goal-bound", "0.01"]),
        (WRAPPER, ["--reward-bound", "0.25"]),
        (VARIANT, ["--action-gap", "0.9"]),
    ],
    ids=["field", "wrapper", "variant"],
)
def test_a_change_is_a_setting_and_off_it_changes_nothing(diff, flag, tmp_path):
    program = changed(tmp_path / "program", diff)
    assert flag[0].strip("-").replace("-", "_") in repro(program, "protocol")
    before = weights(ROOT, tmp_path / "before")
    off = weights(program, tmp_path / "off")
    on = weights(program, tmp_path / "on", *flag)
    assert all((before[name] == off[name]).all() for name in before)
    assert any((before[name] != on[name]).any() for name in before)


@pytest.mark.slow
def test_the_aggregate_is_tabulated(tmp_path):
    program = changed(tmp_path / "program", AGGREGATE)
    two_games = ROOT / "results" / "published" / "nature-emulator"
    repro(program, "tables", two_games, "--out", tmp_path / "tables")
    with (tmp_path / "tables" / "aggregates.csv").open(newline="") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    # Of the two games that were run, both are above random play.
    assert float(rows["share_0"]["ours"]) == 1.0
