"""The parts of a training, each as work that can be measured on its own, and the whole.

Emulator frames are those really played, no-op starts included; in whole training steps a step
counts as four.
"""

import dataclasses
import sys
from collections.abc import Iterator
from itertools import cycle, islice, pairwise
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import torch

from repro import config, experiment, fast, native, targets
from repro.agent import Agent
from repro.config import Config
from repro.replay import Batch
from repro.storage.run import Run
from repro.studies.measuring import Row, Work
from wrappers import envs, frames

STEPS_PER_CALL = 100  # agent steps between two looks at the clock
DISTINCT_STEPS = 5_000  # played to fill the replay, over and over until it is full
LEARNING_STARTS_STEPS = 1_000
EPSILON = 0.1
SEED = 1
UPDATE_GFLOP = 2.2  # of the Nature network: the target forward, the network forward and back
_MATRIX = 2_048  # side of the matrices whose product says what the processor can do


def short_config(replay_steps: int, **changes: Any) -> Config:
    """Preset nature, but learning soon, at a fixed epsilon, from at most ``replay_steps`` steps."""
    nature = config.preset("nature")
    agent = dataclasses.replace(
        nature.agent,
        replay_steps=replay_steps,
        learning_starts_steps=LEARNING_STARTS_STEPS,
        epsilon_start=EPSILON,
        epsilon_end=EPSILON,
        **changes,
    )
    return dataclasses.replace(nature, agent=agent)


def random_actions(actions: int) -> Iterator[int]:
    """Uniformly random actions for ever, drawn beforehand: the drawing is not to be measured."""
    return cycle(np.random.default_rng(SEED).integers(actions, size=10_007).tolist())


def bare_emulator(game: str) -> tuple[Any, Iterator[Any]]:
    """The emulator without gymnasium, and random actions for it."""
    ale = envs.make_emulator(game).unwrapped.ale  # type: ignore[attr-defined]
    offered = ale.getMinimalActionSet()
    return ale, (offered[action] for action in random_actions(len(offered)))


def raw_emulator(game: str) -> Work:
    """Emulator frames, nothing looked at."""
    ale, actions = bare_emulator(game)

    def work() -> int:
        for action in islice(actions, STEPS_PER_CALL):
            ale.act(action)
            if ale.game_over():
                ale.reset_game()
        return STEPS_PER_CALL

    return work


def bare_loop(game: str) -> Work:
    """Emulator frames with the least that any wrapper stack must do.

    Per decision: four frames, the screen after each, and one area resize of a float32 plane.
    """
    ale, actions = bare_emulator(game)
    plane = ale.getScreenRGB()[:, :, 0].astype(np.float32)

    def work() -> int:
        before = ale.getFrameNumber()
        for action in islice(actions, STEPS_PER_CALL):
            for _ in range(4):
                ale.act(action)
                ale.getScreenRGB()
                if ale.game_over():
                    ale.reset_game()
                    break
            cv2.resize(plane, (84, 84), interpolation=cv2.INTER_AREA)
        return int(ale.getFrameNumber() - before)

    return work


def play(env: gym.Env[Any, Any]) -> Iterator[tuple[Any, int, float, bool, bool]]:
    """Random play for ever: newest frame, action, reward, terminated, truncated of each step."""
    actions = random_actions(int(env.action_space.n))  # type: ignore[attr-defined]
    observation, _ = env.reset()
    for action in actions:
        following, reward, terminated, truncated, _ = env.step(action)
        yield observation[-1], action, float(reward), terminated, truncated
        observation = env.reset()[0] if terminated or truncated else following


def wrapper_stack(game: str) -> Work:
    """Emulator frames through the training environment, random actions, resets included."""
    env = envs.make_train_env(game, SEED)
    ale, steps = env.unwrapped.ale, play(env)  # type: ignore[attr-defined]

    def work() -> int:
        before = ale.getFrameNumber()
        for _ in islice(steps, STEPS_PER_CALL):
            pass
        return int(ale.getFrameNumber() - before)

    return work


