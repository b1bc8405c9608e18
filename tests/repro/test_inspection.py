"""What `repro inspect` writes: played, embedded and chosen by the real command, read back."""

import csv
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys

import cv2
import numpy as np
import pytest

from repro import cli, config, experiment, records
from repro.evaluation import protocols
from repro.evaluation.trained import load
from repro.storage import directory, weights_file
from repro.storage.run import Run, run_from
from repro.studies import inspection

STEPS, PERPLEXITY, STRETCH = 230, 12, 40
FLAGS = ["--steps", STEPS, "--perplexity", PERPLEXITY, "--stretch-steps", STRETCH]
CAP_FRAMES = 400  # games of 100 steps, so that there are several


def repro(*words):
    command = [sys.executable, "-m", "repro.cli", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def make_run(suite, game="breakout", preset="nature", **agent):
    """A run directory with first weights and nothing else."""
    chosen = config.preset(preset)
    tiny = dataclasses.replace(
        chosen,
        protocol=dataclasses.replace(chosen.protocol, eval_cap_frames=CAP_FRAMES),
        agent=dataclasses.replace(chosen.agent, replay_steps=1_000, **agent),
    )
    run = Run(game, 1, preset, tiny)
    folder = records.run_path(suite, run.game, run.seed)
    with directory.RunDirectory(folder, run.identity()):
        envs = experiment.make_envs(run)
        network = experiment.make_agent(run, envs.train).network
        weights_file.save(folder / "last.safetensors", network, 400)
        envs.close()
    return folder


def inspected(folder):
    done = repro("inspect", folder, "--weights", "last", *FLAGS)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "inspection"


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows, name, dtype=np.float32):
    return np.array([row[name] for row in rows]).astype(dtype)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def made(run_dir):
    return inspected(run_dir)


@pytest.fixture(scope="module")
def found(made):
    return json.loads((made / "inspection.json").read_text())


def test_the_description_says_how_it_was_made(found):
    assert {key: found[key] for key in found if key not in {"stretch", "marks", "screens"}} == {
        "schema": 1, "game": "breakout", "run_seed": 1, "weights": "last", "weights_step": 400,
        "epsilon": 0.05, "seed": 0, "steps": STEPS, "perplexity": PERPLEXITY,
        "hidden_units": 512, "actions": ["NOOP", "FIRE", "RIGHT", "LEFT"],
    }  # fmt: skip


def test_play_has_a_row_per_step_of_the_evaluation_games(made, run_dir):
    """Replayed here by the evaluation's own player, with the network asked game by game."""
    rows = table(made / "play.csv")
    assert list(rows[0]) == [
        "step", "game", "frame", "action", "reward", "value",
        "q_NOOP", "q_FIRE", "q_RIGHT", "q_LEFT",
    ]  # fmt: skip
    assert [row["step"] for row in rows] == [str(step) for step in range(STEPS)]
    trained = load(run_dir, "last")
    env = experiment.make_envs(trained.run).final
    make_player = trained.agent.player(0.05)
    expected, states, game = [], [], 0
    while len(expected) < STEPS:
        seed = protocols.episode_seed(1, 400, game)
        player = make_player(np.random.default_rng([seed, *b"player"]))
        state, info = env.reset(seed=seed)
        over = False
        while not over:
            frame, action = info["episode_frame_number"], player(state)
            states.append(state)
            state, reward, terminated, truncated, info = env.step(action)
            expected.append((game, frame, action, reward))
            over = terminated or truncated
        game += 1
    names = ("game", "frame", "action", "reward")
    assert [tuple(float(row[name]) for name in names) for row in rows] == expected[:STEPS]
    assert game == 3
    q = np.stack([column(rows, f"q_{name}") for name in ("NOOP", "FIRE", "RIGHT", "LEFT")], axis=1)
    again = trained.agent.q_values(np.stack(states[:STEPS]))
    np.testing.assert_allclose(q, again, rtol=0, atol=1e-6)
    assert again.std(axis=0).min() > 1e-5  # the tolerance tells the states apart
    np.testing.assert_array_equal(column(rows, "value"), q.max(axis=1))


