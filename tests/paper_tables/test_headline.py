"""The head of the report: its numbers by hand, its picture, and a suite without a run."""

import numpy as np
import pytest

from paper_tables import headline, reference
from paper_tables.collect import NOTHING, collect

PRINTED = reference.load("nature2015_scores")


def test_the_sentence_by_hand(suite):
    """Breakout at half the human (DQN 1,327%), Pong at twice (132%), Freeway too short."""
    for seed in range(3):
        suite.run("breakout", seed, final=[16.75, 16.75])
        suite.run("pong", seed, final=[39.3, 39.3])
    suite.run("freeway", 0, final=[29.6, 29.6], training__frames=3_000_000)  # as the human
    suite.run("alien", 0, finished=False)
    told = headline.headline(collect(suite.folder))
    dqn = [
        100 * (score - random) / (human - random)
        for score, random, human in ((401.2, 1.7, 31.8), (18.9, -20.7, 9.3), (30.3, 0, 29.6))
    ]
    assert told.ours["median"][0] == pytest.approx(100)
    # Of seven runs the middle: 50, 50, 50, 100, 200, 200, 200 without the outer quarter each.
    assert told.ours["interquartile mean"][0] == pytest.approx((50 + 50 + 100 + 200 + 200) / 5)
    assert told.paper["median"] == pytest.approx(np.median(dqn))
    assert told.sentence == (
        "On the 3 games run here, for 3,000,000 to 200,000,000 of the paper's 200,000,000 frames, "
        f"DQN has a median of 100.0% (the paper's {np.median(dqn):.1f}%) and an interquartile mean "
        f"of 120.0% (the paper's {np.mean(dqn):.1f}%) of human; games: 0 matched (no difference "
        "found), 1 below, 1 above, 1 too short to compare, 1 unfinished, 45 not run."
    )


def test_counts_are_of_all_games(suite):
    suite.run("pong", 0, final=[1.0])
    (suite.run("amidar", 0, final=[1.0]) / "evaluations.csv").write_text("nonsense")
    told = headline.headline(collect(suite.folder))
    assert sum(told.counts.values()) == 49
    assert told.counts["untested"] == told.counts["left out"] == 1
    assert list(told.counts)[:3] == ["matched", "below", "above"]


def test_without_a_run_the_papers_own_numbers_are_told():
    told = headline.headline(NOTHING)
    random, human = PRINTED["random_unrounded"], PRINTED["human_unrounded"]
    percent = (100 * (PRINTED["dqn"] - random) / (human - random)).sort_values()
    middle = percent.iloc[12:-12].mean()  # 49 / 4, rounded down
    assert told.sentence == (
        f"No game has a finished run here: the paper's DQN has a median of {percent.median():.1f}% "
        f"and an interquartile mean of {middle:.1f}% of human over its 49 games, after 200,000,000 "
        "frames."
    )


@pytest.mark.parametrize("runs", [0, 1, 3])
def test_the_picture_shows_both_sides_and_every_count(suite, runs):
    for seed in range(runs):
        suite.run("pong", seed, final=[10.0 + seed, 9.0 + seed])
    results = collect(suite.folder) if runs else NOTHING
    told = headline.headline(results)
    upper, lower = headline.draw(told).axes
    paper = upper.lines[0]
    assert paper.get_xdata().tolist() == pytest.approx(list(told.paper.values()))
    named = [text.get_text() for text in upper.get_legend().get_texts()]
    assert ("ours" in named, "ours, 95% interval over seeds" in named) == (runs == 1, runs == 3)
    assert sum(bar.get_width() for bar in lower.patches) == 49
    texts = [text.get_text() for text in lower.get_legend().get_texts()]
    assert texts == [f"{count} {name}" for name, count in told.counts.items() if count]


def test_a_game_without_a_scale_is_left_out_of_the_means_only(suite):
    suite.run("video_pinball", 0, final=[1000.0, 2000.0])
    told = headline.headline(collect(suite.folder), "human_starts")
    assert told.ours == {}
    assert told.counts["below"] == 1
