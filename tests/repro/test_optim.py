"""The optimiser against float64 NumPy (ledger row 18)."""

import dataclasses

import numpy as np
import pytest
import torch

from repro import optim
from repro.config import preset
from repro.optim import CenteredRMSProp

RATE, DECAY, MINIMUM = 0.00025, 0.95, 0.01


def reference(weights, gradients, rate=RATE, a=DECAY, b=DECAY, minimum=MINIMUM):
    """The ledger's formula, in float64: the weights after each gradient."""
    weights = np.array(weights, np.float64)
    mean = np.zeros_like(weights)
    square = np.zeros_like(weights)
    path = []
    for gradient in gradients:
        g = np.array(gradient, np.float64)
        mean = a * mean + (1 - a) * g
        square = b * square + (1 - b) * g * g
        weights = weights - rate * g / np.sqrt(square - mean**2 + minimum)
        path.append(weights)
    return path


def run(weights, gradients, **options):
    parameter = torch.nn.Parameter(torch.as_tensor(weights).clone())
    optimiser = CenteredRMSProp([parameter], **options)
    path = []
    for gradient in gradients:
        parameter.grad = torch.as_tensor(gradient).clone()
        optimiser.step()
        path.append(parameter.detach().clone().numpy())
    return path


@pytest.fixture
def generator():
    return np.random.default_rng(18)


def gradients_of(generator, shape, steps=12):
    # From tiny to huge, so that both the constant and the variance rule somewhere.
    scale = 10.0 ** generator.uniform(-3, 1.5, shape)
    return [(scale * generator.normal(size=shape)).astype(np.float32) for _ in range(steps)]


def test_many_steps_match_float64(generator):
    weights = generator.normal(size=(40, 7)).astype(np.float32)
    gradients = gradients_of(generator, weights.shape)
    for mine, expected in zip(run(weights, gradients), reference(weights, gradients), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=2e-6)
    moved = np.abs(expected - weights)
    assert moved.max() > 1e-3  # far more than the tolerance


def test_other_constants_match_float64(generator):
    weights = generator.normal(size=50).astype(np.float32)
    gradients = [generator.uniform(-0.5, 0.5, 50).astype(np.float32) for _ in range(12)]
    mine = run(
        weights, gradients, learning_rate=0.01, gradient_decay=0.8,
        squared_gradient_decay=0.8, min_squared_gradient=0.3,
    )  # fmt: skip
    expected = reference(weights, gradients, rate=0.01, a=0.8, b=0.8, minimum=0.3)
    np.testing.assert_allclose(mine[-1], expected[-1], rtol=0, atol=2e-5)


def test_first_step_by_hand():
    # g = 0.1: mean 0.005, mean square 0.0005; the root of 0.0005 - 0.000025 + 0.01.
    step = -run(np.zeros(1, np.float32), [np.full(1, 0.1, np.float32)])[0][0]
    assert step == pytest.approx(0.00025 * 0.1 / 0.010475**0.5, rel=1e-5)
    outside = 0.00025 * 0.1 / (0.000475**0.5 + 0.01)  # the constant outside the root
    assert outside > 3 * step


def test_a_constant_gradient_has_no_variance_and_no_momentum():
    # Both means converge, their difference vanishes, and the step tends to rate * g / 0.1;
    # a heavy ball would make it twenty times as long.
    path = run(np.zeros(1, np.float32), [np.full(1, 0.5, np.float32)] * 600)
    last = path[-2][0] - path[-1][0]
    assert last == pytest.approx(0.00025 * 0.5 / 0.1, rel=1e-3)


def test_differs_from_torchs_rmsprop():
    ours = run(np.zeros(1, np.float32), [np.full(1, 0.1, np.float32)])[0][0]
    parameter = torch.nn.Parameter(torch.zeros(1))
    theirs = torch.optim.RMSprop([parameter], lr=RATE, alpha=DECAY, eps=MINIMUM, centered=True)
    parameter.grad = torch.full((1,), 0.1)
    theirs.step()
    assert float(parameter.detach()) / ours > 3


def test_large_tensors_are_updated_as_small_ones_are(generator):
    # Long enough for several blocks and a remainder; the parts are too short for one.
    size, cuts = 300_001, [100_000, 200_000]
    weights = generator.normal(size=size).astype(np.float32)
    gradients = gradients_of(generator, size, steps=3)
    whole = run(weights, gradients)[-1]
    pieces = [
        run(part, [np.split(gradient, cuts)[index] for gradient in gradients])[-1]
        for index, part in enumerate(np.split(weights, cuts))
    ]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    expected = reference(weights, gradients)[-1]
    np.testing.assert_allclose(whole, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("gradient_layout", [torch.channels_last, torch.contiguous_format])
def test_channels_last_parameters(generator, gradient_layout):
    # 147,456 elements: more than a block, so the layout decides how it is split.
    shape = (64, 64, 6, 6)
    weights = generator.normal(size=shape).astype(np.float32)
    gradients = gradients_of(generator, shape, steps=4)
    parameter = torch.nn.Parameter(
        torch.as_tensor(weights).contiguous(memory_format=torch.channels_last)
    )
    optimiser = CenteredRMSProp([parameter])
    for gradient in gradients:
        parameter.grad = torch.as_tensor(gradient).contiguous(memory_format=gradient_layout)
        optimiser.step()
    expected = reference(weights, gradients)[-1]
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=0, atol=2e-6)
    assert parameter.is_contiguous(memory_format=torch.channels_last)


