"""What the original logged (ledger row 31), against NumPy in double precision."""

import dataclasses

import numpy as np
import pytest
import torch

from repro.agent import Agent
from repro.config import preset
from repro.tables import LAYERS
from repro.training import measure
from tests.repro.batches import batch_of

NATURE = dataclasses.replace(preset("nature").agent, hidden_units=16)
RNG = np.random.default_rng(0)


def make_agent(**changes):
    weights = torch.Generator().manual_seed(3)
    config = dataclasses.replace(NATURE, **changes)
    shape = (4, 84, 84) if config.network != "mlp" else (1, 6)
    return Agent(config, 3, shape, np.random.default_rng(0), weights)


def make_batch(agent, count=40):
    windows = RNG.integers(0, 256, (count, 5, 84, 84), np.uint8)
    terminals = np.arange(count) % 3 == 0
    rewards = RNG.choice(np.float32([-1, 0, 1]), count)
    return batch_of(windows, RNG.integers(0, 3, count), rewards, terminals)


@pytest.mark.parametrize("clip", [1.0, 0.3, 0.0])
def test_v_and_td_error(clip):
    agent = make_agent(network="linear", td_error_clip=clip)
    with torch.no_grad():  # the target is another network
        agent.target.layer.weight.mul_(3.0)
    batch = make_batch(agent)
    found = measure.values(agent, batch)

    def q(network, states):
        weight, bias = (tensor.double().numpy() for tensor in network.state_dict().values())
        return states.reshape(len(states), -1) / 255.0 @ weight.T + bias

    future = q(agent.target, batch.next_states).max(axis=1)
    error = batch.rewards + 0.99 * np.where(batch.terminals, 0.0, future)
    error -= q(agent.network, batch.states)[np.arange(40), batch.actions]
    if clip:
        error = np.clip(error, -clip, clip)
    assert found.v == pytest.approx(future.mean(), abs=1e-5)  # terminal or not
    assert found.mean_abs_td_error == pytest.approx(np.abs(error).mean(), abs=1e-5)
    assert found.mean_max_q == pytest.approx(q(agent.network, batch.states).max(1).mean(), abs=1e-5)


def test_layers():
    agent = make_agent()
    assert not [name for name in measure.layers(agent.network) if "gradient" in name]
    agent.update(make_batch(agent, 32))
    found = measure.layers(agent.network)
    parameters = [p for p in agent.network.parameters() if p.dim() > 1]  # no biases
    assert len(found) == 4 * len(parameters) == 20
    for layer, weight in zip(LAYERS, parameters, strict=True):
        for what, array in (("weight", weight.detach()), ("gradient", weight.grad)):
            absolute = np.abs(array.numpy().astype(np.float64))
            assert found[f"{layer}_mean_abs_{what}"] == pytest.approx(absolute.mean(), rel=1e-5)
            assert found[f"{layer}_max_abs_{what}"] == pytest.approx(absolute.max(), rel=1e-5)
    assert found["hidden_mean_abs_gradient"] > 0


def test_first_weights_are_the_originals_on_average():
    """Its log of every game begins with these: half the bound 1/sqrt(fan-in), uniform."""
    agent = Agent(
        preset("nature").agent, 9, (4, 84, 84), np.random.default_rng(0),
        torch.Generator().manual_seed(0),
    )  # fmt: skip
    found = measure.layers(agent.network)
    logged = (0.0312505, 0.0220435, 0.0208613, 0.00893065, 0.0218797)
    for layer, mean in zip(LAYERS, logged, strict=True):
        assert found[f"{layer}_mean_abs_weight"] == pytest.approx(mean, rel=0.02)


@pytest.mark.parametrize(("network", "layers"), [("linear", ["output"]), ("mlp", LAYERS[2:])])
def test_other_networks_have_fewer_layers(network, layers):
    found = measure.layers(make_agent(network=network).network)
    assert list(dict.fromkeys(name.split("_mean")[0].split("_max")[0] for name in found)) == [
        *layers
    ]
