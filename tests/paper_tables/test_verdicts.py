"""Verdicts: the test as computed by hand, and its corner cases."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paper_tables.verdicts import against_printed, summarise

ALIKE = "no difference found"


def verdict(ours, printed_mean, printed_sd):
    return against_printed(ours, printed_mean, printed_sd).verdict


def games(*runs):
    rows = [(number, value) for number, run in enumerate(runs) for value in run]
    return pd.DataFrame(rows, columns=["run", "return"])


def test_score_by_hand():
    """Seeds with means 2 and 6, variances 2 and 8."""
    ours = summarise(games([1.0, 3.0], [4.0, 8.0]))
    assert (ours.seeds, ours.episodes, ours.mean) == (2, 4, 4.0)
    assert ours.episode_sd == pytest.approx(math.sqrt(5.0))
    assert ours.seed_sd == pytest.approx(math.sqrt(8.0))
    # Below three seeds the sample is the four games; t at 97.5% with 3 degrees is 3.1824.
    assert ours.high - ours.mean == pytest.approx(3.182446 * math.sqrt(5.0) / 2, rel=1e-6)
    assert ours.mean - ours.low == pytest.approx(ours.high - ours.mean)


def test_from_three_seeds_on_the_seeds_are_the_sample():
    ours = summarise(games([1.0, 3.0], [4.0, 8.0], [7.0, 7.0]))
    means = np.array([2.0, 6.0, 7.0])
    assert ours.sample == (pytest.approx(5.0), pytest.approx(means.std(ddof=1)), 3)
    half = 4.302653 * means.std(ddof=1) / math.sqrt(3)
    assert ours.high == pytest.approx(5.0 + half, rel=1e-6)


def welch_p(mean, sd, size, other_mean, other_sd, other_size):
    """Welch's test, written out."""
    a, b = sd**2 / size, other_sd**2 / other_size
    t = (mean - other_mean) / math.sqrt(a + b)
    degrees = (a + b) ** 2 / (a**2 / (size - 1) + b**2 / (other_size - 1))
    return 2 * stats.t.sf(abs(t), degrees)


@pytest.mark.parametrize(("ours_sd", "printed_sd"), [(3.0, 2.0), (1.0, 40.0), (30.0, 0.5)])
@pytest.mark.parametrize("games_of_ours", [3, 8, 30])
def test_verdict_of_unlike_samples_is_welchs_and_not_students(ours_sd, printed_sd, games_of_ours):
    """Just inside and just outside Welch's bound, for samples of other sizes and spreads."""
    shape = np.linspace(-1, 1, games_of_ours)
    values = ours_sd * shape / shape.std(ddof=1)
    a, b = ours_sd**2 / games_of_ours, printed_sd**2 / 30
    degrees = (a + b) ** 2 / (a**2 / (games_of_ours - 1) + b**2 / 29)
    bound = stats.t.ppf(0.975, degrees) * math.sqrt(a + b)
    for factor, expected in ((0.98, ALIKE), (1.02, "above"), (-1.02, "below")):
        assert (
            verdict(summarise(games(100 + factor * bound + values)), 100.0, printed_sd) == expected
        )


@pytest.mark.parametrize(("seeds", "quantile"), [(3, 4.302653), (5, 2.776445)])
def test_from_three_seeds_on_the_printed_score_is_one_more_training(seeds, quantile):
    """t at 97.5% with 2 and 4 degrees, from a table."""
    shape = np.linspace(-1, 1, seeds)
    means = 6.0 * shape / shape.std(ddof=1)
    bound = quantile * 6.0 * math.sqrt(1 + 1 / seeds)
    for factor, expected in ((0.99, ALIKE), (1.01, "above"), (-1.01, "below")):
        runs = [[mean + 100 + factor * bound] * 2 for mean in means]
        assert verdict(summarise(games(*runs)), 100.0, 1.0) == expected


def test_same_trainings_are_told_apart_in_one_of_twenty():
    """Simulated: seeds differ, the printed is one more of them, each a mean over 30 games."""
    generator = np.random.default_rng(5)
    told = 0
    for _ in range(400):
        trainings = generator.normal(100, 5, 4)
        printed, *ours = (generator.normal(mean, 20, 30) for mean in trainings)
        told += verdict(summarise(games(*ours)), printed.mean(), printed.std(ddof=1)) != ALIKE
    assert 0.02 < told / 400 < 0.09


def test_seeds_that_all_agree_leave_no_room():
    assert verdict(summarise(games([7.0], [7.0], [7.0])), 7.5, 3.0) == "below"


@pytest.mark.parametrize("shift", [-3.0, -1.0, -0.2, 0.2, 1.0, 3.0])
def test_verdict_is_welchs_test_at_five_percent(shift):
    generator = np.random.default_rng(1)
    ours = summarise(games(generator.normal(100 + shift, 3.0, 30)))
    p = welch_p(ours.mean, ours.episode_sd, 30, 100.0, 2.0, 30)
    expected = ALIKE if p >= 0.05 else "above" if ours.mean > 100 else "below"
    assert verdict(ours, 100.0, 2.0) == expected
    if abs(shift) == 3.0:
        assert expected != ALIKE


def test_zero_spread_on_both_sides():
    """Montezuma's Revenge is printed as 0 with s.d. 0."""
    assert verdict(summarise(games([0.0] * 30)), 0.0, 0.0) == ALIKE
    assert verdict(summarise(games([100.0] * 30)), 0.0, 0.0) == "above"


def test_a_single_game_is_not_tested():
    ours = summarise(games([5.0]))
    assert verdict(ours, 1.0, 1.0) == "above, untested"
    assert math.isnan(ours.low)
