"""The networks: shapes, parameters, values, initial weights (ledger rows 5, 19, 20)."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from repro import experiment, networks
from repro.config import preset
from repro.networks import MLP, DuelingCNN, LinearNetwork, NatureCNN
from repro.system.machine import LackError
from tests.repro.small import make_run

AGENT = preset("nature").agent


def seeded(seed):
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


def weighted_layers(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def float64(tensor):
    return tensor.detach().numpy().astype(np.float64)


def convolve(image, layer, stride):
    """One output pixel at a time; (channels, height, width) in and out, no padding."""
    weight, bias = float64(layer.weight), float64(layer.bias)
    filters, _, size, _ = weight.shape
    out = (image.shape[1] - size) // stride + 1
    result = np.zeros((filters, out, out))
    for row in range(out):
        for column in range(out):
            top, left = row * stride, column * stride
            patch = image[:, top : top + size, left : left + size]
            result[:, row, column] = np.tensordot(weight, patch, 3) + bias
    return np.maximum(result, 0)


def test_shapes_layer_by_layer():
    network, shapes = NatureCNN(6), []
    for layer in weighted_layers(network):
        layer.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    network(torch.zeros((2, 4, 84, 84), dtype=torch.uint8))
    assert shapes == [(2, 32, 20, 20), (2, 64, 9, 9), (2, 64, 7, 7), (2, 512), (2, 6)]


def test_layers_are_the_papers_and_unpadded():
    convolutions = [layer for layer in weighted_layers(NatureCNN(6)) if hasattr(layer, "stride")]
    assert [
        (layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
        for layer in convolutions
    ] == [
        (32, (8, 8), (4, 4), (0, 0)),
        (64, (4, 4), (2, 2), (0, 0)),
        (64, (3, 3), (1, 1), (0, 0)),
    ]


@pytest.mark.parametrize(("actions", "expected"), [(3, 1_685_667), (4, 1_686_180), (18, 1_693_362)])
def test_number_of_parameters(actions, expected):
    by_hand = (
        (4 * 8 * 8 + 1) * 32
        + (32 * 4 * 4 + 1) * 64
        + (64 * 3 * 3 + 1) * 64
        + (64 * 7 * 7 + 1) * 512
        + (512 + 1) * actions
    )
    found = sum(parameter.numel() for parameter in NatureCNN(actions).parameters())
    assert found == by_hand == expected


def test_forward_matches_a_slow_convolution_in_float64():
    generator = np.random.default_rng(19)
    stacks = generator.integers(0, 256, (2, 4, 84, 84), dtype=np.uint8)
    network = NatureCNN(5, generator=seeded(19))
    with torch.no_grad():
        values = network(torch.from_numpy(stacks)).numpy()
    one, two, three, hidden, out = weighted_layers(network)
    for stack, mine in zip(stacks, values, strict=True):
        image = stack.astype(np.float64) / 255
        for layer, stride in ((one, 4), (two, 2), (three, 1)):
            image = convolve(image, layer, stride)
        features = np.maximum(float64(hidden.weight) @ image.reshape(-1) + float64(hidden.bias), 0)
        expected = float64(out.weight) @ features + float64(out.bias)
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-6)
        assert np.ptp(expected) > 1e-3  # the tolerance tells the actions apart
    assert values.dtype == np.float32


def test_linear_network_matches_a_matrix_product():
    stacks = np.random.default_rng(0).integers(0, 256, (3, 2, 5, 5), dtype=np.uint8)
    network = LinearNetwork(4, (2, 5, 5), seeded(0))
    with torch.no_grad():
        values = network(torch.from_numpy(stacks)).numpy()
    flat = stacks.reshape(3, -1).astype(np.float64) / 255
    expected = flat @ float64(network.layer.weight).T + float64(network.layer.bias)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


def test_a_linear_network_takes_vectors_as_they_are():
    states = np.random.default_rng(0).normal(size=(3, 1, 4)).astype(np.float32)
    network = LinearNetwork(2, (1, 4), seeded(0))
    with torch.no_grad():
        values = network(torch.from_numpy(states)).numpy()
    flat = states.reshape(3, -1).astype(np.float64)
    expected = flat @ float64(network.layer.weight).T + float64(network.layer.bias)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("widths", [(16, 16), (7,), (5, 9, 3, 11, 4, 6)])
def test_mlp_matches_matrix_products(widths):
    states = np.random.default_rng(0).normal(size=(3, 1, 4)).astype(np.float32)
    network = MLP(2, (1, 4), widths, seeded(0))
    with torch.no_grad():
        values = network(torch.from_numpy(states)).numpy()
    inner = states.reshape(3, -1).astype(np.float64)
    layers = weighted_layers(network)
    assert [layer.out_features for layer in layers] == [*widths, 2]
    for index, layer in enumerate(layers):
        inner = inner @ float64(layer.weight).T + float64(layer.bias)
        inner = np.maximum(inner, 0) if index < len(widths) else inner
    np.testing.assert_allclose(values, inner, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", range(5))
def test_weights_and_biases_are_uniform_within_the_root_of_fan_in(layer):
    fan_in = (4 * 8 * 8, 32 * 4 * 4, 64 * 3 * 3, 64 * 7 * 7, 512)[layer]
    bound = fan_in**-0.5
    nets = [NatureCNN(18, generator=seeded(seed)) for seed in range(4)]
    chosen = [weighted_layers(network)[layer] for network in nets]
    for name in ("weight", "bias"):
        values = np.concatenate([float64(getattr(one, name)).reshape(-1) for one in chosen])
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        sample = np.random.default_rng(0).permutation(values)[:5_000]
        assert stats.kstest(sample, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3, name


def test_lecun_normal_weights_have_their_variance_and_constant_biases():
    config = dataclasses.replace(AGENT, initial_weights="lecun-normal")
    layers = weighted_layers(networks.build(config, 18, (4, 84, 84), seeded(3)))
    for layer, fan_in in zip(layers, (256, 512, 576, 3136, 512), strict=True):
        sample = np.random.default_rng(0).permutation(float64(layer.weight).reshape(-1))[:5_000]
        assert stats.kstest(sample, stats.norm(0, fan_in**-0.5).cdf).pvalue > 1e-3
        expected = 0.0 if layer is layers[-1] else np.float32(0.1)
        assert set(float64(layer.bias)) == {expected}


def test_initial_weights_follow_their_generator_alone():
    torch.manual_seed(1)
    first = NatureCNN(4, generator=seeded(7)).state_dict()
    torch.manual_seed(2)
    again = NatureCNN(4, generator=seeded(7)).state_dict()
    other = NatureCNN(4, generator=seeded(8)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_build_makes_what_the_configuration_names():
    assert isinstance(networks.build(AGENT, 4, (4, 84, 84)), NatureCNN)
    linear = dataclasses.replace(AGENT, network="linear")
    assert networks.build(linear, 4, (4, 84, 84)).layer.weight.shape == (4, 4 * 84 * 84)
    mlp = dataclasses.replace(AGENT, network="mlp", hidden_units=24)
    widths = [layer.out_features for layer in weighted_layers(networks.build(mlp, 2, (1, 4)))]
    assert widths == [24, 24, 2]
    deep = networks.build(dataclasses.replace(mlp, mlp_widths=(64, 32, 8)), 2, (1, 4))
    assert [layer.out_features for layer in weighted_layers(deep)] == [64, 32, 8, 2]


@pytest.mark.parametrize("units", [10**10, 10**15])
def test_a_network_that_memory_cannot_hold_is_refused_in_words(units):
    run = make_run(network="nature", hidden_units=units)
    envs = experiment.make_envs(run)
    with pytest.raises(LackError, match=f"{units:,} units.*--hidden-units"):
        experiment.assemble(run, envs.train)
    envs.close()


def test_build_refuses_screens_of_another_size():
    with pytest.raises(ValueError, match=r"84, 84.*linear"):
        networks.build(AGENT, 4, (4, 42, 42))


# --- the dueling network (Wang et al. 2016) ----------------------------------------------


def streams(network):
    """Weights of both streams in float64: value, then advantages; each hidden, then out."""
    return [
        [(float64(layer.weight), float64(layer.bias)) for layer in weighted_layers(stream)]
        for stream in (network.value, network.head)
    ]


def dueling_values(network, features):
    """Float64 (batch, actions) of features (batch, 3136), and each stream's hidden units."""
    hidden, outputs = [], []
    for (weight, bias), (weight_out, bias_out) in streams(network):
        hidden.append(np.maximum(features @ weight.T + bias, 0))
        outputs.append(hidden[-1] @ weight_out.T + bias_out)
    value, advantages = outputs
    return value + advantages - advantages.mean(axis=1, keepdims=True), hidden


