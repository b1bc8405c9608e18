"""The fast path against the plain one: the same weights, to the bit."""

import dataclasses

import numpy as np
import pytest
import torch

from repro import experiment, fast, native
from repro.agent import Agent
from repro.config import ConfigError, preset
from repro.optim import CenteredRMSProp
from tests.repro.small import StopAt, go, make_run, use

NATURE = preset("nature").agent
OBSERVATION = (4, 84, 84)
NETWORK = {"network": "nature", "hidden_units": 64}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(kind, **changes):
    weights = torch.Generator()
    weights.manual_seed(3)
    settings = dataclasses.replace(NATURE, **changes)
    return kind(settings, 6, OBSERVATION, np.random.default_rng(3), weights, "cpu")


def parts(game, learner, **changes):
    """A training whose ring wraps, with many target copies, on a real game."""
    run = make_run(
        game=game, **NETWORK, learner=learner, learning_starts_steps=50, target_every_steps=70,
        epsilon_hold_steps=50, epsilon_decay_steps=100, **changes,
    )  # fmt: skip
    return experiment.assemble(run, experiment.make_envs(run).train)


def assert_same(one, other):
    for name, mine, theirs in (("network", one.network, other.network),
                               ("target", one.target, other.target)):  # fmt: skip
        for (key, a), b in zip(mine.state_dict().items(), theirs.state_dict().values(),
                               strict=True):  # fmt: skip
            assert torch.equal(a, b), f"{name} {key}"


def in_step(plain, quick, steps):
    """Run both to a step; every event and, after it, every weight must be the same."""
    events = zip(plain.loop.run(steps), quick.loop.run(steps), strict=True)
    for mine, other in events:
        assert mine == other
        assert_same(plain.agent, quick.agent)


def test_every_step_is_that_of_the_plain_agent():
    plain, quick = parts("pong", "plain"), parts("pong", "auto")
    assert type(plain.agent) is Agent
    assert type(quick.agent) is fast.FastAgent
    in_step(plain, quick, 200)
    assert quick.loop.updates > 30


