"""The random player's processes, ended in the middle: real ones, and real signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro import lock, records

GAMES = ("pong", "breakout", "seaquest")


def wait_until(condition, limit_seconds=60.0):
    end = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def workers(parent):
    """The processes that another one started to play, while they live."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent and b"spawn_main" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:  # it has just ended
                continue
    return found


def alive(process):
    try:
        state = (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nobody_plays_on_when_the_command_was_ended(tmp_path, number):
    words = ["random", *GAMES, "--episodes", "1000", "--jobs", "2", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "repro.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    tables = [tmp_path / game / "seed-0" / "evaluations.csv" for game in GAMES[:2]]
    try:
        wait_until(lambda: all(table.exists() and records.read_rows(table) for table in tables))
        playing = workers(process.pid)
        assert len(playing) == 2
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        wait_until(lambda: not any(map(alive, playing)), 5)
    finally:
        process.kill()
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert err.startswith("repro: ")
        assert err.count("\n") == 1
    assert out == ""
    before = [table.read_bytes() for table in tables]
    for table in tables:
        with_lock = lock.Lock(table.parent)  # free to be taken: the command can go on
        with_lock.take()
        with_lock.release()
    assert [table.read_bytes() for table in tables] == before
