"""The layers of the Nature network by oneDNN's own operators, and their derivatives.

Its rectifiers make a zero of what is not a number, where torch's hand it on. While the weights of
the convolutions are within :data:`_BOUND` they give only numbers, and nobody can tell;
:attr:`Ordered.bounded` says whether they are. The hidden layer is rectified by torch.
"""

from typing import Any

import torch
from torch import Tensor, nn

from repro.networks import weighted

_DNN: Any = torch.ops.mkldnn
_ATEN: Any = torch.ops.aten
_OPERATORS = ("_convolution_pointwise", "_linear_pointwise", "_reorder_linear_weight",
              "_reorder_convolution_weight")  # fmt: skip
_CONVOLUTIONS = ((4, 84), (2, 20), (1, 9))  # stride and input side of each (ledger row 19)
_BOUND = 1e6  # of a weight: convolutions of pixels up to 1 then stay far from overflow

Weights = list[tuple[Tensor, Tensor]]  # weight and bias of each layer, from the input on


def is_there() -> bool:
    """Whether this torch has the operators."""
    return bool(torch.backends.mkldnn.enabled) and all(hasattr(_DNN, one) for one in _OPERATORS)


class Ordered:
    """The weights of a network as the operators take them soonest, made anew once they change.

    Args:
        network: whose.
        arithmetic: type that the layers are computed in.
        batch: of how many observations: the weights are then in an order of oneDNN's own, which
            is worth its making where they are used more than once. 0 for as they are.
    """

    def __init__(self, network: nn.Module, arithmetic: torch.dtype, batch: int = 0) -> None:
        self._layers = weighted(network)
        self._sides = dict(zip(self._layers, _CONVOLUTIONS, strict=False))
        self._type = arithmetic
        self._batch = batch
        self._versions: list[tuple[int, int]] = []
        self._made: Weights = []
        self._bounded = False

    def weights(self) -> Weights:
        """Of each layer, from the input on."""
        self._renew()
        return self._made

    @property
    def bounded(self) -> bool:
        """Whether no convolution can give what is not a number."""
        self._renew()
        return self._bounded

    def _renew(self) -> None:
        now = [
            (one.data_ptr(), one._version) for layer in self._layers for one in layer.parameters()
        ]
        if now != self._versions:
            self._made = [self._make(layer) for layer in self._layers]
            self._bounded = all(
                _is_bounded(one) for layer in self._sides for one in layer.parameters()
            )
            self._versions = now

    def _make(self, layer: nn.Conv2d | nn.Linear) -> tuple[Tensor, Tensor]:
        weight, bias = (
            layer.get_parameter(name).detach().to(self._type) for name in ("weight", "bias")
        )
        if not self._batch or layer is self._layers[-1]:
            return weight, bias
        if layer not in self._sides:
            return _DNN._reorder_linear_weight(weight, self._batch), bias
        stride, side = self._sides[layer]
        shape = [self._batch, weight.shape[1], side, side]
        return _DNN._reorder_convolution_weight(
            weight, [0, 0], [stride, stride], [1, 1], 1, shape
        ), bias


def _is_bounded(weights: Tensor) -> bool:
    low, high = torch.aminmax(weights.detach())
    return float(low) >= -_BOUND and float(high) <= _BOUND  # false of what is no number, too


def forward(weights: Weights, observed: Tensor) -> list[Tensor]:
    """The input of each layer of a :class:`repro.networks.NatureCNN`, then its output."""
    *convolutions, hidden, output = weights
    seen = [observed]
    for (weight, bias), (stride, _) in zip(convolutions, _CONVOLUTIONS, strict=True):
        seen.append(
            _DNN._convolution_pointwise(
                seen[-1], weight, bias, [0, 0], [stride, stride], [1, 1], 1, "relu", [], ""
            )
        )
    seen[-1] = seen[-1].flatten(1)
    seen.append(_DNN._linear_pointwise(seen[-1], *hidden, "none", [], "").relu_())
    seen.append(nn.functional.linear(seen[-1], *output))
    return seen


def backward(weights: Weights, seen: list[Tensor], slopes: Tensor) -> Weights:
    """The gradient of every weight and bias, given that of the output."""
    *convolutions, hidden, output = (weight for weight, _ in weights)
    found = [(slopes.t() @ seen[4], slopes.sum(0))]
    slopes = _ATEN.threshold_backward(slopes @ output, seen[4], 0)
    found.append((_product(slopes.t(), seen[3].t()), slopes.sum(0)))
    slopes = _product(slopes, hidden.t())
    slopes = _ATEN.threshold_backward(slopes, seen[3], 0)
    slopes = slopes.view(len(slopes), len(convolutions[-1]), 7, 7)
    slopes = slopes.contiguous(memory_format=torch.channels_last)
    for number in (2, 1, 0):
        weight, (stride, _) = convolutions[number], _CONVOLUTIONS[number]
        down, *gradient = _ATEN.convolution_backward(
            slopes, seen[number], weight, [len(weight)], [stride, stride], [0, 0], [1, 1],
            False, [0, 0], 1, [number > 0, True, True],
        )  # fmt: skip
        found.append(tuple(gradient))
        if number:
            slopes = _ATEN.threshold_backward(down, seen[number], 0)
    return found[::-1]


def _product(inputs: Tensor, weight: Tensor) -> Tensor:
    """``inputs @ weight.T``, as in :mod:`repro.dense`."""
    return _DNN._linear_pointwise(inputs, weight, None, "none", [], "")  # type: ignore[no-any-return]
