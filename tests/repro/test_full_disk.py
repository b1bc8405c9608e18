"""Every command that writes, where files cannot grow: one line that names the file, nothing left.

A bound on the size of files is met as a full disk is, and needs no disk of its own.
"""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from repro import records
from repro.system import disk
from repro.tables import EVALUATIONS
from tests.repro.small import StopAt, assert_one_line, go, make_run

LOCK_BYTES = 200  # what a lock says is less; anything else is more


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = make_run(frames=800, network="nature", hidden_units=16)
    path, end = go(run, tmp_path_factory.mktemp("trained"), StopAt(10**9))
    assert end is None
    return path


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "suite" / "breakout" / "seed-1")


def use(most_bytes, *words):
    """The command, in a process whose files cannot be larger."""
    return subprocess.run(
        [sys.executable, "-m", "repro.cli", *map(str, words)],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
    )  # fmt: skip


# Words, and the file that cannot be written, both below the suite.
COMMANDS = {
    "tables": (["tables", "{suite}"], "tables/table1.md"),
    "figures": (["figures", "{suite}"], "figures/trace-breakout.svg"),
    "report": (["report", "{suite}"], "report.html"),
    "compare": (["compare", "{suite}", "random", "--out", "{suite}/to"], "to/compare.md"),
    "trace": (["trace", "{run}"], "figures/trace-breakout.svg"),
    "inspect": (
        ["inspect", "{run}", "--steps", "40", "--perplexity", "5"],
        "breakout/seed-1/inspection/play.csv",
    ),
    "play": (["play", "{run}", "--frames", "100"], "breakout/seed-1/videos/best.mp4"),
    "play GIF": (["play", "{run}", "--frames", "100", "--out", "{suite}/a.gif"], "a.gif"),
    "random": (["random", "pong", "--episodes", "1", "--out", "{suite}"], "pong/seed-0"),
    "submit": (["submit", "pong", "--out", "{suite}", "--run"], "jobs/1/submit.sh"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(run, command):
    words, named = COMMANDS[command]
    suite = run.parents[1]
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done = use(LOCK_BYTES, *(word.format(suite=suite, run=run) for word in words))
    assert done.returncode == 1, done.stderr
    assert_one_line(
        done.stderr, f"repro: {suite / named} cannot be written (", "make room", "another --out"
    )
    assert not (suite / named).is_file()
    assert not list(suite.rglob("*.tmp*"))
    assert {path: path.read_bytes() for path in before} == before


def test_a_game_that_cannot_be_recorded_ends_an_evaluation_which_then_goes_on(run):
    log, table = run / "games.zst", run / "evaluations.csv"
    whole = table.read_bytes()
    assert len(whole) < log.stat().st_size
    score = records.read_json(run / "done.json")
    del score["sha256"]  # makes it smaller than the log
    records.write_json(run / "done.json", score)
    words = ("evaluate", run, "--episodes", 3)
    done = use(log.stat().st_size + 10, *words)
    assert done.returncode == 1, done.stderr
    assert_one_line(done.stderr, f"repro: {log} cannot be written (File too large); make room")
    assert table.read_bytes() == whole
    assert use(10**6, *words).returncode == 0
    assert table.read_bytes().startswith(whole)
    assert len(records.read_rows(table)) == len(whole.splitlines())  # one more, and the header
    assert use(10**6, "verify", run).returncode == 0


def test_a_row_that_cannot_be_written_names_its_table(tmp_path):
    table = records.Table(tmp_path / "evaluations.csv")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "evaluations.csv").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3, before[1]))
    try:
        with pytest.raises(disk.UnwritableError, match=f"{table.path} cannot be written"):
            table.append(dict.fromkeys(EVALUATIONS, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    table.close()
