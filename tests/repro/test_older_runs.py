"""A field that is invented after a run was made: the run goes on, and is shown beside new ones."""

import ast
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.repro.small import flags

ROOT = Path(__file__).parents[2]
FIELD = """
    invented: int = setting(
        7, unit="", source="ours", row=None, doc="what nobody had thought of", before={before}
    )
"""
OWNERS = {
    "protocol": ("wrappers/protocol.py", "Protocol"),
    "agent": ("repro/config/agent.py", "AgentConfig"),
    "training": ("repro/config/settings.py", "TrainingConfig"),
}


@pytest.fixture
def program(tmp_path):
    """A copy of the program, as a folder to be changed."""
    place = tmp_path / "program"
    for package in ("repro", "wrappers", "paper_tables"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("*.pyc"))
    return place


def invent(program, part, before):
    """Add a field after the last one of its class."""
    name, owner = OWNERS[part]
    text = (program / name).read_text()
    (found,) = (one for one in ast.parse(text).body if getattr(one, "name", "") == owner)
    last = max(one.end_lineno for one in found.body if isinstance(one, ast.AnnAssign))
    lines = text.split("\n")
    (program / name).write_text(
        "\n".join([*lines[:last], FIELD.format(before=before), *lines[last:]])
    )


def repro(program, *words):
    return subprocess.run(
        [sys.executable, "-m", "repro.cli", *map(str, words)],
        cwd=program, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(program), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def train(program, suite, seed, *more):
    words = ["train", "breakout", *flags(network="linear", frames=1_200), "--quiet"]
    return repro(program, *words, "--seed", seed, "--out", suite, *more)


def finish(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("part", OWNERS)
def test_an_older_run_is_ours_and_is_shown_beside_a_new_one(program, tmp_path, part):
    suite = tmp_path / "suite"
    finish(train(program, suite, 0))
    stopped = suite / "breakout" / "seed-1"
    shutil.copytree(suite / "breakout" / "seed-0", tmp_path / "finished")
    cut = subprocess.Popen(
        [sys.executable, "-m", "repro.cli", "train", "breakout", "--seed", "1", "--quiet",
         *flags(network="linear", frames=1_200), "--out", str(suite)],
        cwd=program, env=os.environ | {"PYTHONPATH": str(program)}, stderr=subprocess.PIPE,
    )  # fmt: skip
    while cut.poll() is None and not list(stopped.glob("checkpoint/step-*")):
        time.sleep(0.01)
    cut.terminate()
    cut.communicate()
    assert not (stopped / "done.json").exists()

    invent(program, part, before=7)
    assert "invented" in finish(repro(program, "protocol"))
    assert "finished" in finish(train(program, suite, 0))  # at once: it is the same run
    finish(train(program, suite, 1))  # goes on
    finish(train(program, suite, 2))
    assert json.loads((suite / "breakout/seed-2/config.json").read_text())["config"][part][
        "invented"
    ] == 7  # fmt: skip
    assert (suite / "breakout/seed-0/done.json").read_bytes() == (
        tmp_path / "finished" / "done.json"
    ).read_bytes()
    shown = finish(repro(program, "tables", suite, "--out", tmp_path / "tables"))
    assert "invented" not in shown
    assert "breakout" in finish(repro(program, "status", suite)).lower()
    finish(repro(program, "report", suite, "--out", tmp_path / "report.html"))
    with (tmp_path / "tables" / "table2.csv").open(newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if row["game"] == "breakout")
    assert row["seeds"] == "3"

    other = train(program, suite, 0, "--invented", 8)
    assert other.returncode == 2
    assert f"config.{part}.invented is 7 there, 8 here" in other.stderr
