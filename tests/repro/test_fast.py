"""The fast path against the plain one: the same weights, to the bit."""

import dataclasses
import json
import os
import typing

import numpy as np
import pytest
import torch

from repro import experiment, fast, native
from repro.agent import Agent, NonFiniteError
from repro.config import AgentConfig, ConfigError, preset
from repro.optim import CenteredRMSProp
from tests.repro.small import StopAt, go, make_run, train_words, use

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
        game=game, learner=learner, learning_starts_steps=50, target_every_steps=70,
        epsilon_hold_steps=50, epsilon_decay_steps=100, **NETWORK | changes,
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


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_norm": 0.01, "loss_reduction": "mean"},
        {"td_error_clip": 0.0, "gradient_decay": 0.9, "discount": 0.9},
        {"initial_weights": "lecun-normal", "minibatch": 16, "learning_rate": 0.01},
        {"hidden_units": 33, "stack_frames": 3, "min_squared_gradient": 1e-4},
    ],
)
def test_settings_that_are_covered_are_honoured(changes):
    plain, quick = parts("breakout", "plain", **changes), parts("breakout", "auto", **changes)
    assert type(quick.agent) is fast.FastAgent
    in_step(plain, quick, 100)
    assert quick.loop.updates > 10


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor")
def test_two_threads_give_what_two_threads_of_the_plain_agent_give():
    torch.set_num_threads(2)
    try:
        in_step(parts("pong", "plain"), parts("pong", "auto"), 100)
    finally:
        torch.set_num_threads(1)


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


def another(item):
    """A value of a field of the agent's configuration that is not the default."""
    kind = typing.get_type_hints(AgentConfig)[item.name]
    if typing.get_origin(kind) is typing.Literal:
        return next(one for one in typing.get_args(kind) if one != item.default)
    if kind is bool:
        return not item.default
    return (7,) if typing.get_origin(kind) is tuple else item.default + 1


OTHERS = [item for item in dataclasses.fields(AgentConfig) if item.name not in fast.COVERED]


@pytest.mark.parametrize("item", OTHERS, ids=lambda item: item.name)
def test_a_setting_that_is_not_covered_is_learned_by_the_plain_agent_which_says_so(item, capsys):
    changes = {item.name: another(item)}
    quiet, asked = (
        make(fast.make, hidden_units=64, learner=how, **changes) for how in ("auto", "fast")
    )
    assert type(quiet) is type(asked) is Agent
    assert quiet.path == f"plain (the fast one knows no {item.name} of {changes[item.name]!r})"
    assert capsys.readouterr().err == f"repro: the plain learner is used: {quiet.path[7:-1]}\n"


def test_a_setting_that_is_added_one_day_is_not_covered():
    @dataclasses.dataclass(frozen=True)
    class Later(AgentConfig):
        bootstrap_steps: int = 1

    assert fast.unfit(Later(), "cpu") == ""
    assert "bootstrap_steps of 3" in fast.unfit(Later(bootstrap_steps=3), "cpu")


def test_it_is_for_a_cpu_and_for_who_does_not_ask_for_the_plain_one():
    assert "not for cuda" in fast.unfit(NATURE, "cuda")
    assert make(fast.make, learner="plain").path == "plain (as asked for)"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_number_is_found_where_the_plain_agent_finds_it(bad):
    """Wherever it stands; oneDNN's rectifiers would make a zero of it."""
    made = parts("breakout", "plain")
    for _ in made.loop.run(60):
        pass
    batch = made.memory.sample(32, np.random.default_rng(0))
    raised = 0
    for of in ("network", "target"):
        for number in range(10):
            agents = [make(kind, hidden_units=64) for kind in (Agent, fast.FastAgent)]
            said = []
            for agent in agents:
                weights = list(getattr(agent, of).parameters())[number]
                with torch.no_grad():
                    weights[(0,) * weights.dim()] = bad
                try:
                    said.append(agent.update(batch))
                except NonFiniteError as error:
                    said.append(str(error))
            assert said[0] == said[1], (of, number)
            raised += isinstance(said[0], str)
            for mine, its in zip(*(agent.network.parameters() for agent in agents), strict=True):
                assert torch.equal(mine.isnan(), its.isnan()), (of, number)
                assert torch.equal(mine.nan_to_num(), its.nan_to_num()), (of, number)
    assert raised >= 10 or np.isfinite(bad)


@pytest.mark.parametrize("lacks", ["compiler", "loops"])
def test_without_a_compiler_it_goes_on_and_says_so(lacks, monkeypatch, capfd, tmp_path):
    whole, _ = go(make_run(seed=0, frames=400, **NETWORK), tmp_path / "with")
    if lacks == "compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setattr(native, "_is_torch_s", lambda _: False)
    native.library.cache_clear()
    try:
        words = train_words(tmp_path / "without", frames=400, **NETWORK)
        code, _, err = use(capfd, *(word for word in words if word != "--quiet"))
    finally:
        native.library.cache_clear()
    assert code == 0
    assert "learner fast (without loops in C" in err
    other = tmp_path / "without" / "breakout" / "seed-0"
    assert json.loads((other / "provenance.json").read_text())["learner"].startswith("fast (")
    assert (whole / "last.safetensors").read_bytes() == (other / "last.safetensors").read_bytes()


def test_a_run_says_which_learner_it_has(capfd, tmp_path):
    words = train_words(tmp_path, frames=400, double_q=True, **NETWORK)
    code, _, err = use(capfd, *(word for word in words if word != "--quiet"))
    assert code == 0
    assert "learner plain (the fast one knows no double_q of True)" in err
    made = json.loads((tmp_path / "breakout" / "seed-0" / "provenance.json").read_text())
    assert made["learner"] == "plain (the fast one knows no double_q of True)"


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
