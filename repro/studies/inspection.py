"""What a network makes of the states it meets: the data behind two of the paper's pictures.

Fig. 4 is a map of the last hidden layer, Extended Data Fig. 2 follows the values along a
stretch of play. RUN/inspection/ holds what is needed to draw both without torch or emulator:

==================== ======================================================================
play.csv             a row per step: step, game, frame, action, reward, value, q_<ACTION>...
embedding.csv        a row per step: step, x, y, value
screens/             step-<n>.png, 160x210 RGB, of the steps that inspection.json names
inspection.json      how it was made, the stretch, its marks, the map's screens; written last
==================== ======================================================================

``step`` counts from 0 through all games and is the same in every file; everything in a row
belongs to the state before ``action``, except ``reward``, which the action earned.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from repro import records
from repro.agent import Agent
from repro.config import ConfigError
from repro.evaluation import protocols
from repro.evaluation.trained import Trained, load
from repro.experiment import generator, make_screen_env
from repro.networks import NatureCNN
from repro.system import disk

FOLDER = "inspection"
MARKS = 4  # as many as Extended Data Fig. 2 shows
SCREENS = 12

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """Consecutive steps of whole games; only the last game may be cut.

    ``table`` has the columns of play.csv, with values in float32; ``hidden`` is float32
    ``(steps, units)``; ``actions`` are names, ``screens`` PNG files.
    """

    table: pd.DataFrame
    hidden: Floats
    actions: list[str]
    screens: list[bytes]


def inspect(
    folder: Path | str,
    weights: str = "best",
    steps: int = 4000,
    perplexity: float = 30.0,
    stretch_steps: int = 120,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, Any]:
    """Play, embed, choose, and write RUN/inspection/ in place of what is there.

    Args:
        folder: the run.
        weights: ``best`` or ``last``.
        steps: agent steps to record.
        perplexity: of t-SNE, about the number of neighbours that a state has on the map.
        stretch_steps: agent steps of the stretch; one longer than every recorded game is
            shortened to the longest.
        seed: of the map. The games do not depend on it: they are the final protocol's.
        device: where the network computes.

    Returns:
        What inspection.json holds.

    Raises:
        ConfigError: if a number is out of range, or the run has no screen or hidden layer.
        RunDirectoryError: if the folder is no run, or in use, say by its training.
        WeightsError: if there are no such weights.
    """
    if min(steps, stretch_steps) < MARKS:
        raise ConfigError(f"steps and stretch-steps must be at least {MARKS}, one for each mark")
    if not 1 <= perplexity < steps:
        raise ConfigError(
            f"perplexity must be from 1 to less than the {steps} steps, got {perplexity:g}; "
            "record more steps or choose a smaller one"
        )
    folder = Path(folder)
    trained = load(folder, weights, device)
    with trained.run.directory(folder):
        played = record(trained, steps)
        value = played.table["value"].to_numpy()
        points = embed(played.hidden, perplexity, seed)
        start, stop = liveliest(played.table["game"].to_numpy(), value, stretch_steps)
        mapped = np.column_stack([points, value])
        found = {
            "schema": records.SCHEMA,
            "game": trained.run.game,
            "run_seed": trained.run.seed,
            "weights": weights,
            "weights_step": trained.step,
            "epsilon": trained.run.config.training.eval_epsilon,
            "seed": seed,
            "steps": steps,
            "perplexity": perplexity,
            "hidden_units": played.hidden.shape[1],
            "actions": played.actions,
            "stretch": [start, stop],
            "marks": [start + mark for mark in extremes(value[start:stop])],
            "screens": scattered(mapped, int(value.argmax()), SCREENS),
        }
        _write(folder / FOLDER, played, points, found)
    return found


def record(trained: Trained, steps: int) -> Recording:
    """Play the games of the final protocol, from its first on, until there are so many steps.

    Raises:
        ConfigError: if the run has no screen or its network no hidden layer.
    """
    with make_screen_env(trained.run) as env:
        names = list(env.get_wrapper_attr("get_action_meanings")())
        played = itertools.islice(_play(trained, env), steps)
        game, frame, action, screens, values, hidden, reward = zip(*played, strict=True)
    q = np.stack(values)
    columns = {
        "step": np.arange(steps), "game": game, "frame": frame, "action": action,
        "reward": reward, "value": q.max(axis=1),
        **{f"q_{name}": q[:, index] for index, name in enumerate(names)},
    }  # fmt: skip
    return Recording(pd.DataFrame(columns), np.stack(hidden), names, list(screens))


def _play(trained: Trained, env: gym.Env[Any, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield game, frame, action, screen, values, hidden layer and reward, without end."""
    run, agent = trained.run, trained.agent
    player = agent.player(run.config.training.eval_epsilon)
    for game in itertools.count():
        before: tuple[Any, ...] = ()
        seed = protocols.episode_seed(run.seed, trained.step, game)
        for moment in protocols.moments(env, player, seed):
            if before:
                yield *before, moment.reward
            q, hidden = activations(agent, moment.observation[None])
            before = (game, moment.frames, moment.action, _png(env), q[0], hidden[0])


