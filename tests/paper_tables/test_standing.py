"""A game beside the printed DQN: verdict, percentage and its interval, by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from paper_tables import reference, tables
from paper_tables.collect import collect
from paper_tables.standing import standings


def row(suite, game):
    results = collect(suite.folder)
    return standings(results)[game], tables.scores(results).frame.set_index("game").loc[game]


@pytest.mark.parametrize(("frames", "verdict"), [
    (199_999_996, "too short to compare"), (200_000_000, "below"), (400_000_000, "below"),
])  # fmt: skip
def test_only_a_training_as_long_as_the_papers_is_judged(suite, frames, verdict):
    suite.run("breakout", 0, final=[2.0, 3.0, 4.0], training__frames=frames)
    standing, cells = row(suite, "breakout")
    assert standing.verdict == standing.verdict_text == cells["verdict"] == verdict
    assert cells["train_frames"] == frames


def test_a_short_training_is_too_short_even_if_its_score_is_the_printed_one(suite):
    suite.run("breakout", 0, final=[401.2, 401.2], training__frames=3_000_000)
    standing, _ = row(suite, "breakout")
    assert standing.percent == pytest.approx(100)
    assert standing.verdict == "too short to compare"


def test_percent_of_dqn_and_its_interval_from_three_seeds(suite):
    """Breakout: random 1.7, DQN 401.2, so the seeds are at 80, 90 and 100 percent."""
    for seed, share in enumerate((0.8, 0.9, 1.0)):
        score = 1.7 + share * (401.2 - 1.7)
        suite.run("breakout", seed, final=[score, score])
    standing, cells = row(suite, "breakout")
    margin = stats.t.ppf(0.975, 2) * 10 * math.sqrt(1 + 1 / 3)
    assert standing.percent == cells["percent_of_dqn"] == pytest.approx(90)
    assert standing.interval == pytest.approx((90 - margin, 90 + margin))
    assert (cells["percent_of_dqn_low"], cells["percent_of_dqn_high"]) == standing.interval
    assert standing.verdict == cells["verdict"] == "no difference found"
    assert standing.verdict_text == "no difference found (smallest: 50%)"
    assert standing.percent_text == "90 (40 to 140)"


@pytest.mark.parametrize("share", [0.5, 0.97, 1.0, 1.03, 1.5])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_the_interval_leaves_out_100_exactly_where_a_difference_is_found(suite, seeds, share):
    generator = np.random.default_rng(seeds)
    for seed in range(seeds):
        scores = 401.2 * share + generator.normal(0, 20) + generator.normal(0, 27, 30)
        suite.run("breakout", seed, final=list(scores))
    standing, _ = row(suite, "breakout")
    low, high = standing.interval
    expected = "above" if low > 100 else "below" if high < 100 else "no difference found"
    assert standing.verdict == expected


def test_where_dqn_scores_as_random_play_there_is_no_percentage(suite):
    suite.run("montezuma_revenge", 0, final=[0.0] * 3)
    standing, cells = row(suite, "montezuma_revenge")
    assert math.isnan(standing.percent)
    assert math.isnan(cells["percent_of_dqn"])
    assert standing.verdict_text == "no difference found"
    printed = reference.load("nature2015_scores")
    assert list(printed.index[printed["dqn"] <= printed["random_unrounded"]]) == [
        "montezuma_revenge"
    ]


def test_a_single_game_is_shown_without_an_interval(suite):
    suite.run("pong", 0, final=[18.9])
    standing, _ = row(suite, "pong")
    assert standing.percent_text == "100"
    assert standing.verdict_text == "equal, untested"
