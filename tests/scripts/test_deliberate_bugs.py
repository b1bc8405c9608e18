"""The deliberate bugs: each is really there, only while it is asked for, and leaves small files."""

import dataclasses
import functools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from repro import config, experiment, records
from repro.config import differences
from repro.optim import CenteredRMSProp
from repro.storage.run import Run
from repro.system.signals import Interrupted
from repro.training.session import Training
from scripts import deliberate_bugs
from scripts.deliberate_bugs import BUGS, CORRECT, GAME, configured, make

SCRIPT = Path(__file__).parents[2] / "scripts" / "deliberate_bugs.py"
STEPS = 140
SMALL = dataclasses.replace(
    config.preset("nature"),
    protocol=dataclasses.replace(config.preset("nature").protocol, eval_cap_frames=200),
    agent=dataclasses.replace(
        config.preset("nature").agent,
        hidden_units=32, learning_starts_steps=40, target_every_steps=70, replay_draw=64,
    ),
    training=dataclasses.replace(
        config.preset("nature").training, log_every_steps=35, heldout_states=20
    ),
)  # fmt: skip
# What each of the settings' bugs changes, beside the control: from the list of what was asked for.
CHANGED = {
    "mean-loss": {"agent.loss_reduction": ("sum", "mean")},
    "no-target": {"agent.target_every_steps": (10_000, 1)},
    "lecun-weights": {"agent.initial_weights": ("uniform", "lecun-normal")},
    "adam": {},
    "unclipped-rewards": {"protocol.clip_rewards": (True, False)},
    "life-not-terminal": {"protocol.life_loss_terminal": (True, False)},
    "unscaled-pixels": {},
}


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def small_run(name):
    return Run(GAME, 0, "nature", configured((BUGS | CORRECT)[name], SMALL, STEPS))


def trained(name, suite):
    assert make(small_run(name), (BUGS | CORRECT)[name], suite) == 0
    return records.run_path(suite, GAME, 0)


def learnt(path):
    """Loss and mean max-Q of each row; ``None`` where there is none."""
    rows = records.read_rows(path / "learning.csv", "loss", "mean_max_q")
    pairs = [(row["loss"], row["mean_max_q"]) for row in rows]
    return [tuple(None if math.isnan(one) else one for one in pair) for pair in pairs]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The run of a name, trained once for all tests."""
    suite = tmp_path_factory.mktemp("finished")
    return functools.cache(lambda name: trained(name, suite / name))


def test_a_bug_differs_from_the_control_in_nothing_else():
    nature = config.preset("nature")
    control = configured(CORRECT["correct"], nature, 150_000)
    assert {name: differences(control, configured(bug, nature, 150_000))
            for name, bug in BUGS.items()} == CHANGED  # fmt: skip
    assert differences(nature, control) == {
        "agent.replay_steps": (1_000_000, 150_000),
        "agent.learner": ("auto", "plain"),
        "training.frames": (200_000_000, 600_000),
        "training.eval_every_steps": (250_000, 0),
        "training.final_episodes": (30, 1),
        "training.checkpoint_every_steps": (125_000, 25_000),
        "training.keep_checkpoint": (True, False),
    }


@pytest.mark.parametrize("name", ["adam", "unscaled-pixels"])
def test_a_built_in_bug_shows_in_the_numbers_and_not_in_the_configuration(name, finished):
    path, control = finished(name), finished("correct")
    assert (path / "config.json").read_bytes() == (control / "config.json").read_bytes()
    rows, correct = learnt(path), learnt(control)
    assert len(rows) == len(correct) == STEPS // 35
    assert rows[0][0] is correct[0][0] is None  # no update yet
    assert all(one != other for one, other in zip(rows[1:], correct[1:], strict=True))


def test_the_agent_is_the_correct_one_again_afterwards(finished, tmp_path):
    before = learnt(finished("correct"))
    finished("adam")
    assert learnt(trained("correct", tmp_path)) == before


def test_only_small_files_stay(finished):
    kept = {item.name for item in finished("correct").iterdir()} - {".lock"}
    assert {"config.json", "learning.csv", "provenance.json", "done.json"} <= kept
    assert {Path(name).suffix for name in kept} == {".csv", ".json", ".zst"}


def agent_of(name):
    run = small_run(name)
    env = experiment.make_envs(run).train
    agent = experiment.make_agent(run, env)
    if BUGS[name].build_in is not None:
        BUGS[name].build_in(agent)
    return agent, env.reset(seed=1)[0][None]


def test_adam_takes_adams_first_step():
    """Which is the learning rate in every weight with a gradient, whatever its size."""
    agent, screens = agent_of("adam")
    assert not isinstance(agent.optimiser, CenteredRMSProp)
    before = [weights.detach().clone() for weights in agent.network.parameters()]
    agent.network(torch.from_numpy(screens)).sum().backward()
    agent.optimiser.step()
    for old, new in zip(before, agent.network.parameters(), strict=True):
        clear = new.grad.abs() > 1e-5  # Adam's own 1e-8 makes no difference there
        assert clear.any()
        moved = (new.detach() - old)[clear]
        expected = -0.00025 * torch.sign(new.grad[clear])
        torch.testing.assert_close(moved, expected, rtol=0.01, atol=1e-6)


def test_unscaled_networks_see_the_bytes():
    agent, screens = agent_of("unscaled-pixels")
    for network in (agent.network, agent.target):
        seen = []
        first = next(iter(network.convolutions))
        first.register_forward_hook(lambda _, inputs, output, seen=seen: seen.extend(inputs))
        network(torch.from_numpy(screens))
        np.testing.assert_allclose(seen[0].detach().numpy(), screens, rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "unscaled-pixels"])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(name, finished, tmp_path, monkeypatch):
    whole = finished(name)
    after_step = Training._after_step

    def interrupted(training):
        after_step(training)
        if training._loop.step == 90:  # learning, between two checkpoints
            raise Interrupted(15, 90)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_after_step", interrupted)
        assert make(small_run(name), BUGS[name], tmp_path / "cut") == 128 + 15
    path = records.run_path(tmp_path / "cut", GAME, 0)
    assert (path / "checkpoint").is_dir()
    assert not (path / "done.json").exists()
    assert trained(name, tmp_path / "cut") == path
    assert learnt(path) == learnt(whole)
    assert (path / "train_episodes.csv").read_bytes() == (whole / "train_episodes.csv").read_bytes()


def script(*words):
    command = [sys.executable, SCRIPT, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_trains_what_it_is_told_and_skips_what_is_finished(tmp_path):
    words = ["adam", "--steps", 40, "--seed", 1, "--out", tmp_path]
    done = script(*words)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "adam" / "ms_pacman" / "seed-1"
    assert json.loads((path / "done.json").read_text())["frames"] == 160
    marks = {file: file.stat().st_mtime_ns for file in path.iterdir() if file.name != ".lock"}
    again = script(*words)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert marks == {file: file.stat().st_mtime_ns for file in marks}


@pytest.mark.parametrize(
    "words", [["adamm"], ["--steps", "0"], ["adam", "--correct"], ["adam", "--steps", "3"]]
)
def test_wrong_use_is_refused_in_one_line(words, tmp_path, capsys):
    try:
        code = deliberate_bugs.main([*words, "--out", str(tmp_path)])
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