def _png(env: gym.Env[Any, Any]) -> bytes:
    """The screen as a PNG file: thousands of them fit where their pixels would not."""
    screen = cv2.cvtColor(np.asarray(env.render(), np.uint8), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", screen)[1].tobytes()


def activations(agent: Agent, observations: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Action values, and the last hidden layer that they are computed from.

    Args:
        agent: whose network is asked.
        observations: ``(batch, history, 84, 84)``.

    Returns:
        float32 ``(batch, actions)`` and ``(batch, units)``, the latter rectified.

    Raises:
        ConfigError: if the network has no hidden layer to look at.
    """
    if not isinstance(agent.network, NatureCNN):
        raise ConfigError(
            f"network {agent.config.network!r} has no hidden layer to inspect; "
            "choose a run with network 'nature'"
        )
    caught: list[Tensor] = []
    output = agent.network.head[-1]
    with output.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0])):
        q = agent.q_values(observations)
    return q, caught[0].cpu().numpy()


def embed(hidden: Floats, perplexity: float, seed: int) -> Floats:
    """Map states so that those with similar activations lie together (t-SNE).

    Args:
        hidden: ``(steps, units)``.
        perplexity: less than ``steps``.
        seed: the same seed gives the same map.

    Returns:
        float32 ``(steps, 2)``.

    Raises:
        ConfigError: if it is the same in every state.
    """
    if not np.ptp(hidden, axis=0).any():
        raise ConfigError(
            "the network's hidden layer is the same in every state, so there is nothing to map; "
            "use other weights"
        )
    state = int(generator(seed, "embedding").integers(2**32))
    # Sums depend on the number of threads, and the map on every digit of them.
    with threadpool_limits(1):
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=state)
        return np.asarray(tsne.fit_transform(hidden), np.float32)


def liveliest(game: NDArray[np.int64], value: Floats, length: int) -> tuple[int, int]:
    """The consecutive steps of one game over which the value has the largest deviation.

    Args:
        game: ``(steps,)``, not decreasing.
        value: ``(steps,)``.
        length: of the stretch in steps; that of the longest game at most.

    Returns:
        Its first step and the one after its last; of equals the first.
    """
    length = min(length, int(np.bincount(game).max()))
    exact = value.astype(np.float64)
    spread = [
        exact[start : start + length].std() if game[start] == game[start + length - 1] else -1.0
        for start in range(len(game) - length + 1)
    ]
    start = int(np.argmax(spread))
    return start, start + length


def extremes(value: Floats) -> list[int]:
    """Where a stretch is marked: its highest value, its lowest, the next highest and lowest.

    Each keeps a tenth of the stretch away from those before it; of equals the first counts.

    Args:
        value: ``(steps,)``; from four steps on there is room for four marks.

    Returns:
        The indices, increasing.
    """
    gap = math.ceil(len(value) / 10)
    free = np.ones(len(value), bool)
    marks: list[int] = []
    for sign in itertools.islice(itertools.cycle((1, -1)), MARKS):
        if free.any():
            mark = int(np.where(free, sign * value, -np.inf).argmax())
            free[max(0, mark - gap + 1) : mark + gap] = False
            marks.append(mark)
    return sorted(marks)


def scattered(points: Floats, first: int, count: int) -> list[int]:
    """Choose points far from each other: always that whose nearest chosen one is farthest.

    Args:
        points: ``(points, dimensions)``; each dimension is scaled to a deviation of one.
        first: index to begin with.
        count: how many; all if there are fewer.

    Returns:
        Distinct indices in the order of choice.
    """
    spread = points.std(axis=0)
    scaled = points / np.where(spread > 0, spread, np.float32(1))
    distance = np.full(len(points), np.inf)
    chosen = [first]
    while len(chosen) < min(count, len(points)):
        latest = chosen[-1]
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[latest], axis=1))
        distance[latest] = -1.0  # less than that of a point in the same place
        chosen.append(int(distance.argmax()))
    return chosen


def _write(folder: Path, played: Recording, points: Floats, found: Mapping[str, Any]) -> None:
    """Replace the files; without inspection.json the others do not count."""
    screens = folder / "screens"
    with disk.writing(folder):
        screens.mkdir(parents=True, exist_ok=True)
        (folder / "inspection.json").unlink(missing_ok=True)
        for old in screens.glob("step-*.png"):
            old.unlink()
    play = played.table
    embedding = play[["step"]].assign(x=points[:, 0], y=points[:, 1], value=play["value"])
    for name, table in (("play.csv", play), ("embedding.csv", embedding)):
        # Values print as the fewest digits that give the same float32 back.
        text = table.to_csv(index=False, lineterminator="\n")
        records.write_atomic(folder / name, text.encode())
    for index in {*found["marks"], *found["screens"]}:
        records.write_atomic(screens / f"step-{index:06d}.png", played.screens[index])
    records.write_json(folder / "inspection.json", found)
