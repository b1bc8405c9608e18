"""Reading one run directory strictly: either all of it is sound, or what is not is named."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from paper_tables import origin
from paper_tables.rows import (
    LARGEST_COUNT,
    RANDOM,
    Problem,
    UnsoundError,
    beyond,
    read_evaluations,
)  # fmt: skip
from repro.config import ConfigError, check, check_types, completed
from repro.games import GAMES
from repro.records import SCHEMA, RunDirectoryError, read_json
from repro.storage import done as marker

_FRAMES_PER_STEP = 4  # where a run does not say


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        path: of the directory.
        game, seed, preset: as configured.
        train_frames: planned, 0 for the random player.
        finished: whether done.json is there.
        weights, weights_step: of the final score, once finished.
        final_episodes: games behind the final score, once finished.
        settings: config.json's, by part ("" for those of no part) and name.
        provenance: as recorded, see :mod:`paper_tables.origin`.
        spared: what is wrong with files without which it is shown.
    """

    path: Path
    game: str
    seed: int
    preset: str
    train_frames: int
    finished: bool
    weights: str
    weights_step: int
    final_episodes: int
    settings: dict[str, dict[str, Any]]
    provenance: dict[str, Any]
    spared: tuple[Problem, ...]

    @property
    def frames_per_step(self) -> int:
        """Emulator frames of a decision."""
        return int(self.settings["protocol"].get("action_repeat_frames", _FRAMES_PER_STEP))

    @property
    def train_steps(self) -> int:
        """Decisions that the training takes."""
        return self.train_frames // self.frames_per_step


def read_run(folder: Path) -> tuple[Run, pd.DataFrame] | list[Problem]:
    """Read a run and its evaluation games.

    Returns:
        The run and the rows of evaluations.csv without ``seed`` (which would pass for the
        run's); or all that is wrong with them.
    """
    try:
        run, done = read_setup(folder)
        episodes = read_evaluations(folder / "evaluations.csv")
        if late := beyond(folder / "evaluations.csv", episodes, run.train_steps):
            return late
        if done is not None:
            _agree(run, done, episodes)
    except UnsoundError as error:
        return error.problems
    return run, episodes


def _unchanged(folder: Path) -> None:
    """Refuse a finished run of which a file is not as it was when it was finished."""
    damaged = [marker.NAME] if any(marker.changes(folder, [])) else marker.SHOWN
    changed = [name for name in damaged if any(marker.changes(folder, [name]))]
    if changed:
        what = "is not as it was when the run was finished; restore it"
        raise UnsoundError(*(Problem(folder / name, None, what) for name in changed))


def read_setup(folder: Path) -> tuple[Run, dict[str, Any] | None]:
    """Read what a run is, and done.json if it has one; none of its rows.

    Raises:
        UnsoundError: with all that is wrong.
    """
    config, made = _json(folder / "config.json"), origin.read(folder / "provenance.json")
    done = _json(folder / "done.json") if (folder / "done.json").exists() else None
    _unchanged(folder)
    return _run(folder, config, made, done), done


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise UnsoundError(Problem(path, None, "is missing, so what lies beside it cannot be used"))
    try:
        return read_json(path)
    except (RunDirectoryError, RecursionError) as error:
        reason = str(error.__cause__ or "it does not hold a JSON object")
        raise UnsoundError(Problem(path, None, f"cannot be read: {reason}")) from error


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_COUNT


def _run(
    folder: Path, config: Mapping[str, Any],
    made: tuple[dict[str, Any], tuple[Problem, ...]], done: dict[str, Any] | None,
) -> Run:  # fmt: skip
    game, seed, given = config.get("game"), config.get("seed"), config.get("config")
    what = []
    if type(config.get("schema")) is not int or config["schema"] != SCHEMA:
        what.append(f"schema {config.get('schema')!r}, where this version reads {SCHEMA}")
    if not isinstance(game, str) or game not in GAMES:
        what.append(f"{game!r} is not one of the 49 games")
    if game != folder.parent.name:
        what.append(f"it says game {game!r}, the folder {folder.parent.name!r}")
    if not _count(seed) or f"seed-{seed}" != folder.name:
        what.append(f"it says seed {seed!r}, the folder {folder.name!r}")
    parts = completed(given) if isinstance(given, dict) else {}
    settings = {name: part for name, part in parts.items() if isinstance(part, dict)}
    settings[""] = {name: value for name, value in parts.items() if not isinstance(value, dict)}
    trained = config.get("preset") != RANDOM
    needed = ("protocol", "agent", "training") if trained else ("protocol",)
    what += [f"it has no settings of the {name}" for name in needed if not settings.get(name)]
    frames = settings.get("training", {}).get("frames") if trained else 0
    if not _count(frames):
        what.append(f"{frames!r} is no number of frames to train for")
    repeat = settings.get("protocol", {}).get("action_repeat_frames", _FRAMES_PER_STEP)
    if not _count(repeat) or repeat == 0:
        what.append(f"{repeat!r} is no number of frames to repeat an action for")
    try:
        check_types(settings)
        check("preset", config.get("preset"), str)
    except ConfigError as error:
        what.append(str(error))
    provenance, spared = made
    rom = provenance.get("rom_md5")
    if not what and rom not in (None, GAMES[str(game)].md5):
        raise UnsoundError(
            Problem(folder / "provenance.json", None, f"ROM {rom!r} is not that of {game}")
        )
    if what:
        raise UnsoundError(*(Problem(folder / "config.json", None, one) for one in what))
    done = done or {}
    return Run(
        path=folder,
        game=str(game),
        seed=int(str(seed)),
        preset=str(config.get("preset")),
        train_frames=int(str(frames)),
        finished=bool(done),
        weights=str(done.get("weights", RANDOM)),
        weights_step=done.get("weights_step", 0),
        final_episodes=done.get("episodes", 0),
        settings=settings,
        provenance=provenance,
        spared=spared,
    )


def _agree(run: Run, done: Mapping[str, Any], episodes: pd.DataFrame) -> None:
    """Refuse a finished run whose games are not those that its last file counts."""
    path, mean = run.path / "done.json", done.get("mean_return")
    counts = _count(run.final_episodes) and _count(run.weights_step)
    if not counts or type(mean) not in (int, float):
        raise UnsoundError(Problem(path, None, "does not say how many games had which mean"))
    trained = run.train_steps * run.frames_per_step
    if run.preset != RANDOM and done.get("frames") != trained:
        what = f"says {done.get('frames')!r} frames, config.json {trained:,}"
        raise UnsoundError(Problem(path, None, what))
    games, number = final_games(run, episodes), run.final_episodes
    if len(games) != number or number == 0:
        what = f"has {len(games)} of the {number} final games that done.json counts"
        raise UnsoundError(Problem(run.path / "evaluations.csv", None, what))
    if not math.isclose(games["return"].mean(), float(str(mean)), rel_tol=1e-9, abs_tol=1e-9):
        what = f"its final games have a mean of {games['return'].mean():g}, done.json says {mean}"
        raise UnsoundError(Problem(run.path / "evaluations.csv", None, what))


def final_games(run: Run, episodes: pd.DataFrame) -> pd.DataFrame:
    """The rows of the games behind a finished run's score; games played later do not count."""
    return episodes[
        (episodes["kind"] == "final")
        & (episodes["weights"] == run.weights)
        & (episodes["step"] == run.weights_step)
        & (episodes["episode"] < run.final_episodes)
    ]
