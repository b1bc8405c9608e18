"""A training in its directory: the loop, who watches it, its evaluations, its checkpoints."""

import contextlib
import sys
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from repro import experiment, records
from repro.agent import NonFiniteError
from repro.evaluation import protocols
from repro.evaluation.while_training import Scoring
from repro.experiment import Environments, Parts
from repro.storage import checkpoint, game_log, provenance, weights_file
from repro.storage.directory import RunDirectory
from repro.storage.run import Run
from repro.system.signals import Interrupted, Stop
from repro.tables import TABLES
from repro.training import completion, nonfinite, trackers
from repro.training.best import Best
from repro.training.progress import ProgressTracker
from repro.training.state_check import check_state


class Participant(Protocol):
    """Has a part of what a checkpoint holds."""

    def state(self) -> dict[str, Any]:
        """Plain values, arrays and tensors, nested in dictionaries."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""


class Training:
    """A training in a run directory that is ours. Use as a context manager.

    Args:
        run: which training.
        place: its directory.
        envs: its environments; closed in the end.
        parts: what trains; goes on from the newest checkpoint, if there is one.
        stop: asked after every step.
        progress: whether to show a progress line.
    """

    def __init__(
        self,
        run: Run,
        place: RunDirectory,
        envs: Environments,
        parts: Parts,
        stop: Stop,
        progress: bool,
    ) -> None:
        self._run = run
        self._place = place
        self._path = place.path
        self._stop = stop
        self._memory, self._agent, self._loop = parts.memory, parts.agent, parts.loop
        self._best = Best(self._path / "best.safetensors")
        self._participants: dict[str, Participant] = {
            "agent": parts.agent,
            "loop": parts.loop,
            "player": parts.player,
            "queue": parts.queue,
            "best": self._best,
        }
        self._closing = contextlib.ExitStack()
        self._closing.callback(envs.close)
        self._checkpoints = checkpoint.of(run, place)
        saved = self._checkpoints.load(self._memory)
        if saved is not None:
            self._restore(saved)
        made = {
            "device": experiment.device_name(parts.agent.device),
            "threads": torch.get_num_threads(),
            "learner": parts.agent.path,
            **protocols.describe(run.game, envs.train),
        }
        provenance.keep(self._path / "provenance.json", made, self._loop.step)
        parts.player.state()  # an environment that cannot be saved is refused now
        self._go_back({} if saved is None else saved.state["tables"])
        self._watch(envs, progress)
        self._saved: tuple[int, ...] | None = None
        if saved is not None:
            for name in ("episodes", "learning", "scoring"):
                self._participants[name].restore(saved.state[name])
            self._saved = self._position()

    def _watch(self, envs: Environments, progress: bool) -> None:
        """Make those who watch; their tables are as they were at the checkpoint."""
        run, place, frames_per_step = self._run, self._place, self._run.config.frames_per_step
        self._scoring = Scoring(
            run, envs, self._agent, place.table("evaluations.csv"), self._while_scoring
        )
        self._closing.callback(self._scoring.close)
        episodes = trackers.EpisodeTracker(place.table("train_episodes.csv"), frames_per_step)
        self._learning = trackers.LearningTracker(
            place.table("learning.csv"), run.config, self._agent, self._memory,
            experiment.generator(run.seed, "heldout"),
        )  # fmt: skip
        self._tensorboard = trackers.TensorBoardTracker(
            self._path / "tensorboard", run.config, self._learning,
            self._loop.step * frames_per_step,
        )  # fmt: skip
        self._participants |= {
            "episodes": episodes, "learning": self._learning, "scoring": self._scoring,
        }  # fmt: skip
        self._trackers: list[trackers.Tracker] = [episodes, self._learning, self._tensorboard]
        self._progress = None
        if progress:
            title = f"{run.game} seed {run.seed}"
            self._progress = ProgressTracker(title, run.config, episodes, self._loop.step)
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
        steps, step = self._run.config.steps, self._loop.step
        frames = self._run.config.frames_per_step * step
        begins = f"goes on from step {step:,} ({frames:,} frames)" if step else "begins"
        device, threads = self._agent.device, torch.get_num_threads()
        self._note(
            f"{begins}, of {self._run.config.training.frames:,} frames, on {device} with "
            f"{threads} thread{'s' * (threads > 1)}, learner {self._agent.path}, in {self._path}"
        )
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
        self._place.sync_tables()
        weights_file.save(self._path / "last.safetensors", self._agent.network, steps)
        keeps = self._run.config.training.keep_checkpoint
        self._save(with_replay=keeps)
        self._score_best()
        if not keeps:
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
        if score is None:
            self._note(f"evaluation at {frames:,} frames: no game ended within it, so no score")
        else:
            self._note(
                f"evaluation at {frames:,} frames: mean return {score:.1f} over {completed} games"
            )
            self._tensorboard.scalar("evaluation/return", score, frames)
        self._learning.go_on()

    def _while_scoring(self, share: float) -> None:
        self._stop.check(self._loop.step)
        if self._progress is not None:
            self._progress.scoring(share)

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
        tables = self._place.sync_tables()
        state = {name: one.state() for name, one in self._participants.items()}
        state["tables"] = {name: np.frombuffer(data, np.uint8) for name, data in tables.items()}
        self._checkpoints.save(step, state, self._memory if with_replay else None)
        self._saved = now
        self._learning.go_on()

    def _position(self) -> tuple[int, int, int]:
        """How far everything is; a checkpoint made here once need not be made again."""
        return self._loop.step, self._best.evaluated_step, self._scoring.played_steps

    def _restore(self, saved: checkpoint.Saved) -> None:
        if saved.damage:
            print(f"repro: {saved.damage}", file=sys.stderr)
        try:
            self._loop.player.start()
            check_state(saved.state, self._loop, self._run.config)
            for name, participant in self._participants.items():
                participant.restore(saved.state[name])
        except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
            raise checkpoint.CheckpointError(
                f"the checkpoint in {self._path} is none of this version and run ({error}); "
                f"restore it, {checkpoint.RESTART}"
            ) from error

    def _go_back(self, tables: dict[str, NDArray[np.uint8]]) -> None:
        """Undo in the directory what was done after the checkpoint: it will be done again."""
        step = self._loop.step
        for name in TABLES:
            path = self._path / name
            last_step = self._best.evaluated_step if name == "evaluations.csv" else step
            aside = records.trim(path, last_step, step, tables[name].tobytes() if tables else b"")
            if aside is not None:
                where = "" if aside == path else f", what was there is now {aside.name}"
                print(f"repro: {path} was damaged; mended, nothing is lost{where}", file=sys.stderr)
        game_log.trim(self._path)
        self._best.put_back()
        if step < self._run.config.steps:
            (self._path / "last.safetensors").unlink(missing_ok=True)

    def _note(self, text: str) -> None:
        if self._progress is not None:
            self._progress.note(f"{self._run.game} seed {self._run.seed}: {text}")