def preprocessing(game: str) -> Work:
    """Pictures of 84x84 made of two screens."""
    ale, actions = bare_emulator(game)
    screens = []
    for action in islice(actions, 200):
        ale.act(action)
        screens.append(ale.getScreenRGB())
    pairs = cycle(list(pairwise(screens)))

    def work() -> int:
        for before, now in islice(pairs, STEPS_PER_CALL):
            frames.preprocess(before, now)
        return STEPS_PER_CALL

    return work


def parts(game: str, settings: Config, plain: Config) -> dict[str, Row]:
    """Replay (a full one), targets, update, optimiser and acting, each on its own."""
    env = envs.make_train_env(game, SEED)
    run = Run(game, SEED, "nature", settings)
    made = experiment.assemble(run, env)
    memory, agent, queue = made.memory, made.agent, made.queue
    slow = experiment.make_agent(dataclasses.replace(run, config=plain), env)
    size = memory.capacity_steps
    for step in islice(cycle(list(islice(play(env), min(DISTINCT_STEPS, size)))), size):
        memory.add(*step)
    batches: Iterator[Batch] = cycle([queue.next() for _ in range(16)])
    observations = cycle(next(batches).states.copy())

    def sample() -> int:
        for _ in range(16):
            queue.next()
        return 16

    def goals() -> int:
        if isinstance(agent.learner, fast.FastLearner):
            agent.learner.goals(next(batches))
        else:
            targets.bootstrap(agent.target, next(batches), agent.device)
        return 1

    def plain_goals() -> int:
        targets.bootstrap(slow.target, next(batches), slow.device)
        return 1

    def pixels() -> int:
        native.pixels(next(batches).states)
        return 1

    def plain_pixels() -> int:
        network: Any = slow.network
        network.pixels(torch.from_numpy(next(batches).states))
        return 1

    def update() -> int:
        agent.update(next(batches))
        return 1

    def plain_update() -> int:
        slow.update(next(batches))
        return 1

    def act() -> int:
        for observation in islice(observations, 16):
            agent.act(observation, 0.0)
        return 16

    return {
        "replay sampling": Row("minibatches/s", sample),
        "targets": Row("minibatches/s", goals),
        "targets, plain": Row("minibatches/s", plain_goals),
        "pixels": Row("minibatches/s", pixels),
        "pixels, plain": Row("minibatches/s", plain_pixels),
        "update": Row("updates/s", update),
        "update, plain": Row("updates/s", plain_update),
        "optimiser": Row("updates/s", optimising(agent)),
        "optimiser, plain": Row("updates/s", optimising(slow)),
        "acting greedily": Row("decisions/s", act),
    }


def optimising(agent: Agent) -> Work:
    """Steps of an agent's optimiser on weights of their own, which hardly move."""
    (group,) = agent.optimiser.state_dict()["param_groups"]
    copies = [one.detach().clone() for one in agent.network.parameters()]
    for one in copies:
        one.grad = torch.full_like(one, 0.01)
    kind: Any = type(agent.optimiser)
    optimiser = kind([group | {"params": copies, "learning_rate": 1e-12}])

    def work() -> int:
        optimiser.step()
        return 1

    return work


def product() -> Work:
    """GFLOP of a large matrix product in single precision."""
    left, right = (torch.ones(_MATRIX, _MATRIX) for _ in range(2))

    def work() -> int:
        torch.mm(left, right)
        return 2 * _MATRIX**3 // 10**9

    return work


def gpu() -> str | None:
    """The model of the GPU, if there is one."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def learner(game: str, settings: Config) -> str:
    """Which one a training has here; see :mod:`repro.fast`."""
    env = envs.make_train_env(game, SEED)
    return experiment.make_agent(Run(game, SEED, "nature", settings), env).path


def training(game: str, settings: Config, device: str = "cpu") -> Work:
    """Emulator frames of whole training steps of ours, once learning has begun."""
    env = envs.make_train_env(game, SEED)
    made = experiment.assemble(Run(game, SEED, "nature", settings), env, device)
    events = made.loop.run(sys.maxsize)

    def work(steps: int = STEPS_PER_CALL) -> int:
        return settings.frames_per_step * sum(1 for _ in islice(events, steps))

    work(LEARNING_STARTS_STEPS)
    return work
