"""Whole trainings: interrupted and resumed, what they leave behind, wrong use of the command."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from repro import config, experiment, records
from repro.agent import Agent
from repro.cluster import evidence
from repro.loop import Event
from repro.replay import ReplayMemory
from repro.storage import checkpoint, directory, weights_file
from repro.storage.run import run_from
from repro.system import machine
from repro.training import command, trackers
from tests.repro.small import (
    EVALUATED,
    KEPT,
    STEPS,
    KilledError,
    StopAt,
    assert_one_line,
    assert_same_run,
    files,
    go,
    make_run,
    rows,
    start,
    train_words,
    use,
    wait_for_step,
    without_speed,
)
from wrappers import rules

pytestmark = pytest.mark.usefixtures("one_thread")


# --- the command, killed and resumed ---------------------------------------------------


@pytest.mark.slow
def test_a_training_that_is_killed_and_resumed_is_the_same_training(capfd, tmp_path):
    whole, cut = (tmp_path / name / "breakout" / "seed-0" for name in ("whole", "cut"))
    code, out, err = use(capfd, *train_words(tmp_path / "whole"))
    assert code == 0, err
    assert "finished after 2,400 frames" in out

    for step, number in ((90, signal.SIGTERM), (240, signal.SIGKILL), (390, signal.SIGTERM)):
        process = start(tmp_path / "cut")
        wait_for_step(process, cut, step)
        process.send_signal(number)
        _, err = process.communicate()
        if number == signal.SIGTERM:
            assert process.returncode == 128 + signal.SIGTERM
            assert_one_line(err, "stopped at step", "the same command goes on")
            # Whatever had been done was kept.
            assert checkpoint.newest_step(cut / "checkpoint") >= step
        else:
            assert process.returncode == -signal.SIGKILL
        assert not (cut / "done.json").exists()
    process = start(tmp_path / "cut")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "finished after 2,400 frames" in out
    assert_same_run(whole, cut)

    assert files(whole) == files(cut) == KEPT
    assert not (cut / "checkpoint").exists()
    last = (cut / "done.json").stat().st_mtime_ns
    assert all((cut / name).stat().st_mtime_ns <= last for name in KEPT)

    before = {name: (cut / name).read_bytes() for name in KEPT}
    code, again, err = use(capfd, *train_words(tmp_path / "cut"))
    assert (code, again) == (0, out), err
    assert before == {name: (cut / name).read_bytes() for name in KEPT}


# --- the same in this process, interrupted at chosen moments ----------------------------


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A finished run, its number of checks, and the weights at each evaluation."""
    seen = {}
    original = command.Training._evaluate

    def listening(self):
        state = self._agent.network.state_dict()
        seen[self._loop.step] = {name: value.clone() for name, value in state.items()}
        original(self)

    stop = StopAt(-1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command.Training, "_evaluate", listening)
        path, end = go(make_run(), tmp_path_factory.mktemp("whole"), stop)
    assert end is None
    return SimpleNamespace(path=path, checks=stop.checks, weights=seen)


def test_a_finished_run_is_complete(uninterrupted):
    path = uninterrupted.path
    assert files(path) == KEPT
    learning = rows(path / "learning.csv")
    assert [int(row["step"]) for row in learning] == list(range(30, STEPS + 1, 30))
    assert [int(row["frames"]) for row in learning] == list(range(120, 2_401, 120))
    # The first update follows step 64, then every fourth.
    assert [int(row["updates"]) for row in learning] == [
        len(range(64, step + 1, 4)) for step in range(30, STEPS + 1, 30)
    ]
    for row in learning:
        progress = min(max((int(row["step"]) - 60) / 300, 0), 1)
        assert float(row["epsilon"]) == pytest.approx(1 - 0.9 * progress, abs=1e-6)
        assert bool(row["mean_max_q"]) == (int(row["step"]) >= 60)
        assert bool(row["loss"]) == (int(row["step"]) > 60)
    games = rows(path / "train_episodes.csv")
    assert [int(row["game"]) for row in games] == list(range(len(games)))
    assert len(games) >= 2
    steps = [int(row["step"]) for row in games]
    assert steps == sorted(set(steps))
    done = json.loads((path / "done.json").read_text())
    assert (done["frames"], done["episodes"], done["weights"]) == (2_400, 2, "best")
    provenance = json.loads((path / "provenance.json").read_text())
    assert {"commit", "dirty", "libraries", "rom_md5", "actions", "device"} <= set(provenance)
    assert "environ" not in json.dumps(provenance)


