"""The scripts, run as a person runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro import config, experiment, records
from repro.storage import directory, weights_file
from repro.storage.run import Run

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name, *words):
    command = [sys.executable, SCRIPTS / name, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_value_spread_sees_the_same_fresh_network_twice(tmp_path):
    run = Run("pong", 2, "nature", config.preset("nature"))
    folder = records.run_path(tmp_path, run.game, run.seed)
    with directory.RunDirectory(folder, run.identity()):
        envs = experiment.make_envs(run)
        network = experiment.make_agent(run, envs.train).network
        weights_file.save(folder / "last.safetensors", network, 0)
    path = tmp_path / "spread.json"
    done = script("value_spread.py", folder, "--states", 20, "--json", path)
    assert done.returncode == 0, done.stderr
    fresh, last = json.loads(path.read_text()).values()
    assert fresh == last
    assert 0 < fresh["sd_over_states"] < 0.1
    assert len(done.stdout.splitlines()) == 2


def test_the_table_benchmark_makes_a_suite_up_and_reads_it_whole(tmp_path):
    path = tmp_path / "figures.json"
    done = script("benchmark_tables.py", "--seeds", 1, "--json", path)
    assert done.returncode == 0, done.stderr
    figures = json.loads(path.read_text())
    assert figures["rows"] == 49 * (200 * 40 + 30)
    assert figures["seconds"] > 0
    assert f"{figures['rows']:,} rows" in done.stdout


@pytest.mark.parametrize("name", ["calibrate_trace.py", "simulate_queue.py"])
def test_a_reader_who_has_enough_is_no_error(name):
    """As `head` is: its end of the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, SCRIPTS / name]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
