"""What the configuration says arrives where it is used: values unlike any default."""

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional

from repro import dense, experiment
from repro.agent import Agent
from repro.config import preset
from repro.evaluation.trained import score
from repro.replay import ReplayMemory
from repro.storage import weights_file
from repro.storage.weights_file import WeightsError
from tests.repro.batches import batch_of
from tests.repro.small import go, make_run

DRAW, MINIBATCH, HELDOUT, EPSILON = 48, 12, 20, 0.375


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A training and a later evaluation: what was drawn, learnt from and explored with."""
    drawn, learnt, explored = [], [], []
    sample, update, act = ReplayMemory.sample, Agent.update, Agent.act

    def sampling(self, size, generator=None):
        drawn.append(size)
        return sample(self, size, generator)

    def updating(self, batch):
        learnt.append(len(batch.actions))
        return update(self, batch)

    def acting(self, observation, epsilon, generator=None):
        if generator is not None:  # an evaluation brings its own
            explored.append(epsilon)
        return act(self, observation, epsilon, generator)

    run = make_run(
        frames=1_200, replay_draw=DRAW, minibatch=MINIBATCH, heldout_states=HELDOUT,
        eval_epsilon=EPSILON,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReplayMemory, "sample", sampling)
        patch.setattr(Agent, "update", updating)
        patch.setattr(Agent, "act", acting)
        path, end = go(run, tmp_path_factory.mktemp("suite"))
        assert end is None
        trained = list(explored)
        explored.clear()
        list(score(path, "last", 1))
    return {"drawn": drawn, "learnt": learnt, "trained": trained, "scored": explored}


def test_replay_is_drawn_in_the_configured_portions(seen):
    updates = len(range(64, 301, 4))
    assert seen["learnt"] == [MINIBATCH] * updates
    # Once for the held-out states, then for every fourth update.
    assert sorted(seen["drawn"]) == [HELDOUT] + [DRAW] * -(-updates * MINIBATCH // DRAW)


@pytest.mark.parametrize("where", ["trained", "scored"])
def test_scores_are_made_with_the_evaluations_epsilon(seen, where):
    assert len(seen[where]) > 50
    assert set(seen[where]) == {EPSILON}


# --- the gradient of the Nature network ------------------------------------------------


def nature_gradients(network, target, batch, discount):
    """Of the sum of clipped TD errors, in float64, by the formulas of the paper."""
    weights = [value.double().requires_grad_() for value in network.state_dict().values()]
    ahead = [value.double() for value in target.state_dict().values()]

    def values(windows, parts):
        hidden = torch.from_numpy(windows).double() / 255
        for index, stride in enumerate((4, 2, 1)):
            weight, bias = parts[2 * index : 2 * index + 2]
            size = weight.shape[-1]
            side = (hidden.shape[-1] - size) // stride + 1
            patches = functional.unfold(hidden, size, stride=stride)
            hidden = (weight.flatten(1) @ patches + bias[:, None]).clamp(min=0)
            hidden = hidden.unflatten(2, (side, side))
        hidden = (hidden.flatten(1) @ parts[6].T + parts[7]).clamp(min=0)
        return hidden @ parts[8].T + parts[9]

    with torch.no_grad():
        future = values(batch.windows[:, 1:], ahead).max(dim=1).values
    goal = torch.from_numpy(batch.rewards + discount * future.numpy() * ~batch.terminals)
    chosen = values(batch.windows[:, :-1], weights)[range(len(goal)), batch.actions.tolist()]
    error = (goal - chosen).detach()
    chosen.backward(-error.clamp(-1, 1))
    return [weight.grad.numpy() for weight in weights], error.abs().numpy()


@pytest.mark.parametrize("operator", ["onednn", "torch"])
def test_the_nature_networks_gradients_match_float64(operator, monkeypatch):
    if operator == "torch":
        monkeypatch.setattr(dense, "_OPERATOR", None)
    elif dense._OPERATOR is None:
        pytest.fail("this torch has lost the operator: training is slower than it was")
    generator = np.random.default_rng(17)
    batch = batch_of(
        generator.integers(0, 256, (8, 5, 84, 84), np.uint8),
        generator.integers(0, 6, 8),
        np.float32([-1, 0, 1, 0.25, 3, -3, 0, 1]),
        np.arange(8) % 3 == 1,
    )
    weights = torch.Generator().manual_seed(3)
    agent = Agent(preset("nature").agent, 6, (4, 84, 84), generator, weights)
    with torch.no_grad():
        for value in agent.target.parameters():
            value.mul_(1.5)  # a target of its own
    expected, errors = nature_gradients(agent.network, agent.target, batch, 0.99)
    assert errors.min() < 1 < errors.max()
    agent.update(batch)
    found = [value.grad.numpy() for value in agent.network.parameters()]
    for mine, theirs in zip(found, expected, strict=True):
        scale = np.abs(theirs).max()
        assert scale > 1e-3
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5 * scale)


# --- weights that name no step ---------------------------------------------------------


@pytest.mark.parametrize("step", ["abc", "", "1.5", None])
def test_weights_of_a_damaged_step_are_refused(tmp_path, step):
    network, path = nn.Linear(2, 2), tmp_path / "best.safetensors"
    metadata = {} if step is None else {"step": step}
    path.write_bytes(safetensors.torch.save(network.state_dict(), metadata))
    with pytest.raises(WeightsError, match=r"best\.safetensors.*restore or remove"):
        weights_file.load(path, network)


def test_a_gpu_computes_in_full_single_precision():
    """Not in TF32, which torch takes for convolutions unless told otherwise."""
    torch.backends.cudnn.allow_tf32 = True
    run = make_run()
    envs = experiment.make_envs(run)
    experiment.make_agent(run, envs.train)
    envs.close()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
