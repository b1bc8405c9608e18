"""Playing for scores (ledger rows 24 to 26)."""

import csv
import dataclasses
import json
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

from repro import config, experiment, records
from repro.agent import Agent
from repro.evaluation import protocols, random_player
from repro.evaluation.protocols import Game
from repro.records import RunDirectoryError
from repro.storage.run import Run
from wrappers.protocol import NATURE

COLUMNS = [
    "kind", "weights", "step", "episode", "seed", "return", "frames", "truncated", "completed",
]  # fmt: skip


class Episodes(gym.Env):
    """Games of given lengths, one point per step; every third game hits the time cap."""

    def __init__(self, lengths):
        self.observation_space = spaces.Box(0, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(3)
        self._lengths = lengths
        self.seeds, self.actions = [], []

    def reset(self, *, seed=None, options=None):
        self._played = 0
        self._length = self._lengths[len(self.seeds) % len(self._lengths)]
        self.seeds.append(seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.actions.append(action)
        self._played += 1
        over = self._played == self._length
        cut = over and len(self.seeds) % 3 == 0
        info = {"episode_frame_number": 4 * self._played + 2}
        return np.zeros(1, np.float32), 1.5, over and not cut, cut, info


def still(_):
    return lambda _: 0


# --- the final protocol ----------------------------------------------------------------


def test_the_final_protocol_plays_whole_games():
    games = list(protocols.play_episodes(Episodes([5, 9, 4]), still, 1, 700, 6))
    assert [game.steps for game in games] == [5, 9, 4, 5, 9, 4]
    assert [game.score for game in games] == [7.5, 13.5, 6.0, 7.5, 13.5, 6.0]
    assert [game.frames for game in games] == [22, 38, 18, 22, 38, 18]
    assert [game.truncated for game in games] == [False, False, True] * 2
    assert all(game.completed for game in games)
    assert [game.episode for game in games] == list(range(6))


def test_the_final_protocol_goes_on_where_it_stopped():
    env = Episodes([3])
    whole = list(protocols.play_episodes(env, still, 1, 700, 5))
    rest = list(protocols.play_episodes(env, still, 1, 700, 5, first=3))
    assert [(game.episode, game.seed) for game in rest] == [
        (game.episode, game.seed) for game in whole[3:]
    ]
    assert env.seeds == [game.seed for game in whole + rest]  # the environment was given them


def test_natures_reported_score_is_30_games_of_five_minutes():
    nature = config.preset("nature")
    assert nature.training.final_episodes == 30
    assert nature.training.eval_epsilon == 0.05
    assert nature.protocol.eval_cap_frames == 5 * 60 * 60  # at 60 frames a second


# --- the periodic protocol -------------------------------------------------------------


@pytest.mark.parametrize("budget", [1, 4, 5, 6, 14, 18, 23, 100])
def test_the_periodic_protocol_spends_its_steps_exactly(budget):
    lengths, left, expected = [5, 9, 4], budget, []
    while left > 0:  # the slow way
        length = lengths[len(expected) % 3]
        expected.append((min(length, left), left >= length))
        left -= length
    env = Episodes(lengths)
    games = list(protocols.play_steps(env, still, 1, 700, budget))
    assert [(game.steps, game.completed) for game in games] == expected
    assert len(env.actions) == sum(game.steps for game in games) == budget


def test_games_cut_by_the_budget_do_not_count():
    games = list(protocols.play_steps(Episodes([5, 9, 4]), still, 1, 700, 16))
    assert [game.score for game in games] == [7.5, 13.5, 3.0]
    assert not games[-1].truncated  # it was the budget, not the cap
    assert protocols.mean_score(games) == (7.5 + 13.5) / 2


def test_without_a_completed_game_there_is_no_score():
    games = list(protocols.play_steps(Episodes([50]), still, 1, 700, 16))
    assert games[0].score > 0
    assert protocols.mean_score(games) is None
    assert protocols.mean_score([]) is None


def test_games_ended_by_the_cap_count():
    games = [Game(0, 1, 10.0, 18_000, True, True, 4_500), Game(1, 2, 4.0, 40, False, True, 10)]
    assert protocols.mean_score(games) == 7.0


def test_summary_has_the_mean_and_the_sample_deviation():
    # Mean 4; squared distances 9 + 1 + 1 + 9 = 20, over n - 1 = 3.
    found = protocols.summary([1.0, 3.0, 5.0, 7.0])
    assert found == {
        "episodes": 4, "mean_return": 4.0, "sd_return": pytest.approx((20 / 3) ** 0.5),
    }  # fmt: skip
    assert protocols.summary([2.0])["sd_return"] is None


def test_final_returns_are_those_of_the_weights_and_step_asked_for(tmp_path):
    table = tmp_path / "evaluations.csv"
    lines = [",".join(COLUMNS), "final,best,700,0,9,1.5,40,False,True"]
    lines += ["final,last,700,0,9,2.0,40,False,True", "periodic,best,700,0,9,3.0,40,False,True"]
    lines += ["final,best,800,0,9,4.0,40,False,True", "final,best,700,1,9,-5.0,40,False,True"]
    table.write_text("\n".join(lines) + "\n")
    assert protocols.final_returns(table, "best", 700) == [1.5, -5.0]
    assert protocols.final_returns(tmp_path / "none" / "evaluations.csv", "best", 700) == []


@pytest.mark.parametrize("text", ["abc", "", "nan", "1e999"])
def test_a_return_that_is_no_number_is_found_by_its_line(tmp_path, text):
    table = tmp_path / "evaluations.csv"
    lines = [",".join(COLUMNS), "final,best,700,0,9,1.5,40,False,True"]
    table.write_text("\n".join([*lines, f"final,best,700,1,9,{text},40,False,True\n"]))
    with pytest.raises(RunDirectoryError, match=rf"evaluations\.csv, line 3.*{text}"):
        protocols.final_returns(table, "best", 700)


@pytest.mark.parametrize("column", ["kind", "weights", "step", "return"])
def test_a_table_with_a_damaged_header_is_refused(tmp_path, column):
    table = tmp_path / "evaluations.csv"
    header = ",".join(COLUMNS).replace(column, "x" * len(column))
    table.write_text(f"{header}\nfinal,best,700,0,9,1.5,40,False,True\n")
    with pytest.raises(RunDirectoryError, match=r"evaluations\.csv, line 1"):
        protocols.final_returns(table, "best", 700)


# --- seeds -----------------------------------------------------------------------------


def test_every_evaluation_game_has_a_seed_of_its_own():
    seeds = [
        protocols.episode_seed(seed, step, episode, periodic)
        for seed in range(3)
        for step in (0, 250_000, 500_000)
        for episode in range(40)
        for periodic in (False, True)
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)  # what the emulator takes


def test_the_games_that_choose_are_not_those_that_score():
    one, two = Episodes([3]), Episodes([3])
    list(protocols.play_steps(one, still, 1, 700, 60))
    list(protocols.play_episodes(two, still, 1, 700, 20))
    assert len(one.seeds) == len(two.seeds) == 20
    assert not set(one.seeds) & set(two.seeds)


def test_a_player_depends_on_its_games_seed_alone():
    make = random_player.uniform(3)
    env = Episodes([40])
    list(protocols.play_episodes(env, make, 1, 700, 2))
    again = Episodes([40])
    list(protocols.play_episodes(again, make, 1, 700, 2, first=1))
    assert env.actions[40:] == again.actions
    assert env.actions[:40] != again.actions


# --- players ---------------------------------------------------------------------------


def test_random_players_choose_uniformly():
    player = random_player.uniform(6)(np.random.default_rng(26))
    counts = np.bincount([player(None) for _ in range(6_000)], minlength=6)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


def test_the_random_player_acts_ten_times_a_second():
    slow = random_player.slow()
    assert slow.action_repeat_frames == 60 // 10
    assert dataclasses.replace(slow, action_repeat_frames=4) == NATURE  # and nothing else


def test_agents_play_with_the_evaluations_epsilon_and_generator():
    seen = []
    agent = SimpleNamespace(act=lambda *values: seen.append(values) or 2)
    generator = np.random.default_rng(0)
    observation = np.zeros((4, 84, 84), np.uint8)
    assert Agent.player(agent, 0.05)(generator)(observation) == 2
    assert seen[0][0] is observation
    assert seen[0][1] == 0.05
    assert seen[0][2] is generator


# --- on the emulator -------------------------------------------------------------------


def nature_with(**protocol):
    nature = config.preset("nature")
    return dataclasses.replace(nature, protocol=dataclasses.replace(nature.protocol, **protocol))


def test_the_cap_holds_in_the_final_evaluation_only():
    # A Breakout player that never serves plays for ever.
    run = Run("breakout", 0, "nature", nature_with(eval_cap_frames=300))
    envs = experiment.make_envs(run)
    final = next(protocols.play_episodes(envs.final, still, 0, 0, 1))
    assert final.truncated
    assert final.completed
    assert final.frames == 300
    periodic = list(protocols.play_steps(envs.periodic, still, 0, 0, 150))
    assert [(game.steps, game.truncated, game.completed) for game in periodic] == [
        (150, False, False)
    ]
    assert 150 * 4 + 1 <= periodic[0].frames <= 150 * 4 + 30  # with its no-op start
    envs.close()


def test_lost_lives_and_clipping_have_no_part_in_scores():
    # Space Invaders: points are 5 to 30 and more, three lives. In training the first lost life
    # is terminal and rewards are clipped.
    run = Run("space_invaders", 0, "nature", config.preset("nature"))
    envs = experiment.make_envs(run)
    make = random_player.uniform(int(envs.final.action_space.n))
    final = next(protocols.play_episodes(envs.final, make, 0, 0, 1))
    trained = next(protocols.play_episodes(envs.train, make, 0, 0, 1))
    assert final.completed
    assert final.score % 5 == 0
    assert final.score > final.steps * 0.1
    assert trained.score <= trained.steps
    assert trained.steps < final.steps
    envs.close()


# --- the random player's runs ----------------------------------------------------------


@pytest.fixture(scope="module")
def random_run(tmp_path_factory):
    """Four random games of Breakout, recorded in one go."""
    suite = tmp_path_factory.mktemp("random")
    games = list(random_player.run_random("breakout", 5, 4, suite))
    return suite / "breakout" / "seed-5", games


def contents(path):
    return {item.name: item.read_bytes() for item in path.iterdir() if item.is_file()}


def test_random_play_is_recorded_as_a_run(random_run):
    path, games = random_run
    assert {item.name for item in path.iterdir()} - {".lock"} == {
        "config.json", "provenance.json", "evaluations.csv", "done.json",
    }  # fmt: skip
    with (path / "evaluations.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == COLUMNS
    assert [int(row["episode"]) for row in rows] == [0, 1, 2, 3]
    assert {(row["kind"], row["weights"], row["step"]) for row in rows} == {
        ("final", "random", "0")
    }
    assert [float(row["return"]) for row in rows] == [game.score for game in games]
    scores = [float(row["return"]) for row in rows]
    done = json.loads((path / "done.json").read_text())
    assert done["episodes"] == 4
    assert done["mean_return"] == pytest.approx(sum(scores) / 4)
    there = json.loads((path / "config.json").read_text())
    assert (there["game"], there["seed"]) == ("breakout", 5)
    assert there["config"]["protocol"]["action_repeat_frames"] == 6
    provenance = json.loads((path / "provenance.json").read_text())
    assert provenance["actions"] == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    assert provenance["rom_md5"] == "f34f08e5eb96e500e851a80be3277a56"
    # Six frames per action, but for the last; 1 to 30 frames of doing nothing before.
    for game in games:
        assert 6 * (game.steps - 1) + 1 < game.frames <= 6 * game.steps + 30
    table = records.read_results(path)
    assert table["return"].tolist() == scores
    assert table["finished"].all()


def test_a_finished_random_run_is_left_alone(random_run):
    path, _ = random_run
    before = contents(path)
    assert list(random_player.run_random("breakout", 5, 4, path.parent.parent)) == []
    after = contents(path)
    assert {**before, ".lock": b""} == {**after, ".lock": b""}


@pytest.mark.parametrize("cut", ["rows", "half a line", "no row", "no done.json"])
def test_an_interrupted_random_run_is_completed(random_run, tmp_path, cut):
    path, _ = random_run
    whole = contents(path)
    copy = tmp_path / "breakout" / "seed-5"
    copy.mkdir(parents=True)
    (copy / "config.json").write_bytes(whole["config.json"])
    lines = whole["evaluations.csv"].decode().splitlines(keepends=True)
    kept, missing = {
        "rows": (lines[:3], [2, 3]),
        "half a line": ([*lines[:3], lines[3][:-3]], [2, 3]),
        "no row": (lines[:1], [0, 1, 2, 3]),
        "no done.json": (lines, []),
    }[cut]
    (copy / "evaluations.csv").write_text("".join(kept))
    played = list(random_player.run_random("breakout", 5, 4, tmp_path))
    assert [game.episode for game in played] == missing
    after = contents(copy)
    for name in ("config.json", "evaluations.csv", "done.json"):
        assert after[name] == whole[name]


def test_a_random_run_of_another_length_is_refused(random_run):
    path, _ = random_run
    with pytest.raises(RunDirectoryError, match="episodes"):
        list(random_player.run_random("breakout", 5, 30, path.parent.parent))
