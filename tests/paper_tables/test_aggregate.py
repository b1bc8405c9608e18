"""Aggregates: against rliable on the same arrays, and by hand."""

import importlib.util
import sys
import types

import numpy as np
import pytest

from paper_tables import aggregate

RUNS, GAMES = 5, 49


@pytest.fixture(scope="module")
def rliable():
    """Its metrics and library. Of arch, which it needs, only the bootstrap is loaded:
    the rest of the release it asks for does not load beside pandas 3."""
    before = sys.modules.get("arch")
    interval = importlib.util.find_spec("arch")
    arch = types.ModuleType("arch")
    arch.__path__ = list(interval.submodule_search_locations)
    sys.modules["arch"] = arch
    from rliable import library, metrics

    yield types.SimpleNamespace(metrics=metrics, library=library)
    if before is None:
        del sys.modules["arch"]
    else:
        sys.modules["arch"] = before


@pytest.fixture(scope="module")
def matrix():
    """Runs x games, spread as Atari scores are."""
    generator = np.random.default_rng(3)
    return generator.lognormal(0.0, 1.0, (1, GAMES)) * generator.normal(1.0, 0.3, (RUNS, GAMES))


def columns(matrix):
    return list(matrix.T)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (aggregate.median, "aggregate_median"),
        (aggregate.mean, "aggregate_mean"),
        (aggregate.interquartile_mean, "aggregate_iqm"),
        (aggregate.optimality_gap, "aggregate_optimality_gap"),
    ],
)
def test_metrics_and_intervals_agree_with_rliable(ours, theirs, matrix, rliable):
    metric = getattr(rliable.metrics, theirs)
    assert ours(columns(matrix)) == pytest.approx(metric(matrix), rel=1e-12)
    interval = aggregate.bootstrap(ours, columns(matrix), np.random.default_rng(0), 20_000)
    _, intervals = rliable.library.get_interval_estimates(
        {"x": matrix}, lambda scores: np.array([metric(scores)]), reps=5_000
    )
    low, high = intervals["x"][:, 0]
    width = high - low
    assert width > 0
    assert interval.low == pytest.approx(low, abs=0.06 * width)  # their bounds are random, as ours
    assert interval.high == pytest.approx(high, abs=0.06 * width)


def test_probability_of_improvement_agrees_with_rliable(matrix, rliable):
    others = matrix[:3, ::-1]
    both = [*columns(matrix), *columns(others)]
    metric = rliable.metrics.probability_of_improvement
    interval = aggregate.bootstrap(
        aggregate.probability_of_improvement, both, np.random.default_rng(0), 20_000
    )
    assert interval.value == pytest.approx(metric(matrix, others), rel=1e-12)
    _, intervals = rliable.library.get_interval_estimates(
        {"x,y": (matrix, others)}, lambda *sides: np.array([metric(*sides)]), reps=5_000
    )
    low, high = intervals["x,y"][:, 0]
    assert interval.low == pytest.approx(low, abs=0.06 * (high - low))
    assert interval.high == pytest.approx(high, abs=0.06 * (high - low))


def test_what_is_fixed_is_not_resampled(matrix):
    def interval(scores, fixed):
        return aggregate.bootstrap(
            aggregate.probability_of_improvement, scores, np.random.default_rng(0), fixed=fixed
        )

    mine, theirs = columns(matrix), columns(matrix[:3, ::-1])
    alone, both = interval(mine, theirs), interval([*mine, *theirs], [])
    assert alone.value == both.value
    assert alone.high - alone.low < 0.9 * (both.high - both.low)


def test_probability_of_improvement_counts_ties_half():
    mine, theirs = [np.array([1.0, 2.0]), np.array([4.0])], [np.array([1.0]), np.array([5.0])]
    interval = aggregate.probability_of_improvement([*mine, *theirs])
    assert interval == pytest.approx((0.75 + 0.0) / 2)


def test_profile_agrees_with_rliable(matrix, rliable):
    bounds = np.array([0.0, 0.5, 1.0, 2.0, 8.0])
    interval = aggregate.profile(bounds)(columns(matrix))
    expected = [rliable.library.run_score_deviation(matrix, bound) for bound in bounds]
    np.testing.assert_allclose(interval, expected)


def test_metrics_by_hand():
    scores = [np.array([0.0, 1.0]), np.array([1.0, 3.0]), np.array([0.0]), np.array([10.0])]
    assert aggregate.median(scores) == 1.25  # of 0.5, 2, 0, 10
    assert aggregate.mean(scores) == 3.125
    # Six runs: 0 0 1 1 3 10; a quarter of them, rounded down, is cut off at either end.
    assert aggregate.interquartile_mean(scores) == pytest.approx(5 / 4)
    assert aggregate.optimality_gap(scores) == pytest.approx(2 / 6)
    assert aggregate.share_at_least(0.75)(scores) == 0.5
    assert aggregate.share_at_least(0.5)(scores) == 0.75


def test_the_same_generator_gives_the_same_interval(matrix):
    def interval(seed):
        return aggregate.bootstrap(aggregate.mean, columns(matrix), np.random.default_rng(seed))

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)
    assert interval(1).low < interval(1).value < interval(1).high


def test_resampling_stays_within_a_game():
    """Two games without spread among their runs: however they are resampled, nothing changes."""
    scores = [np.full(3, 0.2), np.full(4, 7.0)]
    interval = aggregate.bootstrap(aggregate.mean, scores, np.random.default_rng(0))
    assert interval.low == interval.high == interval.value == pytest.approx(3.6)


def test_single_runs_have_no_interval():
    interval = aggregate.bootstrap(
        aggregate.mean, [np.array([1.0]), np.array([2.0])], np.random.default_rng(0)
    )
    assert interval.value == 1.5
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)


@pytest.mark.parametrize("scores", [[], [np.array([])], [np.array([1.0, np.nan])]])
def test_missing_scores_are_refused(scores):
    with pytest.raises(ValueError, match="finite"):
        aggregate.bootstrap(aggregate.mean, scores, np.random.default_rng(0))
