"""Figures: what is drawn is what was recorded."""

import json

import numpy as np

from paper_tables import figures


def test_training_curve_draws_every_game_and_the_printed_lines(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"game": "pong"}))
    rows = ["step,frames,game,return,game_frames,epsilon"]
    returns = [-21.0, -20.0, -19.0, -3.0]
    rows += [f"{i},{4 * i},{i},{value},10,1.0" for i, value in enumerate(returns)]
    (tmp_path / "train_episodes.csv").write_text("\n".join(rows) + "\n")
    figure = figures.training_curve(tmp_path)
    games, mean, human, random = figure.axes[0].lines
    np.testing.assert_array_equal(games.get_xdata(), [0, 4, 8, 12])
    np.testing.assert_array_equal(games.get_ydata(), returns)
    np.testing.assert_allclose(mean.get_ydata(), [-21.0, -20.5, -20.0, -63.0 / 4])
    assert set(human.get_ydata()) == {9.3}  # Extended Data Table 2
    assert set(random.get_ydata()) == {-20.7}
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
