"""Trainings that are ended by force, at whatever moment, end as if nothing had happened."""

import hashlib
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from repro import cli, records
from repro.storage import checkpoint
from tests.repro.small import (
    KEPT,
    assert_one_line,
    assert_same_run,
    files,
    start,
    train_words,
)

# Long enough for whole segments of 2,000 transitions, a replay that wraps, four evaluations; with
# a checkpoint every 100 steps, so that being written is what they mostly are.
LONG = {
    "replay_steps": 2_900, "epsilon_decay_steps": 3_000, "frames": 20_000,
    "eval_every_steps": 1_250, "eval_steps": 150, "log_every_steps": 50,
    "checkpoint_every_steps": 100, "network": "linear",
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted run."""
    suite = tmp_path_factory.mktemp("whole")
    out, err = start(suite, **LONG).communicate()
    assert "finished after 20,000 frames" in out, err
    return records.run_path(suite, "breakout", 0)


def weights_hash(path):
    return hashlib.sha256((path / "last.safetensors").read_bytes()).hexdigest()


def wait_until_going(process, path, changes):
    """Wait until learning.csv has changed so often: when it is put in order, then with each row."""
    table, last = path / "learning.csv", None
    if table.exists():
        last = table.stat().st_ino, table.stat().st_size
    while changes and process.poll() is None:
        if table.exists():
            now = table.stat().st_ino, table.stat().st_size
            changes -= now != last
            last = now
        time.sleep(0.0005)


def wait_for_unfinished_checkpoint(process, path):
    """Wait until a checkpoint is being written."""
    folder = path / "checkpoint"
    while process.poll() is None:
        if any(folder.glob(".*.tmp")):
            return


def kill(process):
    """SIGKILL; whether it was still running."""
    running = process.poll() is None
    process.kill()
    process.communicate()
    return running and process.returncode == -signal.SIGKILL


def end_often(suite, kills, seed, share_while_writing):
    """Start and kill again and again, then let it end.

    Returns:
        The run, and how often a checkpoint was left half written.
    """
    generator, torn = random.Random(seed), 0
    path = records.run_path(suite, "breakout", 0)
    for _ in range(kills):
        process = start(suite, **LONG)
        # Some while it only gets ready, most after one to six more rows.
        wait_until_going(process, path, max(1, generator.randint(0, 7)))
        if generator.random() < share_while_writing:
            wait_for_unfinished_checkpoint(process, path)
            time.sleep(generator.uniform(0, 0.01))
        else:
            time.sleep(generator.uniform(0, 0.1))
        assert kill(process), "it finished before it was killed often enough"
        torn += any((path / "checkpoint").glob(".*.tmp"))
    assert not (path / "done.json").exists()
    assert checkpoint.newest_step(path / "checkpoint") > 200  # it did get on in between
    out, err = start(suite, **LONG).communicate()
    assert "finished after 20,000 frames" in out, err
    assert err == ""
    return path, torn


@pytest.mark.slow
def test_trainings_killed_again_and_again_are_the_same_training(whole, tmp_path):
    """25 kills in two runs, side by side; in the second all while a checkpoint is written."""
    suites, kills, shares = (tmp_path / "one", tmp_path / "two"), (15, 10), (0.2, 1.0)
    with ThreadPoolExecutor() as pool:
        (one, _), (two, torn) = pool.map(end_often, suites, kills, kills, shares)
    assert torn >= 3
    for path in (one, two):
        assert weights_hash(path) == weights_hash(whole)
        assert_same_run(path, whole)
        assert files(path) == KEPT
        assert not list(path.glob(".*.tmp"))
        assert not (path / "checkpoint").exists()


# --- shorter ones ----------------------------------------------------------------------

SHORT = {"frames": 1_600, "eval_every_steps": 100, "final_episodes": 3, "network": "linear"}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """An uninterrupted run, in this process."""
    suite = tmp_path_factory.mktemp("short")
    threads = torch.get_num_threads()
    assert cli.main([str(word) for word in train_words(suite, **SHORT)]) == 0
    torch.set_num_threads(threads)
    return records.run_path(suite, "breakout", 0)


@pytest.mark.slow
def test_killed_in_the_final_evaluation_it_plays_the_games_that_are_left(short, tmp_path):
    path = records.run_path(tmp_path, "breakout", 0)
    table = path / "evaluations.csv"
    for games in (1, 2):
        process = start(tmp_path, **SHORT)
        while process.poll() is None:
            if table.exists() and table.read_text().count("\nfinal,") >= games:
                break
        assert kill(process)
    begun = table.read_text()
    out, err = start(tmp_path, **SHORT).communicate()
    assert "finished" in out, err
    assert table.read_text().startswith(begun[: begun.rfind("\n") + 1])
    assert_same_run(path, short)


@pytest.mark.slow
def test_of_many_signals_one_counts_and_the_others_do_no_harm(short, tmp_path):
    generator = random.Random(0)
    path = records.run_path(tmp_path, "breakout", 0)
    numbers = [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT]
    for first in numbers:
        process = start(tmp_path, **SHORT)
        wait_until_going(process, path, 2)
        time.sleep(generator.uniform(0, 0.05))
        process.send_signal(first)
        while process.poll() is None:
            time.sleep(generator.uniform(0, 0.005))
            process.send_signal(generator.choice(numbers))
        _, err = process.communicate()
        # Of those that come together, before the process gets to look, any may be the first.
        assert process.returncode - 128 in numbers, err
        step = checkpoint.newest_step(path / "checkpoint")
        assert_one_line(
            err, f"stopped at step {step:,}, {4 * step:,} of 1,600 frames", str(path),
            "the same command goes on",
        )  # fmt: skip
    out, err = start(tmp_path, **SHORT).communicate()
    assert "finished" in out, err
    assert_same_run(path, short)
