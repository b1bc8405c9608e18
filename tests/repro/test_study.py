"""A study: from its file through trainings of its own to a table and a figure."""

import argparse
import csv
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from scipy import stats

from repro import config, records
from repro.config import study
from repro.training import study as command
from tests.repro.small import assert_one_line, use

SMALL = """
summary = "Two sizes of a network"
shortened = "everything"
preset = "cartpole"
games = ["CartPole-v1", "Acrobot-v1"]
seeds = 2

[settings]
frames = 600
learning_starts_steps = 100
replay_steps = 400
minibatch = 8
eval_every_steps = 200
eval_steps = 120
heldout_states = 20
final_episodes = 2
log_every_steps = 100

[grid]
hidden_units = [4, 8]

[cells."no learning"]
learning_rate = 1e-9
"""
CELLS = ["hidden_units-4", "hidden_units-8", "no-learning"]


@pytest.fixture
def plan(tmp_path):
    file = tmp_path / "sizes.toml"
    file.write_text(SMALL)
    return file


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    file = tmp_path_factory.mktemp("plan") / "sizes.toml"
    file.write_text(SMALL)
    folder = tmp_path_factory.mktemp("studies") / "sizes"
    words = [sys.executable, "-m", "repro", "study", file, "--out", folder]
    done = subprocess.run(
        [*words, "--jobs", "2", "--threads", "1", "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


def test_a_file_says_which_configurations(plan):
    wanted = study.read(str(plan))
    assert (wanted.name, wanted.summary, wanted.seeds) == ("sizes", "Two sizes of a network", 2)
    assert [cell.folder for cell in wanted.cells] == CELLS
    assert [cell.title for cell in wanted.cells] == [
        "hidden_units 4", "hidden_units 8", "no learning",
    ]  # fmt: skip
    small, large, still = (cell.config for cell in wanted.cells)
    assert config.differences(small, large) == {"agent.hidden_units": (4, 8)}
    assert still.agent.learning_rate == 1e-9
    assert still.agent.hidden_units == config.preset("cartpole").agent.hidden_units


def test_a_grid_is_every_combination(tmp_path):
    file = tmp_path / "grid.toml"
    grid = "minibatch = [8, 16]\nlearning_rate = [0.1, 0.01, 0.001]\n"
    file.write_text(SMALL.split("[grid]")[0] + "[grid]\n" + grid)
    cells = study.read(str(file)).cells
    found = [(cell.config.agent.minibatch, cell.config.agent.learning_rate) for cell in cells]
    assert found == [(8, 0.1), (8, 0.01), (8, 0.001), (16, 0.1), (16, 0.01), (16, 0.001)]
    assert len({cell.folder for cell in cells}) == 6


@pytest.mark.parametrize("name", study.names())
def test_the_studies_of_this_project_can_be_read(name):
    wanted = study.read(name)
    assert wanted.summary
    assert len(wanted.cells) > 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("hidden_units", "hiden_units", ["no setting 'hiden_units'"]),
        ("[4, 8]", "[4, -8]", ["hidden_units"]),
        ("[4, 8]", "4", ["[grid]", "list"]),
        ("seeds = 2", "seeds = 0", ["seeds"]),
        ("seeds = 2", "", ["seeds"]),
        ("seeds = 2", "sedes = 2", ["unknown key 'sedes'"]),
        ("[4, 8]", "[4, 4]", ["same folder"]),
        ('"cartpole"', '"cartpol"', ["no preset named 'cartpol'"]),
        ('["CartPole-v1", "Acrobot-v1"]', "[]", ["games"]),
        ("frames = 600", "frames =", ["Invalid value"]),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_a_line(plan, capfd, old, new, words):
    plan.write_text(SMALL.replace(old, new, 1))
    code, out, err = use(capfd, "study", plan)
    assert (code, out) == (2, "")
    assert_one_line(err, "sizes.toml", *words)


def test_a_study_that_is_not_there_is_named_with_those_that_are(capfd):
    code, _, err = use(capfd, "study", "movingtarget")
    assert code == 2
    assert_one_line(err, "movingtarget", "moving-target")
    code, out, _ = use(capfd, "study")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == study.names()


@pytest.mark.slow
def test_the_table_is_of_the_runs(finished):
    """Means and intervals once more, from the rows of evaluations.csv."""
    folder, said = finished
    assert "Two sizes of a network" in said
    with (folder / "study.csv").open(newline="") as file:
        rows = {(row["configuration"], row["game"]): row for row in csv.DictReader(file)}
    assert len(rows) == 6
    for title, cell in zip(study.read(str(folder)).cells, CELLS, strict=True):
        for game in ("CartPole-v1", "Acrobot-v1"):
            means, learning = [], []
            for seed in (0, 1):
                played = records.read_results(records.run_path(folder / cell, game, seed))
                final = played[played["kind"] == "final"]
                means.append(np.mean(final["return"].to_list()))
                periodic = played[(played["kind"] == "periodic") & played["completed"]]
                whole = periodic.groupby("step")["return"].mean().reindex([200, 400, 600])
                learning.append(whole.fillna(0).mean())
            row = rows[title.title, game]
            assert float(row["score"]) == pytest.approx(np.mean(means))
            assert float(row["while_learning"]) == pytest.approx(np.mean(learning))
            half = stats.t.ppf(0.975, 1) * np.std(means, ddof=1) / 2**0.5
            assert float(row["low"]) == pytest.approx(np.mean(means) - half)
            assert (row["seeds"], row["frames"]) == ("2", "600")
    assert "Shortened: everything" in (folder / "study.md").read_text()
    with Image.open(folder / "study.png") as picture:
        assert min(picture.size) > 500


@pytest.mark.slow
def test_the_points_alone_give_the_same_table_and_figure(finished, tmp_path, capfd):
    """As they are published: without the runs."""
    for name in ("study.toml", "points.csv"):
        shutil.copy(finished[0] / name, tmp_path)
    code, out, _ = use(capfd, "study", tmp_path, "--show")
    assert code == 0
    assert "Two sizes of a network" in out
    for name in ("study.csv", "study.svg", "study.png", "points.csv"):
        assert (tmp_path / name).read_bytes() == (finished[0] / name).read_bytes()
    points = (tmp_path / "points.csv").read_text()
    (tmp_path / "points.csv").write_text(points.replace("final", "finial").replace(",2", ",x"))
    code, _, err = use(capfd, "study", tmp_path, "--show")
    assert code == 2
    assert_one_line(err, "points.csv")


PUBLISHED = sorted((Path(__file__).parents[2] / "results/published/studies").iterdir())


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_what_is_published_is_made_of_its_points(folder, tmp_path, capfd):
    assert (folder / "study.toml").read_text() == study.read(folder.name).text
    for name in ("study.toml", "points.csv"):
        shutil.copy(folder / name, tmp_path)
    assert use(capfd, "study", tmp_path, "--show")[0] == 0
    for name in ("study.csv", "study.md"):
        assert (tmp_path / name).read_text() == (folder / name).read_text()
    with (folder / "points.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    assert {len(point["commit"]) for point in points} == {40}


@pytest.mark.slow
def test_a_study_goes_on_where_it_stood(finished, tmp_path):
    """Interrupted, all its runs are saved; the same command ends in the same table."""
    whole, _ = finished
    folder = tmp_path / "sizes"
    words = [sys.executable, "-m", "repro", "study", whole, "--out", folder, "--threads", "1"]
    process = subprocess.Popen([*words, "--quiet"], stderr=subprocess.PIPE, text=True)
    while not list(folder.glob("*/*/*/done.json")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, err
    assert "the same command goes on" in err
    before = {path: path.read_bytes() for path in folder.glob("*/*/*/done.json")}
    assert 0 < len(before) < 12
    subprocess.run([*words, "--quiet"], check=True, capture_output=True)
    assert {path: path.read_bytes() for path in before} == before
    assert (folder / "study.csv").read_bytes() == (whole / "study.csv").read_bytes()


@pytest.mark.slow
def test_what_a_network_expects_stands_beside_what_it_collects(tmp_path, capfd):
    """Of CartPole: the value by matrix products, and the discounted sum of a reward of 1 a step."""
    file = tmp_path / "values.toml"
    file.write_text("start_values = true\n" + SMALL.replace(', "Acrobot-v1"', ""))
    folder = tmp_path / "values"
    code, _, _ = use(capfd, "study", file, "--out", folder, "--seeds", 1, "--threads", 1, "--quiet")
    assert code == 0
    run = records.run_path(folder / CELLS[0], "CartPole-v1", 0)
    with (run / "start_values.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    weights = list(load_file(run / "last.safetensors").items())
    layers = [(weights[i + 1][1], weights[i][1]) for i in range(0, len(weights), 2)]
    layers = [(a, b) if a.ndim == 2 else (b, a) for a, b in layers]

    def values(state):
        for number, (weight, bias) in enumerate(layers):
            state = weight.astype(np.float64) @ state + bias
            if number < len(layers) - 1:
                state = np.maximum(state, 0)
        return state

    env = gymnasium.make("CartPole-v1")
    env.reset(seed=0)
    for row in rows:
        state, _ = env.reset()
        expected, steps, ended = values(state).max(), 0, False
        while not ended:
            state, _, terminated, truncated, _ = env.step(int(values(state).argmax()))
            steps, ended = steps + 1, terminated or truncated
        assert float(row["expected"]) == pytest.approx(expected, abs=1e-5)
        assert float(row["collected"]) == pytest.approx((1 - 0.99**steps) / (1 - 0.99))
    with (folder / "study.csv").open(newline="") as table:
        shown = next(csv.DictReader(table))
    for name in ("expected", "collected"):
        mean = np.mean([float(row[name]) for row in rows])
        assert float(shown[name]) == pytest.approx(mean)


@pytest.mark.slow
def test_a_seed_that_is_missing_is_counted(finished, tmp_path, capfd):
    shutil.copytree(finished[0], tmp_path / "sizes")
    shutil.rmtree(tmp_path / "sizes" / CELLS[0] / "CartPole-v1" / "seed-1")
    code, out, _ = use(capfd, "study", tmp_path / "sizes", "--show")
    assert code == 0
    assert "1 trainings are not finished" in out


def test_games_are_known_by_any_of_their_names(tmp_path):
    file = tmp_path / "games.toml"
    text = SMALL.replace('"cartpole"', '"nature"').replace("frames = 600", "frames = 4_000")
    named = '["Ms. Pacman", "ALE/Pong-v5", "pong"]'
    file.write_text(text.replace('["CartPole-v1", "Acrobot-v1"]', named))
    given = argparse.Namespace(study=str(file), games=None, seeds=None, frames=None)
    wanted = command.chosen(given)
    assert wanted.games == ("ms_pacman", "pong")
    assert {run.game for _, run in command.runs(wanted, tmp_path)} == {"ms_pacman", "pong"}
    given.games = ["all"]
    assert len(command.chosen(given).games) == 49


def test_a_study_is_submitted_as_an_array_for_each_configuration(plan, tmp_path, capfd):
    code, out, err = use(capfd, "submit", "--study", plan, "--out", tmp_path / "s")
    assert code == 0
    suites = [line for line in out.splitlines() if line.startswith("SUITE=")]
    assert suites == [f"SUITE={tmp_path / 's' / cell}" for cell in CELLS]
    assert out.count("--hidden-units 4 ") == out.count("--learning-rate 1e-09") == 1
    assert err.count("element ") == 3 * 4
    code, _, err = use(capfd, "submit", "--study", plan, "--frames", 700)
    assert code == 2
    assert_one_line(err, "--study")