def test_parameters_without_gradient_stay():
    still, moving = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimiser = CenteredRMSProp([still, moving])
    moving.grad = torch.ones(3)
    optimiser.step()
    assert torch.equal(still.detach(), torch.ones(3))
    assert not torch.equal(moving.detach(), torch.ones(3))


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": 0.0},
        {"gradient_decay": 1.0},
        {"gradient_decay": -0.1},
        {"squared_gradient_decay": 1.0},
        {"min_squared_gradient": 0.0},
    ],
)
def test_values_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        CenteredRMSProp([torch.nn.Parameter(torch.zeros(1))], **options)


def test_decays_that_differ_stay_finite():
    """With a short mean and a long mean square their difference can be negative: taken as 0."""
    gradients = [np.full(3, 10.0, np.float32)] * 5
    first, *_ = run(np.zeros(3, np.float32), gradients, gradient_decay=0.5,
                    squared_gradient_decay=0.9)  # fmt: skip
    # m = 5, v = 10: the difference is -15, so the root is that of the minimum, 0.1.
    np.testing.assert_allclose(first, -0.00025 * 10 / 0.1, rtol=1e-5)


# --- the others, by their papers' formulas in float64 ------------------------------------

SETTINGS = {"learning_rate": 0.01, "optimiser_epsilon": 1e-3}


def path_of(weights, gradients, **changes):
    """The weights after each gradient, by the optimiser that a configuration names."""
    agent = dataclasses.replace(preset("nature").agent, **SETTINGS | changes)
    parameter = torch.nn.Parameter(torch.as_tensor(weights).clone())
    optimiser = optim.build(agent, [parameter])
    path = []
    for gradient in gradients:
        parameter.grad = torch.as_tensor(gradient).clone()
        optimiser.step()
        path.append(parameter.detach().clone().numpy())
    return path


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_torchs_rmsprop_matches_float64(generator, decay):
    weights = generator.normal(size=30).astype(np.float32)
    gradients = gradients_of(generator, 30)
    w, m, v = weights.astype(np.float64), 0.0, 0.0
    found = path_of(weights, gradients, optimiser="torch-rmsprop", weight_decay=decay)
    for mine, gradient in zip(found, gradients, strict=True):
        g = gradient + decay * w
        m, v = 0.95 * m + 0.05 * g, 0.95 * v + 0.05 * g**2
        w = w - 0.01 * g / (np.sqrt(v - m**2) + 1e-3)
        np.testing.assert_allclose(mine, w, rtol=0, atol=2e-5)
    assert np.abs(w - weights).max() > 0.05


@pytest.mark.parametrize("kind", ["adam", "adamw"])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_matches_float64(generator, kind, amsgrad, decay):
    weights = generator.normal(size=30).astype(np.float32)
    # Large first and small then: what is divided by would fall, but for amsgrad.
    gradients = [one * 0.7**step for step, one in enumerate(gradients_of(generator, 30))]
    found = path_of(
        weights, gradients, optimiser=kind, amsgrad=amsgrad, weight_decay=decay,
        gradient_decay=0.9, squared_gradient_decay=0.6,
    )  # fmt: skip
    w, m, v, most = weights.astype(np.float64), 0.0, 0.0, 0.0
    for step, (mine, gradient) in enumerate(zip(found, gradients, strict=True), 1):
        g = gradient.astype(np.float64)
        if kind == "adam":
            g = g + decay * w
        else:
            w = w * (1 - 0.01 * decay)
        m, v = 0.9 * m + 0.1 * g, 0.6 * v + 0.4 * g**2
        most = np.maximum(most, v)
        square = (most if amsgrad else v) / (1 - 0.6**step)
        w = w - 0.01 * m / (1 - 0.9**step) / (np.sqrt(square) + 1e-3)
        np.testing.assert_allclose(mine, w, rtol=0, atol=2e-5)
    assert np.abs(w - weights).max() > 0.05


def test_the_originals_optimiser_is_built_unless_another_is_named(generator):
    weights = generator.normal(size=20).astype(np.float32)
    gradients = gradients_of(generator, 20)
    found = path_of(weights, gradients, learning_rate=RATE)
    np.testing.assert_array_equal(found, run(weights, gradients))
