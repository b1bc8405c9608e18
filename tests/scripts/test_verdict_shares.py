"""The table of docs/verdicts.md is what its command prints, and says what is so."""

import subprocess
import sys
from pathlib import Path

import pytest
from scipy import stats

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def printed():
    command = [sys.executable, "-m", "scripts.verdict_shares"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def rows(printed):
    """By shortfall, spread and seeds: shares of below, no difference and above, and the size."""
    cells = [
        [int(cell) for cell in line.strip("| ").split("|")] for line in printed.splitlines()[2:]
    ]
    return {tuple(row[:3]): row[3:] for row in cells}


def test_the_documentation_shows_what_the_command_prints(printed):
    assert printed in (ROOT / "docs" / "verdicts.md").read_text()


def test_where_nothing_differs_five_of_a_hundred_are_told_apart(printed):
    """1,440 games a row: three standard errors are under two."""
    for (shortfall, _, seeds), (below, alike, above, _) in rows(printed).items():
        assert below + alike + above == pytest.approx(100, abs=1.5)
        if shortfall == 0 and seeds >= 3:
            assert below + above == pytest.approx(5, abs=2.5)


def test_a_tenth_below_is_found_as_often_as_the_t_distribution_says(printed):
    """Without games' luck: the mean of ten trainings and one more, 10% apart, s.d. 10%.

    With it the chance is less, so this is a bound.
    """
    scale = (1 + 1 / 10) ** 0.5
    away = stats.nct.cdf(-stats.t.ppf(0.975, 9), 9, -1 / scale)
    below, alike, _, _ = rows(printed)[10, 10, 10]
    assert 5 < below < 100 * away + 2
    assert alike > 80
