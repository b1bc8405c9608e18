"""The independent gradient descent: what it descends, what it measures, what it tells."""

import ast
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts import plain_descent, slow_start
from scripts.plain_descent import Descent, Play, network, play
from wrappers import make_train_env

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "published" / "slow_start"


def generator():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def played():
    return play(make_train_env("breakout", 0), 300, generator())


def descent(drawn, at_once=1, weights="uniform"):
    first = network(4, weights, torch.Generator().manual_seed(0))
    return Descent(first, drawn, drawn, at_once, generator())


def test_the_descent_shares_nothing_with_the_agent():
    text = (ROOT / "scripts" / "plain_descent.py").read_text()
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert names.isdisjoint({"repro", "wrappers", "paper_tables", "scripts"})


def test_play_rebuilds_what_the_environment_showed(played):
    """The same game once more, with the actions that were drawn; lost lives are among it."""
    env = make_train_env("breakout", 0)
    ended, states, following, rewards = True, [], [], []
    for action in played.actions:
        if ended:
            observation, _ = env.reset()
        states.append(observation)
        observation, reward, terminated, truncated, _ = env.step(int(action))
        following.append(observation)
        rewards.append(reward)
        ended = terminated or truncated
    assert played.ends.sum() > 2
    assert played.rewards.tolist() == rewards
    assert (played.screens[played.windows[:, :4]].numpy() == np.stack(states)).all()
    goes_on = ~played.ends.numpy()
    shown = played.screens[played.windows[:, 1:]].numpy()
    assert (shown[goes_on] == np.stack(following)[goes_on]).all()


def test_the_network_has_the_papers_layers_and_the_first_weights_asked_for():
    fan_ins = [4 * 8 * 8, 32 * 4 * 4, 64 * 3 * 3, 64 * 7 * 7, 512]
    outputs = [32, 64, 64, 512, 6]
    for weights in plain_descent.WEIGHTS:
        made = network(6, weights, torch.Generator().manual_seed(1))
        layers = [layer for layer in made if isinstance(layer, torch.nn.Conv2d)]
        assert [layer.weight[0].numel() for layer in layers] == fan_ins
        assert [len(layer.bias) for layer in layers] == outputs
        assert made(torch.zeros(2, 4, 84, 84)).shape == (2, 6)
        for layer, fan_in in zip(layers, fan_ins, strict=True):
            sd = float(layer.weight.detach().std())
            if weights == "uniform":
                assert sd == pytest.approx((3 * fan_in) ** -0.5, rel=0.05)
                assert layer.weight.abs().max() <= fan_in**-0.5
                assert 0 < layer.bias.abs().max() <= fan_in**-0.5
            else:
                assert sd == pytest.approx(fan_in**-0.5, rel=0.05)
                assert layer.bias.tolist() == pytest.approx(
                    [0.0 if layer is layers[-1] else 0.1] * len(layer.bias)
                )


def test_a_step_moves_the_last_biases_by_the_clipped_errors_summed(played, monkeypatch):
    """The slope of the loss in an action's bias is the sum of the errors of that action."""
    made = descent(played)
    with torch.no_grad():  # large values, so that errors are clipped at both ends
        made.network[-2].weight *= 1_000
        made.target[-2].weight *= -1_000
    chosen = np.arange(32) * 9
    monkeypatch.setattr(made, "_uniform", lambda: (chosen, torch.ones(())))
    windows = played.windows[chosen]
    with torch.no_grad():
        values = made.network(played.screens[windows[:, :4]] / 255).double().numpy()
        future = made.target(played.screens[windows[:, 1:]] / 255).double().numpy().max(axis=1)
    actions, ends = played.actions[chosen].numpy(), played.ends[chosen].numpy()
    goals = played.rewards[chosen].numpy() + np.where(ends, 0, 0.99 * future)
    errors = values[np.arange(32), actions] - goals
    assert errors.min() < -1 or errors.max() > 1
    sums = [np.clip(errors, -1, 1)[actions == action].sum() for action in range(4)]
    before = made.network[-2].bias.detach().clone().double().numpy()
    made._step()
    moved = made.network[-2].bias.detach().double().numpy() - before
    np.testing.assert_allclose(moved, -0.0025 * np.array(sums), rtol=1e-3, atol=1e-6)
    assert made.updates == 1


