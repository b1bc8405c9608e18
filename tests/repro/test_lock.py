"""The lock: who has it, who had it, on this host and on others; directories that get lost."""

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from repro.records import RunDirectoryError
from repro.storage import lock
from repro.storage.directory import RunDirectory
from repro.storage.lock import Lock, LostDirectoryError

ELSEWHERE = {"host": "node-17", "pid": 4321, "since": "2026-01-02 03:04:05+00:00"}


def left_by(folder, owner, seconds_ago):
    """A lock file that a process on another host last touched so long ago."""
    path = folder / ".lock"
    path.write_text(json.dumps(owner) + "\n")
    then = path.stat().st_mtime - seconds_ago
    os.utime(path, (then, then))
    return path


@pytest.fixture
def taken(tmp_path):
    one = Lock(tmp_path)
    one.take()
    yield one
    one.release()


def test_the_file_says_who_has_it(tmp_path, taken):
    found = json.loads((tmp_path / ".lock").read_text())
    assert (found["host"], found["pid"]) == (socket.gethostname(), os.getpid())
    assert found["since"][:2] == "20"
    taken.release()
    assert (tmp_path / ".lock").read_text() == ""


def test_a_second_one_is_told_who_has_it_and_since_when(tmp_path, taken):
    since = json.loads((tmp_path / ".lock").read_text())["since"]
    with pytest.raises(RunDirectoryError, match="in use") as caught:
        Lock(tmp_path).take()
    message = str(caught.value)
    assert f"process {os.getpid()} on {socket.gethostname()} since {since}" in message
    taken.verify()  # and the first one keeps it
    taken.release()
    Lock(tmp_path).take()


def test_a_dead_process_of_this_host_is_told_apart_at_once(tmp_path, capsys):
    left_by(tmp_path, ELSEWHERE | {"host": socket.gethostname()}, 1)
    Lock(tmp_path).take()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seconds_ago", [0, 60, lock.STALE_SECONDS - 5])
def test_another_hosts_fresh_sign_of_life_is_believed(tmp_path, seconds_ago):
    path = left_by(tmp_path, ELSEWHERE, seconds_ago)
    before = path.read_text(), path.stat().st_mtime
    with pytest.raises(RunDirectoryError, match="process 4321 on node-17") as caught:
        Lock(tmp_path).take()
    assert f"remove {path}" in str(caught.value)
    assert "\n" not in str(caught.value)
    # Asking does not make it look alive.
    assert (path.read_text(), path.stat().st_mtime) == before
    path.unlink()  # the remedy
    Lock(tmp_path).take()


@pytest.mark.parametrize("seconds_ago", [lock.STALE_SECONDS + 5, 10**6])
def test_another_hosts_old_sign_of_life_is_taken_over_with_a_note(tmp_path, capsys, seconds_ago):
    left_by(tmp_path, ELSEWHERE, seconds_ago)
    Lock(tmp_path).take()
    noted = capsys.readouterr().err
    assert noted.count("\n") == 1
    assert "taking over from process 4321 on node-17" in noted


@pytest.mark.parametrize("seconds_ahead", [7_200, 10**8])
def test_a_sign_of_life_from_the_future_is_no_older_than_now(tmp_path, capsys, seconds_ahead):
    """A dead holder's grows old from the first time that it is met; a living one gives others."""
    path = left_by(tmp_path, ELSEWHERE, -seconds_ahead)
    with pytest.raises(RunDirectoryError, match=f"wait {lock.STALE_SECONDS:.0f} s or remove"):
        Lock(tmp_path).take()
    (tmp_path / "now").touch()
    then = path.stat().st_mtime
    assert abs((tmp_path / "now").stat().st_mtime - then) < 60
    os.utime(path, (0, then + seconds_ahead))  # it lives, by another clock than the file system's
    with pytest.raises(RunDirectoryError, match="in use"):
        Lock(tmp_path).take()
    then = path.stat().st_mtime - lock.STALE_SECONDS - 5  # it is silent
    os.utime(path, (then, then))
    Lock(tmp_path).take()
    assert "taking over from process 4321 on node-17" in capsys.readouterr().err


