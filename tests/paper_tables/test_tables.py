"""The paper's tables from a made-up suite: every cell by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from paper_tables import ablations, reference, render, summary, tables
from paper_tables.collect import collect
from repro import config
from repro.games import GAMES


def row(table, game):
    return table.frame.set_index("game").loc[game]


def test_table_2_has_49_rows_and_says_what_was_not_run(suite):
    suite.run("pong", 0, final=[9.3] * 30)
    table = tables.scores(collect(suite.folder))
    assert list(table.frame["game"]) == list(GAMES)
    assert (table.frame["verdict"] == "not run").sum() == 48
    alien = next(line for line in render.grid(table).splitlines() if "Alien" in line)
    assert alien.count("not run") == 3  # ours, random ours, verdict
    assert np.isnan(row(table, "alien")["ours"])


def test_table_2_by_hand(suite):
    """Breakout: random 1.7, human 31.8, so 16.75 is half way. Printed DQN 401.2."""
    suite.run("breakout", 0, final=[16.0, 17.5])
    suite.run("breakout", 1, final=[15.75, 17.75])
    cells = row(tables.scores(collect(suite.folder)), "breakout")
    assert cells["ours"] == 16.75
    assert cells["ours_percent"] == pytest.approx(50.0)
    assert cells["dqn_percent"] == pytest.approx(1327.2, abs=0.05)
    assert cells["ours_seed_sd"] == 0.0
    assert cells["ours_episode_sd"] == pytest.approx(np.sqrt((1.125 + 2.0) / 2))
    assert (cells["seeds"], cells["episodes"], cells["train_frames"]) == (2, 4, 200_000_000)
    assert cells["verdict"] == "below"


def test_table_2_prints_what_the_paper_prints(suite):
    """A row of Extended Data Table 2 by hand, and one whose best linear learner is above DQN."""
    suite.run("pong", 0, final=[1.0])
    frame = tables.scores(collect(suite.folder)).frame.set_index("game")
    names = ["random", "best_linear", "contingency", "human", "dqn", "dqn_sd"]
    assert list(frame.loc["breakout", names]) == [1.7, 5.2, 6.1, 31.8, 401.2, 26.9]
    assert list(frame.loc["private_eye", names]) == [24.9, 684.3, 86.0, 69571.0, 1788.0, 5473.0]
    assert list(frame.loc["kung_fu_master", names]) == [
        258.5, 19544.0, 29151.0, 22736.0, 23270.0, 5955.0,
    ]  # fmt: skip


def test_seeds_weigh_alike_however_many_games_they_have(suite):
    suite.run("pong", 0, final=[0.0] * 8)
    suite.run("pong", 1, final=[10.0, 10.0])
    assert row(tables.scores(collect(suite.folder)), "pong")["ours"] == 5.0


def test_unfinished_and_damaged_are_not_the_same_as_not_run(suite):
    suite.run("pong", 0, final=[1.0], finished=False)
    suite.run("alien", 0, final=["x"])
    table = tables.scores(collect(suite.folder))
    assert row(table, "pong")["verdict"] == "unfinished"
    assert row(table, "alien")["verdict"] == "left out"
    assert any("Pong seed 0" in note for note in table.notes)
    assert pd.isna(row(table, "pong")["train_frames"])  # planned is not trained
    assert any("line 2" in note for note in table.notes)


def test_a_shortened_run_carries_its_frames(suite):
    suite.run("pong", 0, final=[1.0, 2.0], training__frames=3_000_000)
    table = tables.scores(collect(suite.folder))
    assert row(table, "pong")["train_frames"] == 3_000_000
    assert any("3,000,000 emulator frames instead of 200,000,000: Pong" in n for n in table.notes)
    assert "3,000,000" in render.grid(table)


def test_the_measured_random_player_stands_beside_the_printed(suite, tmp_path):
    suite.run("pong", 0, final=[1.0, 2.0])
    other = type(suite)(tmp_path / "random")
    path = other.run("alien", 0, final=[200.0, 300.0], preset="random") / "evaluations.csv"
    path.write_text(path.read_text().replace("best,1000", "random,0"))
    other.finish(path.parent, [200.0, 300.0], "random", step=0)
    table = tables.scores(collect(suite.folder), collect(other.folder))
    assert row(table, "alien")["our_random"] == 250.0
    assert row(table, "alien")["random"] == 227.8
    assert np.isnan(row(table, "pong")["our_random"])


def test_further_columns_on_request(suite):
    suite.run("pong", 0, final=[1.0, 2.0])
    table = tables.scores(collect(suite.folder), also=["pfrl", "dueling"])
    assert row(table, "alien")["pfrl"] == 1976.3
    assert row(table, "alien")["dueling"] == 4461.4
    assert "PFRL" in render.grid(table).splitlines()[0]


@pytest.mark.parametrize(
    ("baseline", "zero", "one"),
    [
        ("nature2015", 227.8, 6875.4), ("wang2016", 227.8, 7127.7),
        ("human_starts", 128.3, 6371.3), ("world_record", 227.8, 251_916.0),
    ],
)  # fmt: skip
def test_each_human_has_a_column_of_its_own(suite, baseline, zero, one):
    suite.run("alien", 0, final=[1000.0, 1000.0])
    results = collect(suite.folder)
    cells = row(tables.normalised(results), "alien")
    assert cells[f"ours_{baseline}"] == pytest.approx(100 * (1000 - zero) / (one - zero))
    assert cells[f"dqn_{baseline}"] == pytest.approx(100 * (3069 - zero) / (one - zero))
    chosen = row(tables.scores(results, baseline=baseline), "alien")
    assert chosen["ours_percent"] == pytest.approx(cells[f"ours_{baseline}"])


def test_no_percentage_without_a_scale(suite):
    suite.run("video_pinball", 0, final=[1000.0, 1000.0])
    cells = row(tables.normalised(collect(suite.folder)), "video_pinball")
    assert np.isnan(cells["dqn_human_starts"])
    assert np.isfinite(cells["dqn_nature2015"])


def test_table_1_shows_the_settings_of_the_runs(suite):
    suite.run("pong", 0, final=[1.0])
    suite.run("alien", 0, final=[1.0], agent__learning_rate=0.0001)
    frame = tables.hyperparameters(collect(suite.folder)).frame.set_index("name")
    assert frame.loc["minibatch size", "ours"] == "32"
    assert frame.loc["learning rate", "ours"] == "0.0001 or 0.00025"
    assert frame.loc["learning rate", "printed"] == "0.00025"
    assert frame.loc["discount factor", "ours"] == "not recorded"
    # A setting younger than the runs: what they did is known.
    assert frame.loc["first weights", "ours"] == "uniform"


def test_table_1_without_a_run(suite):
    suite.run("pong", 0, final=["x"])
    frame = tables.hyperparameters(collect(suite.folder)).frame
    assert set(frame["ours"]) == {"not run"}


def test_ablations_take_the_highest_evaluation_of_each_seed(suite):
    frames = {"training__frames": 40_000_000}
    suite.run("enduro", 0, [1.0], [(250, [10.0, 20.0]), (500, [12.0])], **frames)
    suite.run("enduro", 1, [1.0], [(250, [30.0]), (500, [45.0])], **frames)
    suite.run("breakout", 0, [1.0], [(250, [99.0])], finished=False, **frames)
    three, four = ablations.ablations({"replay_no_target": collect(suite.folder)})
    assert row(three, "enduro")["our_replay_no_target"] == (15.0 + 45.0) / 2
    assert row(three, "enduro")["sd_replay_no_target"] == pytest.approx(np.sqrt(450.0))
    assert row(three, "enduro")["seeds_replay_no_target"] == 2
    assert np.isnan(row(three, "breakout")["seeds_replay_no_target"])
    assert row(three, "enduro")["replay_no_target"] == 831.4
    assert np.isnan(row(three, "breakout")["our_replay_no_target"])
    assert np.isnan(row(three, "enduro")["our_no_replay_target"])
    assert list(four.frame["linear_network"]) == [3.0, 62.0, 2346.9, 656.9, 301.3]
    assert not any("instead of" in note for note in three.notes)


def test_of_several_learning_rates_an_ablation_shows_each_games_best(suite, tmp_path):
    """As Extended Data Tables 3 and 4 do."""
    scores = {"replay_no_target": (10.0, 80.0), "replay_no_target-at-0.0005": (30.0, 70.0)}
    for name, (enduro, breakout) in scores.items():
        for game, score in (("enduro", enduro), ("breakout", breakout)):
            suite.run(game, 0, [1.0], [(250, [score])], training__frames=40_000_000)
        suite.folder.rename(tmp_path / name)
        suite.folder.mkdir()
    found = {name: collect(tmp_path / name) for name in scores}
    three, _ = ablations.ablations(found)
    assert row(three, "enduro")["our_replay_no_target"] == 30.0
    assert row(three, "breakout")["our_replay_no_target"] == 80.0


def test_brief_keeps_the_games_that_were_run(suite):
    suite.run("pong", 0, final=[1.0, 2.0])
    table = tables.brief(tables.scores(collect(suite.folder)))
    assert list(table.frame["game"]) == ["pong"]
    assert table.title == "1 of 49 games run"


def test_aggregates_are_over_the_games_that_were_run(suite):
    """Half of human and twice human: median and mean 1.25, gap 0.25."""
    suite.run("breakout", 0, final=[16.75] * 2)
    suite.run("pong", 0, final=[39.3] * 2)  # random -20.7, human 9.3
    frame = summary.aggregates(collect(suite.folder)).frame.set_index("metric")
    assert frame.loc["median", "ours"] == pytest.approx(1.25)
    assert frame.loc["optimality_gap", "ours"] == pytest.approx(0.25)
    assert frame.loc["share_75", "ours"] == 0.5
    assert frame.loc["improvement", "ours"] == 0.5  # below 13.27 in Breakout, above 1.32 in Pong
    assert frame.loc["share_75", "dqn_all_games"] == pytest.approx(29 / 49)
    assert np.isnan(frame.loc["mean", "low"])


def test_aggregates_of_several_seeds_have_reproducible_intervals(suite):
    for seed, value in enumerate([1.0, 3.2, 7.7, 9.1, 15.3, 20.9, 31.8, 44.4]):
        suite.run("breakout", seed, final=[value] * 2)
    results = collect(suite.folder)
    one, again = (summary.aggregates(results, seed=4).frame for _ in range(2))
    other = summary.aggregates(results, seed=5).frame
    assert one.equals(again)
    assert not one.equals(other)
    mean = one.set_index("metric").loc["mean"]
    assert mean["low"] < mean["ours"] < mean["high"]


def test_no_runs_at_all_is_a_table_of_not_run(suite):
    suite.run("pong", 0, finished=False)
    frame = summary.aggregates(collect(suite.folder)).frame
    assert frame["ours"].isna().all()


def test_departures_from_the_released_code_are_said(suite):
    suite.run("pong", 0, final=[1.0, 2.0], protocol__sticky_probability=0.25, agent__minibatch=64)
    results = collect(suite.folder)
    expected = "sticky actions 0.25 (there 0.0); minibatch size 64 (there 32)"
    for table in (tables.scores(results), tables.normalised(results), summary.aggregates(results)):
        assert any(expected in note for note in table.notes), table.key


def test_departures_that_the_printed_table_does_not_list_are_said_too(suite):
    suite.run(
        "pong", 0, final=[1.0, 2.0], protocol__resize="linear", agent__loss_reduction="mean",
        agent__hidden_units=64, training__eval_steps=10, protocol__luminance_weights=[1, 0, 0],
        training__log_every_steps=7,
    )  # fmt: skip
    notes = tables.scores(collect(suite.folder)).notes
    (said,) = (note for note in notes if note.startswith("Not the settings"))
    for words in (
        "resize linear (there area)", "loss_reduction mean (there sum)", "eval_steps 10 (there",
        "hidden_units 64 (there 512)", "luminance_weights [1, 0, 0] (there [0.299, 0.587, 0.114])",
    ):  # fmt: skip
        assert words in said
    assert "log_every" not in said


def test_the_released_settings_are_those_of_the_preset():
    """Of every field that bears on results; so none can be forgotten."""
    free = {"frames", "heldout_states", *(name.split(".")[1] for name in config.free())}
    preset = config.to_dict(config.preset("nature"))
    expected = {
        f"{part}.{name}": json.loads(json.dumps(value))
        for part in ("protocol", "agent", "training")
        for name, value in preset[part].items()
        if name not in free
    }
    assert reference.released_settings() == expected


def test_ablations_say_what_is_neither_ablated_nor_as_it_should_be(suite):
    frames = {"training__frames": 40_000_000}
    for seed, steps in enumerate((135_000, 125_000)):
        suite.run(
            "enduro", seed, [1.0], [(250, [10.0])], **frames, training__eval_steps=steps,
            agent__target_every_steps=1, protocol__resize="linear",
        )  # fmt: skip
    three, _ = ablations.ablations({"replay_no_target": collect(suite.folder)})
    (said,) = (note for note in three.notes if "Not the settings" in note)
    assert "eval_steps 125000 (there 135000)" in said
    assert "resize linear (there area)" in said
    assert "target" not in said.split("released code:")[1]


def test_an_ablation_suite_must_be_of_its_variant(suite):
    full = {"replay_steps": 1_000_000, "target_every_steps": 10_000, "update_every_steps": 4}
    agent = {f"agent__{name}": value for name, value in full.items()}
    suite.run("pong", 0, [1.0], **agent)
    suite.run("pong", 1, [1.0], **agent | {"agent__target_every_steps": 1})
    suite.run("pong", 2, [1.0], **agent | {"agent__replay_steps": 36})
    suite.run("pong", 3, [1.0], **agent | {"agent__network": "linear"})
    suite.run("pong", 4, [1.0], **agent | {"agent__target_network": False})
    suite.run("pong", 5, [1.0], **agent | {"agent__replay": "latest", "agent__replay_draw": 32})
    results = collect(suite.folder)
    sound = {
        variant: {0, 1, 2, 3, 4, 5}
        - {int(p.file.parent.name[-1]) for p in ablations.foreign(variant, results)}
        for variant in ablations.ABLATIONS
    }
    assert sound == {
        "replay_and_target": {0}, "replay_no_target": {1, 4},
        "no_replay_target": {2, 5},
        "no_replay_no_target": set(), "linear_network": {3},
    }  # fmt: skip
