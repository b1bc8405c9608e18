"""The Q-networks: one output per action.

All take a batch of stacks, oldest frame first, and return float32 ``(batch, n_actions)``.
"""

from itertools import pairwise
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repro.config import AgentConfig, ConfigError
from repro.dense import Dense


class NatureCNN(nn.Module):
    """The network of the 2015 paper (Methods, Model architecture; ledger row 19).

    Three convolutions without padding and one hidden layer, rectified. Input
    uint8 ``(batch, history, 84, 84)``; divided by 255 here (ledger row 5).

    Args:
        n_actions: number of outputs.
        history: frames per stack.
        hidden: width of the fully connected layer.
        generator: source of the initial weights (ledger row 20).
    """

    def __init__(
        self,
        n_actions: int,
        history: int = 4,
        hidden: int = 512,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(history, 32, 8, stride=4), nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 3, stride=1), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Flatten(),
            Dense(64 * 7 * 7, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, n_actions),
        )
        uniform(self, generator)
        for layer in self.convolutions.parameters():
            if layer.dim() == 4:  # a third faster on a CPU than channels first
                layer.data = layer.data.contiguous(memory_format=torch.channels_last)

    def pixels(self, stacks: Tensor) -> Tensor:
        """Stacks as float32 from 0 to 1."""
        # Bytes are reordered before they become floats: a quarter of the memory to move.
        stacks = stacks.contiguous(memory_format=torch.channels_last)
        return stacks.to(torch.float32, copy=True).mul_(1 / 255)

    def features(self, stacks: Tensor) -> Tensor:
        """What the convolutions make of stacks, float32 ``(batch, 64, 7, 7)``."""
        return self.convolutions(self.pixels(stacks))  # type: ignore[no-any-return]

    def forward(self, stacks: Tensor) -> Tensor:
        """Value the actions."""
        return self.head(self.features(stacks))  # type: ignore[no-any-return]


class DuelingCNN(NatureCNN):
    """The Nature CNN with a second stream (Wang et al. 2016, section 3 and eq. 9).

    One stream of hidden units values the state, the other, the head, says how much better each
    action is than their mean: Q = V + A - mean A. The gradients of both enter the convolutions
    together, divided by the root of 2 (section 4.2).

    Args:
        As of :class:`NatureCNN`; ``hidden`` is the width of each stream.
    """

    def __init__(
        self,
        n_actions: int,
        history: int = 4,
        hidden: int = 512,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_actions, history, hidden, generator)
        self.value = nn.Sequential(
            nn.Flatten(), Dense(64 * 7 * 7, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 1)
        )
        uniform(self.value, generator)

    def forward(self, stacks: Tensor) -> Tensor:
        """Value the actions."""
        features = self.features(stacks)
        if features.requires_grad:
            features.register_hook(lambda gradient: gradient * 0.5**0.5)  # type: ignore[no-untyped-call]
        advantages = self.head(features)
        return self.value(features) + advantages - advantages.mean(dim=1, keepdim=True)  # type: ignore[no-any-return]


class LinearNetwork(nn.Module):
    """A single linear layer, on the same pixels (Extended Data Table 4) or on vectors."""

    def __init__(
        self,
        n_actions: int,
        observation: tuple[int, ...] = (4, 84, 84),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.layer = nn.Linear(prod(observation), n_actions)
        self.scale = 1 / 255 if len(observation) == 3 else 1.0
        uniform(self, generator)

    def forward(self, stacks: Tensor) -> Tensor:
        """Value the actions; input ``(batch, *observation)``, uint8 if screens."""
        return self.layer(stacks.flatten(1).to(torch.float32) * self.scale)  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Rectified hidden layers, for environments that show vectors instead of screens.

    Args:
        n_actions: number of outputs.
        observation: shape of one observation.
        widths: of the hidden layers, from the input on.
        generator: source of the initial weights.
    """

    def __init__(
        self,
        n_actions: int,
        observation: tuple[int, ...],
        widths: tuple[int, ...] = (128, 128),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise((prod(observation), *widths)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], n_actions))
        uniform(self, generator)

    def forward(self, stacks: Tensor) -> Tensor:
        """Value the actions; input float32 ``(batch, *observation)``."""
        return self.layers(stacks)  # type: ignore[no-any-return]


def uniform(network: nn.Module, generator: torch.Generator | None) -> None:
    """Draw weights and biases uniformly from +-1/sqrt(fan-in) (ledger row 20)."""
    with torch.no_grad():
        for layer in weighted(network):
            bound = prod(layer.weight.shape[1:]) ** -0.5
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.get_parameter("bias").uniform_(-bound, bound, generator=generator)


def lecun_normal(network: nn.Module, generator: torch.Generator | None) -> None:
    """Draw weights of variance 1/fan-in; biases 0.1, in the last layer 0.

    Not the original's: what PFRL and ChainerRL train from, kept to compare with.
    """
    last = [path(network)[-1], weighted(network)[-1]]
    with torch.no_grad():
        for layer in weighted(network):
            fan_in = prod(layer.weight.shape[1:])
            layer.weight.normal_(0.0, fan_in**-0.5, generator=generator)
            layer.get_parameter("bias").fill_(0.0 if layer in last else 0.1)


def tensor(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """An array on the device of the networks."""
    return torch.from_numpy(array).to(device, non_blocking=True)


def weighted(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The layers that have weights, from the input on."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def path(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Those on the way from the input to what tells actions apart."""
    aside = list(network.value.modules()) if isinstance(network, DuelingCNN) else []
    return [layer for layer in weighted(network) if layer not in aside]


def build(
    config: AgentConfig,
    n_actions: int,
    observation: tuple[int, ...],
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Make the network that a configuration names, for observations of that shape.

    Raises:
        ConfigError: if the network cannot take such observations.
    """
    check(config, observation)
    network = _shape(config, n_actions, observation, generator)
    if config.initial_weights == "lecun-normal":
        lecun_normal(network, generator)
    if config.shared_bias:
        last = path(network)[-1]
        last.bias = nn.Parameter(last.get_parameter("bias").detach()[:1].clone())
    return network


def check(config: AgentConfig, observation: tuple[int, ...]) -> None:
    """Refuse a network that cannot take observations of that shape.

    Raises:
        ConfigError: naming those that can.
    """
    screens = len(observation) == 3
    if config.network == ("mlp" if screens else "nature"):
        raise ConfigError(
            f"network {config.network!r} cannot take observations of shape {observation}; "
            "screens need 'nature' or 'linear', vectors 'mlp' or 'linear'"
        )
    if config.network == "nature" and observation[1:] != (84, 84):
        raise ConfigError(
            f"network 'nature' needs screens of (84, 84), not {observation[1:]}; "
            "others need network 'linear'"
        )


def _shape(
    config: AgentConfig,
    n_actions: int,
    observation: tuple[int, ...],
    generator: torch.Generator | None,
) -> nn.Module:
    if config.network == "mlp":
        widths = config.mlp_widths or (config.hidden_units, config.hidden_units)
        return MLP(n_actions, observation, widths, generator)
    if config.network == "linear":
        return LinearNetwork(n_actions, observation, generator)
    kind = DuelingCNN if config.dueling else NatureCNN
    return kind(n_actions, observation[0], config.hidden_units, generator)
