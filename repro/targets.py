"""What is bootstrapped from: the target network's view of the next states."""

import torch
from torch import Tensor, nn

from repro.networks import tensor
from repro.replay import Batch


def renew(target: nn.Module, network: nn.Module) -> None:
    """Make the target network equal to the network (ledger row 15)."""
    target.load_state_dict(network.state_dict())


def bootstrap(target: nn.Module, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
    """What the values of the actions taken are drawn towards (Algorithm 1; ledger row 11).

    Returns:
        Two of float32 ``(batch,)``: the target network's largest value at the next state, terminal
        or not, and the goal: the reward plus that value, discounted (by 0 after a terminal state).
    """
    with torch.no_grad():
        future = target(tensor(batch.next_states, device)).amax(dim=1)
    return future, tensor(batch.rewards, device) + tensor(batch.discounts, device) * future
