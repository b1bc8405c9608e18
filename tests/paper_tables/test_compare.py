"""Two sides against each other."""

import numpy as np
import pytest

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
    found = games.frame.set_index("game")
    assert list(found.index) == ["alien", "breakout", "pong"]
    assert found.loc["breakout", "one_normalised"] == pytest.approx((0.5 + 0.5 + 0.55) / 3)
    assert found.loc["breakout", "other_normalised"] == pytest.approx(0.1 / 3)
    assert found.loc["breakout", "verdict"] == "above"
    assert found.loc["pong", "verdict"] == "equal"
    assert found.loc["alien", "verdict"] == "not run"
    assert np.isnan(found.loc["alien", "other"])


def test_aggregates_are_over_the_games_that_both_have(suite, tmp_path):
    _, table = compare.compare(*sides(suite, tmp_path), "nature2015", 0)
    found = table.frame.set_index("title")
    assert found.loc["mean", "one"] == pytest.approx((1.55 / 3 + 1.0) / 2)
    assert found.loc["mean", "other"] == pytest.approx((0.1 / 3 + 1.0) / 2)
    assert np.isnan(found.loc["mean", "one_low"])  # Pong has one run
    assert found.loc["probability of improvement", "one"] == pytest.approx((1.0 + 0.5) / 2)


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
