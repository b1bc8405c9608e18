"""Putting a training together: environment, agent, replay, loop, trackers, evaluation, disk."""

import contextlib
import sys

import numpy as np
import torch

from repro import experiment, records
from repro.agent import NonFiniteError
from repro.evaluation import protocols
from repro.evaluation.while_training import Scoring
from repro.loop import Loop
from repro.replay import MinibatchQueue, ReplayMemory
from repro.storage import checkpoint, game_log, provenance, weights_file
from repro.storage.directory import RunDirectory
from repro.storage.run import Run
from repro.system import machine
from repro.system.signals import Interrupted, Stop
from repro.training import completion, nonfinite, trackers
from repro.training.best import Best
from repro.training.state_check import check_state
from wrappers import state as env_state


class Training:
    """A training in a run directory that is ours. Use as a context manager."""

    def __init__(
        self, run: Run, place: RunDirectory, stop: Stop, device: str, progress: bool
    ) -> None:
        self._run = run
        self._place = place
        self._path = place.path
        self._stop = stop
        experiment.check_device(device)
        self._envs = experiment.make_envs(run)
        self._env = self._envs.train
        self._require_room()
        shape, settings = experiment.shape(self._env), run.config.agent
        self._memory = ReplayMemory(
            settings.replay_steps, shape[1:], shape[0], experiment.generator(run.seed, "replay"),
            experiment.dtype(self._env),
        )  # fmt: skip
        self._checkpoints = checkpoint.of(run, place)
        saved = self._checkpoints.load(self._memory)
        self._agent = experiment.make_agent(run, self._env, device)
        self._queue = MinibatchQueue(self._memory, settings.replay_draw, settings.minibatch)
        self._loop = Loop(self._env, self._agent, self._memory, self._queue)
        self._best = Best(place.path / "best.safetensors")
        self._closing = contextlib.ExitStack()
        self._closing.callback(self._envs.close)
        self._tables: dict[str, bytes] = {}  # as they were at the checkpoint
        if saved is not None:
            self._restore(saved)
        made = {"device": experiment.device_name(device), "threads": torch.get_num_threads()}
        made |= protocols.describe(run.game, self._env)
        provenance.keep(place.path / "provenance.json", made, self._loop.step)
        env_state.save(self._env)  # an environment that cannot be saved is refused now
        self._go_back()
        self._scoring = Scoring(
            run, self._envs, self._agent, place.path / "evaluations.csv",
            lambda: stop.check(self._loop.step),
        )  # fmt: skip
        self._closing.callback(self._scoring.close)
        self._episodes = trackers.EpisodeTracker(
            place.table("train_episodes.csv"), run.config.frames_per_step
        )
        self._learning = trackers.LearningTracker(
            place.table("learning.csv"), run.config, self._agent, self._memory,
            experiment.generator(run.seed, "heldout"),
        )  # fmt: skip
        self._saved: tuple[int, ...] | None = None
        if saved is not None:
            self._episodes.restore(saved.state["episodes"])
            self._learning.restore(saved.state["learning"])
            self._scoring.restore(saved.state["scoring"])
            self._saved = self._position()
        self._tensorboard = trackers.TensorBoardTracker(
            place.path / "tensorboard", run.config, self._learning,
            self._loop.step * run.config.frames_per_step,
        )  # fmt: skip
        self._trackers: list[trackers.Tracker] = [
            self._episodes, self._learning, self._tensorboard,
        ]  # fmt: skip
        self._progress = None
        if progress:
            title = f"{run.game} seed {run.seed}"
            self._progress = trackers.ProgressTracker(
                title, run.config, self._episodes, self._loop.step
            )
            self._trackers.append(self._progress)
        for tracker in self._trackers:
            self._closing.callback(tracker.close)

    def __enter__(self) -> "Training":
        """Nothing to do: it is ready."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Close tables, progress line and environments, even if some cannot be."""
        try:
            self._closing.close()
        except OSError:
            if kind is None:  # else what came first says more
                raise

    def run(self) -> None:
        """Go on to the end; write done.json."""
        steps = self._run.config.steps
        if self._saved is None:  # from here on there is always a checkpoint to go on from
            self._save()
        try:
            self._after_step()
            for event in self._loop.run(steps):
                for tracker in self._trackers:
                    tracker(event)
                self._stop.check(event.step)
                self._after_step()
        except Interrupted:
            self._note("stopping; the checkpoint is being written")
            self._save()
            raise
        except NonFiniteError as error:
            made = nonfinite.dump(self._path, self._run.identity(), self._loop, str(error))
            raise NonFiniteError(f"{error}; the minibatch that led there is {made}") from error
        self._place.verify()
        records.sync_tables(self._path)
        weights_file.save(self._path / "last.safetensors", self._agent.network, steps)
        self._save(with_replay=False)
        self._score_best()
        self._checkpoints.remove()

    def _after_step(self) -> None:
        """Evaluate and save when due; also right after a resume, if a signal came in between."""
        training, step = self._run.config.training, self._loop.step
        if step % training.log_every_steps == 0:
            self._place.verify()
        if step == 0:
            return
        every, saving = training.eval_every_steps, training.checkpoint_every_steps
        evaluating = every > 0 and step % every == 0 and self._best.evaluated_step < step
        saves = saving > 0 and (evaluating or step % saving == 0)
        if saves:  # before an evaluation, too: that is long, and a kill would cost training
            self._save()
        if evaluating:
            self._evaluate()
        if saves and step < self._run.config.steps:
            self._save()

    def _evaluate(self) -> None:
        """The periodic evaluation; keeps the network if it is the best so far."""
        self._learning.pause()
        step = self._loop.step
        frames = step * self._run.config.frames_per_step
        games = self._scoring.periodic(step)
        score = protocols.mean_score(games)
        self._place.verify()
        self._best.offer(score, self._agent.network, step)
        completed = sum(game.completed for game in games)
        self._note(
            f"evaluation at {frames:,} frames: mean return {score:.1f} over {completed} games"
        )
        self._tensorboard.scalar("evaluation/return", score, frames)
        self._learning.go_on()

    def _score_best(self) -> None:
        """The final evaluation, of the best network."""
        result = completion.conclude(self._run, self._place, self._agent, self._scoring)
        self._note(
            f"final score of the {result['weights']} network: {result['mean_return']:.1f} "
            f"over {result['episodes']} games"
        )

    def _save(self, with_replay: bool = True) -> None:
        step, now = self._loop.step, self._position()
        if now == self._saved:
            return
        self._learning.pause()
        self._place.verify()
        tables = records.sync_tables(self._path)
        state = {
            "agent": self._agent.state(),
            "loop": self._loop.state(),
            "queue": self._queue.state(),
            "env": env_state.save(self._env),
            "episodes": self._episodes.state(),
            "learning": self._learning.state(),
            "best": self._best.state(),
            "scoring": self._scoring.state(),
            "tables": {name: np.frombuffer(data, np.uint8) for name, data in tables.items()},
        }
        self._checkpoints.save(step, state, self._memory if with_replay else None)
        self._saved = now
        self._learning.go_on()

    def _position(self) -> tuple[int, int, int]:
        """How far everything is; a checkpoint made here once need not be made again."""
        return self._loop.step, self._best.evaluated_step, self._scoring.played_steps

    def _restore(self, saved: checkpoint.Saved) -> None:
        if saved.damage:
            print(f"repro: {saved.damage}", file=sys.stderr)
        state = saved.state
        try:
            observation, _ = self._env.reset()
            environment = env_state.save(self._env)
            check_state(state, self._loop, self._run.config, observation, environment)
            self._agent.restore(state["agent"])
            self._loop.restore(state["loop"])
            self._queue.restore(state["queue"])
            env_state.load(self._env, state["env"])
            self._best.restore(state["best"])
        except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
            raise checkpoint.CheckpointError(
                f"the checkpoint in {self._path} is none of this version and run ({error}); "
                f"restore it, {checkpoint.RESTART}"
            ) from error
        self._tables = {name: state["tables"][name].tobytes() for name in records.TABLES}

    def _go_back(self) -> None:
        """Undo in the directory what was done after the checkpoint: it will be done again."""
        step = self._loop.step
        for name in records.TABLES:
            path = self._path / name
            last_step = self._best.evaluated_step if name == "evaluations.csv" else step
            aside = records.trim(path, last_step, step, self._tables.get(name, b""))
            if aside is not None:
                where = "" if aside == path else f", what was there is now {aside.name}"
                print(f"repro: {path} was damaged; mended, nothing is lost{where}", file=sys.stderr)
        game_log.trim(self._path)
        self._best.put_back()
        if step < self._run.config.steps:
            (self._path / "last.safetensors").unlink(missing_ok=True)

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
