"""What a checkpoint of a full replay costs: `python scripts/benchmark_checkpoint.py`.

Fills a replay of a million steps with real random play of a game, with all else that a training
saves, and measures the first checkpoint (all of it is new), the next one at the default cadence,
the disk they take together, the way back and the memory on top.
Play is repeated from a number of distinct steps: far more than zstandard looks back, so that
nothing shrinks that would not shrink in a training.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from repro import config, experiment
from repro.config.flags import OneLineParser, count
from repro.minibatches import MinibatchQueue
from repro.replay import ReplayMemory
from repro.storage import checkpoint, provenance, weights_file
from repro.storage.run import Run
from repro.system import machine, terminal
from wrappers import state as env_state

REPLAY_STEPS = config.preset("nature").agent.replay_steps
EVERY_STEPS = config.preset("nature").training.checkpoint_every_steps
STEPS_PER_SECOND = 250  # of a training on a processor; a faster one is asked for with a flag
TIME_ALLOWED = 0.02  # of the time that EVERY_STEPS take
DISK_ALLOWED_BYTES = 600_000_000
RESTORE_ALLOWED_SECONDS = 30.0
MEMORY_ALLOWED_BYTES = 300_000_000

Transition = tuple[NDArray[Any], int, float, bool]


def play(env: gym.Env[Any, Any], steps: int) -> list[Transition]:
    """Uniformly random play: screen, action, reward, terminal of each step."""
    generator = np.random.default_rng(0)
    observation, _ = env.reset()
    found = []
    for _ in range(steps):
        action = int(generator.integers(env.action_space.n))  # type: ignore[attr-defined]
        following, reward, terminated, truncated, _ = env.step(action)
        found.append((observation[-1].copy(), action, float(reward), terminated or truncated))
        observation = env.reset()[0] if terminated or truncated else following
    return found


def fill(memory: ReplayMemory, played: list[Transition], steps: int) -> None:
    """Add so many steps more, from the beginning again when they are used up."""
    for number in range(memory.added, memory.added + steps):
        memory.add(*played[number % len(played)])


def fingerprint(memory: ReplayMemory) -> int:
    """A checksum of all transitions held."""
    value = 0
    for start in range(memory.oldest, memory.added, 10_000):
        for array in memory.read(start, min(start + 10_000, memory.added)).values():
            value = zlib.crc32(array.tobytes(), value)
    return value


def peak_bytes() -> int:
    """The most memory this process has held since :func:`forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> int:
    """Count the peak from now on; returns what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def leave_cache(folder: Path) -> None:
    """Have what was written read from the disk again."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Trained:
    """All that a training saves besides the replay, as large as it gets.

    Args:
        run: which training.
        env: its environment.
        memory: its replay, filled.
        folder: where the best network is written.
    """

    def __init__(
        self, run: Run, env: gym.Env[Any, Any], memory: ReplayMemory, folder: Path
    ) -> None:
        settings = run.config.agent
        self.agent = experiment.make_agent(run, env)
        queue = MinibatchQueue(memory, settings.replay_draw, settings.minibatch)
        self.agent.update(queue.next())
        self._rest = {
            "queue": queue.state(),
            "env": env_state.save(env),
            "heldout": dict(vars(memory.sample(run.config.training.heldout_states))),
            "best": np.frombuffer(
                weights_file.save(folder / "best", self.agent.network, 0), np.uint8
            ),
        }

    def save(self, checkpoints: checkpoint.Checkpoints, memory: ReplayMemory) -> tuple[float, int]:
        """Save; how many seconds it took and how many bytes of memory on top."""
        held, began = forget_peak(), time.perf_counter()
        checkpoints.save(memory.added, {"agent": self.agent.state(), **self._rest}, memory)
        return time.perf_counter() - began, peak_bytes() - held


def measure(game: str, distinct_steps: int, folder: Path) -> dict[str, Any]:
    """Every figure for one game; times in seconds, sizes in bytes."""
    run = Run(game, 0, "nature", config.preset("nature"))
    env = experiment.make_envs(run).train
    shape = experiment.shape(env)

    def empty() -> ReplayMemory:
        return ReplayMemory(
            REPLAY_STEPS, shape[1:], shape[0], np.random.default_rng(0), discount=0.99
        )

    memory, place = empty(), folder / "checkpoint"
    played = play(env, distinct_steps)
    fill(memory, played, REPLAY_STEPS)
    trained = Trained(run, env, memory, folder)
    checkpoints = checkpoint.Checkpoints(place, {"game": game})
    found: dict[str, Any] = {"game": game, "distinct_steps": distinct_steps}
    found["replay_bytes"] = ReplayMemory.bytes_needed(REPLAY_STEPS, shape[1:], np.uint8)
    found["first_seconds"], first_bytes = trained.save(checkpoints, memory)
    found["first_bytes"] = machine.folder_bytes(place)
    fill(memory, played, EVERY_STEPS)
    found["next_seconds"], next_bytes = trained.save(checkpoints, memory)
    found["both_bytes"] = machine.folder_bytes(place)
    found["memory_bytes"] = max(first_bytes, next_bytes)
    there = fingerprint(memory)
    del memory  # two replays would not fit into a small machine
    leave_cache(place)
    began = time.perf_counter()
    other = empty()
    saved = checkpoint.Checkpoints(place, {"game": game}).load(other)
    assert saved is not None
    trained.agent.restore(saved.state["agent"])
    found["restore_seconds"] = time.perf_counter() - began
    if fingerprint(other) != there:
        raise RuntimeError("what came back is not what was saved")
    return found


def report(found: dict[str, Any], steps_per_second: float) -> dict[str, Any]:
    """Print one game's figures, each beside what is allowed; returns those with a verdict."""
    interval_seconds = EVERY_STEPS / steps_per_second
    share = found["next_seconds"] / interval_seconds
    mega = 1e6
    print(
        f"\n{found['game']}: {REPLAY_STEPS:,} steps of replay "
        f"({found['replay_bytes'] / 1e9:.2f} GB), played from {found['distinct_steps']:,} "
        "distinct steps"
    )
    print(f"  first checkpoint, all new        {found['first_seconds']:8.1f} s")
    print(f"  on disk after the first          {found['first_bytes'] / mega:8.0f} MB")
    rows = (
        (f"next, after {EVERY_STEPS:,} steps", found["next_seconds"], "s",
         TIME_ALLOWED * interval_seconds),
        (f"its share at {steps_per_second:,.0f} steps/s", 100 * share, "%", 100 * TIME_ALLOWED),
        ("on disk, both", found["both_bytes"] / mega, "MB", DISK_ALLOWED_BYTES / mega),
        ("restored in", found["restore_seconds"], "s", RESTORE_ALLOWED_SECONDS),
        ("memory on top while saving", found["memory_bytes"] / mega, "MB",
         MEMORY_ALLOWED_BYTES / mega),
    )  # fmt: skip
    for name, value, unit, allowed in rows:
        verdict = "meets" if value <= allowed else "misses"
        print(f"  {name:<32} {value:8.1f} {unit:<3} allowed {allowed:7.1f} {unit:<3} {verdict}")
    met = all(value <= allowed for _, value, _, allowed in rows)
    return found | {"share": share, "steps_per_second": steps_per_second, "met": met}


def main() -> int:
    """Measure, print, and exit with 1 if something allowed is exceeded."""
    parser = OneLineParser(description=__doc__.splitlines()[0])
    parser.add_argument("games", nargs="*", default=["breakout", "enduro"], metavar="GAME")
    parser.add_argument(
        "--distinct-steps", type=count, default=20_000, metavar="N",
        help="steps of real play, repeated until the replay is full [default 20000]",
    )  # fmt: skip
    parser.add_argument(
        "--steps-per-second", type=count, default=STEPS_PER_SECOND, metavar="N",
        help=f"of the training whose time is shared [default {STEPS_PER_SECOND}]",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, help="where to write [default: a temporary folder]")
    parser.add_argument("--json", type=Path, metavar="PATH", help="file to write the figures to")
    options: argparse.Namespace = parser.parse_args()
    replay = ReplayMemory.bytes_needed(REPLAY_STEPS, (84, 84), np.uint8)
    machine.require_memory(machine.training_memory_bytes(replay))
    figures = []
    for game in options.games:
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            figures.append(
                report(measure(game, options.distinct_steps, folder), options.steps_per_second)
            )
        finally:
            shutil.rmtree(folder)
    if options.json:
        made = {"provenance": provenance.collect(), "games": figures}
        options.json.write_text(json.dumps(made, indent=2) + "\n")
    return int(not all(found["met"] for found in figures))


if __name__ == "__main__":
    sys.exit(terminal.script(main))