def test_dueling_values_match_float64_from_the_pixels_on():
    stacks = np.random.default_rng(3).integers(0, 256, (2, 4, 84, 84), dtype=np.uint8)
    network = DuelingCNN(5, hidden=40, generator=seeded(3))
    with torch.no_grad():
        values = network(torch.from_numpy(stacks)).numpy()
    for stack, mine in zip(stacks, values, strict=True):
        image = stack.astype(np.float64) / 255
        for layer, stride in zip(weighted_layers(network)[:3], (4, 2, 1), strict=True):
            image = convolve(image, layer, stride)
        expected, _ = dueling_values(network, image.reshape(1, -1))
        np.testing.assert_allclose(mine, expected[0], rtol=0, atol=1e-6)
        assert np.ptp(expected) > 1e-3


def test_dueling_gradients_match_float64_and_enter_the_convolutions_over_root_2():
    generator = np.random.default_rng(5)
    stacks = torch.from_numpy(generator.integers(0, 256, (3, 4, 84, 84), dtype=np.uint8))
    network, met = DuelingCNN(4, hidden=24, generator=seeded(5)), {}

    def keep(layer, _, output):
        # Of the output before its rectifier, and scaled already on the way back.
        if output.requires_grad:
            output.register_hook(lambda gradient: met.update(slope=gradient.numpy().copy()))

    network.convolutions[-2].register_forward_hook(keep)
    slope = generator.normal(size=(3, 4))
    network(stacks).backward(torch.from_numpy(slope).float())
    with torch.no_grad():
        features = float64(network.features(stacks)).reshape(3, -1)
    _, hidden = dueling_values(network, features)
    # Backwards by hand: V takes the sum over actions, A what is left without its mean.
    slopes = slope.sum(axis=1, keepdims=True), slope - slope.mean(axis=1, keepdims=True)
    entering = np.zeros_like(features)
    for stream, units, out, module in zip(
        streams(network), hidden, slopes, (network.value, network.head), strict=True
    ):
        behind = (out @ stream[1][0]) * (units > 0)
        layers = weighted_layers(module)
        for layer, inputs, mine in ((layers[1], units, out), (layers[0], features, behind)):
            np.testing.assert_allclose(layer.weight.grad, mine.T @ inputs, rtol=0, atol=2e-6)
            np.testing.assert_allclose(layer.bias.grad, mine.sum(axis=0), rtol=0, atol=2e-6)
        entering += behind @ stream[0][0]
    entering *= (features > 0) / np.sqrt(2)
    scale = np.abs(entering).max()
    assert scale > 1e-3
    np.testing.assert_allclose(met["slope"].reshape(3, -1), entering, rtol=0, atol=1e-5 * scale)


