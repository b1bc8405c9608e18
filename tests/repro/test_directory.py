"""Holding a run directory: the lock, foreign runs, older runs."""

import json
import subprocess
import sys

import pytest

from repro import records
from repro.records import RunDirectoryError
from repro.storage.directory import RunDirectory

IDENTITY = {
    "game": "pong", "seed": 3, "preset": "nature",
    "config": {"agent": {"discount": 0.99, "minibatch": 32}, "training": {"frames": 400}},
}  # fmt: skip


def test_entering_writes_the_configuration(tmp_path):
    path = records.run_path(tmp_path, "pong", 3)
    assert path == tmp_path / "pong" / "seed-3"
    with RunDirectory(path, IDENTITY) as run:
        assert run.done() is None
        config = json.loads((path / "config.json").read_text())
        assert len(config.pop("sha256")) == 64
        assert config == {"schema": 1, **IDENTITY}
        records.write_json(path / "done.json", {"mean_return": 1.0})
        assert run.done() == {"mean_return": 1.0}
    before = (path / "config.json").read_bytes()
    with RunDirectory(path, IDENTITY):  # and again
        pass
    assert (path / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 4}, ["seed", "3", "4"]),
        ({"game": "breakout"}, ["game", "pong", "breakout"]),
        (
            {"config": {"agent": {"discount": 0.9, "minibatch": 32}, "training": {"frames": 400}}},
            ["agent.discount", "0.99", "0.9"],
        ),
        (
            {"config": {"agent": {"discount": 0.99, "minibatch": 32}, "training": {"frames": 8}}},
            ["training.frames", "400", "8"],
        ),
        ({"extra": 1}, ["extra"]),
    ],
)
def test_another_configuration_is_refused_by_field(tmp_path, change, words):
    path = tmp_path / "run"
    with RunDirectory(path, IDENTITY) as run:
        run.table("learning.csv").close()
    before = (path / "config.json").read_bytes()
    with pytest.raises(RunDirectoryError, match="another configuration") as caught:
        RunDirectory(path, IDENTITY | change).__enter__()
    message = str(caught.value)
    assert all(word in message for word in [*words, str(path), "--out"])
    assert "minibatch" not in message  # what is the same is not named
    assert (path / "config.json").read_bytes() == before
    with RunDirectory(path, IDENTITY):  # the refused one did not keep the lock
        pass


def test_a_start_that_earned_nothing_does_not_claim_the_directory(tmp_path):
    """Say it lacked memory: the same command with a smaller replay must not be refused."""
    with RunDirectory(tmp_path, IDENTITY):
        records.write_json(tmp_path / "provenance.json", {})
    with RunDirectory(tmp_path, IDENTITY | {"seed": 4}):
        assert json.loads((tmp_path / "config.json").read_text())["seed"] == 4


def test_a_folder_with_other_peoples_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(RunDirectoryError, match="not a run"):
        RunDirectory(tmp_path, IDENTITY).__enter__()
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    assert not (tmp_path / "config.json").exists()


def test_a_file_in_its_place_is_refused(tmp_path):
    path = tmp_path / "run"
    path.write_text("x")
    with pytest.raises(RunDirectoryError, match="--out"):
        RunDirectory(path, IDENTITY).__enter__()


def test_a_start_that_was_killed_can_be_repeated(tmp_path):
    # Between the writing of the first file and its renaming, these two are all there is.
    path = tmp_path / "run"
    path.mkdir()
    (path / ".lock").write_text("process 1 on there\n")
    (path / ".config.json.tmp").write_text('{"schema": 1, "ga')
    with RunDirectory(path, IDENTITY):
        assert json.loads((path / "config.json").read_text())["game"] == "pong"


HOLDER = """
import json, sys
from pathlib import Path
from repro.storage.directory import RunDirectory
with RunDirectory(Path(sys.argv[1]), json.loads(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds tmp_path/run."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run"), json.dumps(IDENTITY)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_process_at_a_time(tmp_path, holder):
    with pytest.raises(RunDirectoryError, match="in use") as caught:
        RunDirectory(tmp_path / "run", IDENTITY).__enter__()
    assert f"process {holder.pid} " in str(caught.value)
    holder.communicate("")  # lets go
    with RunDirectory(tmp_path / "run", IDENTITY):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path, holder):
    holder.kill()
    holder.wait()
    with RunDirectory(tmp_path / "run", IDENTITY):
        pass
