"""The agent learns: CartPole through the same loop, replay, optimiser and evaluation."""

import json
import subprocess
import sys

import pytest

from repro import records


@pytest.mark.slow
def test_cartpole_is_solved(tmp_path):
    """Gymnasium calls it solved at a mean of 475 over 100 games; seeds 0 to 9 all get there."""
    command = ["train", "CartPole-v1", "--preset", "cartpole", "--seed", "0", "--threads", "1"]
    subprocess.run(
        [sys.executable, "-m", "repro.cli", *command, "--quiet", "--out", tmp_path], check=True
    )
    run = records.run_path(tmp_path, "CartPole-v1", 0)
    results = records.read_results(run)
    final = results[results["kind"] == "final"]
    assert len(final) == 100
    assert final["return"].mean() >= 475
    assert json.loads((run / "done.json").read_text())["mean_return"] == final["return"].mean()
    # The first games, of a random player, last about 20 steps: it did learn.
    games = [float(row["return"]) for row in records.read_rows(run / "train_episodes.csv")]
    assert sum(games[:50]) / 50 < 40