def test_number_of_parameters_of_a_dueling_network():
    stream = (64 * 7 * 7 + 1) * 512
    trunk = (4 * 8 * 8 + 1) * 32 + (32 * 4 * 4 + 1) * 64 + (64 * 3 * 3 + 1) * 64
    found = sum(parameter.numel() for parameter in DuelingCNN(6).parameters())
    assert found == trunk + 2 * stream + (512 + 1) * (6 + 1)


def test_a_dueling_network_is_a_setting():
    config = dataclasses.replace(AGENT, dueling=True, hidden_units=16)
    assert isinstance(networks.build(config, 4, (4, 84, 84)), DuelingCNN)


def test_the_first_weights_of_the_second_stream_are_drawn_like_the_others():
    network = DuelingCNN(4, generator=seeded(2))
    hidden, out = weighted_layers(network.value)
    for layer, fan_in in ((hidden, 3136), (out, 512)):
        sample = np.random.default_rng(0).permutation(float64(layer.weight).reshape(-1))[:5_000]
        bound = fan_in**-0.5
        assert stats.kstest(sample, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3
    assert np.abs(float64(out.bias)).max() <= 512**-0.5


@pytest.mark.parametrize("kind", ["nature", "linear"])
def test_one_bias_for_all_actions(kind):
    config = dataclasses.replace(AGENT, network=kind, hidden_units=16, shared_bias=True)
    shared = networks.build(config, 4, (4, 84, 84), seeded(1))
    apart = networks.build(
        dataclasses.replace(config, shared_bias=False), 4, (4, 84, 84), seeded(1)
    )
    stacks = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 4, 84, 84), np.uint8))
    *_, last = weighted_layers(apart)
    bias = last.bias.detach().clone()
    found, usual = shared(stacks), apart(stacks)
    torch.testing.assert_close(found, usual - bias + bias[0], rtol=0, atol=1e-6)
    found.sum().backward()
    assert weighted_layers(shared)[-1].bias.grad.tolist() == [8.0]  # of two states, four actions


def test_lecun_normal_leaves_both_streams_without_a_last_bias():
    config = dataclasses.replace(AGENT, dueling=True, initial_weights="lecun-normal")
    network = networks.build(config, 4, (4, 84, 84), seeded(1))
    biases = [set(float64(layer.bias)) for layer in weighted_layers(network)]
    tenth = {np.float64(np.float32(0.1))}
    assert biases == [tenth, tenth, tenth, tenth, {0.0}, tenth, {0.0}]
