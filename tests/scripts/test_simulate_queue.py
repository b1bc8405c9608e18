"""The simulated queue: its account in the documentation, and cases that can be worked out."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import simulate_queue
from scripts.simulate_queue import Cluster, simulate

ROOT = Path(__file__).parents[2]
BASE = Cluster(2, 1_000, 1_000_000, 0.0, warned=False, save_seconds=0)
DAY_FRAMES = 86_400_000


def test_the_documentation_shows_what_the_script_prints():
    """If not: run it and put its output between the two marks of docs/cluster.md."""
    command = [sys.executable, ROOT / "scripts" / "simulate_queue.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    text = (ROOT / "docs" / "cluster.md").read_text()
    assert text.split("<!-- simulate_queue.py -->\n")[1].split("<!-- end -->")[0] == done.stdout


def test_short_runs_take_turns():
    one = simulate(BASE, 4, DAY_FRAMES // 4, 0)
    assert (one.finished, one.starts, one.preemptions, one.begun) == (4, 4, 0, 2)
    start_days = simulate_queue.START_SECONDS / 86_400
    assert one.days == pytest.approx(2 * (0.25 + start_days))
    assert one.lost_share == 0


def test_a_time_limit_costs_a_start_and_no_work():
    one = simulate(BASE, 1, 2 * DAY_FRAMES, 0)
    assert (one.finished, one.starts, one.lost_share) == (1, 3, 0)
    assert one.overhead_share * 2 * 86_400 == pytest.approx(3 * simulate_queue.START_SECONDS)


def test_preemption_costs_half_an_interval_without_warning_and_nothing_with():
    cluster = replace(BASE, jobs=1_000, preemptions_per_day=1.0)
    lost = simulate(cluster, 1_000, 4 * DAY_FRAMES, 0)
    assert lost.finished == 1_000
    assert lost.lost_share == pytest.approx(500 / 86_400, rel=0.05)
    assert simulate(replace(cluster, warned=True), 1_000, 4 * DAY_FRAMES, 0).lost_share == 0