def test_steps_at_once_draw_half_with_a_reward_and_weigh_the_halves_by_their_shares():
    rewards = torch.tensor([0.0, 1.0, 0.0, 0.0, -1.0])
    drawn = Play(
        torch.zeros(9, 84, 84, dtype=torch.uint8), torch.zeros(5, 5, dtype=torch.int64),
        torch.zeros(5, dtype=torch.int64), rewards, torch.zeros(5, dtype=torch.bool),
    )  # fmt: skip
    chosen, weights = descent(drawn, at_once=10)._balanced()
    assert (rewards[chosen[:16]] != 0).all()
    assert (rewards[chosen[16:]] == 0).all()
    # Of 32 drawn uniformly, two fifths would have a reward: 12.8 in place of 16.
    torch.testing.assert_close(weights, torch.tensor([12.8 / 16] * 16 + [19.2 / 16] * 16))
    with pytest.raises(ValueError, match="no reward"):
        descent(Play(*(vars(drawn) | {"rewards": rewards * 0}).values()), at_once=10)


def test_the_root_is_that_of_the_decayed_deviation_of_the_gradient(played, monkeypatch):
    made = descent(played)
    size = sum(weight.numel() for weight in made.parameters)
    gradients = torch.from_numpy(generator().normal(0.3, 0.2, (40, 5)).astype(np.float32))
    given = iter(gradients)

    def gradient(*_):
        values = next(given).repeat(size // 5 + 1)[:size]
        parts = values.split([weight.numel() for weight in made.parameters])
        return [part.view_as(w) for part, w in zip(parts, made.parameters, strict=True)]

    monkeypatch.setattr(made, "_gradient", gradient)
    weights = 0.95 ** np.arange(39, -1, -1)
    centre = np.average(gradients, axis=0, weights=weights)
    spread = np.average((gradients.numpy() - centre) ** 2, axis=0, weights=weights)
    np.testing.assert_allclose(made._root()[:5], np.sqrt(spread + 0.01), rtol=1e-4)


def test_the_target_follows_every_2500_updates(played, monkeypatch):
    made = descent(played, at_once=500)
    copied = []
    monkeypatch.setattr(made.target, "load_state_dict", lambda _: copied.append(made.updates))
    monkeypatch.setattr(made, "_gradient", lambda *_: [0 * weight for weight in made.parameters])
    monkeypatch.setattr(made, "row", lambda: made.updates)
    assert list(made.run(6_000, 2_000)) == [0, 2_000, 4_000, 6_000]
    assert copied == [2_500, 5_000]


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "scripts.slow_start", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


@pytest.fixture
def _quick(monkeypatch):
    """Rows that cost little: fewer states to look at, fewer minibatches for the root."""
    monkeypatch.setattr(slow_start, "HELD_OUT_STATES", 50)
    monkeypatch.setattr(plain_descent, "ROOT_MINIBATCHES", 2)


@pytest.mark.usefixtures("_quick")
def test_it_descends_and_shows_what_it_found(tmp_path, capsys):
    path = tmp_path / "new" / "pong.json"
    words = ["--updates", 40, "--at-once", 10, "--log-every-updates", 20, "--play-steps", 500]
    assert slow_start.main(["pong", *map(str, words), "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert [row["updates"] for row in found["rows"]] == [0, 20, 40]
    assert found["left_updates"] is None
    assert "not left by 40" in capsys.readouterr().out.splitlines()[-1]
    shown = command("--show", path)
    assert shown.stdout.splitlines()[-1].startswith("| pong | uniform | 0 | 10 | not left by 40 |")


@pytest.mark.usefixtures("_quick")
def test_it_ends_when_the_values_differ(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slow_start, "LEFT_SD", 1e-9)
    path = tmp_path / "pong.json"
    assert slow_start.main(["pong", "--play-steps", "100", "--json", str(path)]) == 0
    assert json.loads(path.read_text())["left_updates"] == 0
    assert "left after 0" in capsys.readouterr().out


def test_a_loss_that_is_no_number_is_a_failure(tmp_path, monkeypatch, capsys):
    nothing = plain_descent.Row(0, 0.1, 0.1, 0, math.nan, 0.0, 0.0)
    monkeypatch.setattr(Descent, "row", lambda _: nothing)
    path = tmp_path / "pong.json"
    assert slow_start.main(["pong", "--play-steps", "100", "--json", str(path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not path.exists()


@pytest.mark.parametrize("words", [[], ["pongg"], ["pong", "--at-once", "3"], ["--show", "none"]])
def test_wrong_use_is_refused_in_one_line(words, capsys):
    with pytest.raises(SystemExit) as end:
        slow_start.main(words)
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_documentation_shows_what_the_script_prints():
    """If not: run the command that stands there, and put its output between the marks."""
    text = (ROOT / "docs" / "slow_start.md").read_text()
    shown = text.split("<!-- slow_start -->\n")[1].split("<!-- end -->")[0]
    assert shown == slow_start.table(sorted(PUBLISHED.glob("*.json")))
