"""Other programs' DQN, to measure ours beside: whole training steps, in emulator frames.

Stable-Baselines3 is used as it is installed. CleanRL's loop is written anew from its published
hyperparameters: it is one file and no library.
"""

import sys
from collections import deque
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from repro.config import Config
from repro.studies.measuring import Work
from repro.studies.stages import EPSILON, LEARNING_STARTS_STEPS, SEED, STEPS_PER_CALL
from wrappers import envs


def stable_baselines3(game: str, settings: Config, own_wrappers: bool) -> Work:
    """Whole training steps of Stable-Baselines3 (SB3), once learning has begun.

    On our own environment object: the same network, minibatch, update and target periods,
    epsilon, replay size and threads, float32, no logging and no monitor. Its optimiser stays its
    own (Adam, with gradient clipping). With ``own_wrappers`` it plays through its own
    preprocessing instead of ours.
    """
    from stable_baselines3 import DQN
    from stable_baselines3.common.atari_wrappers import AtariWrapper
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

    env: Any  # a vector of one, made here, or the library would add its monitor
    if own_wrappers:
        env = DummyVecEnv([lambda: AtariWrapper(envs.make_emulator(game))])
        env = VecFrameStack(env, 4, channels_order="last")
    else:
        env = DummyVecEnv([lambda: envs.make_train_env(game, SEED)])
    agent = settings.agent
    model = DQN(
        "CnnPolicy", env, seed=SEED, device="cpu",
        buffer_size=agent.replay_steps, learning_starts=agent.learning_starts_steps,
        batch_size=agent.minibatch, gamma=agent.discount,
        train_freq=agent.update_every_steps, gradient_steps=1,
        target_update_interval=agent.target_every_steps,
        exploration_initial_eps=EPSILON, exploration_final_eps=EPSILON,
    )  # fmt: skip

    def work(steps: int = STEPS_PER_CALL) -> int:
        before = model.num_timesteps
        model.learn(steps, reset_num_timesteps=False, log_interval=sys.maxsize)
        return settings.frames_per_step * int(model.num_timesteps - before)

    work(LEARNING_STARTS_STEPS)
    return work


class ClassicEnv:
    """The usual wrappers of today, in one: what CleanRL plays through.

    1 to 30 no-ops, four frames a step with the maximum of the last two, an episode a life, fire to
    begin, the sign of the reward, 84x84 in grey, four of them.
    """

    def __init__(self, game: str, generator: np.random.Generator) -> None:
        self._env = envs.make_emulator(game)
        self._ale = self._env.unwrapped.ale  # type: ignore[attr-defined]
        meanings = self._env.unwrapped.get_action_meanings()  # type: ignore[attr-defined]
        self._fires = "FIRE" in meanings
        self._generator = generator
        self._stack: deque[NDArray[np.uint8]] = deque(maxlen=4)
        self._over, self._lives = True, 0
        self.actions = len(meanings)

    def reset(self) -> NDArray[np.uint8]:
        """Begin an episode; a new game only where the last one is over."""
        if self._over:
            screen, _ = self._env.reset()
            self._over = False
            for _ in range(int(self._generator.integers(1, 31))):
                screen = self._frame(0)[0]
        else:
            screen = self._frame(0)[0]
        if self._fires:
            screen = self._frame(1)[0]
        self._lives = self._ale.lives()
        self._stack.extend([_small(screen)] * 4)
        return np.stack(self._stack)

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool]:
        """Observation, reward, and whether a life or the game is over."""
        screens, total = [], 0.0
        for _ in range(4):
            screen, reward = self._frame(action)
            screens.append(screen)
            total += reward
            if self._over:
                break
        self._stack.append(_small(np.maximum(screens[-1], screens[-2 if len(screens) > 1 else 0])))
        lives = self._ale.lives()
        lost, self._lives = 0 < lives < self._lives, lives
        return np.stack(self._stack), float(np.sign(total)), self._over or lost

    def _frame(self, action: int) -> tuple[NDArray[np.uint8], float]:
        screen, reward, terminated, truncated, _ = self._env.step(action)
        self._over = terminated or truncated
        return screen, float(reward)


def _small(screen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA), np.uint8)


class _Ring:
    """Whole stacks in a ring; the next observation of a slot is that of the slot after it."""

    def __init__(self, size: int) -> None:
        self.observations = np.zeros((size, 4, 84, 84), np.uint8)
        self.actions = np.zeros(size, np.int64)
        self.rewards, self.ends = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.added = 0

    def add(self, before: Any, after: Any, action: int, reward: float, end: bool) -> None:
        size, slot = len(self.actions), self.added % len(self.actions)
        self.observations[slot], self.observations[(slot + 1) % size] = before, after
        self.actions[slot], self.rewards[slot], self.ends[slot] = action, reward, end
        self.added += 1

    def sample(self, count: int, generator: np.random.Generator) -> list[torch.Tensor]:
        size = len(self.actions)
        slots = generator.integers(min(self.added, size) - 1, size=count)
        arrays = (
            self.observations[slots], self.observations[(slots + 1) % size], self.actions[slots],
            self.rewards[slots], self.ends[slots],
        )  # fmt: skip
        return [torch.from_numpy(array) for array in arrays]


class _Network(nn.Module):
    def __init__(self, actions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 32, 8, stride=4), nn.ReLU(), nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(),
            nn.Linear(512, actions),
        )  # fmt: skip

    def forward(self, stacks: torch.Tensor) -> torch.Tensor:
        return self.layers(stacks / 255.0)  # type: ignore[no-any-return]


def cleanrl(game: str, settings: Config) -> Work:
    """Whole training steps as CleanRL's dqn_atari takes them, once learning has begun.

    Its published hyperparameters: Adam with 1e-4, minibatches of 32 every 4 steps, target copied
    every 1,000, mean squared error, discount 0.99. Epsilon and size of the replay are ours.
    """
    generator = np.random.default_rng(SEED)
    env = ClassicEnv(game, generator)
    network, target = _Network(env.actions), _Network(env.actions)
    target.load_state_dict(network.state_dict())
    adam = torch.optim.Adam(network.parameters(), lr=1e-4)
    ring = _Ring(settings.agent.replay_steps)
    observation, step = env.reset(), 0

    def learn() -> None:
        states, after, actions, rewards, ends = ring.sample(32, generator)
        with torch.no_grad():
            goals = rewards + 0.99 * target(after).max(dim=1).values * (1 - ends)
        values = network(states).gather(1, actions[:, None]).squeeze(1)
        adam.zero_grad()
        functional.mse_loss(values, goals).backward()  # type: ignore[no-untyped-call]
        adam.step()

    def work(steps: int = STEPS_PER_CALL) -> int:
        nonlocal observation, step
        for _ in range(steps):
            if generator.random() < EPSILON:
                action = int(generator.integers(env.actions))
            else:
                action = int(network(torch.from_numpy(observation)[None]).argmax())
            after, reward, end = env.step(action)
            ring.add(observation, after, action, reward, end)
            observation, step = env.reset() if end else after, step + 1
            if step > LEARNING_STARTS_STEPS:
                if step % 4 == 0:
                    learn()
                if step % 1_000 == 0:
                    target.load_state_dict(network.state_dict())
        return 4 * steps

    work(LEARNING_STARTS_STEPS)
    return work
