"""Putting a training together: environment, agent, replay, loop, trackers, evaluation, disk."""

import dataclasses
import math
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from repro import checkpoint, config, evaluate, machine, records, trackers
from repro.agent import Agent, NonFiniteLossError
from repro.config import Config
from repro.loop import Loop
from repro.replay import MinibatchQueue, ReplayMemory
from wrappers import envs
from wrappers import state as env_state

BASE_BYTES = 700_000_000  # torch, emulator and working arrays of a training process
CHECKPOINT_BYTES = 100_000_000  # weights, optimiser and pre-drawn transitions, generously


class Interrupted(Exception):  # noqa: N818 - not an error: the run is safe and can go on
    """A signal ended the training; ``signal`` is its number."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"stopped at step {step:,}; the same command goes on from there")
        self.signal = number


@dataclass(frozen=True)
class Run:
    """Which training: one game, one seed, one configuration."""

    game: str
    seed: int
    preset: str
    config: Config

    def identity(self) -> dict[str, Any]:
        """What config.json holds."""
        return {
            "game": self.game,
            "seed": self.seed,
            "preset": self.preset,
            "config": config.to_dict(self.config),
        }


def run_from(folder: Path) -> Run:
    """Read back which training a run directory holds.

    Raises:
        RunDirectoryError: if there is no config.json.
        ConfigError: if it is not a training's.
    """
    there = records.read_json(folder / "config.json")
    try:
        return Run(there["game"], there["seed"], there["preset"], config.from_dict(there["config"]))
    except KeyError as error:
        raise config.ConfigError(f"{folder} does not hold a training") from error


@dataclass(frozen=True)
class Environments:
    """The three environments of a training, each an emulator of its own."""

    train: gym.Env[Any, Any]
    periodic: gym.Env[Any, Any]
    final: gym.Env[Any, Any]

    def close(self) -> None:
        """Close all three."""
        for env in (self.train, self.periodic, self.final):
            env.close()


def make_envs(run: Run) -> Environments:
    """Make what a run trains and is scored on. Evaluation games get seeds of their own.

    Raises:
        ProtocolError, MissingROMError: as :func:`wrappers.envs.make_emulator`.
    """
    game, seed, protocol = run.game, run.seed, run.config.protocol
    if run.config.environment == "gymnasium":
        stack = protocol.stack_frames
        return Environments(*(envs.make_vector_env(game, seed, stack) for _ in range(3)))
    uncapped = dataclasses.replace(
        protocol, eval_cap_frames=run.config.training.periodic_cap_frames
    )
    return Environments(
        train=envs.make_train_env(game, seed, protocol),
        periodic=envs.make_eval_env(game, seed, uncapped),
        final=envs.make_eval_env(game, seed, protocol),
    )


def make_agent(run: Run, env: gym.Env[Any, Any], device: str = "cpu") -> Agent:
    """Make the agent for an environment; weights and actions follow the run's seed."""
    weights = torch.Generator()
    weights.manual_seed(run.seed)
    return Agent(
        run.config.agent,
        int(env.action_space.n),  # type: ignore[attr-defined]
        _shape(env),
        generator(run.seed, "actions"),
        weights,
        device,
    )


def agent_player(agent: Agent, epsilon: float) -> evaluate.PlayerFactory:
    """Let an agent play for scores: epsilon-greedy, with the evaluation's own generator."""

    def make(generator: np.random.Generator) -> evaluate.Player:
        return lambda observation: agent.act(observation, epsilon, generator)

    return make


def train(
    run: Run, suite: Path, device: str = "cpu", progress: bool = True
) -> tuple[Path, dict[str, Any]]:
    """Train, or go on training, and score the best network at the end.

    Returns:
        The run directory and what its done.json holds; of a finished run at once.

    Raises:
        RunDirectoryError: if the directory is in use or belongs to another configuration.
        LackError: if memory or disk are too small.
        CheckpointError: if the checkpoint there is damaged or foreign.
        NonFiniteLossError: the last checkpoint and all rows stay.
        Interrupted: after SIGINT, SIGTERM or SIGUSR1, with a checkpoint written.
    """
    with records.RunDirectory(records.run_path(suite, run.game, run.seed), run.identity()) as place:
        if place.done is None:
            with _signals() as stop, Training(run, place, stop, device, progress) as training:
                training.run()
        return place.path, place.done or {}