def test_a_sign_of_life_slightly_ahead_is_left_alone(tmp_path):
    """As a network's file system shows it, whose attributes are some seconds old."""
    path = left_by(tmp_path, ELSEWHERE, -10)
    before = path.stat().st_mtime
    with pytest.raises(RunDirectoryError, match="alive 0 s ago"):
        Lock(tmp_path).take()
    assert path.stat().st_mtime == before


@pytest.mark.parametrize("text", ["", "process 1 on there\n", "{", "[]", "\x00\x00"])
def test_a_lock_file_that_says_nothing_is_nobodys(tmp_path, capsys, text):
    (tmp_path / ".lock").write_text(text)
    one = Lock(tmp_path)
    one.take()
    one.verify()
    assert capsys.readouterr().err == ""


def test_a_file_system_without_locks_leaves_the_signs_of_life(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    one = Lock(tmp_path)
    one.take()
    with pytest.raises(RunDirectoryError, match=f"process {os.getpid()}"):
        Lock(tmp_path).take()
    one.release()
    Lock(tmp_path).take()


def test_the_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    one = Lock(tmp_path)
    one.take()
    path = tmp_path / ".lock"
    os.utime(path, (0, 0))
    until = time.monotonic() + 10
    while path.stat().st_mtime < 10 and time.monotonic() < until:
        time.sleep(0.01)
    assert path.stat().st_mtime > 10
    one.release()
    os.utime(path, (0, 0))
    time.sleep(0.1)
    assert path.stat().st_mtime == 0


def test_the_wall_clock_does_not_matter(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    left_by(tmp_path, ELSEWHERE, 10)
    with pytest.raises(RunDirectoryError, match="node-17"):
        Lock(tmp_path).take()
    monkeypatch.setattr(time, "time", lambda: 1e11)
    with pytest.raises(RunDirectoryError, match="node-17"):
        Lock(tmp_path).take()


# --- lost while in use -----------------------------------------------------------------


def test_a_directory_that_is_removed_is_noticed(tmp_path):
    with RunDirectory(tmp_path / "run", {"seed": 1}) as run:
        run.verify()
        shutil.rmtree(run.path)
        with pytest.raises(LostDirectoryError, match="removed"):
            run.verify()
    assert not (tmp_path / "run").exists()


def test_a_directory_that_is_put_in_its_place_is_noticed(tmp_path):
    with RunDirectory(tmp_path / "run", {"seed": 1}) as run:
        run.path.rename(tmp_path / "elsewhere")
        with RunDirectory(tmp_path / "run", {"seed": 1}) as other:
            with pytest.raises(LostDirectoryError):
                run.verify()
            other.verify()
    run.path.rename(tmp_path / "other")


def test_a_directory_that_was_taken_over_is_noticed_and_left_alone(tmp_path):
    one = Lock(tmp_path)
    one.take()
    path = tmp_path / ".lock"
    path.write_text(json.dumps(ELSEWHERE))
    with pytest.raises(LostDirectoryError, match="taken over"):
        one.verify()
    one.release()
    assert json.loads(path.read_text()) == ELSEWHERE


# --- two processes ---------------------------------------------------------------------

TAKER = """
import sys
from pathlib import Path
from repro.storage.directory import RunDirectory
try:
    with RunDirectory(Path(sys.argv[1]), {"seed": 1}):
        print("held", flush=True)
        sys.stdin.read()
except RuntimeError as error:
    print(error, flush=True)
"""


def test_of_many_processes_one_gets_it(tmp_path):
    command = [sys.executable, "-c", TAKER, str(tmp_path / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(5)]
    said = [process.stdout.readline() for process in processes]
    (winner,) = (index for index, line in enumerate(said) if line == "held\n")
    assert all("in use" in line for index, line in enumerate(said) if index != winner)
    processes[winner].kill()
    for process in processes:
        process.communicate()
    with RunDirectory(tmp_path / "run", {"seed": 1}):
        pass
