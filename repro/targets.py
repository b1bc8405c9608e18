"""What is bootstrapped from: the target network's view of the next states."""

import torch
from torch import Tensor, nn

from repro.config import AgentConfig
from repro.networks import tensor
from repro.replay import Batch


def renew(target: nn.Module, network: nn.Module, share: float = 1.0) -> None:
    """Make the target network equal to the network (ledger row 15), or go a share of the way."""
    if share == 1.0:
        target.load_state_dict(network.state_dict())
        return
    with torch.no_grad():
        for mine, theirs in zip(target.parameters(), network.parameters(), strict=True):
            mine.lerp_(theirs, share)


def chooser(config: AgentConfig, network: nn.Module, target: nn.Module) -> nn.Module:
    """The network that chooses the next action: in Double DQN the one that learns."""
    return network if config.double_q else target


def bootstrap(
    target: nn.Module, batch: Batch, device: torch.device, chooser: nn.Module | None = None
) -> tuple[Tensor, Tensor]:
    """What the values of the actions taken are drawn towards (Algorithm 1; ledger row 11).

    Args:
        target: values the next action.
        batch: transitions.
        device: of the networks.
        chooser: chooses the next action; the target network itself unless given.

    Returns:
        Two of float32 ``(batch,)``: the target network's value of the next action, after a terminal
        state, too, and the goal: the reward plus that value, discounted (by 0 there).
    """
    with torch.no_grad():
        states = tensor(batch.next_states, device)
        values = target(states)
        choice = values if chooser is None or chooser is target else chooser(states)
        future = values.gather(1, choice.argmax(dim=1, keepdim=True))[:, 0]
    return future, tensor(batch.rewards, device) + tensor(batch.discounts, device) * future
