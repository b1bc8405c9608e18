"""The random player's processes, ended in the middle or sharing a suite, with real signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro import records
from repro.storage import lock

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


def start(suite, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "repro.cli", "random", *map(str, words), "--out", str(suite)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def contents(suite):
    """What was played, and its score."""
    names = ("config.json", "evaluations.csv", "done.json")
    return {game: [records.run_path(suite, game, 0).joinpath(name).read_bytes() for name in names]
            for game in GAMES}  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one command makes."""
    suite = tmp_path_factory.mktemp("alone")
    out, err = start(suite, *GAMES, "--episodes", 2).communicate()
    assert (out.count("\n"), err) == (len(GAMES), "")
    return contents(suite)


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)


def test_commands_that_are_started_at_once_share_the_games(alone, tmp_path):
    processes = [start(tmp_path, *GAMES, "--episodes", 2) for _ in range(4)]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    for out, _ in said:  # each has the scores of all, and none but those
        assert sorted(line.split()[0].lower() for line in out.splitlines()) == sorted(GAMES)
    assert contents(tmp_path) == alone


@needs_proc
def test_a_game_that_is_held_comes_last_and_goes_on_when_its_holder_dies(alone, tmp_path):
    table, done = tmp_path / "pong/seed-0/evaluations.csv", tmp_path / "seaquest/seed-0/done.json"
    holder = start(tmp_path, "pong", "--episodes", 2)
    try:
        wait_until(lambda: table.exists() and records.read_rows(table))
        (playing,) = workers(holder.pid)
        os.kill(playing, signal.SIGSTOP)
        (played,) = records.read_rows(table)
        other = start(tmp_path, *GAMES, "--episodes", 2)
        wait_until(done.exists)
        assert other.poll() is None
    finally:
        holder.kill()
        os.kill(playing, signal.SIGKILL)
    out, err = other.communicate(timeout=120)
    holder.communicate()
    assert other.returncode == 0, err
    assert [line.split()[0] for line in out.splitlines()] == ["Breakout", "Seaquest", "Pong"]
    assert err.startswith(f"repro: {table.parent} is held by process {playing} on ")
    assert err.count("\n") == 1
    assert records.read_rows(table)[0] == played
    assert contents(tmp_path) == alone


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nobody_plays_on_when_the_command_was_ended(tmp_path, number):
    process = start(tmp_path, *GAMES, "--episodes", 1000, "--jobs", 2)
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
