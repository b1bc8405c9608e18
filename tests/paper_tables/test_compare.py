"""Two sides against each other."""

import numpy as np
import pytest
from scipy import stats

from paper_tables import compare
from paper_tables.collect import collect
from repro.records import RunDirectoryError


def sides(suite, tmp_path):
    other = type(suite)(tmp_path / "other")
    # Breakout: random 1.7, human 31.8. Pong: random -20.7, human 9.3.
    for seed, (mine, theirs) in enumerate([(16.75, 1.7), (16.75, 1.7), (18.255, 4.71)]):
        suite.run("breakout", seed, final=[mine])
        other.run("breakout", seed, final=[theirs])
    suite.run("pong", 0, final=[9.3])
    other.run("pong", 0, final=[9.3])
    suite.run("alien", 0, final=[500.0])
    return [compare.side(str(one.folder), collect) for one in (suite, other)]


def test_game_by_game(suite, tmp_path):
    games, _ = compare.compare(*sides(suite, tmp_path), "nature2015", 0)
    cells = games.frame.set_index("game")
    assert list(cells.index) == ["alien", "breakout", "pong"]
    assert cells.loc["breakout", "one_normalised"] == pytest.approx((0.5 + 0.5 + 0.55) / 3)
    assert cells.loc["breakout", "other_normalised"] == pytest.approx(0.1 / 3)
    assert cells.loc["breakout", "verdict"] == "above"
    assert cells.loc["pong", "verdict"] == "equal, untested"
    assert cells.loc["alien", "verdict"] == "not run"
    assert np.isnan(cells.loc["alien", "other"])


def test_difference_runs_and_verdict_by_hand(suite, tmp_path):
    """Three runs against five, of unlike spread: t = 0.30 / sqrt(0.01/3 + 0.04/5), of Welch."""
    other = type(suite)(tmp_path / "other")

    def breakout(normalised):
        return 1.7 + 30.1 * normalised

    for seed, value in enumerate([0.6, 0.7, 0.8]):
        suite.run("breakout", seed, final=[breakout(value)])
    shape = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    for seed, value in enumerate(0.4 + 0.2 * shape / shape.std(ddof=1)):
        other.run("breakout", seed, final=[breakout(value)])
    one, two = (compare.side(str(tree.folder), collect) for tree in (suite, other))
    (cells,) = compare.compare(one, two, "nature2015", 0)[0].frame.to_dict("records")
    assert cells["difference"] == pytest.approx(0.3)
    assert (cells["one_runs"], cells["other_runs"]) == (3, 5)
    t = 0.3 / np.sqrt(0.01 / 3 + 0.04 / 5)
    degrees = (0.01 / 3 + 0.04 / 5) ** 2 / ((0.01 / 3) ** 2 / 2 + (0.04 / 5) ** 2 / 4)
    assert 2 * stats.t.sf(t, degrees) < 0.05
    assert cells["verdict"] == "above"
    (cells,) = compare.compare(two, one, "nature2015", 0)[0].frame.to_dict("records")
    assert cells["difference"] == pytest.approx(-0.3)
    assert cells["verdict"] == "below"


def test_runs_that_overlap_show_no_difference_by_welch(suite, tmp_path):
    """The wide side is the small one: by Student's test, p is 0.03; by Welch's, 0.3."""
    other = type(suite)(tmp_path / "other")
    mine, theirs = [0.0, 20.0, 40.0], [1.0, 1.1, 1.2, 1.3, 1.4, 1.0, 1.2, 1.3, 1.1, 1.2]
    assert stats.ttest_ind(mine, theirs).pvalue < 0.05 < stats.ttest_ind(
        mine, theirs, equal_var=False
    ).pvalue  # fmt: skip
    for tree, values in ((suite, mine), (other, theirs)):
        for seed, value in enumerate(values):
            tree.run("breakout", seed, final=[value])
    one, two = (compare.side(str(tree.folder), collect) for tree in (suite, other))
    (cells,) = compare.compare(one, two, "nature2015", 0)[0].frame.to_dict("records")
    assert cells["verdict"] == "no difference found"


def test_the_interval_of_the_difference_is_welchs(suite, tmp_path):
    other = type(suite)(tmp_path / "other")
    mine, theirs = [10.0, 20.0, 33.0], [1.0, 5.0, 4.0, 9.0]
    for tree, values in ((suite, mine), (other, theirs)):
        for seed, value in enumerate(values):
            tree.run("breakout", seed, final=[value])
    one, two = (compare.side(str(tree.folder), collect) for tree in (suite, other))
    (cells,) = compare.compare(one, two, "nature2015", 0)[0].frame.to_dict("records")
    test = stats.ttest_ind(mine, theirs, equal_var=False)
    low, high = (bound / 30.1 for bound in test.confidence_interval())
    assert (cells["difference_low"], cells["difference_high"]) == pytest.approx((low, high))


