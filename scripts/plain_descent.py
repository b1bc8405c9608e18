"""Plain gradient descent on the loss of the 2015 agent, written without any of our own code.

A network of the original's shape, its clipped and summed loss, a target network, transitions of
random play: what `slow_start.py` holds our agent, optimiser and replay against. For comparison
only, it also tells which root the original's optimiser would divide each gradient by.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

WEIGHTS = ("uniform", "lecun-normal")  # the original's, and what other reproductions take
DISCOUNT = 0.99
MINIBATCH = 32
TARGET_EVERY_UPDATES = 2_500
DECAY = 0.95  # of both running means, per update
MIN_SQUARED_GRADIENT = 0.01
STEP = 0.00025 / MIN_SQUARED_GRADIENT**0.5
NEAR_ROOT = 1.05 * MIN_SQUARED_GRADIENT**0.5  # up to here a root is called 0.1
ROOT_MINIBATCHES = 40  # that it is measured with


@dataclass(frozen=True)
class Play:
    """Transitions of random play.

    ``screens`` uint8 ``(count + 1 + starts, 84, 84)``, the first blank; ``windows`` int64
    ``(count, 5)``, which of them make a state (four) and, shifted by one, the next;
    ``actions`` int64, ``rewards`` float32 (clipped), ``ends`` bool.
    """

    screens: Tensor
    windows: Tensor
    actions: Tensor
    rewards: Tensor
    ends: Tensor


def play(env: Any, steps: int, generator: np.random.Generator) -> Play:
    """Act at random; a state's screens from before its episode are blank."""
    screens, windows, rows = [np.zeros((84, 84), np.uint8)], [], []
    ended, stack = True, [0, 0, 0, 0]
    for _ in range(steps):
        if ended:
            observation, _ = env.reset()
            screens.append(observation[-1])
            stack = [0, 0, 0, len(screens) - 1]
        action = int(generator.integers(env.action_space.n))
        observation, reward, terminated, truncated, _ = env.step(action)
        ended = terminated or truncated
        screens.append(observation[-1])
        windows.append([*stack, len(screens) - 1])
        rows.append((action, float(reward), ended))
        stack = windows[-1][1:]
    actions, rewards, ends = zip(*rows, strict=True)
    return Play(
        torch.from_numpy(np.stack(screens)),
        torch.tensor(windows),
        torch.tensor(actions),
        torch.tensor(rewards, dtype=torch.float32),
        torch.tensor(ends),
    )


def network(n_actions: int, weights: str, generator: torch.Generator) -> nn.Sequential:
    """The original's shape; its dense layers written as convolutions, which are the same sums."""
    layers = [
        nn.Conv2d(4, 32, 8, stride=4), nn.Conv2d(32, 64, 4, stride=2), nn.Conv2d(64, 64, 3),
        nn.Conv2d(64, 512, 7), nn.Conv2d(512, n_actions, 1),
    ]  # fmt: skip
    for layer in layers:
        bound = math.prod(layer.weight.shape[1:]) ** -0.5
        bias = layer.bias
        assert bias is not None
        with torch.no_grad():
            if weights == "uniform":
                layer.weight.uniform_(-bound, bound, generator=generator)
                bias.uniform_(-bound, bound, generator=generator)
            else:
                layer.weight.normal_(0.0, bound, generator=generator)
                bias.fill_(0.0 if layer is layers[-1] else 0.1)
    rectified = [part for layer in layers for part in (layer, nn.ReLU())][:-1]
    return nn.Sequential(*rectified, nn.Flatten()).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class Row:
    """What there is after a number of updates.

    ``loss`` (mean), ``v`` and ``sd`` (mean and standard deviation of the largest action value)
    are of held-out states; ``root_mean`` and ``root_max`` are over all parameters, and
    ``root_above`` of them have a root of more than 0.105.
    """

    updates: int
    root_mean: float
    root_max: float
    root_above: int
    loss: float
    v: float
    sd: float


