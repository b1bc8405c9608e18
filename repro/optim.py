"""The optimiser of the 2015 agent, centred RMSProp with its constant inside the root; others."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from repro.config import AgentConfig

# Elements updated at a time: few enough that what one operation leaves in the processor's cache
# is still there for the next, many enough that calling them costs nothing.
_BLOCK = 262_144


class CenteredRMSProp(Optimizer):
    """RMSProp that divides by the gradient's standard deviation (ledger row 18).

    With g the gradient, decayed means m of g and v of g squared::

        m <- a m + (1 - a) g        v <- b v + (1 - b) g^2
        w <- w - learning_rate * g / sqrt(v - m^2 + minimum)

    ``torch.optim.RMSprop`` differs: it adds its epsilon outside the root.

    Args:
        parameters: tensors to update, or parameter groups.
        learning_rate: step size.
        gradient_decay: a, per update.
        squared_gradient_decay: b, per update.
        min_squared_gradient: the minimum under the root.

    Raises:
        ValueError: for a value out of range.
    """

    STATE = ("mean", "mean_square")  # of each parameter, of its shape

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 0.00025,
        gradient_decay: float = 0.95,
        squared_gradient_decay: float = 0.95,
        min_squared_gradient: float = 0.01,
    ) -> None:
        for name, value in (
            ("gradient_decay", gradient_decay),
            ("squared_gradient_decay", squared_gradient_decay),
        ):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name} must be in [0, 1), not {value}")
        for name, value in (
            ("learning_rate", learning_rate),
            ("min_squared_gradient", min_squared_gradient),
        ):
            if value <= 0.0:
                raise ValueError(f"{name} must be more than zero, not {value}")
        defaults = {
            "learning_rate": learning_rate,
            "gradient_decay": gradient_decay,
            "squared_gradient_decay": squared_gradient_decay,
            "min_squared_gradient": min_squared_gradient,
        }
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state.update({name: torch.zeros_like(parameter) for name in self.STATE})
                self._update(
                    (parameter, parameter.grad, state["mean"], state["mean_square"]), group
                )
        return loss

    def _update(self, arrays: tuple[Tensor, ...], group: dict[str, Any]) -> None:
        """Update a parameter, given with its gradient and both means."""
        for block in _blocks(arrays):
            _update(block, group)


def _blocks(arrays: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Split arrays of one shape alike; on a GPU, or if they are small, not at all."""
    whole = arrays[0].numel() <= _BLOCK or arrays[0].is_cuda
    if whole or not all(array.is_contiguous() for array in arrays):
        yield arrays
    else:
        yield from zip(*(torch.split(array.view(-1), _BLOCK) for array in arrays), strict=True)


def _update(block: tuple[Tensor, ...], group: dict[str, Any]) -> None:
    weights, gradient, mean, mean_square = block
    mean.lerp_(gradient, 1 - group["gradient_decay"])
    decay = group["squared_gradient_decay"]
    mean_square.mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
    root = torch.addcmul(mean_square, mean, mean, value=-1)
    if decay != group["gradient_decay"]:
        root.clamp_(min=0)  # means over different times: their difference is no variance
    root.add_(group["min_squared_gradient"]).sqrt_()
    weights.addcdiv_(gradient, root, value=-group["learning_rate"])


def build(config: AgentConfig, parameters: Iterable[Tensor]) -> Optimizer:
    """The optimiser that a configuration asks for (ledger row 18)."""
    rate, decays = config.learning_rate, (config.gradient_decay, config.squared_gradient_decay)
    rest: Any = {"eps": config.optimiser_epsilon, "weight_decay": config.weight_decay}
    if config.optimiser == "torch-rmsprop":  # its epsilon is outside the root: the difference
        return torch.optim.RMSprop(parameters, rate, decays[1], centered=True, **rest)
    if config.optimiser == "adam":
        return torch.optim.Adam(parameters, rate, decays, amsgrad=config.amsgrad, **rest)
    if config.optimiser == "adamw":
        return torch.optim.AdamW(parameters, rate, decays, amsgrad=config.amsgrad, **rest)
    return CenteredRMSProp(parameters, rate, *decays, config.min_squared_gradient)


def state_like(config: AgentConfig, parameters: Iterable[Tensor]) -> dict[str, dict[str, Tensor]]:
    """What an optimiser keeps of parameters like these once it has taken a step, in their order."""
    blank = [torch.zeros_like(one, requires_grad=True) for one in parameters]
    for one in blank:
        one.grad = torch.zeros_like(one)
    optimiser = build(config, blank)
    optimiser.step()
    return {str(index): optimiser.state[one] for index, one in enumerate(blank)}


def bound(config: AgentConfig, parameters: Iterable[Tensor]) -> None:
    """Bound the gradient that is in the parameters, where a configuration asks for it."""
    parameters = list(parameters)
    if config.gradient_value:
        torch.nn.utils.clip_grad_value_(parameters, config.gradient_value)
    if config.gradient_norm:
        torch.nn.utils.clip_grad_norm_(parameters, config.gradient_norm)
