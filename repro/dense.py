"""A fully connected layer, the same as ``torch.nn.Linear`` but faster on a CPU.

For the shapes of the Nature network torch multiplies matrices with MKL, which spends most of its
time rearranging the 3136x512 weights. oneDNN, which comes with torch and already computes the
convolutions, takes half as long over them; it is reached by the operator behind torch's own
fused layers.
"""

from typing import Any

import torch
from torch import Tensor, nn

_OPERATOR = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


class Dense(nn.Linear):
    """``nn.Linear`` for float32 ``(batch, features)``; on a CPU computed by oneDNN."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply by the weights and add the biases."""
        if _OPERATOR is None or inputs.device.type != "cpu":
            return super().forward(inputs)
        if torch.is_grad_enabled():
            return _Dense.apply(inputs, self.weight, self.bias)  # type: ignore[no-any-return, no-untyped-call]
        return _product(inputs, self.weight, self.bias)


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(inputs, weight)
        return _product(inputs, weight, bias)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, weight = context.saved_tensors
        return (
            _product(gradient, weight.t()),
            _product(gradient.t(), inputs.t()),
            gradient.sum(0),
        )


def _product(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``inputs @ weight.T + bias``."""
    assert _OPERATOR is not None
    return _OPERATOR(inputs, weight, bias, "none", [], "")  # type: ignore[no-any-return]
