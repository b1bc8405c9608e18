"""The random player's table: arithmetic by hand, and the committed one."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_tables import random_player
from repro import records
from repro.games import GAMES

ROOT = Path(__file__).parents[2]


def test_distance_by_hand():
    """Pong, printed -20.7: scores -20 and -21 have mean -20.5 and standard error 0.5."""
    rows = [("pong", "final", value) for value in (-20.0, -21.0)]
    rows += [("zaxxon", "final", 0.0), ("venture", "final", 0.0)] * 2
    table = random_player.compare(pd.DataFrame(rows, columns=["game", "kind", "return"]))
    assert len(table) == 49
    assert table.loc["pong", "standard_error"] == pytest.approx(0.5)
    assert table.loc["pong", "distance"] == pytest.approx((-20.5 + 20.7) / 0.5)
    assert np.isinf(table.loc["zaxxon", "distance"])
    assert table.loc["venture", "distance"] == 0.0
    assert np.isnan(table.loc["alien", "distance"])
    assert table.loc["alien", "episodes"] == 0


@pytest.mark.parametrize(
    ("suite", "script", "names"),
    [
        ("random", "random_table.py", ("table.md", "table.csv")),
        ("nature-emulator", "training_table.py", ("training.md",)),
        ("lecun-normal", "training_table.py", ("training.md",)),
    ],
)
def test_the_committed_tables_are_those_of_the_committed_runs(suite, script, names, tmp_path):
    """Regenerate in a copy and compare byte by byte."""
    published, copy = ROOT / "results" / "published" / suite, tmp_path / suite
    shutil.copytree(published, copy)
    for name in names:
        (copy / name).unlink()
    subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--suite", copy],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    for name in names:
        assert (copy / name).read_text() == (published / name).read_text()


def test_every_random_run_is_whole():
    found = records.read_results(ROOT / "results" / "published" / "random")
    assert set(found["game"]) == set(GAMES)
    assert (found.groupby("game").size() == 30).all()
    assert found["finished"].all()
    assert found["completed"].all()
    assert (found["frames"] <= 18_000).all()
