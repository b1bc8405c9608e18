"""The fast fully connected layer, against float64 NumPy and torch's own."""

import numpy as np
import pytest
import torch

from repro import dense
from repro.dense import Dense

TOLERANCE = {"rtol": 0, "atol": 2e-5}  # float32 sums of 60 products of order one


def layer(seed=0):
    made = Dense(60, 17)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        made.weight.normal_(generator=generator)
        made.bias.normal_(generator=generator)
    return made


def example(batch):
    generator = np.random.default_rng(batch)
    inputs = generator.normal(size=(batch, 60)).astype(np.float32)
    return inputs, generator.normal(size=(batch, 17)).astype(np.float32)


@pytest.fixture(params=["onednn", "torch"])
def path(request, monkeypatch):
    """Both ways of computing; the second is taken where torch lacks the operator."""
    if request.param == "torch":
        monkeypatch.setattr(dense, "_OPERATOR", None)
    elif dense._OPERATOR is None:
        pytest.fail("this torch has lost the operator: training is slower than it was")


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("batch", [1, 2, 32])
def test_values_and_gradients_match_float64(batch):
    made = layer()
    weight = made.weight.detach().numpy().astype(np.float64)
    bias = made.bias.detach().numpy().astype(np.float64)
    inputs, upstream = example(batch)
    given = torch.from_numpy(inputs).requires_grad_()
    values = made(given)
    values.backward(torch.from_numpy(upstream))
    np.testing.assert_allclose(values.detach().numpy(), inputs @ weight.T + bias, **TOLERANCE)
    np.testing.assert_allclose(given.grad.numpy(), upstream @ weight, **TOLERANCE)
    expected = upstream.astype(np.float64).T @ inputs
    np.testing.assert_allclose(made.weight.grad.numpy(), expected, **TOLERANCE)
    np.testing.assert_allclose(made.bias.grad.numpy(), upstream.sum(0), **TOLERANCE)


@pytest.mark.usefixtures("path")
def test_no_gradient_is_kept_where_none_is_asked_for():
    made = layer()
    inputs, _ = example(3)
    with torch.inference_mode():
        values = made(torch.from_numpy(inputs))
    assert not values.requires_grad
    with torch.no_grad():
        assert torch.equal(made(torch.from_numpy(inputs)), values)


def test_state_is_that_of_torchs_layer():
    assert list(layer().state_dict()) == ["weight", "bias"]
    other = torch.nn.Linear(60, 17)
    other.load_state_dict(layer().state_dict())
    inputs = torch.from_numpy(example(4)[0])
    torch.testing.assert_close(other(inputs), layer()(inputs), rtol=0, atol=2e-5)
