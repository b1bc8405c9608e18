"""The agent: actions, loss, gradient, a whole update (ledger rows 11, 15, 17, 18, 22)."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy import stats

from repro import optim
from repro.agent import Agent, NonFiniteError, greedy
from repro.config import preset
from repro.learner import td_losses
from repro.replay import Batch
from repro.storage import nested
from tests.repro.batches import batch_of

OBSERVATION = (2, 3, 3)
ACTIONS = 3
SETTINGS = dataclasses.replace(preset("nature").agent, network="linear")


def make_agent(seed=0, **changes):
    weights = torch.Generator()
    weights.manual_seed(seed)
    settings = dataclasses.replace(SETTINGS, **changes)
    return Agent(settings, ACTIONS, OBSERVATION, np.random.default_rng(seed), weights)


def make_batch(generator, size=8, terminals=None, discount=SETTINGS.discount):
    windows = generator.integers(0, 256, (size, OBSERVATION[0] + 1, *OBSERVATION[1:]), np.uint8)
    return batch_of(
        windows,
        generator.integers(0, ACTIONS, size),
        generator.choice(np.float32([-1, 0, 1, 3]), size),
        np.arange(size) % 3 == 1 if terminals is None else np.full(size, terminals),
        discount,
    )


def parameters(network):
    """Float64 copies: weight (actions, pixels), bias (actions,)."""
    layer = network.layer
    return [tensor.detach().numpy().astype(np.float64) for tensor in (layer.weight, layer.bias)]


class SlowLearner:
    """The same linear agent in float64, one transition at a time."""

    def __init__(self, agent):
        self.config = agent.config
        self.weights = parameters(agent.network)
        self.target = parameters(agent.target)
        self.means = [np.zeros_like(value) for value in self.weights]
        self.squares = [np.zeros_like(value) for value in self.weights]

    def errors(self, batch, weights):
        """TD errors r + discount Q_target(s', a') - Q(s, a), a' the best of one of the two."""
        found = []
        chooser = self.weights if self.config.double_q else self.target
        for index, action in enumerate(batch.actions):
            state = batch.windows[index, :-1].reshape(-1) / 255.0
            after = batch.windows[index, 1:].reshape(-1) / 255.0
            goal = float(batch.rewards[index])
            if not batch.terminals[index]:
                best = np.argmax(chooser[0] @ after + chooser[1])
                goal += self.config.discount * (self.target[0] @ after + self.target[1])[best]
            found.append(goal - (weights[0] @ state + weights[1])[action])
        return np.array(found)

    def loss(self, batch, weights):
        """Sum over the minibatch of the function whose slope is the clipped error."""
        size = np.abs(self.errors(batch, weights))
        clip = self.config.td_error_clip
        quadratic = size**2 / 2
        if self.config.loss == "clipped-square":
            return np.minimum(quadratic, clip**2 / 2).sum()
        if clip and self.config.loss == "huber":
            return np.where(size <= clip, quadratic, clip * size - clip**2 / 2).sum()
        return quadratic.sum()

    def gradient(self, batch):
        clip = self.config.td_error_clip or np.inf
        if self.config.loss == "squared":
            clip = np.inf
        gradient = [np.zeros_like(value) for value in self.weights]
        for index, error in enumerate(self.errors(batch, self.weights)):
            slope = -np.clip(error, -clip, clip)
            if self.config.loss == "clipped-square" and abs(error) > clip:
                slope = 0.0
            state = batch.windows[index, :-1].reshape(-1) / 255.0
            gradient[0][batch.actions[index]] += slope * state
            gradient[1][batch.actions[index]] += slope
        if self.config.loss_reduction == "mean":
            gradient = [value / len(batch.actions) for value in gradient]
        if bound := self.config.gradient_value:
            gradient = [np.clip(value, -bound, bound) for value in gradient]
        norm = np.sqrt(sum((value**2).sum() for value in gradient))
        if self.config.gradient_norm and norm > self.config.gradient_norm:
            gradient = [value * self.config.gradient_norm / norm for value in gradient]
        return gradient

    def update(self, batch):
        loss, gradient = self.loss(batch, self.weights), self.gradient(batch)
        for index, slope in enumerate(gradient):
            a, b = self.config.gradient_decay, self.config.squared_gradient_decay
            self.means[index] = a * self.means[index] + (1 - a) * slope
            self.squares[index] = b * self.squares[index] + (1 - b) * slope**2
            variance = np.maximum(self.squares[index] - self.means[index] ** 2, 0)
            root = np.sqrt(variance + self.config.min_squared_gradient)
            self.weights[index] = self.weights[index] - self.config.learning_rate * slope / root
        return loss / len(batch.actions), gradient