def test_trainings_of_other_lengths_are_too_short_to_compare(suite, tmp_path):
    other = type(suite)(tmp_path / "other")
    for seed in range(3):
        suite.run("breakout", seed, final=[1.0 + seed], training__frames=3_000_000)
        other.run("breakout", seed, final=[300.0 + seed])
    short, full = (compare.side(str(tree.folder), collect) for tree in (suite, other))

    def verdict(one, two):
        frame = compare.compare(one, two, "nature2015", 0)[0].frame.set_index("game")
        return frame.loc["breakout", "verdict"]

    column = {name: compare.side(name, collect) for name in ("dqn", "pfrl", "human", "random")}
    assert verdict(short, full) == verdict(full, short) == "too short to compare"
    assert verdict(short, column["dqn"]) == verdict(short, column["pfrl"]) == verdict(short, full)
    assert verdict(short, short) == "no difference found"
    assert verdict(full, column["dqn"]) == "below, untested"
    assert verdict(short, column["human"]) == "below, untested"  # who was not trained so


def test_both_sides_are_resampled_and_a_published_one_is_not(suite, tmp_path):
    other = type(suite)(tmp_path / "other")
    for seed, (mine, theirs) in enumerate([(10.0, 12.0), (20.0, 13.0), (400.0, 500.0)]):
        suite.run("breakout", seed, final=[mine])
        other.run("breakout", seed, final=[theirs])
    one, two = (compare.side(str(tree.folder), collect) for tree in (suite, other))
    column = compare.side("dqn", collect)  # 401.2

    def row(one, other):
        frame = compare.compare(one, other, "nature2015", 0)[1].frame
        return frame.set_index("title").loc["probability of improvement"]

    cells = row(one, two)  # of nine pairs, 10, 20 and 400 win 0, 2 and 2
    assert cells["one"] == pytest.approx(4 / 9)
    assert (cells["one_low"], cells["one_high"]) == (0.0, 1.0)
    cells = row(two, column)
    assert cells["one"] == pytest.approx(1 / 3)
    assert (cells["one_low"], cells["one_high"]) == (0.0, 1.0)
    assert np.isnan(row(column, two)["one_low"])


def test_a_game_without_a_scale_was_run_all_the_same(suite, tmp_path):
    other = type(suite)(tmp_path / "other")
    for tree in (suite, other):
        tree.run("video_pinball", 0, final=[1000.0])
    one, two = (compare.side(str(tree.folder), collect) for tree in (suite, other))
    (cells,) = compare.compare(one, two, "human_starts", 0)[0].frame.to_dict("records")
    assert (cells["one"], cells["one_runs"], cells["verdict"]) == (1000.0, 1, "no scale")


def test_random_play_is_no_shortened_training(suite):
    path = suite.run("alien", 0, final=[200.0, 300.0], preset="random")
    table = (path / "evaluations.csv").read_text().replace("best,1000", "random,0")
    (path / "evaluations.csv").write_text(table)
    suite.finish(path, [200.0, 300.0], "random", step=0)
    one, two = (compare.side(name, collect) for name in (str(suite.folder), "dqn"))
    for cells in compare.compare(one, two, "nature2015", 0):
        assert not any("Trained for" in note for note in cells.notes)


def test_aggregates_are_over_the_games_that_both_have(suite, tmp_path):
    _, table = compare.compare(*sides(suite, tmp_path), "nature2015", 0)
    cells = table.frame.set_index("title")
    assert cells.loc["mean", "one"] == pytest.approx((1.55 / 3 + 1.0) / 2)
    assert cells.loc["mean", "other"] == pytest.approx((0.1 / 3 + 1.0) / 2)
    assert np.isnan(cells.loc["mean", "one_low"])  # Pong has one run
    assert cells.loc["probability of improvement", "one"] == pytest.approx((1.0 + 0.5) / 2)


def test_a_published_column_is_a_side(suite):
    suite.run("alien", 0, final=[5000.0])
    mine = compare.side(str(suite.folder), collect)
    games, _ = compare.compare(mine, compare.side("pfrl", collect), "nature2015", 0)
    alien = games.frame.set_index("game").loc["alien"]
    assert (alien["one"], alien["other"]) == (5000.0, 1976.3)
    assert alien["verdict"] == "above, untested"


def test_neither_folder_nor_column():
    with pytest.raises(RunDirectoryError, match=r"'pfrll' is neither.*pfrl"):
        compare.side("pfrll", collect)