def test_periodic_evaluations_spend_their_budget(uninterrupted):
    games = rows(uninterrupted.path / "evaluations.csv")
    periodic = [row for row in games if row["kind"] == "periodic"]
    assert sorted({int(row["step"]) for row in periodic}) == EVALUATED
    for step in EVALUATED:
        mine = [row for row in periodic if int(row["step"]) == step]
        assert [int(row["episode"]) for row in mine] == list(range(len(mine)))
        # 50 steps of four frames, a no-op start per game; a game's last step may be shorter.
        frames = sum(int(row["frames"]) for row in mine)
        assert 200 - 3 * len(mine) <= frames <= 200 + 30 * len(mine)
        # Only the budget leaves a game unfinished, so only the last one.
        assert all(row["completed"] == "True" for row in mine[:-1])


def test_the_best_network_is_kept_and_scored(uninterrupted):
    games = rows(uninterrupted.path / "evaluations.csv")
    scores = {}
    for step in EVALUATED:
        whole = [
            float(row["return"])
            for row in games
            if row["kind"] == "periodic" and int(row["step"]) == step and row["completed"] == "True"
        ]
        scores[step] = sum(whole) / len(whole) if whole else -float("inf")  # no score
    best = max(scores, key=scores.get)  # the first of equals
    done = json.loads((uninterrupted.path / "done.json").read_text())
    assert done["weights_step"] == best
    final = [row for row in games if row["kind"] == "final"]
    assert [(row["weights"], int(row["step"])) for row in final] == [("best", best)] * 2
    assert done["mean_return"] == sum(float(row["return"]) for row in final) / 2
    run = make_run()
    env = experiment.make_envs(run)
    agent = experiment.make_agent(run, env.train)
    env.close()
    weights_file.load(uninterrupted.path / "best.safetensors", agent.network)
    shown = evidence.read(uninterrupted.path.parents[1], "breakout", 1)
    assert shown.best_score == (scores[best] if np.isfinite(scores[best]) else None)
    for name, value in agent.network.state_dict().items():
        assert torch.equal(value, uninterrupted.weights[best][name])
    weights_file.load(uninterrupted.path / "last.safetensors", agent.network)
    for name, value in agent.network.state_dict().items():
        assert torch.equal(value, uninterrupted.weights[STEPS][name])


def test_evaluations_and_checkpoints_leave_the_training_as_it_was(uninterrupted, tmp_path):
    path, _ = go(make_run(eval_every_steps=0, checkpoint_every_steps=0), tmp_path)
    for name in ("last.safetensors", "train_episodes.csv"):
        assert (path / name).read_bytes() == (uninterrupted.path / name).read_bytes(), name
    assert without_speed(path / "learning.csv") == without_speed(
        uninterrupted.path / "learning.csv"
    )
    done = json.loads((path / "done.json").read_text())
    assert done["weights"] == "last"  # there was no evaluation to choose the best by


def test_another_seed_is_another_training(uninterrupted, tmp_path):
    path, _ = go(make_run(seed=2, frames=480), tmp_path)
    one, two = (rows(each / "learning.csv")[3]["mean_max_q"] for each in (path, uninterrupted.path))
    assert one != two