def test_the_map_has_a_place_for_every_step_and_the_value_of_play(made):
    rows = table(made / "embedding.csv")
    assert list(rows[0]) == ["step", "x", "y", "value"]
    play = table(made / "play.csv")
    assert [(r["step"], r["value"]) for r in rows] == [(r["step"], r["value"]) for r in play]
    places = np.stack([column(rows, "x"), column(rows, "y")], axis=1)
    assert np.isfinite(places).all()
    assert places.std(axis=0).min() > 1


def test_neighbours_in_the_hidden_layer_are_neighbours_on_the_map():
    clusters = np.eye(512, dtype=np.float32)[np.arange(90) % 3]
    hidden = clusters + np.random.default_rng(0).normal(0, 0.01, (90, 512)).astype(np.float32)
    places = inspection.embed(hidden, 10, 0)
    assert places.shape == (90, 2)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (distance.argmin(axis=1) % 3 == np.arange(90) % 3).all()
    assert not np.array_equal(inspection.embed(hidden, 10, 1), places)


def test_the_output_layer_turns_the_hidden_one_into_the_action_values(run_dir):
    agent = load(run_dir, "last").agent
    generator = np.random.default_rng(0)
    states = generator.integers(0, 256, (5, 4, 84, 84), dtype=np.uint8)
    q, hidden = inspection.activations(agent, states)
    assert q.dtype == hidden.dtype == np.float32
    assert hidden.shape == (5, 512)
    assert hidden.min() == 0 < hidden.max()
    weight, bias = (
        agent.network.head[-1].get_parameter(name).detach().numpy().astype(np.float64)
        for name in ("weight", "bias")
    )
    np.testing.assert_allclose(q, hidden @ weight.T + bias, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(q, agent.q_values(states))


def test_the_stretch_is_where_the_value_varies_most(made, found):
    rows = table(made / "play.csv")
    best, expected = -1.0, None
    for start in range(STEPS - STRETCH + 1):
        window = rows[start : start + STRETCH]
        if len({row["game"] for row in window}) == 1:
            spread = statistics.pstdev(float(row["value"]) for row in window)
            if spread > best + 1e-12:
                best, expected = spread, [start, start + STRETCH]
    assert found["stretch"] == expected


def test_marks_are_the_extremes_of_the_stretch_and_apart(made, found):
    start, stop = found["stretch"]
    values = column(table(made / "play.csv"), "value")
    assert len(found["marks"]) == 4
    assert start <= found["marks"][0]
    assert found["marks"][-1] < stop
    assert np.diff(found["marks"]).min() >= STRETCH / 10
    assert values[start:stop].max() == values[found["marks"]].max()


def test_screens_are_those_named_as_the_emulator_shows_them(made, found):
    assert len(set(found["screens"])) == 12
    named = {f"step-{step:06d}.png" for step in (*found["marks"], *found["screens"])}
    assert {path.name for path in (made / "screens").iterdir()} == named
    for name in named:
        pixels = cv2.imread(str(made / "screens" / name), cv2.IMREAD_UNCHANGED)
        assert (pixels.shape, pixels.dtype) == ((210, 160, 3), np.uint8)
        red_bricks = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)[58, 20]
        assert tuple(red_bricks) == (200, 72, 72)


def test_the_first_screen_of_the_map_is_of_the_highest_value(made, found):
    values = column(table(made / "play.csv"), "value")
    assert found["screens"][0] == values.argmax()


def test_the_same_command_gives_the_same_bytes_and_replaces_what_was_there(run_dir, made, tmp_path):
    copy = tmp_path / "seed-1"
    shutil.copytree(run_dir, copy)
    stale = copy / "inspection" / "screens" / "step-999999.png"
    stale.touch()
    (copy / "inspection" / "play.csv").write_text("old")
    assert contents(inspected(copy)) == contents(made)


def test_a_stretch_longer_than_every_game_is_the_liveliest_of_the_longest():
    game = np.repeat([0, 1, 2], [3, 5, 5])
    value = np.array([9, 0, 9, 1, 1, 1, 1, 1, 2, 3, 2, 3, 2], np.float32)
    assert inspection.liveliest(game, value, 100) == (8, 13)
    assert inspection.liveliest(game, value, 3) == (0, 3)
    assert inspection.liveliest(game, np.zeros(13, np.float32), 4) == (3, 7)


