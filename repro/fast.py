"""The plain agent's own numbers on a CPU, sooner: the same operations on the same values, in order.

What is saved lies between the operations of the plain path, never in them: bytes are rearranged
once and by a library that is quick at it, rectifiers are part of the layer before them, weights
that many calls share are brought into the order of oneDNN once, and no graph is kept for
derivatives.

Whether the result is that of the plain path bit for bit is for oneDNN to say, on this processor and
with so many threads: :meth:`FastAgent.is_plain` asks it before the first step, and where it is not,
the plain path is taken.

Which configurations are covered stands once, in :data:`COVERED`; everything else, also a setting
that is added one day, is learned by the plain path. ``Agent.path`` says which one an agent takes.

With ``arithmetic`` "bfloat16" layers are computed from weights and activations of 8 bits of
mantissa. Weights, optimiser, loss and acting stay in single precision.
"""

import ctypes
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repro import native, onednn
from repro.agent import Agent
from repro.config import AgentConfig, ConfigError
from repro.learner import Learner, td_losses
from repro.networks import NatureCNN, tensor, weighted
from repro.replay import Batch

# Fields of the configuration that hold here whatever their value. Every other one must be as in
# `nature`, or the plain path is taken.
COVERED = frozenset({
    "arithmetic", "learner", "gradient_norm", "hidden_units", "initial_weights", "discount",
    "replay_steps", "replay_draw", "minibatch", "learning_starts_steps", "update_every_steps",
    "target_every_steps", "epsilon_start", "epsilon_end", "epsilon_hold_steps",
    "epsilon_decay_steps", "td_error_clip", "loss_reduction", "learning_rate", "gradient_decay",
    "squared_gradient_decay", "min_squared_gradient",
})  # fmt: skip
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86, of x86, of ARM
_TRIM, _MMAP = -1, -3  # parameters of mallopt


def make(
    config: AgentConfig, n_actions: int, observation: tuple[int, ...],
    generator: np.random.Generator, weights: torch.Generator, device: str,
) -> Agent:  # fmt: skip
    """The agent of a configuration: a fast one where it is allowed and gives the same numbers.

    Says so in a line where it was asked for and cannot be.
    """
    parts = (config, n_actions, observation, generator, weights, device)
    reason, before = unfit(config, device), weights.get_state()
    if config.learner == "plain" and config.arithmetic == "float32":
        reason = "as asked for"
    elif not reason:
        _keep_freed_memory()
        quick = FastAgent(*parts)
        if config.arithmetic != "float32" or quick.is_plain():
            return quick
        weights.set_state(before)
        reason = "on this processor the fast one gives other last digits"
    if config.learner == "fast":
        print(f"repro: the plain learner is used: {reason}", file=sys.stderr)
    agent = Agent(*parts)
    agent.path = f"plain ({reason})"
    return agent


def unfit(config: AgentConfig, device: str) -> str:
    """Why there is no fast path for a configuration on a device; empty if there is one."""
    if torch.device(device).type != "cpu":
        return f"the fast one is for a CPU, not for {device}"
    if not onednn.is_there():
        return "this torch lacks oneDNN's operators"
    for item in dataclasses.fields(config):
        if item.name not in COVERED and getattr(config, item.name) != item.default:
            return f"the fast one knows no {item.name} of {getattr(config, item.name)!r}"
    return ""


def check(config: AgentConfig, device: str) -> None:
    """Refuse to train in an arithmetic that cannot be had, or is only imitated.

    Where it is there but slower than single precision, a line says by how much.

    Raises:
        ConfigError: with the reason.
    """
    if config.arithmetic == "float32":
        return
    if reason := unfit(config, device):
        raise ConfigError(f"--arithmetic {config.arithmetic} needs the fast learner: {reason}")
    slower = bfloat16_slowness()
    if not has_bfloat16():
        raise ConfigError(
            f"--arithmetic bfloat16: this processor only imitates it, and takes {slower:.1f} times "
            "as long as with float32; leave the flag out"
        )
    if slower > 1:
        print(
            f"repro: with bfloat16 this processor takes {slower:.1f} times as long as with float32",
            file=sys.stderr,
        )


def has_bfloat16() -> bool:
    """Whether the processor says that it multiplies such numbers itself."""
    try:
        words = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return not _BFLOAT16_FLAGS.isdisjoint(words)


def bfloat16_slowness() -> float:
    """Time of a convolution (the second one, of a minibatch) over that in single precision."""
    least, threads = {}, torch.get_num_threads()
    torch.set_num_threads(1)  # several would measure one another
    for arithmetic in (torch.float32, torch.bfloat16):
        inputs = torch.ones(32, 32, 20, 20, dtype=arithmetic)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        layer = torch.ones(64, 32, 4, 4, dtype=arithmetic)
        spans = []
        for _ in range(8):
            start = time.perf_counter()
            nn.functional.conv2d(inputs, layer, stride=2)
            spans.append(time.perf_counter() - start)
        least[arithmetic] = min(spans)
    torch.set_num_threads(threads)
    return least[torch.bfloat16] / least[torch.float32]