@pytest.mark.slow
@pytest.mark.parametrize("game", ["pong", "breakout", "space_invaders"])
def test_a_thousand_steps_through_a_checkpoint_are_those_of_the_plain_agent(game):
    plain, quick = parts(game, "plain"), parts(game, "fast")
    in_step(plain, quick, 500)
    saved = plain.agent.state()
    assert equal(quick.agent.state(), saved)
    quick.loop.agent = parts(game, "fast").agent
    quick.loop.agent.restore(saved)  # as arrays lie in a checkpoint, not as the weights do
    quick = dataclasses.replace(quick, agent=quick.loop.agent)
    in_step(plain, quick, 1_000)
    assert plain.loop.updates > 230


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    return np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.slow
def test_a_run_that_changes_learners_at_a_checkpoint_is_the_same_run(tmp_path):
    whole, _ = go(make_run(**NETWORK, learner="plain"), tmp_path / "whole")
    cut, ended = go(make_run(**NETWORK, learner="fast"), tmp_path / "cut", StopAt(300))
    assert ended
    go(make_run(**NETWORK, learner="plain"), tmp_path / "cut", StopAt(150))
    go(make_run(**NETWORK, learner="fast"), tmp_path / "cut")
    for name in ("last.safetensors", "best.safetensors", "evaluations.csv", "games.zst"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


def test_pixels_are_those_of_the_network_whatever_lies_behind_them():
    windows = np.random.default_rng(0).integers(0, 256, (3, 5, 84, 84), np.uint8)
    for stacks in (windows[:, 1:], windows[:, :-1], windows[::2, ::-1], windows[..., ::-1]):
        expected = stacks.astype(np.float32) * np.float32(1 / 255)
        assert np.array_equal(native.pixels(stacks).numpy(), expected)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_fused_optimiser_is_the_plain_one(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(native, "library", lambda: None)
    elif native.library() is None:
        pytest.skip("no C compiler")
    draw = np.random.default_rng(1)
    shapes = [(33_000, 3), (64, 32, 4, 4), (7,)]
    start = [torch.from_numpy(draw.normal(size=shape).astype(np.float32)) for shape in shapes]
    start[1] = start[1].contiguous(memory_format=torch.channels_last)
    pairs = [[torch.nn.Parameter(one.clone()) for one in start] for _ in range(2)]
    plain, fused = CenteredRMSProp(pairs[0]), native.FusedRMSProp(pairs[1])
    for _ in range(5):
        for mine, other in zip(*pairs, strict=True):
            noise = torch.from_numpy(draw.normal(0, 0.1, mine.shape).astype(np.float32))
            mine.grad = torch.empty_like(mine).copy_(noise)
            other.grad = mine.grad.clone()
        version = pairs[1][0]._version
        plain.step()
        fused.step()
        assert pairs[1][0]._version > version  # or what was made of the weights would stay
    for mine, other in zip(*pairs, strict=True):
        assert torch.equal(mine, other)
        for name in plain.STATE:
            assert torch.equal(plain.state[mine][name], fused.state[other][name])


def test_it_is_left_out_where_the_numbers_would_be_others(monkeypatch, capsys):
    monkeypatch.setattr(fast.FastAgent, "is_plain", lambda _: False)
    quiet, asked = make(fast.make, learner="auto"), make(fast.make, learner="fast")
    assert type(quiet) is type(asked) is Agent
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "other last digits" in err
    assert_same(asked, make(Agent))  # the weights are drawn as if nothing had been tried


def test_what_it_does_not_know_is_left_to_the_plain_agent(capsys):
    made = parts("pong", "auto").agent.config
    assert fast.unfit(made, "cpu") == ""
    assert "not for cuda" in fast.unfit(made, "cuda")
    other = dataclasses.replace(made, network="linear", learner="fast")
    assert "network" in fast.unfit(other, "cpu")
    agent = fast.make(other, 6, OBSERVATION, np.random.default_rng(0), torch.Generator(), "cpu")
    assert type(agent) is Agent
    assert "the plain learner is used" in capsys.readouterr().err


def test_its_check_sees_another_gradient(monkeypatch):
    agent = make(fast.FastAgent, hidden_units=64)
    assert agent.is_plain()
    learn = fast.FastLearner.learn

    def crooked(self, batch):
        loss = learn(self, batch)
        agent.network.head[3].bias.grad[0] *= 1.000001
        return loss

    monkeypatch.setattr(fast.FastLearner, "learn", crooked)
    assert not agent.is_plain()


def test_bfloat16_learns_nearly_the_same_and_keeps_single_precision():
    plain, half = make(Agent, hidden_units=64), make(fast.FastAgent, hidden_units=64,
                                                     arithmetic="bfloat16")  # fmt: skip
    made = parts("breakout", "plain")
    for _ in made.loop.run(52):
        pass
    batch = made.memory.sample(32, np.random.default_rng(0))
    gradients = []
    for agent in (plain, half):
        agent.learner.learn(batch)
        gradients.append(torch.cat([p.grad.flatten() for p in agent.network.parameters()]))
    assert gradients[1].dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert 0.99 < float(cosine) < 1
    assert all(p.dtype == torch.float32 for p in half.network.parameters())
    assert np.array_equal(plain.q_values(batch.states[:1]), half.q_values(batch.states[:1]))


def test_bfloat16_is_refused_where_it_is_only_imitated(monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(fast, "has_bfloat16", lambda: False)
    code, _, err = use(
        capfd, "train", "pong", "--arithmetic", "bfloat16", "--replay-steps", 1000,
        "--out", tmp_path / "suite",
    )  # fmt: skip
    assert code == 2
    assert "only imitates it" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "suite").exists()
    with pytest.raises(ConfigError, match="needs the fast learner"):
        fast.check(dataclasses.replace(NATURE, arithmetic="bfloat16", network="linear"), "cpu")