class Descent:
    """Plain gradient descent on the loss of the paper.

    Args:
        first: the network to begin with.
        train: what minibatches are drawn from.
        held_out: other transitions, of which rows tell.
        at_once: updates taken as one. With 1, minibatches are 32 transitions drawn uniformly.
            With more, half of them are ones with a reward, and each counts by how much rarer or
            more frequent it is in ``train``: the same mean gradient with so much less noise that
            one step can be that many times as long.
        generator: draws minibatches.
    """

    def __init__(
        self,
        first: nn.Sequential,
        train: Play,
        held_out: Play,
        at_once: int,
        generator: np.random.Generator,
    ) -> None:
        self.network = first
        self.target = copy.deepcopy(first)
        self.parameters = list(first.parameters())
        self.updates = 0
        self._train, self._held_out = train, held_out
        self._at_once, self._generator = at_once, generator
        rewarded = train.rewards.numpy() != 0
        self._kinds = [np.flatnonzero(rewarded), np.flatnonzero(~rewarded)]
        if at_once > 1 and not all(kind.size for kind in self._kinds):
            raise ValueError("random play met no reward, or nothing else; take --at-once 1")

    def run(self, updates: int, log_every_updates: int) -> Iterator[Row]:
        """Go on to that many updates, yielding a row now and then."""
        yield self.row()
        while self.updates < updates:
            self._step()
            if self.updates % TARGET_EVERY_UPDATES == 0:
                self.target.load_state_dict(self.network.state_dict())
            if self.updates % log_every_updates == 0:
                yield self.row()

    def _step(self) -> None:
        chosen, weights = self._uniform() if self._at_once == 1 else self._balanced()
        gradient = self._gradient(chosen, weights)
        with torch.no_grad():
            for weight, slope in zip(self.parameters, gradient, strict=True):
                weight.sub_(slope, alpha=STEP * self._at_once)
        self.updates += self._at_once

    def _uniform(self) -> tuple[NDArray[np.int64], Tensor]:
        return self._generator.integers(len(self._train.actions), size=MINIBATCH), torch.ones(())

    def _balanced(self) -> tuple[NDArray[np.int64], Tensor]:
        """Half with a reward; weights for which the sum has the mean of a uniform minibatch's."""
        half, total = MINIBATCH // 2, len(self._train.actions)
        chosen = np.concatenate([self._generator.choice(kind, half) for kind in self._kinds])
        shares = [MINIBATCH * len(kind) / total / half for kind in self._kinds]
        return chosen, torch.tensor(shares).repeat_interleave(half)

    def _gradient(self, chosen: NDArray[np.int64], weights: Tensor) -> tuple[Tensor, ...]:
        losses = self._losses(self._train, torch.from_numpy(chosen))
        return torch.autograd.grad((losses * weights).sum(), self.parameters)

    def _losses(self, drawn: Play, chosen: Tensor) -> Tensor:
        """Half the square of each TD error, linear beyond 1: its slope is the clipped error."""
        windows = drawn.windows[chosen]
        with torch.no_grad():
            following = self.target(pixels(drawn, windows[:, 1:])).amax(1)
            goals = drawn.rewards[chosen] + DISCOUNT * following * ~drawn.ends[chosen]
        values = self.network(pixels(drawn, windows[:, :4]))
        taken = values.gather(1, drawn.actions[chosen][:, None])[:, 0]
        return functional.huber_loss(taken, goals, reduction="none")

    def row(self) -> Row:
        """Look at the held-out states, and at what the optimiser would divide by."""
        root = self._root()
        parts = torch.split(torch.arange(len(self._held_out.actions)), 250)
        with torch.no_grad():
            losses = torch.cat([self._losses(self._held_out, part) for part in parts])
            states = [pixels(self._held_out, self._held_out.windows[part, :4]) for part in parts]
            best = torch.cat([self.network(part).amax(1) for part in states])
        return Row(
            self.updates, float(root.mean()), float(root.max()), int((root > NEAR_ROOT).sum()),
            float(losses.mean()), float(best.mean()), float(best.std()),
        )  # fmt: skip

    def _root(self) -> Tensor:
        """Centred RMSProp's root of every parameter, from minibatches drawn as the original's."""
        means = [torch.zeros_like(weight) for weight in self.parameters]
        squares = [torch.zeros_like(weight) for weight in self.parameters]
        for _ in range(ROOT_MINIBATCHES):
            gradient = self._gradient(*self._uniform())
            for mean, square, slope in zip(means, squares, gradient, strict=True):
                mean.lerp_(slope, 1 - DECAY)
                square.lerp_(slope.square(), 1 - DECAY)
        share = 1 - DECAY**ROOT_MINIBATCHES  # of both means' weights that has been given out
        return torch.cat([
            (square / share - (mean / share) ** 2 + MIN_SQUARED_GRADIENT).sqrt().flatten()
            for mean, square in zip(means, squares, strict=True)
        ])  # fmt: skip


def pixels(drawn: Play, windows: Tensor) -> Tensor:
    """Stacks as the network takes them: float32 ``(batch, 4, 84, 84)``, 0 to 1."""
    stacks = drawn.screens[windows].contiguous(memory_format=torch.channels_last)
    return stacks.float().mul_(1 / 255)
