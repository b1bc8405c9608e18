"""What the original program logged of its networks (ledger row 31). Measures, changes nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from repro import targets
from repro.agent import Agent
from repro.learner import clipped
from repro.networks import path, tensor
from repro.replay import Batch
from repro.tables import LAYERS, STATISTICS

_DIGITS = 6  # as many as the original wrote


@dataclass(frozen=True)
class Values:
    """Of held-out transitions: what the agent predicts there, and by how much it errs.

    Attributes:
        mean_max_q: mean over states of the largest action value (Fig. 2; ledger row 27).
        v: mean over next states, terminal or not, of the target network's value of the next
            action: its largest, or of the action that the network chooses (Double DQN).
        mean_abs_td_error: mean absolute TD error, clipped as it is learned from.
    """

    mean_max_q: float
    v: float
    mean_abs_td_error: float


def values(agent: Agent, batch: Batch) -> Values:
    """Measure an agent on transitions."""
    with torch.inference_mode():
        q = agent.network(tensor(batch.states, agent.device))
        chooser = targets.chooser(agent.config, agent.network, agent.target)
        future, goals = targets.bootstrap(agent.target, batch, agent.device, chooser)
        errors = goals - q.gather(1, tensor(batch.actions, agent.device)[:, None])[:, 0]
        errors = clipped(errors, agent.config)
        return Values(
            mean_max_q=float(q.amax(dim=1).mean()),
            v=float(future.mean()),
            mean_abs_td_error=float(errors.abs().mean()),
        )


def layers(network: nn.Module) -> dict[str, float]:
    """Mean and largest absolute weight and gradient of each layer, biases left out.

    Returns:
        ``"<layer>_<statistic>"`` to number, layers from the input on named as in
        :data:`repro.tables.LAYERS`: of the Nature CNN all, of other networks the last ones, of a
        dueling one those of its advantages.
        Gradients are the latest minibatch's; without one, there are none.
    """
    found: dict[str, float] = {}
    there = path(network)[-len(LAYERS) :]
    for name, layer in zip(LAYERS[len(LAYERS) - len(there) :], there, strict=True):
        tensors = {"weight": layer.weight.detach(), "gradient": layer.weight.grad}
        for statistic in STATISTICS:
            kind, _, what = statistic.split("_")
            tensor = tensors[what]
            if tensor is not None:
                found[f"{name}_{statistic}"] = _rounded(_largest(tensor, kind))
    return found


def _largest(tensor: Tensor, kind: str) -> float:
    absolute = tensor.abs()
    return float(absolute.max() if kind == "max" else absolute.mean())


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
