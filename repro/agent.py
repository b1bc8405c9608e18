"""The DQN agent: two networks, how it acts and how it learns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro import networks, optim, targets
from repro.config import AgentConfig
from repro.learner import Learner
from repro.replay import Batch


class NonFiniteError(RuntimeError):
    """The loss or an action value became infinite or not a number."""


class Agent:
    """Chooses actions and learns from minibatches. Logs nothing, saves nothing.

    Args:
        config: its half of the configuration.
        n_actions: size of the action set.
        observation: shape of one observation, ``(history, *frame)``.
        generator: random actions and tie-breaking.
        weights: source of the initial weights.
        device: where the networks live.
    """

    path = "plain"  # which code computes it, for the record; see repro.fast

    def __init__(
        self,
        config: AgentConfig,
        n_actions: int,
        observation: tuple[int, ...],
        generator: np.random.Generator,
        weights: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.n_actions = n_actions
        self.generator = generator
        self.device = torch.device(device)
        self.network = networks.build(config, n_actions, observation, weights).to(self.device)
        self.target = networks.build(config, n_actions, observation).to(self.device)
        self.target.requires_grad_(False)
        targets.renew(self.target, self.network)
        self.learner = Learner(config, self.network, self.target, self.device)
        self.optimiser = optim.build(config, self.network.parameters())

    def act(
        self,
        observation: NDArray[np.generic],
        epsilon: float,
        generator: np.random.Generator | None = None,
    ) -> int:
        """Choose an action: random with chance ``epsilon``, else greedy.

        Args:
            observation: ``(history, *frame)``.
            epsilon: chance of a random action.
            generator: used instead of the agent's own (so that an evaluation leaves
                training as it was).
        """
        generator = generator or self.generator
        if generator.random() < epsilon:
            return int(generator.integers(self.n_actions))
        return greedy(self.q_values(observation[None])[0], generator)

    def player(
        self, epsilon: float
    ) -> Callable[[np.random.Generator], Callable[[NDArray[np.generic]], int]]:
        """Let it play for scores: each game with a generator of its own, epsilon-greedy."""
        return lambda generator: lambda observation: self.act(observation, epsilon, generator)

    def q_values(self, observations: NDArray[np.generic]) -> NDArray[np.float32]:
        """Value the actions: float32 ``(batch, n_actions)``."""
        with torch.inference_mode():
            values: Tensor = self.network(networks.tensor(observations, self.device))
        return values.cpu().numpy()

    def update(self, batch: Batch) -> float:
        """Take one gradient step (Algorithm 1; ledger rows 11, 17, 18).

        Returns:
            The loss, mean over the minibatch.

        Raises:
            NonFiniteError: before any weight is changed.
        """
        loss = float(self.learner.learn(batch))
        if not np.isfinite(loss):
            raise NonFiniteError(f"the loss is {loss}")
        optim.bound(self.config, self.network.parameters())
        self.optimiser.step()
        return loss

    def renew_target(self) -> None:
        """Make the target network equal to the network, or more like it (ledger row 15)."""
        targets.renew(self.target, self.network, self.config.target_share)

    def state(self) -> dict[str, Any]:
        """Weights, optimiser and generator, for a checkpoint."""
        return {
            "network": dict(self.network.state_dict()),
            "target": dict(self.target.state_dict()),
            "optimiser": {
                str(index): dict(state)
                for index, state in self.optimiser.state_dict()["state"].items()
            },
            "generator": self.generator.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave (tensors may come as arrays)."""
        for name, network in (("network", self.network), ("target", self.target)):
            tensors = {key: torch.as_tensor(value) for key, value in state[name].items()}
            network.load_state_dict(tensors)
        means = {
            int(index): {name: torch.as_tensor(value).clone() for name, value in one.items()}
            for index, one in state["optimiser"].items()
        }
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": means, "param_groups": groups})
        self.generator.bit_generator.state = state["generator"]


def greedy(values: NDArray[np.float32], generator: np.random.Generator) -> int:
    """Index of the largest value, ties broken uniformly at random (ledger row 22).

    Raises:
        NonFiniteError: if a value is not a number.
    """
    best = np.flatnonzero(values == values.max())
    if len(best) == 0:
        raise NonFiniteError("an action value is not a number")
    return int(best[0] if len(best) == 1 else generator.choice(best))