# --- the loss --------------------------------------------------------------------------

ERRORS = np.array([-7.0, -1.0001, -1.0, -0.4, 0.0, 0.3, 1.0, 1.5, 40.0])


@pytest.mark.parametrize(("clip", "bound"), [(1.0, 1.0), (0.5, 0.5), (0.0, np.inf)])
def test_the_gradient_is_the_clipped_td_error(clip, bound):
    values = torch.zeros(len(ERRORS), dtype=torch.float64, requires_grad=True)
    td_losses(values, torch.from_numpy(ERRORS), clip).sum().backward()
    # Not divided by the number of errors: summed. Downhill is towards the goal.
    np.testing.assert_allclose(values.grad.numpy(), -np.clip(ERRORS, -bound, bound), atol=1e-12)


@pytest.mark.parametrize("clip", [1.0, 0.5, 0.0])
def test_the_gradient_is_the_losss_slope(clip):
    point = np.linspace(-2, 2, 9) + 0.01
    goals = torch.zeros(9, dtype=torch.float64)
    values = torch.tensor(point, requires_grad=True)
    td_losses(values, goals, clip).sum().backward()
    for index in range(9):
        shifted = np.stack([point, point])
        shifted[:, index] += [1e-6, -1e-6]
        up, down = (float(td_losses(torch.from_numpy(one), goals, clip).sum()) for one in shifted)
        assert values.grad[index] == pytest.approx((up - down) / 2e-6, abs=1e-6)


def test_errors_are_clipped_and_not_squared_after():
    # The slip of others: no gradient at all where the error exceeds the bound.
    values = torch.tensor([0.0], requires_grad=True)
    td_losses(values, torch.tensor([5.0]), 1.0).sum().backward()
    assert float(values.grad) == -1.0


# --- a whole update --------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss_reduction": "mean"},
        {"td_error_clip": 0.0},
        {"discount": 0.5, "learning_rate": 0.001, "min_squared_gradient": 0.1},
        {"gradient_decay": 0.95, "squared_gradient_decay": 0.5},
        {"gradient_decay": 0.5, "squared_gradient_decay": 0.95},
        {"double_q": True},
        {"double_q": True, "loss_reduction": "mean", "td_error_clip": 0.0},
        {"gradient_norm": 2.0},
        {"gradient_norm": 1e6},
        {"loss": "squared"},
        {"loss": "clipped-square", "td_error_clip": 0.8},
        {"gradient_value": 0.5},
        {"gradient_value": 0.5, "gradient_norm": 2.0},
    ],
    ids=str,
)
def test_updates_match_float64(changes):
    generator = np.random.default_rng(17)
    agent = make_agent(**changes)
    with torch.no_grad():
        agent.target.layer.bias += torch.tensor([0.5, 0.0, -0.5])  # it would choose otherwise
    slow = SlowLearner(agent)
    met = []
    for _ in range(6):  # the target stays, the network moves
        batch = make_batch(generator, discount=agent.config.discount)
        met.extend(np.abs(slow.errors(batch, slow.weights)))
        expected, gradient = slow.update(batch)
        assert agent.update(batch) == pytest.approx(expected, rel=1e-5)
        layer = agent.network.layer
        for tensor, slope in zip((layer.weight, layer.bias), gradient, strict=True):
            np.testing.assert_allclose(tensor.grad.numpy(), slope, rtol=0, atol=3e-5)
        for mine, theirs in zip(parameters(agent.network), slow.weights, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-6)
    assert min(met) < 1 < max(met)  # both sides of the bound were met


def test_the_gradient_matches_finite_differences():
    batch = make_batch(np.random.default_rng(5))
    agent = make_agent()
    slow = SlowLearner(agent)
    agent.update(batch)
    for position in [(0, 0), (1, 7), (2, 17), (1, 3)]:
        ends = []
        for shift in (1e-6, -1e-6):
            moved = [value.copy() for value in slow.weights]
            moved[0][position] += shift
            ends.append(slow.loss(batch, moved))
        slope = (ends[0] - ends[1]) / 2e-6
        assert float(agent.network.layer.weight.grad[position]) == pytest.approx(slope, abs=1e-4)


def test_terminal_transitions_are_worth_their_reward():
    agents, losses = [make_agent() for _ in range(4)], []
    for agent, terminal, moved in zip(
        agents, (True, True, False, False), (0, 3, 0, 3), strict=True
    ):
        agent.target.layer.bias.data += moved  # what the next state is worth
        losses.append(agent.update(make_batch(np.random.default_rng(1), 2, terminal)))
    assert losses[0] == losses[1]
    assert losses[2] != losses[3]


