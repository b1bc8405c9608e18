"""What `repro train` does: a training from its start, or its newest checkpoint, to its score.

A training that ends, in whatever way, goes on from its newest checkpoint with the same command.
On a CPU, with a fixed number of threads, it then ends with the same weights, scores and rows to
the byte. On a GPU it goes on from the very state that was saved, but sums there depend on the
order in which threads come, so the numbers after that are not promised to be the same.
"""

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from repro import experiment, fast, networks, records
from repro.agent import NonFiniteError
from repro.replay import ReplayMemory
from repro.storage import checkpoint, directory
from repro.storage.run import Run
from repro.system import machine
from repro.system.signals import Interrupted, Stop, listening
from repro.training import completion, extension, trackers
from repro.training import threads as processor_threads
from repro.training.session import Training
from wrappers.envs import MissingROMError


def train(
    run: Run, suite: Path | str, device: str, progress: bool, stop: Stop, restart: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Train, or go on training, and score the best network at the end.

    Args:
        run: which training.
        suite: folder of the runs.
        device: auto, cpu, cuda, ...
        progress: whether to show a progress line.
        stop: asked after every step.
        restart: whether to set aside what is there, and begin anew.

    Returns:
        The run directory and what its done.json holds; of a finished run at once.

    Raises:
        ConfigError, ProtocolError: if environment, network and device do not fit; no directory is
            made then.
        RunDirectoryError: if the directory is in use or belongs to another configuration, or if
            what is there can be neither continued nor completed.
        LackError: if memory or disk are too small, or the disk cannot be written any more;
            the last checkpoints stay.
        LostDirectoryError: if the directory was removed or taken over while training.
        CheckpointError: if all checkpoints there are damaged, or foreign.
        NonFiniteError: the last checkpoints and all rows stay.
        Interrupted: by ``stop``, with a checkpoint written.
    """
    path = records.run_path(suite, run.game, run.seed)
    if restart or not path.exists():
        _refuse_wrong_use(run, device)
    if restart and (aside := directory.set_aside(path)):
        print(f"repro: {path} is now {aside}", file=sys.stderr)
    with run.directory(path) as place:
        try:
            checkpoints = checkpoint.of(run, place)
            extension.lengthen(run, place, checkpoints)
            found = place.done()
            if found is None and (checkpoints.begun() or not records.earned(path)):
                with _training(run, place, device, stop, progress) as training:
                    training.run()
            elif found is None:
                completion.complete(run, place, experiment.find_device(device), stop)
            if not run.config.training.keep_checkpoint:
                checkpoints.remove()
        except MissingROMError:
            raise
        except MemoryError as error:
            raise machine.LackError(
                f"the run ran out of memory ({error or 'no more is to be had'}); free some, or "
                "make the replay smaller with --replay-steps"
            ) from error
        except OSError as error:
            place.verify()  # or that is the reason
            raise machine.LackError(_stuck(place.path, error)) from error
        return place.path, place.done() or {}


def _refuse_wrong_use(run: Run, device: str) -> None:
    fast.check(run.config.agent, experiment.find_device(device))
    envs = experiment.make_envs(run)
    networks.check(run.config.agent, experiment.shape(envs.train))
    envs.close()


def _training(
    run: Run, place: directory.RunDirectory, device: str, stop: Stop, progress: bool
) -> Training:
    device = experiment.find_device(device)
    fast.check(run.config.agent, device)
    envs = experiment.make_envs(run)
    _require_room(run, place.path, envs.train)
    parts = experiment.assemble(run, envs.train, device)
    return Training(run, place, envs, parts, stop, progress)


def _require_room(run: Run, path: Path, env: gym.Env[Any, Any]) -> None:
    frame, dtype = experiment.shape(env)[1:], experiment.dtype(env)
    capacity = run.config.agent.replay_steps
    replay = ReplayMemory.bytes_needed(capacity, frame, dtype)
    machine.require_memory(machine.training_memory_bytes(replay))
    kept = ReplayMemory.bytes_needed(min(capacity, run.config.steps), frame, dtype)
    there = machine.folder_bytes(path / "checkpoint")
    machine.require_disk(path, machine.checkpoints_bytes(kept) - there)


def _stuck(path: Path, error: OSError) -> str:
    step = checkpoint.newest_step(path / "checkpoint")
    kept = (
        "there is no checkpoint yet" if step is None else f"the checkpoint of step {step:,} is kept"
    )
    return (
        f"{path} could not be written ({error.strerror or error}); {kept}: make room, or make it "
        "writable, and the same command goes on"
    )


def command(
    run: Run, suite: Path, device: str, threads: int | str | None, progress: bool,
    restart: bool = False, budget_minutes: float | None = None,
) -> int:  # fmt: skip
    """What `repro train` does once its flags are understood; returns the exit code."""
    if threads == "auto":
        threads = processor_threads.choose(
            run, records.run_path(suite, run.game, run.seed), experiment.find_device(device)
        )
    if threads:
        torch.set_num_threads(int(threads))
    with listening(budget_minutes) as stop, trackers.quiet_writers():
        try:
            path, done = train(run, suite, device, progress, stop, restart)
        except Interrupted as signal:
            frames = signal.step * run.config.frames_per_step
            path = records.run_path(suite, run.game, run.seed)
            print(
                f"repro: {path}: stopped at step {signal.step:,}, {frames:,} of "
                f"{run.config.training.frames:,} frames; the same command goes on from there",
                file=sys.stderr,
            )
            stop.ending = True
            return 128 + signal.signal
        except NonFiniteError as error:
            raise NonFiniteError(
                f"{error}; training of {run.game} stopped, its rows and last checkpoint stay; "
                "lower --learning-rate and use another --out"
            ) from error
    print(
        f"{path}: finished after {done['frames']:,} frames; "
        f"{done['weights']} network scored {done['mean_return']:.1f} over "
        f"{done['episodes']} games; `tensorboard --logdir {path.parent.parent}` shows its curves"
    )
    return 0
