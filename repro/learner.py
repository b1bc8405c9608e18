"""A minibatch in, its loss and gradient out."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from repro import targets
from repro.config import AgentConfig
from repro.networks import tensor
from repro.replay import Batch


class Learner:
    """The Q-learning update of Algorithm 1, up to the optimiser (ledger rows 11 and 17).

    Args:
        config: discount, clipping and reduction of the loss.
        network: receives the gradient.
        target: is bootstrapped from.
        device: where both live.
    """

    def __init__(
        self, config: AgentConfig, network: nn.Module, target: nn.Module, device: torch.device
    ) -> None:
        self._config = config
        self._network = network
        self._target = target
        self._chooser = targets.chooser(config, network, target)
        self._device = device
        self._errors: Tensor | None = None

    def learn(self, batch: Batch) -> Tensor:
        """Leave the gradient of a minibatch's loss in the network's weights.

        Returns:
            The loss, mean over the minibatch, float32 ``()``, on the device: not waited for.
        """
        _, goals = targets.bootstrap(self._target, batch, self._device, self._chooser)
        values = self._network(tensor(batch.states, self._device))
        chosen = values.gather(1, tensor(batch.actions, self._device)[:, None])[:, 0]
        self._errors = (goals - chosen).detach()
        losses = td_losses(chosen, goals, self._config.td_error_clip, self._config.loss)
        loss = (losses * tensor(batch.weights, self._device)).sum()
        mean = loss / len(batch.actions)
        self._network.zero_grad(set_to_none=True)
        (mean if self._config.loss_reduction == "mean" else loss).backward()  # type: ignore[no-untyped-call]
        return mean.detach()

    def errors(self) -> NDArray[np.float32]:
        """TD errors of the latest minibatch, clipped as they are learned from, ``(batch,)``."""
        assert self._errors is not None
        return clipped(self._errors, self._config).cpu().numpy()


def clipped(errors: Tensor, config: AgentConfig) -> Tensor:
    """TD errors as they are learned from."""
    clip = config.td_error_clip
    return errors.clamp(-clip, clip) if clip and config.loss != "squared" else errors


def td_losses(values: Tensor, goals: Tensor, clip: float, kind: str = "huber") -> Tensor:
    """Losses of TD errors (ledger row 17).

    Args:
        values: float ``(batch,)``, of the actions taken.
        goals: float ``(batch,)``, no gradient.
        clip: bound on each TD error, 0 for none.
        kind: ``huber``, whose gradient is the error clipped to +-``clip``; ``squared``, whose
            gradient is the error; ``clipped-square``, half the square of the clipped error, whose
            gradient is 0 where the error exceeds the bound.
    """
    if kind == "clipped-square":
        return (goals - values).clamp(-clip, clip).square() / 2
    if clip and kind == "huber":
        return functional.huber_loss(values, goals, reduction="none", delta=clip)
    return functional.mse_loss(values, goals, reduction="none") / 2
