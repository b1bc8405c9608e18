"""Figures: what is drawn is what was recorded."""

import csv
import json
import os
import statistics
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.text import Text
from scipy import stats

from paper_tables import curves, figures, reference, style
from paper_tables.collect import collect
from repro import records
from repro.games import GAMES, UnknownGameError
from repro.tables import EVALUATIONS, LEARNING

STEPS = (250_000, 500_000, 750_000)
PRINTED = reference.load("nature2015_scores")


def write_run(suite, game, seed, means, final=(), values=(), frames=3_000_000, repeat=4):
    """A run whose periodic evaluations have these means; finished if it has final scores."""
    folder = suite / game / f"seed-{seed}"
    folder.mkdir(parents=True)
    settings = {
        "protocol": {"action_repeat_frames": repeat},
        "agent": {"network": "nature"},
        "training": {"frames": frames},
    }
    identity = {"schema": 1, "game": game, "seed": seed, "preset": "nature", "config": settings}
    (folder / "config.json").write_text(json.dumps(identity))
    rows = [
        ["periodic", "last", step, episode, 1, score, 100, False, True]
        for step, mean in zip(STEPS, means, strict=False)
        for episode, score in enumerate((mean - 1.5, mean + 1.5))
    ]
    rows += [
        ["final", "best", STEPS[-1], episode, 1, score, 100, False, True]
        for episode, score in enumerate(final)
    ]
    write(folder / "evaluations.csv", EVALUATIONS, rows)
    blank = [""] * 22  # V, TD error, layers
    learning = [
        [10_000 * n, 40_000 * n, 0, 1.0, "", value, *blank, 600]
        for n, value in enumerate(values, start=1)
    ]
    write(folder / "learning.csv", LEARNING, learning)
    if final:
        done = {
            "weights": "best",
            "weights_step": STEPS[-1],
            "episodes": len(final),
            "frames": frames,
        }
        done["mean_return"] = sum(final) / len(final)
        (folder / "done.json").write_text(json.dumps(done))
    return folder