def test_there_is_always_room_for_four_marks():
    generator = np.random.default_rng(0)
    for length in range(4, 200):
        values = generator.normal(size=length).astype(np.float32)
        marks = inspection.extremes(values)
        assert len(marks) == 4
        assert np.diff(marks).min() >= max(1, length / 10)
        assert int(values.argmax()) in marks


def test_marks_pass_over_what_is_nearer_than_a_tenth():
    values = np.zeros(40, np.float32)
    values[[5, 6, 8, 9, 20, 30]] = 5, -9, 4.5, 4, 3, -1
    assert inspection.extremes(values) == [0, 5, 9, 30]


def test_scattered_points_are_the_farthest_from_those_before():
    points = np.array([[0, 0], [1, 0], [10, 0], [10, 1], [4, 0]], np.float32)
    assert inspection.scattered(points, 0, 3) == [0, 3, 2]  # a small y counts like a large x
    assert sorted(inspection.scattered(points, 2, 12)) == [0, 1, 2, 3, 4]
    assert sorted(inspection.scattered(np.ones((4, 2), np.float32), 1, 4)) == [0, 1, 2, 3]


def test_a_dead_hidden_layer_is_refused():
    with pytest.raises(config.ConfigError, match="same in every state"):
        inspection.embed(np.zeros((50, 512), np.float32), 10, 0)


def refused(capsys, *words):
    """Exit code and the one line of a command that must not work; nothing may be written."""
    folder = words[0]
    code = cli.main(["inspect", *map(str, words)])
    done = capsys.readouterr()
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert not (folder / "inspection").exists()
    return code, done.err


@pytest.mark.parametrize(
    ("flags", "needle"),
    [
        (["--perplexity", 50, "--steps", 50], "less than the 50 steps, got 50"),
        (["--perplexity", "nan"], "got nan"),
        (["--perplexity", 0.5], "from 1"),
        (["--steps", 3], "at least 4"),
        (["--stretch-steps", 3], "at least 4"),
        (["--device", "cuda:77"], "cuda:77"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, capsys, flags, needle):
    code, line = refused(capsys, make_run(tmp_path), "--weights", "last", *flags)
    assert code == 2
    assert needle in line


@pytest.mark.parametrize(
    ("run", "needle"),
    [
        ({"network": "linear"}, "network 'linear' has no hidden layer"),
        ({"game": "CartPole-v1", "preset": "cartpole"}, "CartPole-v1 has no screen"),
    ],
)
def test_runs_without_a_hidden_layer_or_a_screen_are_refused(tmp_path, capsys, run, needle):
    code, line = refused(capsys, make_run(tmp_path, **run), "--weights", "last")
    assert code == 2
    assert needle in line


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    code, line = refused(capsys, tmp_path / "nowhere")
    assert code == 2
    assert "config.json" in line


def test_weights_that_are_not_there_are_named(tmp_path, capsys):
    code, line = refused(capsys, make_run(tmp_path), "--weights", "best")
    assert code == 1
    assert "best.safetensors is missing" in line


def test_a_run_in_use_is_refused(tmp_path, capsys):
    folder = make_run(tmp_path)
    with directory.RunDirectory(folder, run_from(folder).identity()):
        code, line = refused(capsys, folder, "--weights", "last")
    assert code == os.EX_TEMPFAIL
    assert "in use" in line


def test_a_run_of_an_earlier_version_is_inspected_as_it_is(tmp_path):
    """Settings that came later are missing in its config.json, which stays so."""
    folder = make_run(tmp_path)
    there = records.read_json(folder / "config.json")
    del there["config"]["agent"]["initial_weights"], there["sha256"]
    records.write_json(folder / "config.json", there)
    found = inspection.inspect(folder, "last", 20, 3, stretch_steps=500, seed=10**15)
    assert found["stretch"] == [0, 20]
    assert records.read_json(folder / "config.json") == there
