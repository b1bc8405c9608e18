"""How fast each part of a training is on this machine: `python scripts/benchmark_throughput.py`.

All parts are measured in one process and in turn, round after round, so that a machine whose
speed drifts slows all of them alike; ratios are taken within each round. Emulator frames are
those really played, no-op starts included; in whole training steps a step counts as four.

The opponent is the DQN of Stable-Baselines3 (SB3) on our own environment object: the same network,
minibatch, update and target periods, epsilon, replay size and threads, float32, no logging and
no monitor. Its optimiser stays its own (Adam, with gradient clipping).
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import torch

from repro import config, experiment
from repro.config import Config
from repro.config.flags import OneLineParser, count
from repro.storage import provenance
from repro.storage.run import Run
from wrappers import envs
from wrappers.protocol import ProtocolError

WRAPPERS_REQUIRED = 0.85  # of the bare loop's frames per second
TRAINING_REQUIRED = 1.5  # times SB3's frames per second
STEPS_PER_CALL = 100  # agent steps between two looks at the clock
DISTINCT_STEPS = 5_000  # played to fill the replay, over and over until it is full
LEARNING_STARTS_STEPS = 1_000
EPSILON = 0.1
SEED = 1

Work = Callable[[], int]  # does a little and returns how many units that was
Rows = dict[str, tuple[str, Work]]  # what to measure: name to unit and work


@dataclass(frozen=True)
class Measurement:
    """One value per round, in ``unit``; ``required`` is the least median that will do."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    required: float | None = None

    def figures(self) -> dict[str, Any]:
        """Every field, median, min and max in ``unit``, and "meets", "misses" or ``None``."""
        median, low, high = statistics.median(self.rounds), min(self.rounds), max(self.rounds)
        verdict = None
        if self.required is not None:
            verdict = "meets" if median >= self.required else "misses"
        added = {"median": median, "min": low, "max": high, "verdict": verdict}
        return dataclasses.asdict(self) | added


def rate(work: Work, seconds: float) -> float:
    """Units per second of ``work``, repeated for at least ``seconds``."""
    work()  # warms the caches after another row's turn: not counted
    units, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        units += work()
    return units / elapsed


def measure(rows: Rows, rounds: int, seconds: float) -> dict[str, Measurement]:
    """Measure every row in turn, ``rounds`` times, each time for ``seconds``; by name."""
    found: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(1, rounds + 1):
        for name, (_, work) in rows.items():
            print(f"round {number} of {rounds}: {name}", file=sys.stderr)
            found[name].append(rate(work, seconds))
    return {name: Measurement(name, unit, tuple(found[name])) for name, (unit, _) in rows.items()}


def ratio(over: Measurement, under: Measurement, required: float | None = None) -> Measurement:
    """Divide two rates round by round."""
    quotients = tuple(a / b for a, b in zip(over.rounds, under.rounds, strict=True))
    return Measurement(f"{over.name} / {under.name}", "ratio", quotients, required)