def test_each_loss_counts_by_its_weight():
    """As prioritised replay will need: twice the weight is the transition there twice."""
    batch = make_batch(np.random.default_rng(6))
    batch.weights[3] = 2.0
    twice = Batch(
        **{
            name: np.concatenate([array, array[3:4]])
            for name, array in vars(batch).items()
            if name != "steps"
        }
    )
    twice.weights[:] = 1.0
    one, two = make_agent(), make_agent()
    assert one.update(batch) * 8 == pytest.approx(two.update(twice) * 9, rel=1e-6)
    for mine, theirs in zip(one.network.parameters(), two.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-7)


def test_the_future_is_valued_by_the_target_network():
    batch = make_batch(np.random.default_rng(2))
    agent = make_agent()
    agent.target.layer.bias.data += 3.0
    expected = SlowLearner(agent).loss(batch, parameters(agent.network)) / len(batch.actions)
    assert agent.update(batch) == pytest.approx(expected, rel=1e-5)
    assert make_agent().update(batch) != pytest.approx(expected, rel=1e-2)


def test_the_network_chooses_and_the_target_network_values():
    """Double DQN by hand: the network prefers action 0, the target network action 2."""
    agent = make_agent(double_q=True, td_error_clip=0.0)
    with torch.no_grad():
        for layer, values in ((agent.network.layer, [3.0, 2.0, 1.0]),
                              (agent.target.layer, [5.0, 6.0, 7.0])):  # fmt: skip
            layer.weight.zero_()
            layer.bias.copy_(torch.tensor(values))
    batch = make_batch(np.random.default_rng(7), 1, False)
    batch.rewards[:], batch.actions[:] = 1.0, 1
    # 1 + 0.99 * 5 - 2, and half its square; the largest value would give 1 + 0.99 * 7 - 2.
    assert agent.update(batch) == pytest.approx((1 + 0.99 * 5 - 2) ** 2 / 2, rel=1e-6)
    assert agent.network.layer.bias.grad.tolist() == pytest.approx([0, -3.95, 0], rel=1e-6)


def test_an_update_leaves_the_target_alone_until_it_is_copied():
    agent = make_agent()
    before = parameters(agent.target)
    np.testing.assert_array_equal(parameters(agent.network)[0], before[0])  # equal at the start
    agent.update(make_batch(np.random.default_rng(3)))
    np.testing.assert_array_equal(parameters(agent.target)[0], before[0])
    assert not np.array_equal(parameters(agent.network)[0], before[0])
    agent.renew_target()
    np.testing.assert_array_equal(parameters(agent.target)[0], parameters(agent.network)[0])
    np.testing.assert_array_equal(parameters(agent.target)[1], parameters(agent.network)[1])


def test_a_target_network_that_follows_is_a_decayed_mean_of_the_networks():
    """Closed form: after k renewals, (1 - t)^k of the first and t (1 - t)^(k - i) of the i-th."""
    agent, share = make_agent(target_share=0.2), 0.2
    first = parameters(agent.target)[0]
    np.testing.assert_array_equal(first, parameters(agent.network)[0])  # a copy at the start
    generator, met = np.random.default_rng(9), []
    for _ in range(7):
        agent.update(make_batch(generator))
        met.append(parameters(agent.network)[0])
        agent.renew_target()
    expected = (1 - share) ** 7 * first
    for age, weights in enumerate(reversed(met)):
        expected = expected + share * (1 - share) ** age * weights
    np.testing.assert_allclose(parameters(agent.target)[0], expected, rtol=0, atol=1e-7)
    assert np.abs(expected - met[-1]).max() > 1e-5


def test_a_mean_loss_needs_its_epsilon_scaled_by_the_minibatch_squared():
    # Ledger row 18: with 0.01 / 32^2 the step of the mean is that of the sum.
    generator = np.random.default_rng(4)
    batches = [make_batch(generator, 32) for _ in range(5)]
    summed = make_agent()
    scaled = make_agent(loss_reduction="mean", min_squared_gradient=0.01 / 32**2)
    unscaled = make_agent(loss_reduction="mean")
    start = parameters(summed.network)[0]
    for batch in batches:
        for agent in (summed, scaled, unscaled):
            agent.update(batch)
    np.testing.assert_allclose(
        parameters(summed.network)[0], parameters(scaled.network)[0], rtol=0, atol=1e-6
    )
    step, short = (np.abs(parameters(one.network)[0] - start) for one in (summed, unscaled))
    assert step.mean() > 3 * short.mean()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.NAdam, optim.CenteredRMSProp])