class Training:
    """A training in a run directory that is ours. Use as a context manager."""

    def __init__(
        self, run: Run, place: records.RunDirectory, stop: "Stop", device: str, progress: bool
    ) -> None:
        self._run = run
        self._path = place.path
        self._stop = stop
        self._envs = make_envs(run)
        self._env = self._envs.train
        self._require_room()
        saved = checkpoint.load(place.path / "checkpoint", run.identity())
        self._agent = make_agent(run, self._env, device)
        shape, settings = _shape(self._env), run.config.agent
        self._memory = ReplayMemory(
            settings.replay_steps, shape[1:], shape[0], generator(run.seed, "replay"),
            _dtype(self._env),
        )  # fmt: skip
        self._queue = MinibatchQueue(self._memory, settings.replay_draw, settings.minibatch)
        self._loop = Loop(self._env, self._agent, self._memory, self._queue)
        self._best = {"score": -math.inf, "step": 0, "evaluated_step": 0}
        self._saved_step = saved.step if saved else 0
        if saved is None:
            provenance = evaluate.describe(run.game, self._env)
            provenance["device"] = _device_name(device)
            provenance["threads"] = torch.get_num_threads()
            records.write_json(place.path / "provenance.json", provenance)
        scored = saved.state["best"]["evaluated_step"] if saved else 0
        records.trim(place.path / "train_episodes.csv", self._saved_step)
        records.trim(place.path / "learning.csv", self._saved_step)
        records.trim(place.path / "evaluations.csv", scored)
        self._evaluations = place.table("evaluations.csv")
        self._episodes = trackers.EpisodeTracker(
            place.table("train_episodes.csv"), run.config.frames_per_step
        )
        self._learning = trackers.LearningTracker(
            place.table("learning.csv"), run.config, self._agent, self._memory,
            generator(run.seed, "heldout"),
        )  # fmt: skip
        if saved is not None:
            self._restore(saved)
        self._tensorboard = trackers.TensorBoardTracker(
            place.path / "tensorboard", run.config, self._learning, self._saved_step
        )
        self._trackers: list[trackers.Tracker] = [
            self._episodes, self._learning, self._tensorboard,
        ]  # fmt: skip
        self._progress = None
        if progress:
            title = f"{run.game} seed {run.seed}"
            self._progress = trackers.ProgressTracker(
                title, run.config, self._episodes, self._saved_step
            )
            self._trackers.append(self._progress)

    def __enter__(self) -> "Training":
        """Nothing to do: it is ready."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close tables, progress line and environments."""
        for tracker in self._trackers:
            tracker.close()
        self._evaluations.close()
        self._envs.close()

    def run(self) -> None:
        """Go on to the end; write done.json."""
        steps = self._run.config.steps
        try:
            self._after_step()
            for event in self._loop.run(steps):
                for tracker in self._trackers:
                    tracker(event)
                self._stop.check(event.step)
                self._after_step()
        except Interrupted:
            self._save()
            raise
        if self._saved_step < steps or self._path.joinpath("last.safetensors").exists() is False:
            checkpoint.save_weights(self._path / "last.safetensors", self._agent.network)
            self._save(with_replay=False)
        self._score_best()
        shutil.rmtree(self._path / "checkpoint", ignore_errors=True)

    def _after_step(self) -> None:
        """Evaluate and save when due; also right after a resume, if a signal came in between."""
        training, step = self._run.config.training, self._loop.step
        every = training.eval_every_steps
        if every and step and step % every == 0 and self._best["evaluated_step"] < step:
            self._learning.pause()
            self._evaluate()
            self._learning.go_on()
        every = training.checkpoint_every_steps
        if every and step % every == 0 and self._saved_step < step < self._run.config.steps:
            self._learning.pause()
            self._save()
            self._learning.go_on()

    def _evaluate(self) -> None:
        """The periodic evaluation; keeps the network if it is the best so far."""
        training, step = self._run.config.training, self._loop.step
        player = self._player(training.eval_epsilon)
        games = []
        for game in evaluate.play_steps(
            self._envs.periodic, player, self._run.seed, step, training.eval_steps
        ):
            self._evaluations.append(game.row("periodic", "last", step))
            games.append(game)
        score = evaluate.mean_score(games)
        self._best["evaluated_step"] = step
        if score > self._best["score"]:
            checkpoint.save_weights(self._path / "best.safetensors", self._agent.network)
            self._best |= {"score": score, "step": step}
        completed = sum(game.completed for game in games)
        self._note(
            f"evaluation at {step * self._run.config.frames_per_step:,} frames: "
            f"mean return {score:.1f} over {completed} games"
        )
        self._tensorboard.scalar(
            "evaluation/return", score, step * self._run.config.frames_per_step
        )

    def _score_best(self) -> None:
        """The final evaluation, of the best network; goes on where a killed one stopped."""
        training = self._run.config.training
        weights = "best" if (self._path / "best.safetensors").exists() else "last"
        step = self._best["step"] if weights == "best" else self._loop.step
        checkpoint.load_weights(self._path / f"{weights}.safetensors", self._agent.network)
        table = self._path / "evaluations.csv"
        there = sum(row["kind"] == "final" for row in records.read_rows(table))
        player = self._player(training.eval_epsilon)
        for game in evaluate.play_episodes(
            self._envs.final, player, self._run.seed, int(step), training.final_episodes, there
        ):
            self._evaluations.append(game.row("final", weights, int(step)))
        rows = [row for row in records.read_rows(table) if row["kind"] == "final"]
        result = evaluate.summary([float(row["return"]) for row in rows])
        frames = self._loop.step * self._run.config.frames_per_step
        records.write_json(
            self._path / "done.json",
            {"frames": frames, "weights": weights, "weights_step": int(step), **result},
        )
        self._note(
            f"final score of the {weights} network: {result['mean_return']:.1f} "
            f"over {result['episodes']} games"
        )

    def _player(self, epsilon: float) -> evaluate.PlayerFactory:
        """The agent at play, listening for signals."""
        inner = agent_player(self._agent, epsilon)

        def make(generator: np.random.Generator) -> evaluate.Player:
            act = inner(generator)

            def play(observation: NDArray[Any]) -> int:
                self._stop.check(self._loop.step)
                return act(observation)

            return play

        return make

    def _save(self, with_replay: bool = True) -> None:
        step = self._loop.step
        state = {
            "agent": self._agent.state(),
            "loop": self._loop.state(),
            "queue": self._queue.state(),
            "memory": self._memory.state(),
            "env": env_state.save(self._env),
            "episodes": self._episodes.state(),
            "learning": self._learning.state(),
            "best": self._best,
        }
        replay = self._memory.arrays() if with_replay else {}
        checkpoint.save(self._path / "checkpoint", step, state, replay, self._run.identity())
        self._saved_step = step

    def _restore(self, saved: checkpoint.Saved) -> None:
        state = saved.state
        try:
            self._agent.restore(state["agent"])
            self._loop.restore(state["loop"])
            self._queue.restore(state["queue"])
            if saved.replay:
                self._memory.restore(state["memory"], saved.replay)
            env_state.load(self._env, state["env"])
            self._episodes.restore(state["episodes"])
            self._learning.restore(state["learning"])
            self._best = state["best"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise checkpoint.CheckpointError(
                f"the checkpoint in {self._path} does not fit this version ({error}); "
                "remove its checkpoint folder to start afresh"
            ) from error

    def _require_room(self) -> None:
        shape, dtype = _shape(self._env), _dtype(self._env)
        capacity = self._run.config.agent.replay_steps
        machine.require_memory(ReplayMemory.bytes_needed(capacity, shape[1:], dtype) + BASE_BYTES)
        kept = ReplayMemory.bytes_needed(min(capacity, self._run.config.steps), shape[1:], dtype)
        # Two checkpoints: the old one stays until the new one is complete.
        machine.require_disk(self._path, 2 * (kept + CHECKPOINT_BYTES))

    def _note(self, text: str) -> None:
        if self._progress is not None:
            self._progress.note(f"{self._run.game} seed {self._run.seed}: {text}")


class Stop:
    """Remembers a signal until the training has come to a point where it can stop."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Receive a signal."""
        self.signal = number

    def check(self, step: int) -> None:
        """Raise Interrupted if there was one."""
        if self.signal is not None:
            raise Interrupted(self.signal, step)


@contextmanager
def _signals() -> Iterator[Stop]:
    """Collect SIGINT, SIGTERM and SIGUSR1 while training (in the main thread only)."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """An independent stream of random numbers for each purpose of a run."""
    return np.random.default_rng([seed, *purpose.encode()])


def _shape(env: gym.Env[Any, Any]) -> tuple[int, ...]:
    shape = env.observation_space.shape
    assert shape is not None
    return tuple(int(size) for size in shape)


def _dtype(env: gym.Env[Any, Any]) -> np.dtype[Any]:
    assert env.observation_space.dtype is not None
    return env.observation_space.dtype


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def command(run: Run, suite: Path, device: str, threads: int | None, progress: bool) -> int:
    """What `repro train` does once its flags are understood; returns the exit code."""
    if threads:
        torch.set_num_threads(threads)
    try:
        path, done = train(run, suite, device, progress)
    except Interrupted as stop:
        print(f"repro: {stop}", file=sys.stderr)
        return 128 + stop.signal
    except NonFiniteLossError as error:
        raise NonFiniteLossError(
            f"{error}; training of {run.game} stopped, its rows and last checkpoint are in "
            f"{records.run_path(suite, run.game, run.seed)}; lower --learning-rate and use "
            "another --out"
        ) from error
    print(
        f"{path}: finished after {done['frames']:,} frames; "
        f"{done['weights']} network scored {done['mean_return']:.1f} over "
        f"{done['episodes']} games"
    )
    return 0