def short_config(replay_steps: int) -> Config:
    """Preset nature, but learning soon, at a fixed epsilon, from at most ``replay_steps`` steps."""
    nature = config.preset("nature")
    agent = dataclasses.replace(
        nature.agent,
        replay_steps=replay_steps,
        learning_starts_steps=LEARNING_STARTS_STEPS,
        epsilon_start=EPSILON,
        epsilon_end=EPSILON,
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


def parts(game: str, settings: Config) -> Rows:
    """Replay (a full one), update and acting, each on its own."""
    env = envs.make_train_env(game, SEED)
    made = experiment.assemble(Run(game, SEED, "nature", settings), env)
    memory, agent, queue = made.memory, made.agent, made.queue
    size = memory.capacity_steps
    for step in islice(cycle(list(islice(play(env), min(DISTINCT_STEPS, size)))), size):
        memory.add(*step)
    batches = cycle([queue.next() for _ in range(16)])
    observations = cycle(next(batches).states.copy())

    def sample() -> int:
        for _ in range(16):
            queue.next()
        return 16

    def update() -> int:
        agent.update(next(batches))
        return 1

    def act() -> int:
        for observation in islice(observations, 16):
            agent.act(observation, 0.0)
        return 16

    return {
        "replay sampling": ("minibatches/s", sample),
        "update": ("updates/s", update),
        "acting greedily": ("decisions/s", act),
    }


def training(game: str, settings: Config) -> Work:
    """Emulator frames of whole training steps of ours, once learning has begun."""
    env = envs.make_train_env(game, SEED)
    made = experiment.assemble(Run(game, SEED, "nature", settings), env)
    events = made.loop.run(sys.maxsize)

    def work(steps: int = STEPS_PER_CALL) -> int:
        return settings.frames_per_step * sum(1 for _ in islice(events, steps))

    work(LEARNING_STARTS_STEPS)
    return work


def opponent(game: str, settings: Config, own_wrappers: bool) -> Work:
    """Emulator frames of whole training steps of SB3, once learning has begun.

    With ``own_wrappers`` it plays through its own preprocessing instead of ours.
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


def benchmark(options: argparse.Namespace) -> list[Measurement]:
    """Measure all there is, in the order in which it is reported."""
    game, settings = options.game, short_config(options.replay_steps)
    rows: Rows = {
        "raw emulator": ("frames/s", raw_emulator(game)),
        "bare loop": ("frames/s", bare_loop(game)),
        "wrapper stack": ("frames/s", wrapper_stack(game)),
        **parts(game, settings),
        "training": ("frames/s", training(game, settings)),
    }
    rivals = {"SB3": False, "SB3 with its own wrappers": True}
    if importlib.util.find_spec("stable_baselines3") is None:
        rivals = {}
    for name, own in rivals.items():
        rows[name] = ("frames/s", opponent(game, settings, own))
    by_name = measure(rows, options.rounds, options.seconds)
    milliseconds = tuple(1000 / updates for updates in by_name["update"].rounds)
    derived = [
        Measurement("duration of an update", "ms", milliseconds),
        ratio(by_name["wrapper stack"], by_name["bare loop"], WRAPPERS_REQUIRED),
    ]
    for name, own in rivals.items():
        required = None if own else TRAINING_REQUIRED
        derived.append(ratio(by_name["training"], by_name[name], required))
    return [*by_name.values(), *derived]


def table(measurements: Sequence[Measurement]) -> str:
    """Aligned text, a line per measurement."""
    lines = [f"{'':<38}{'unit':<15}{'median':>10}{'min':>10}{'max':>10}"]
    for one in measurements:
        figures = one.figures()
        digits = 2 if one.unit in ("ratio", "ms") else 0
        cells = "".join(f"{figures[key]:>10,.{digits}f}" for key in ("median", "min", "max"))
        needed = f"  {figures['verdict']} {one.required:g} or more" if one.required else ""
        lines.append(f"{one.name:<38}{one.unit:<15}{cells}{needed}")
    return "\n".join(lines)


def shown(path: Path) -> str:
    """The table of a file written with ``--json``, and the machine it was measured on."""
    figures = json.loads(path.read_text())
    made = figures["provenance"]
    names = {field.name for field in dataclasses.fields(Measurement)}
    measurements = [
        Measurement(**{name: one[name] for name in names} | {"rounds": tuple(one["rounds"])})
        for one in figures["measurements"]
    ]
    threads, libraries = figures["options"]["threads"], made["libraries"]
    return (
        f"{made['processor']}, {made['cores']} cores, {threads} threads, {made['time']}, "
        f"torch {libraries['torch']}, Stable-Baselines3 {made['stable_baselines3']}\n"
        f"{table(measurements)}"
    )


def seconds(text: str) -> float:
    """A finite number more than zero."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than zero, got {text}")
    return value


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = OneLineParser(
        description="Measure emulator, wrappers, replay, update, acting and whole training steps.",
        epilog="Exit codes: 0 measured, whatever the figures; 2 wrong use.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--game", default="pong", help="ROM name")
    add("--threads", type=count, default=os.cpu_count(), metavar="N", help="torch's threads")
    add("--rounds", type=count, default=5, metavar="N", help="times each part is measured")
    add("--seconds", type=seconds, default=3.0, metavar="X", help="seconds per measurement")
    add("--replay-steps", type=count, default=100_000, metavar="N", help="replay, agent steps")
    add("--json", type=Path, metavar="PATH", help="file to write every figure to")
    add("--show", type=Path, metavar="PATH", help="print such a file instead of measuring")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the figures if asked to. Returns the exit code."""
    options = parse(arguments)
    if options.show:
        print(shown(options.show))
        return 0
    if options.json and not options.json.parent.is_dir():
        print(f"benchmark_throughput: there is no folder {options.json.parent}", file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    try:
        measurements = benchmark(options)
    except (config.ConfigError, ProtocolError) as error:
        print(f"benchmark_throughput: {error}", file=sys.stderr)
        return 2
    setting = {k: v for k, v in vars(options).items() if k not in ("json", "show")}
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    print(table(measurements))
    rival = provenance.version("stable-baselines3")
    if rival:
        print(f"SB3 is Stable-Baselines3 {rival}, which optimises with Adam")
    else:
        print("no comparison: stable_baselines3 is missing; install it: pip install -e '.[bench]'")
    if options.json:
        figures = {
            "provenance": provenance.collect() | {"stable_baselines3": rival},
            "options": setting,
            "measurements": [measurement.figures() for measurement in measurements],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