def test_any_optimiser_goes_on_from_what_was_saved(kind):
    """Adam's has a number of its own beside arrays of the weights' shape."""
    batch, agents = make_batch(np.random.default_rng(0)), []
    for _ in range(2):
        agents.append(make_agent())
        agents[-1].optimiser = kind(agents[-1].network.parameters(), 0.001)
    one, two = agents
    for _ in range(3):
        one.update(batch)
    arrays = {}
    packed = json.loads(json.dumps(nested.pack(one.state(), "", arrays)))
    two.restore(nested.unpack(packed, {name: array.copy() for name, array in arrays.items()}))
    for _ in range(2):
        one.update(batch)
        two.update(batch)
    for mine, theirs in zip(one.network.parameters(), two.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("reward", [np.inf, np.nan])
def test_a_loss_that_is_no_number_changes_nothing(reward):
    agent = make_agent()
    batch = make_batch(np.random.default_rng(0))
    agent.update(batch)
    before = [tensor.clone() for tensor in agent.network.state_dict().values()]
    means = [
        tensor.clone() for state in agent.optimiser.state.values() for tensor in state.values()
    ]
    batch.rewards[3] = reward
    with pytest.raises(NonFiniteError):
        agent.update(batch)
    after = list(agent.network.state_dict().values())
    left = [tensor for state in agent.optimiser.state.values() for tensor in state.values()]
    for one, two in zip(before + means, after + left, strict=True):
        assert torch.equal(one, two)


# --- acting ----------------------------------------------------------------------------


def observation(seed=0):
    return np.random.default_rng(seed).integers(0, 256, OBSERVATION, np.uint8)


def test_without_exploration_the_best_action_is_taken():
    agent = make_agent()
    weight, bias = parameters(agent.network)
    for seed in range(20):
        values = weight @ (observation(seed).reshape(-1) / 255.0) + bias
        assert agent.act(observation(seed), 0.0) == int(np.argmax(values))


def test_q_values_are_those_of_the_network():
    agent = make_agent()
    weight, bias = parameters(agent.network)
    stacks = np.stack([observation(seed) for seed in range(4)])
    expected = stacks.reshape(4, -1) / 255.0 @ weight.T + bias
    np.testing.assert_allclose(agent.q_values(stacks), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("epsilon", [1.0, 0.3, 0.05])
def test_actions_are_random_with_chance_epsilon(epsilon):
    agent, seen = make_agent(1), observation()
    best = agent.act(seen, 0.0)
    draws = 6_000
    counts = np.bincount([agent.act(seen, epsilon) for _ in range(draws)], minlength=ACTIONS)
    # A random action may be the best one, too.
    expected = np.full(ACTIONS, draws * epsilon / ACTIONS)
    expected[best] += draws * (1 - epsilon)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_an_evaluation_can_bring_its_own_generator():
    agent = make_agent()
    before = agent.generator.bit_generator.state
    one = [
        agent.act(observation(), 0.5, generator) for generator in [np.random.default_rng(3)] * 30
    ]
    assert agent.generator.bit_generator.state == before
    two = [
        agent.act(observation(), 0.5, generator) for generator in [np.random.default_rng(3)] * 30
    ]
    assert one == two
    agent.act(observation(), 0.5)
    assert agent.generator.bit_generator.state != before


@pytest.mark.parametrize(
    ("values", "tied"), [([0, 2, 2, 1, 2], [1, 2, 4]), ([5, 5], [0, 1]), ([-1, -3, -1], [0, 2])]
)
def test_greedy_ties_are_broken_uniformly(values, tied):
    generator = np.random.default_rng(22)
    chosen = [greedy(np.float32(values), generator) for _ in range(6_000)]
    counts = np.bincount(chosen, minlength=len(values))
    assert set(np.flatnonzero(counts)) == set(tied)
    assert stats.chisquare(counts[tied]).pvalue > 1e-3


def test_a_single_best_action_is_always_taken():
    generator = np.random.default_rng(0)
    assert {greedy(np.float32([1, 3, 2]), generator) for _ in range(50)} == {1}


# --- going on later --------------------------------------------------------------------


def test_a_restored_agent_goes_on_identically():
    generator = np.random.default_rng(8)
    agent, other = make_agent(1), make_agent(2)
    for _ in range(3):
        agent.update(make_batch(generator))
    agent.act(observation(), 0.5)
    other.restore(agent.state())
    for _ in range(3):
        batch = make_batch(generator)
        assert agent.update(batch) == other.update(batch)
        np.testing.assert_array_equal(parameters(agent.network)[0], parameters(other.network)[0])
        assert [agent.act(observation(), 0.5) for _ in range(20)] == [
            other.act(observation(), 0.5) for _ in range(20)
        ]
    np.testing.assert_array_equal(parameters(agent.target)[0], parameters(other.target)[0])