# Of the checks, 600 follow the training's steps and 50 fall into each of its evaluations.
MOMENTS = {
    "the first step": (1, False),
    "the last random step": (60, False),
    "before an update": (63 + 40, True),
    "during an evaluation": (150 + 20, False),
    "during another evaluation": (300 + 50 + 20, True),
    "right after an evaluation": (150 + 50 + 1, True),
    "the last step": (600 + 3 * 50, False),
    "the final evaluation": (600 + 4 * 50 + 30, True),
    "the final evaluation's second game": (-30, False),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_every_moment_is_good_for_an_end(uninterrupted, tmp_path, moment):
    check, kill = MOMENTS[moment]
    assert uninterrupted.checks > 600 + 4 * 50 + 60
    run = make_run()
    path, end = go(run, tmp_path, StopAt(check % uninterrupted.checks, kill))
    assert end is (KilledError if kill else command.Interrupted)
    assert not (path / "done.json").exists()
    path, end = go(run, tmp_path)
    assert end is None
    assert files(path) == KEPT
    assert_same_run(path, uninterrupted.path)


def test_many_ends_in_a_row(uninterrupted, tmp_path):
    run, ends = make_run(), []
    for index, check in enumerate((70, 80, 90, 33, 133, 60, 180, 144)):
        path, end = go(run, tmp_path, StopAt(check, kill=index in (3, 6)))
        ends.append(end)
    assert None not in ends
    path, end = go(run, tmp_path)
    assert end is None
    assert_same_run(path, uninterrupted.path)


# --- the tracker of learning.csv --------------------------------------------------------


class Written:
    """A table in memory."""

    def __init__(self):
        self.rows = []

    def append(self, row):
        self.rows.append(dict(row))


class Numbers(torch.nn.Module):
    """Three actions; the best one's value is the number that the state is."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, states):
        self.seen.append(states.numpy())
        return states.reshape(-1, 1).float() - torch.tensor([[5.0, 0.0, 9.0]])


def test_the_q_curve_follows_500_states_drawn_at_the_end_of_random_play():
    memory = ReplayMemory(300, (1, 1), 1, np.random.default_rng(0), discount=0.99)
    for number in range(250):
        memory.add(np.array([[number]]), 0, 0.0, False)
    table, network = Written(), Numbers()
    nature = config.preset("nature")
    agent = Agent(
        dataclasses.replace(nature.agent, network="mlp"), 3, (1, 1), np.random.default_rng(0),
        torch.Generator(),
    )  # fmt: skip
    agent.network = agent.target = network
    tracker = trackers.LearningTracker(table, nature, agent, memory, np.random.default_rng(1))
    before = memory.generator.bit_generator.state
    for step in range(1, 70_001):
        loss = float(step % 7) if step > 50_000 and step % 4 == 0 else None
        tracker(Event(step, 0.5, loss, None, None))
        if step == 50_000:
            for _ in range(300):  # what comes later does not change the states
                memory.add(np.array([[255]]), 0, 0.0, False)
    assert memory.generator.bit_generator.state == before
    assert [row["step"] for row in table.rows] == list(range(10_000, 70_001, 10_000))
    assert [row.get("mean_max_q") for row in table.rows[:4]] == [None] * 4
    assert len(network.seen) == 6
    for states, following, row in zip(
        network.seen[::2], network.seen[1::2], table.rows[4:], strict=True
    ):
        assert states.shape == (500, 1, 1, 1)
        numbers = states.reshape(-1).astype(float)
        assert numbers.max() < 250
        np.testing.assert_array_equal(following, states + 1)  # row 31: the next states
        assert row["mean_max_q"] == pytest.approx(sum(numbers) / 500)
        assert row["v"] == pytest.approx(sum(numbers + 1) / 500)
        # Action 0 was taken: 5 below the best. No reward, discount 0.99, clipped to 1.
        errors = [min(abs(0.99 * (n + 1) - (n - 5)), 1) for n in numbers]
        assert row["mean_abs_td_error"] == pytest.approx(sum(errors) / 500, rel=1e-5)
        np.testing.assert_array_equal(states, network.seen[0])
    assert [row["updates"] for row in table.rows] == [0, 0, 0, 0, 0, 2_500, 5_000]
    losses = [step % 7 for step in range(50_004, 60_001, 4)]
    assert table.rows[5]["loss"] == pytest.approx(sum(losses) / len(losses))


def test_gradients_outlast_two_interruptions_without_an_update_between():
    nature = config.preset("nature")
    memory = ReplayMemory(300, (1, 1), 1, np.random.default_rng(0), discount=0.99)
    states = []
    for before in ({"output_mean_abs_gradient": 0.5}, None):
        agent = Agent(
            dataclasses.replace(nature.agent, network="mlp"), 3, (1, 1),
            np.random.default_rng(0), torch.Generator(),
        )  # fmt: skip
        tracker = trackers.LearningTracker(
            Written(), nature, agent, memory, np.random.default_rng(1)
        )
        fresh = tracker.state()
        assert fresh["gradients"] == {}  # nothing was learned yet
        tracker.restore(fresh | {"gradients": before or states[-1]})
        states.append(tracker.state()["gradients"])
    assert states == [{"output_mean_abs_gradient": 0.5}] * 2


# --- wrong use -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (["train", "braekout"], ["braekout", "breakout"]),
        (["train", "Space Invader"], ["space_invaders"]),
        (["random", "pongg"], ["pong"]),
        (["train", "breakout", "--preset", "natur"], ["natur", "nature-text", "machado2018"]),
        (["train", "breakout", "--frames", "-4"], ["--frames", "-4"]),
        (["train", "breakout", "--frames", "0"], ["frames", "got 0"]),
        (["train", "breakout", "--frames", "3"], ["frames", "3"]),
        (["train", "breakout", "--frames", "many"], ["--frames", "many"]),
        (["train", "breakout", "--frames", "4.5"], ["--frames", "4.5"]),
        (["train", "breakout", "--replay-draw", "500"], ["replay_draw", "500", "32"]),
        (["train", "breakout", "--epsilon-end", "1.5"], ["epsilon_end", "1.5"]),
        (["train", "breakout", "--eval-epsilon", "-0.5"], ["eval_epsilon", "-0.5"]),
        (["train", "breakout", "--sticky-probability", "1"], ["sticky_probability"]),
        (["train", "breakout", "--discount", "nan"], ["discount", "nan"]),
        (["train", "breakout", "--learning-rate", "nan"], ["learning_rate", "nan"]),
        (["train", "breakout", "--min-squared-gradient", "0"], ["min_squared_gradient"]),
        (["train", "breakout", "--gradient-decay", "1"], ["gradient_decay"]),
        (["train", "breakout", "--screen-pixels", "42"], ["84", "42"]),
        (["train", "breakout", "--network", "mlp"], ["mlp"]),
        (
            ["train", "CartPole-v1", "--preset", "cartpole", "--network", "nature"],
            ["nature", "mlp"],
        ),
        (["train", "breakout", "--seed", "-1"], ["--seed"]),
        (["train", "breakout", "--threads", "0"], ["--threads"]),
        (["train", "breakout", "--threads", "1e12"], ["--threads", "1,024"]),
        (["train", "../../evil", "--preset", "cartpole"], ["../../evil"]),
        (["train", "ALE/Pong-v5", "--preset", "cartpole"], ["ALE/Pong-v5"]),
        (["train", "..", "--preset", "cartpole"], ["'..'"]),
        (["train", "Pendulum-v1", "--preset", "cartpole"], ["Pendulum-v1", "discrete"]),
        (["train", "breakout", "--learning-rat", "1", "--surprise"], ["surprise"]),
        (["train", "CartPole-v7", "--preset", "cartpole"], ["CartPole-v7"]),
        (["train"], ["GAME"]),
        (["tarin"], ["tarin"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0] in ("train", "random") else None,
)
def test_wrong_use_is_one_line_and_exit_code_2(capfd, tmp_path, monkeypatch, words, mentions):
    monkeypatch.chdir(tmp_path)
    small = ["--replay-steps", 500, "--learning-starts-steps", 100, "--quiet"]
    default_frames = ["--frames", 800] if "--frames" not in words else []
    if words[:1] == ["train"] and len(words) > 1:
        words = [*words, *small, *default_frames, "--out", tmp_path / "suite"]
    code, out, err = use(capfd, *words)
    assert_one_line(err, *mentions)
    assert (code, out) == (2, "")
    assert list(tmp_path.iterdir()) == []  # nothing is made, inside the suite or outside


def test_a_device_that_is_not_there_is_one_line(capfd, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    code, out, err = use(capfd, *train_words(tmp_path), "--device", "cuda")
    assert_one_line(err)
    assert code in (1, 2)
    assert out == ""
    code, out, err = use(capfd, *train_words(tmp_path), "--device", "abacus")
    assert_one_line(err, "abacus")
    assert code in (1, 2)


def test_too_little_memory_is_said_at_once(capfd, tmp_path):
    code, out, err = use(capfd, *train_words(tmp_path, replay_steps=1_000_000_000_000))
    # 7,062 bytes a step.
    assert_one_line(err, "7,062,000", "GB", "--replay-steps")
    assert (code, out) == (1, "")
    # The remedy that the message names works.
    words = train_words(tmp_path, frames=400, final_episodes=1)
    code, out, err = use(capfd, *words, "--network", "linear")
    assert (code, err) == (0, "")
    assert "finished after 400 frames" in out


def test_memory_that_turns_out_not_to_be_there_is_said_as_clearly(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "available_memory_bytes", lambda: 10**18)
    code, out, err = use(capfd, *train_words(tmp_path, replay_steps=1_000_000_000_000))
    assert_one_line(err, "memory", "--replay-steps")
    assert (code, out) == (1, "")


def test_the_memory_limit_of_a_process_counts():
    code = (
        "import resource; from repro.system import machine\n"
        "resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\n"
        "assert 0 < machine.available_memory_bytes() < 10**9\n"
        "held = bytearray(3 * 10**8)\n"
        "assert 0 < machine.available_memory_bytes() < 7 * 10**8\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_network_that_memory_cannot_hold_is_one_line(capfd, tmp_path):
    code, out, err = use(capfd, *train_words(tmp_path, hidden_units=10**10))
    assert_one_line(err, "10,000,000,000 units", "--hidden-units")
    assert (code, out) == (1, "")


def test_a_directory_in_use_is_refused(capfd, tmp_path):
    run = make_run(seed=0)
    with directory.RunDirectory(records.run_path(tmp_path, "breakout", 0), run.identity()):
        code, out, err = use(capfd, *train_words(tmp_path), "--network", "linear")
    assert_one_line(err, "in use", str(os.getpid()))
    assert (code, out) == (os.EX_TEMPFAIL, "")


@pytest.fixture
def unfinished(tmp_path):
    """The suite of a run that was interrupted at step 75."""
    path, end = go(make_run(seed=0), tmp_path, StopAt(75))
    assert end is command.Interrupted
    return path


# What an environment remembers differs from game to game: score rules, another set of actions.
@pytest.mark.slow
@pytest.mark.parametrize("game", [*rules.RULES, *rules.ACTIONS])
def test_every_kind_of_game_goes_on_where_it_stood(tmp_path, game):
    run = make_run(game=game, frames=800)
    path, _ = go(run, tmp_path / "stopped", StopAt(75))
    assert checkpoint.newest_step(path / "checkpoint") > 0
    go(run, tmp_path / "stopped")
    assert_same_run(path, go(run, tmp_path / "whole")[0])


def resume(capfd, path, *more, **changes):
    words = train_words(path.parent.parent, **changes)
    return use(capfd, *words, "--network", "linear", *more)


def test_another_configurations_directory_is_refused(capfd, unfinished):
    before = {name: (unfinished / name).read_bytes() for name in files(unfinished)}
    code, out, err = resume(capfd, unfinished, "--discount", "0.9")
    assert_one_line(err, "agent.discount", "0.99", "0.9", "--out")
    assert (code, out) == (2, "")
    code, _, err = resume(capfd, unfinished, frames=1_200)
    assert_one_line(err, "training.frames")
    assert code == 2
    assert before == {name: (unfinished / name).read_bytes() for name in files(unfinished)}


@pytest.mark.parametrize("name", ["arrays.safetensors.zst", "tail.safetensors.zst", "state.json"])
def test_a_damaged_checkpoint_is_refused(capfd, unfinished, name):
    first, damaged = sorted(unfinished.glob("checkpoint/step-*"))
    assert first.name == "step-000000000"
    damaged /= name
    data = damaged.read_bytes()
    damaged.write_bytes(data[: len(data) // 2])
    before = {name: (unfinished / name).read_bytes() for name in files(unfinished)}
    code, out, err = resume(capfd, unfinished)
    assert_one_line(err, "damaged", str(unfinished / "checkpoint"), "--restart")
    assert (code, out) == (1, "")
    assert before == {name: (unfinished / name).read_bytes() for name in files(unfinished)}


def test_a_damaged_configuration_is_refused(capfd, unfinished):
    (unfinished / "config.json").write_text("{")
    code, _, err = resume(capfd, unfinished)
    assert_one_line(err, "config.json")
    assert code == 2


# While actions are random the loss shows it first, else the values of the actions.
@pytest.mark.parametrize("epsilon", [1.0, 0.0])
def test_a_training_that_blows_up_stops_and_says_so(capfd, tmp_path, epsilon):
    words = train_words(
        tmp_path, learning_rate=1e38, td_error_clip=0.0, epsilon_start=epsilon, epsilon_end=epsilon
    )
    code, out, err = use(capfd, *words, "--network", "linear")
    assert_one_line(err, "breakout", "--learning-rate")
    assert (code, out) == (1, "")
    path = records.run_path(tmp_path, "breakout", 0)
    assert [row["step"] for row in rows(path / "learning.csv")][:2] == ["30", "60"]
    assert not (path / "done.json").exists()


def test_run_from_reads_a_run_back(uninterrupted, tmp_path):
    assert run_from(uninterrupted.path) == make_run()
    with pytest.raises(records.RunDirectoryError, match=r"config\.json"):
        run_from(tmp_path)
    (tmp_path / "config.json").write_text('{"game": "pong"}')
    with pytest.raises(config.ConfigError, match="training"):
        run_from(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "abc"), ("seed", -1), ("seed", True), ("seed", 1.0), ("game", 5),
        ("game", "../evil"), ("preset", None), ("config", 5), ("config", {}),
        ("hidden_units", 51.5), ("network", "natrue"),
    ],
)  # fmt: skip
def test_a_damaged_identity_is_one_line(capfd, tmp_path, name, value):
    there = make_run().identity()
    (there if name in there else there["config"]["agent"])[name] = value
    (tmp_path / "config.json").write_text(json.dumps(there))
    code, out, err = use(capfd, "evaluate", tmp_path)
    assert_one_line(err, str(tmp_path), *([name, repr(value)] if name != "config" else []))
    assert (code, out) == (2, "")


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import repro, sys; assert not {'torch', 'ale_py', 'gymnasium', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
