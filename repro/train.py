"""Putting a training together: environment, agent, replay, loop, trackers, evaluation, disk."""

import math
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from repro import checkpoint, evaluate, experiment, machine, records, trackers
from repro.agent import NonFiniteError
from repro.directory import RunDirectory
from repro.experiment import Run
from repro.loop import Loop
from repro.replay import MinibatchQueue, ReplayMemory
from repro.signals import Interrupted, Stop, listening
from wrappers import state as env_state


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
        NonFiniteError: the last checkpoint and all rows stay.
        Interrupted: after SIGINT, SIGTERM or SIGUSR1, with a checkpoint written.
    """
    with run.directory(records.run_path(suite, run.game, run.seed)) as place:
        if place.done is not None:
            shutil.rmtree(place.path / "checkpoint", ignore_errors=True)
        else:
            with listening() as stop, Training(run, place, stop, device, progress) as training:
                training.run()
        return place.path, place.done or {}


class Training:
    """A training in a run directory that is ours. Use as a context manager."""

    def __init__(
        self, run: Run, place: RunDirectory, stop: Stop, device: str, progress: bool
    ) -> None:
        self._run = run
        self._path = place.path
        self._stop = stop
        experiment.check_device(device)
        self._envs = experiment.make_envs(run)
        self._env = self._envs.train
        self._require_room()
        saved = checkpoint.load(place.path / "checkpoint", run.identity())
        self._agent = experiment.make_agent(run, self._env, device)
        shape, settings = experiment.shape(self._env), run.config.agent
        self._memory = ReplayMemory(
            settings.replay_steps, shape[1:], shape[0], experiment.generator(run.seed, "replay"),
            experiment.dtype(self._env),
        )  # fmt: skip
        self._queue = MinibatchQueue(self._memory, settings.replay_draw, settings.minibatch)
        self._loop = Loop(self._env, self._agent, self._memory, self._queue)
        self._best = {"score": -math.inf, "step": 0, "evaluated_step": 0}
        self._saved_step = saved.step if saved else 0
        if saved is None:
            provenance = evaluate.describe(run.game, self._env)
            provenance["device"] = experiment.device_name(device)
            provenance["threads"] = torch.get_num_threads()
            records.write_json(place.path / "provenance.json", provenance)
        else:
            self._restore(saved)
        env_state.save(self._env)  # an environment that cannot be saved is refused now
        records.trim(place.path / "train_episodes.csv", self._saved_step)
        records.trim(place.path / "learning.csv", self._saved_step)
        records.trim(place.path / "evaluations.csv", int(self._best["evaluated_step"]))
        self._evaluations = place.table("evaluations.csv")
        self._episodes = trackers.EpisodeTracker(
            place.table("train_episodes.csv"), run.config.frames_per_step
        )
        self._learning = trackers.LearningTracker(
            place.table("learning.csv"), run.config, self._agent, self._memory,
            experiment.generator(run.seed, "heldout"),
        )  # fmt: skip
        if saved is not None:
            self._episodes.restore(saved.state["episodes"])
            self._learning.restore(saved.state["learning"])
        self._tensorboard = trackers.TensorBoardTracker(
            place.path / "tensorboard", run.config, self._learning,
            self._saved_step * run.config.frames_per_step,
        )  # fmt: skip
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
        if self._saved_step < steps or not (self._path / "last.safetensors").exists():
            checkpoint.save_weights(self._path / "last.safetensors", self._agent.network, steps)
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
            checkpoint.save_weights(self._path / "best.safetensors", self._agent.network, step)
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
        network = self._agent.network
        step = checkpoint.load_weights(self._path / f"{weights}.safetensors", network)
        table = self._path / "evaluations.csv"
        there = len(evaluate.final_returns(table, weights, step))
        player = self._player(training.eval_epsilon)
        for game in evaluate.play_episodes(
            self._envs.final, player, self._run.seed, step, training.final_episodes, there
        ):
            self._evaluations.append(game.row("final", weights, step))
        result = evaluate.summary(evaluate.final_returns(table, weights, step))
        frames = self._loop.step * self._run.config.frames_per_step
        records.write_json(
            self._path / "done.json",
            {"frames": frames, "weights": weights, "weights_step": step, **result},
        )
        self._note(
            f"final score of the {weights} network: {result['mean_return']:.1f} "
            f"over {result['episodes']} games"
        )

    def _player(self, epsilon: float) -> evaluate.PlayerFactory:
        """The agent at play, listening for signals."""
        inner = experiment.agent_player(self._agent, epsilon)

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
            self._best = state["best"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise checkpoint.CheckpointError(
                f"the checkpoint in {self._path} does not fit this version ({error}); "
                "remove its checkpoint folder to start afresh"
            ) from error

    def _require_room(self) -> None:
        shape, dtype = experiment.shape(self._env), experiment.dtype(self._env)
        capacity = self._run.config.agent.replay_steps
        replay = ReplayMemory.bytes_needed(capacity, shape[1:], dtype)
        machine.require_memory(machine.training_memory_bytes(replay))
        kept = ReplayMemory.bytes_needed(min(capacity, self._run.config.steps), shape[1:], dtype)
        there = machine.folder_bytes(self._path / "checkpoint")
        machine.require_disk(self._path, machine.checkpoints_bytes(kept) - there)

    def _note(self, text: str) -> None:
        if self._progress is not None:
            self._progress.note(f"{self._run.game} seed {self._run.seed}: {text}")


def command(run: Run, suite: Path, device: str, threads: int | None, progress: bool) -> int:
    """What `repro train` does once its flags are understood; returns the exit code."""
    if threads:
        torch.set_num_threads(threads)
    try:
        path, done = train(run, suite, device, progress)
    except Interrupted as stop:
        print(f"repro: {stop}", file=sys.stderr)
        return 128 + stop.signal
    except NonFiniteError as error:
        raise NonFiniteError(
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