def write(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


@pytest.fixture
def suite(tmp_path):
    """Breakout with two finished seeds, one shorter, and an unfinished one; one Pong."""
    write_run(tmp_path, "breakout", 0, [2, 50, 300], [290.0, 310.0], ["", 1.0, 2.0])
    write_run(tmp_path, "breakout", 1, [4, 70], [330.0, 350.0], ["", 3.0, 5.0])
    write_run(tmp_path, "breakout", 2, [9, 99], (), [7.0])
    write_run(tmp_path, "pong", 0, [-21, -20.5, -20.4], [-20.0, -21.0], [0.25])
    return tmp_path


def lines(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def points(line):
    return [tuple(point) for point in np.column_stack(line.get_data()).tolist()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


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


def test_training_progress_draws_each_seed_and_the_mean_of_the_finished(suite):
    figure = curves.training_progress(collect(suite), ["breakout", "Pong"])
    breakout, pong, breakout_q, pong_q = figure.axes
    seeds = lines(breakout, "ours, one seed")
    assert [points(line) for line in seeds] == [[(1, 2), (2, 50), (3, 300)], [(1, 4), (2, 70)]]
    (unfinished,) = lines(breakout, "ours, unfinished seed (not in the mean)")
    assert points(unfinished) == [(1, 9), (2, 99)]
    assert unfinished.get_linestyle() != seeds[0].get_linestyle()
    (mean,) = lines(breakout, "ours, mean of seeds")
    assert points(mean) == [(1, 3), (2, 60), (3, 300)]
    (alone,) = lines(pong, "ours, one seed")
    assert points(alone)[-1] == (3, -20.4)
    assert not lines(pong, "ours, mean of seeds")  # there is one
    (mean,) = lines(breakout_q, "ours, mean of seeds")
    assert points(mean) == [(0.08, 2.0), (0.12, 3.5)]  # an empty cell is no value
    assert points(pong_q.lines[0]) == [(0.04, 0.25)]


def test_steps_are_drawn_as_emulator_frames(tmp_path):
    write_run(tmp_path, "pong", 0, [1, 2, 3], [1.0], repeat=2)
    axes = curves.learning_curves(collect(tmp_path), ["pong"]).axes[0]
    assert axes.lines[0].get_xdata().tolist() == [0.5, 1.0, 1.5]


def test_the_random_player_and_the_papers_score_are_always_in_view(suite):
    """Pong from -21 to -20.4 is flat between random play at -20.7 and DQN at 18.9."""
    for figure in (
        curves.training_progress(collect(suite), ["breakout", "pong"]),
        curves.learning_curves(collect(suite), ["breakout", "pong"]),
    ):
        for axes, random, dqn in zip(figure.axes, (1.7, -20.7), (401.2, 18.9), strict=False):
            assert lines(axes, "DQN, 2015")[0].get_ydata() == [dqn, dqn]
            assert lines(axes, "random player, 2015")[0].get_ydata() == [random, random]
            bottom, top = axes.get_ylim()
            assert bottom < random < dqn < top
    breakout, pong = curves.training_progress(collect(suite), ["breakout", "pong"]).axes[:2]
    assert texts(breakout) == ["Breakout", "DQN 401.2   human 31.8   random 1.7"]
    drawn = np.ptp(lines(pong, "ours, one seed")[0].get_ydata())
    assert drawn < 0.02 * np.ptp(pong.get_ylim())


def test_a_human_who_would_squash_the_curves_is_told_in_words(tmp_path):
    """Montezuma's Revenge: random and DQN 0, the human 4,367."""
    write_run(tmp_path, "montezuma_revenge", 0, [0, 100, 0], [0.0])
    figure = curves.training_progress(collect(tmp_path), ["montezuma_revenge"])
    axes = figure.axes[0]
    assert texts(axes)[1] == "DQN 0   human 4,367 ↑   random 0"
    assert axes.get_ylim()[1] < 200
    assert "↑ ↓ beyond the scale" in legend(figure)


def test_values_that_hardly_move_do_not_fill_their_panel(tmp_path):
    write_run(tmp_path, "pong", 0, [1, 2, 3], [1.0], [0.001, 0.002, 0.0015])
    bottom, top = curves.training_progress(collect(tmp_path), ["pong"]).axes[1].get_ylim()
    assert bottom <= 0
    assert top >= 0.1


def test_the_panels_of_a_pair_have_one_x_axis(suite):
    breakout, pong, breakout_q, pong_q = curves.training_progress(
        collect(suite), ["breakout", "pong"]
    ).axes
    for upper, lower in ((breakout, breakout_q), (pong, pong_q)):
        assert upper.get_xlim() == lower.get_xlim()
        assert upper.get_xlim()[1] >= 3  # million frames: the longer of both


def test_an_interval_over_games_is_not_called_one_over_seeds(suite, tmp_path):
    text = "\n".join(legend(figures.normalised_bars(collect(suite))))
    assert "over games, of fewer than 3 seeds: 2 of 49" in text
    assert "over seeds" not in text
    for seed in range(3):
        write_run(tmp_path / "more", "alien", seed, [], [500.0 + seed, 600.0])
    write_run(tmp_path / "more", "pong", 0, [], [-20.0, -21.0])
    text = "\n".join(legend(figures.normalised_bars(collect(tmp_path / "more"))))
    assert "95% interval over seeds: 1 of 49" in text
    assert "95% interval over games, of fewer than 3 seeds: 1 of 49" in text


def test_games_without_curves_say_why(suite):
    write_run(suite, "alien", 0, [])
    damaged = write_run(suite, "amidar", 0, [1, 2])
    (damaged / "evaluations.csv").write_text("nonsense")
    games = ["seaquest", "alien", "amidar"]
    figure = curves.learning_curves(collect(suite), games)
    said = [texts(axes)[-1] for axes in figure.axes[:3]]
    assert said == ["not run", "nothing recorded", "left out"]


def test_games_that_are_none_of_the_49_are_refused(suite):
    with pytest.raises(UnknownGameError, match="pong"):
        curves.learning_curves(collect(suite), ["pnog"])


def test_a_damaged_learning_file_is_named(suite):
    path = suite / "pong" / "seed-0" / "learning.csv"
    path.write_text(path.read_text().replace("0.25", "abc"))
    with pytest.raises(
        records.RunDirectoryError, match=r"learning\.csv, line 2, is damaged"
    ) as caught:
        curves.training_progress(collect(suite), ["pong"])
    assert "\n" not in str(caught.value)


def test_the_interval_of_learning_curves_stands_where_two_seeds_are(suite):
    figure = curves.learning_curves(collect(suite), ["breakout", "pong"])
    breakout, pong = figure.axes
    (band,) = breakout.collections
    expected = []
    for million, pair in ((1, (2, 4)), (2, (50, 70))):  # only one seed comes to the third point
        mean, error = statistics.mean(pair), statistics.stdev(pair) / 2**0.5
        low, high = stats.t.interval(0.95, df=1, loc=mean, scale=error)
        expected += [(million, low), (million, high)]
    drawn = np.unique(np.concatenate([path.vertices for path in band.get_paths()]), axis=0)
    np.testing.assert_allclose(drawn, sorted(expected))
    assert not pong.collections
    assert any("(2 or more seeds)" in text for text in legend(figure))


def test_a_wide_interval_leaves_the_scores_half_of_the_height(tmp_path):
    """Of two seeds at 0 and 10 the interval reaches from -58 to 68; DQN is at 18.9."""
    for seed, score in enumerate((0, 10)):
        write_run(tmp_path, "pong", seed, [score] * 3, [score])
    bottom, top = curves.learning_curves(collect(tmp_path), ["pong"]).axes[0].get_ylim()
    assert -45 < bottom < -20.7  # random play
    assert 18.9 < top < 45


def test_a_mean_skips_points_that_some_seed_has_not():
    """One seed logs every point, another every second: their mean would else go up and down."""
    frame = {"run": [0, 0, 0, 0, 1, 1], "frames": [1, 2, 3, 4, 2, 4], "value": [0, 0, 0, 0, 10, 20]}
    mean = curves.over_seeds(pd.DataFrame(frame))
    assert mean["mean"].to_dict() == {2: 5, 4: 10}


def test_bars_are_all_games_in_the_order_of_the_printed_percentages(suite):
    axes = figures.normalised_bars(collect(suite)).axes[0]
    names = {game.title: name for name, game in GAMES.items()}
    order = [names[label.get_text()] for label in axes.get_yticklabels()]
    assert sorted(order) == sorted(GAMES)
    printed = PRINTED["dqn_percent_human_printed"][order]
    assert printed.is_monotonic_decreasing
    dqn, linear = axes.containers[:2]
    # Within a percent: six are misprinted, others rounded.
    np.testing.assert_allclose([bar.get_width() for bar in dqn], printed, atol=1.01)
    row = PRINTED.loc["breakout"]
    width = linear[order.index("breakout")].get_width()
    assert width == pytest.approx(100 * (row["best_linear"] - 1.7) / (31.8 - 1.7))
    rows = [bar.get_y() + bar.get_height() / 2 for bar in dqn]
    assert rows == sorted(rows)
    assert axes.yaxis_inverted()  # the highest on top
    (divider,) = (
        line
        for line in axes.lines
        if len(set(line.get_ydata())) == 1 and list(line.get_xdata()) == [0, 1]
    )
    assert sum(row < divider.get_ydata()[0] for row in rows) == 29  # as the paper counts


def test_bars_show_ours_where_run_and_count_the_rest(suite):
    figure = figures.normalised_bars(collect(suite))
    axes = figure.axes[0]
    order = [label.get_text() for label in axes.get_yticklabels()]
    mean, _, (whisker,) = axes.containers[2]
    breakout = 100 * (np.mean([300, 340]) - 1.7) / (31.8 - 1.7)
    drawn = dict(zip(mean.get_ydata().round().astype(int), mean.get_xdata(), strict=True))
    assert drawn == {
        order.index("Breakout"): pytest.approx(breakout),
        order.index("Pong"): pytest.approx(100 * (-20.5 + 20.7) / (9.3 + 20.7)),
    }
    # Two seeds: the interval is over their games, as in the table of scores.
    error = np.sqrt(np.mean([np.var([290, 310], ddof=1), np.var([330, 350], ddof=1)])) / 2
    half = 100 * stats.t.ppf(0.975, 3) * error / (31.8 - 1.7)
    (low, _), (high, _) = whisker.get_segments()[0]
    assert (low, high) == (pytest.approx(breakout - half), pytest.approx(breakout + half))
    assert any("2 of 49 games run\n(3 of 3 runs shorter" in text for text in legend(figure))
    column = texts(axes)
    assert column.count("–") == 47
    assert f"{breakout:,.0f}" in column


def test_the_axis_of_the_bars_is_even_to_600_and_compressed_from_there(suite):
    axes = figures.normalised_bars(collect(suite)).axes[0]
    place = axes.transData.transform([(tick, 0) for tick in (0, 100, 500, 600, 1_000, 4_500)])[:, 0]
    assert place[1] - place[0] == pytest.approx(place[3] - place[2])
    assert 0 < place[5] - place[4] < 3 * (place[1] - place[0])
    assert axes.get_xlim()[1] == pytest.approx(4_500)


def test_another_human_has_an_axis_and_an_order_of_its_own(suite):
    record = reference.load("human_world_records")["record"]
    random = PRINTED["random_unrounded"]
    percent = (100 * (PRINTED["dqn"] - random) / (record - random)).sort_values(ascending=False)
    axes = figures.normalised_bars(collect(suite), "world_record").axes[0]
    titles = [label.get_text() for label in axes.get_yticklabels()]
    assert titles[:8] == [GAMES[name].title for name in percent.index[:8]]
    assert axes.get_xlim()[1] == pytest.approx(150)  # no score of 2015 is above the record
    assert axes.get_xscale() == "linear"


def test_a_game_whose_human_is_below_random_play_is_left_out(tmp_path):
    write_run(tmp_path, "video_pinball", 0, [], [100.0, 200.0])
    axes = figures.normalised_bars(collect(tmp_path), "human_starts").axes[0]
    assert len(axes.get_yticklabels()) == 48
    assert texts(axes).count("–") == 48


def test_a_score_far_below_random_play_leaves_an_arrow(tmp_path):
    write_run(tmp_path, "double_dunk", 0, [], [-60.0, -60.0])  # random play -18.6, human -15.5
    axes = figures.normalised_bars(collect(tmp_path)).axes[0]
    (arrow,) = (line for line in axes.lines if line.get_marker() == "<")
    assert arrow.get_xdata().tolist() == [axes.get_xlim()[0]] == [-200]
    assert "−1,335" in texts(axes)


def test_an_interval_that_is_cut_leaves_an_arrow_too(tmp_path):
    write_run(tmp_path, "double_dunk", 0, [], [-17.0, -21.0])  # a mean of -13%, and far below
    axes = figures.normalised_bars(collect(tmp_path)).axes[0]
    (arrow,) = (line for line in axes.lines if line.get_marker() == "<")
    assert arrow.get_xdata().tolist() == [-200]


@pytest.mark.parametrize("baseline", ["nature2015", "human_starts"])
def test_nothing_of_the_bars_is_cut_off_at_the_edge(suite, tmp_path, baseline):
    figure = figures.normalised_bars(collect(suite), baseline)
    figure.canvas = FigureCanvasAgg(figure)
    for _ in range(2):  # as when it is saved once more
        figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    page = figure.bbox
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            box = text.get_window_extent(renderer)
            assert box.x0 >= page.x0, text.get_text()
            assert box.x1 <= page.x1 - 2, text.get_text()
    svg, _ = style.save(figures.normalised_bars(collect(suite), baseline), tmp_path, "fig3")
    assert svg.exists()


def test_only_a_human_divides_the_games(suite):
    def words(baseline):
        return " ".join(texts(figures.normalised_bars(collect(suite), baseline).axes[0]))

    assert "at human level or above" in words("nature2015")
    assert "human level" not in words("world_record")


def test_the_columns_beside_the_bars_are_the_numbers_of_the_bars(suite):
    """Breakout as printed: DQN 1,327%, linear (5.2 - 1.7) / (31.8 - 1.7), 12%."""
    axes = figures.normalised_bars(collect(suite)).axes[0]
    titles = [label.get_text() for label in axes.get_yticklabels()]
    row = titles.index("Breakout")
    beside = [text.get_text() for text in axes.texts if text.get_position() != (0, 0)
              and getattr(text, "xy", (None, None)) == (1, row)]  # fmt: skip
    assert beside[:2] == ["1,327", "12"]


def test_profiles_are_shares_of_runs_above_each_score(suite):
    axes = figures.performance_profiles(collect(suite)).axes[0]
    drawn = {line.get_label().split("\n")[0]: line for line in axes.lines}
    random, human = PRINTED["random_unrounded"], PRINTED["human_unrounded"]
    dqn = (PRINTED["dqn"] - random) / (human - random)
    linear = (PRINTED["best_linear"] - random) / (human - random)
    ours = [(300 - 1.7) / 30.1, (340 - 1.7) / 30.1, (-20.5 + 20.7) / 30.0]
    expected = {
        "ours, 3 runs of 2 games": ours,
        "DQN, 2015, the 2 games we ran": dqn[["breakout", "pong"]],
        "DQN, 2015, all 49 games": dqn,
        "best linear learner, 2015, all 49 games": linear,
    }
    assert drawn.keys() == expected.keys()
    for label, scores in expected.items():
        bounds, shares = drawn[label].get_data()
        assert drawn[label].get_drawstyle() == "steps-post"
        for bound in (-0.05, 0.3, 0.999, 5.0, 10.0, 30.0):
            share = shares[np.searchsorted(bounds, bound, side="right") - 1]
            assert share == pytest.approx(np.mean(np.array(scores) > bound)), (label, bound)


def test_profiles_have_a_band_only_if_every_game_has_a_second_run(suite):
    def bands(results, seed=0):
        drawn = figures.performance_profiles(results, seed=seed).axes[0].collections
        return [path.vertices for band in drawn for path in band.get_paths()]

    assert not bands(collect(suite))  # Pong has one run
    two_each = collect(suite / "breakout")
    assert len(bands(two_each)) == 1
    np.testing.assert_array_equal(bands(two_each, 5), bands(two_each, 5))


def test_nothing_finished_draws_the_printed_scores_alone(suite):
    results = collect(suite / "breakout" / "seed-2")
    assert any("0 of 49 games run" in text for text in legend(figures.normalised_bars(results)))
    profiles = figures.performance_profiles(results)
    assert "ours: not run" in legend(profiles)
    assert len(profiles.axes[0].lines) == 3  # that one is only a name


def test_a_series_has_one_colour_in_all_figures(suite):
    results = collect(suite)
    progress = curves.training_progress(results, ["breakout"]).axes[0]
    bars = figures.normalised_bars(results).axes[0]
    profiles = figures.performance_profiles(results).axes[0]
    ours = lines(progress, "ours, mean of seeds")[0].get_color()
    dqn = lines(progress, "DQN, 2015")[0].get_color()
    assert ours == bars.containers[2][0].get_color() == profiles.lines[-1].get_color()
    assert to_rgba(dqn) == bars.containers[0][0].get_facecolor()
    assert dqn == profiles.lines[1].get_color()


def test_saving_twice_gives_the_same_valid_files(suite, tmp_path):
    def saved(name):
        figure = curves.learning_curves(collect(suite), ["breakout", "pong"])
        return style.save(figure, tmp_path / "deep" / name, "curves")

    first, second = saved("first"), saved("second")
    assert [path.name for path in first] == ["curves.svg", "curves.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert ElementTree.parse(first[0]).getroot().tag.endswith("svg")
    assert first[1].read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


RCFILES = {
    "usetex": "text.usetex: True\n",
    "dark": "axes.facecolor: black\nfigure.facecolor: black\ntext.color: white\naxes.grid: True\n",
    "sizes": "lines.linewidth: 7\nfigure.dpi: 31\nsavefig.dpi: 17\nsavefig.bbox: tight\n"
    "savefig.transparent: True\nxtick.direction: in\naxes.formatter.use_locale: True\n",
    "vectors": "svg.fonttype: none\npath.simplify: False\nimage.cmap: jet\n"
    "errorbar.capsize: 9\nlegend.frameon: True\naxes.xmargin: 0.3\npatch.linewidth: 4\n",
    "backend": "backend: WebAgg\ninteractive: True\ntoolbar: None\n",
}


@pytest.mark.parametrize(
    "name", [*RCFILES, "module://matplotlib_inline.backend_inline", "nonsense"]
)
def test_no_matplotlibrc_and_no_backend_changes_a_byte(suite, tmp_path, name):
    def drawn(out, **env):
        words = [sys.executable, "-m", "repro.cli", "figures", suite, "--out", tmp_path / out]
        subprocess.run(words, check=True, env=os.environ | env, cwd=tmp_path, capture_output=True)
        return {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()}

    plain = drawn("plain")
    assert len(plain) == 8
    if name in RCFILES:
        (tmp_path / "rc").write_text(RCFILES[name])
        assert drawn("other", MATPLOTLIBRC=str(tmp_path / "rc")) == plain
    else:
        assert drawn("other", MPLBACKEND=name) == plain


def test_saving_gives_the_same_files_in_another_process(suite, tmp_path):
    code = (
        "import sys; from pathlib import Path; from paper_tables import collect, figures, style;"
        "results = collect.collect(Path(sys.argv[1]));"
        "style.save(figures.performance_profiles(results), Path(sys.argv[2]), 'p')"
    )
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", code, suite, tmp_path / name], check=True)
    for ending in ("svg", "png"):
        files = [tmp_path / name / f"p.{ending}" for name in ("a", "b")]
        assert files[0].read_bytes() == files[1].read_bytes()