def _keep_freed_memory() -> None:
    """Let glibc keep what an update frees for the next one, which the kernel would zero again."""
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        change(_MMAP, 1 << 25)
        change(_TRIM, 1 << 28)


class FastAgent(Agent):
    """The same agent; its state is that of a plain one, and either goes on from the other's."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.path = "fast" if native.library() else f"fast ({native.LACKING})"
        self._history = weighted(self.network)[0].weight.shape[1]
        self.learner = FastLearner(self.config, self.network, self.target, self.device)
        (group,) = self.optimiser.param_groups
        group = {name: value for name, value in group.items() if name != "params"}
        self.optimiser = native.FusedRMSProp(self.network.parameters(), **group)

    def q_values(self, observations: NDArray[np.generic]) -> NDArray[np.float32]:
        """Value the actions: float32 ``(batch, n_actions)``."""
        with torch.inference_mode():
            network = cast(NatureCNN, self.network)
            values: Tensor = network.head(network.convolutions(native.pixels(observations)))
        return values.numpy()

    def is_plain(self) -> bool:
        """Whether loss, gradient and values are the plain path's to the bit, of made-up data."""
        shape = (self.config.minibatch, self._history + 1, 84, 84)
        draw = np.random.default_rng(0)
        windows = draw.integers(0, 256, shape, np.uint8)
        actions = draw.integers(self.n_actions, size=len(windows))
        rewards, weights = draw.normal(0, 2, (2, len(windows))).astype(np.float32)
        terminals = draw.random(len(windows)) < 0.2
        discounts = np.where(terminals, 0, self.config.discount).astype(np.float32)
        batch = Batch(windows, actions, actions, rewards, terminals, discounts, np.abs(weights))
        found = []
        for learner in (self.learner, Learner(self.config, self.network, self.target, self.device)):
            loss = learner.learn(batch)
            found.append([loss, *(one.grad for one in self.network.parameters())])
        self.network.zero_grad(set_to_none=True)
        one = windows[:1, 1:]
        return np.array_equal(self.q_values(one), super().q_values(one)) and all(
            mine is not None and its is not None and torch.equal(mine, its)
            for mine, its in zip(*found, strict=True)
        )


class FastLearner(Learner):
    """Leaves the gradient that :class:`repro.learner.Learner` leaves."""

    def __init__(
        self, config: AgentConfig, network: nn.Module, target: nn.Module, device: torch.device
    ) -> None:
        super().__init__(config, network, target, device)
        self._type = getattr(torch, config.arithmetic)
        self._layers = onednn.Ordered(network, self._type)
        self._target_layers = onednn.Ordered(target, self._type, config.minibatch)

    @torch.no_grad()
    def learn(self, batch: Batch) -> Tensor:
        """Leave the gradient of a minibatch's loss in the network's weights; see there."""
        weights = self._layers.weights()
        # Beyond the bound the plain path finds what it would have found.
        if not self._layers.bounded or not self._target_layers.bounded:
            with torch.enable_grad():
                return super().learn(batch)
        goals = self.goals(batch)
        seen = onednn.forward(weights, native.pixels(batch.states).to(self._type))
        mean, slopes = self._loss(batch, seen[-1].float(), goals)
        gradients = onednn.backward(weights, seen, slopes.to(self._type))
        for layer, (weight, bias) in zip(weighted(self._network), gradients, strict=True):
            layer.weight.grad = weight.float()
            layer.get_parameter("bias").grad = bias.float()
        return mean

    @torch.no_grad()
    def goals(self, batch: Batch) -> Tensor:
        """What the values of the actions taken are drawn towards: float32 ``(batch,)``."""
        after = native.pixels(batch.next_states).to(self._type)
        future = onednn.forward(self._target_layers.weights(), after)[-1].float().amax(dim=1)
        return tensor(batch.rewards, self._device) + tensor(batch.discounts, self._device) * future

    def _loss(self, batch: Batch, values: Tensor, goals: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss, and the gradient with respect to the values of all actions."""
        with torch.enable_grad():
            values = values.detach().requires_grad_()
            chosen = values.gather(1, tensor(batch.actions, self._device)[:, None])[:, 0]
            losses = td_losses(chosen, goals, self._config.td_error_clip)
            loss = (losses * tensor(batch.weights, self._device)).sum()
            mean = loss / len(batch.actions)
            (slopes,) = torch.autograd.grad(
                mean if self._config.loss_reduction == "mean" else loss, values
            )
        return mean.detach(), slopes
