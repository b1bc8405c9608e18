"""Reading one run directory strictly: either all of it is sound, or what is not is named."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from paper_tables.rows import Problem, UnsoundError, beyond, read_evaluations
from repro.config import LARGEST, ConfigError, check, check_types, completed
from repro.games import GAMES
from repro.records import SCHEMA, RunDirectoryError, read_json
from repro.storage import done as marker
from repro.tables import RANDOM

_FRAMES_PER_STEP = 4  # where a run does not say
_PROVENANCE = {
    "time": str,
    "device": str,
    "threads": int,
    "processor": str,
    "rom_md5": str,
    "commit": str,
    "dirty": bool,
    "libraries": dict,
    "continued": list,
}


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
        provenance: as recorded: its known fields.
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
    def of_paper(self) -> bool:
        """Whether the game is one of the paper's 49."""
        return self.game in GAMES

    @property
    def game_title(self) -> str:
        """The paper's, or else the environment's name."""
        return GAMES[self.game].title if self.of_paper else self.game

    @property
    def title(self) -> str:
        """Such as "Pong, seed 0"."""
        return f"{self.game_title}, seed {self.seed}"

    @property
    def frames_per_step(self) -> int:
        """Emulator frames of a decision."""
        return int(self.settings["protocol"].get("action_repeat_frames", _FRAMES_PER_STEP))

    @property
    def train_steps(self) -> int:
        """Decisions that the training takes."""
        return self.train_frames // self.frames_per_step


def read_run(folder: Path | str) -> tuple[Run, pd.DataFrame]:
    """Read a run and its evaluation games (see :func:`paper_tables.rows.read_evaluations`).

    Raises:
        UnsoundError: with all that is wrong.
    """
    folder = Path(folder)
    run, done = read_setup(folder)
    path = folder / "evaluations.csv"
    episodes = read_evaluations(path)
    if late := beyond(path, episodes, run.train_steps):
        raise UnsoundError(*late)
    if done is not None:
        _agree(run, done, episodes)
    return run, episodes


def read_setup(folder: Path) -> tuple[Run, dict[str, Any] | None]:
    """Read what a run is, and done.json if it has one; none of its rows.

    Raises:
        UnsoundError: with all that is wrong.
    """
    config = _json(folder / "config.json")
    provenance, spared = _provenance(folder / "provenance.json")
    done = _json(folder / "done.json") if (folder / "done.json").exists() else None
    _unchanged(folder)
    settings = _settings(config)
    if wrong := [*_misfits(folder, config), *_gaps(config, settings)]:
        raise UnsoundError(*(Problem(folder / "config.json", None, what) for what in wrong))
    rom = provenance.get("rom_md5")
    if config["game"] in GAMES and rom not in (None, GAMES[config["game"]].md5):
        what = f"ROM {rom!r} is not that of {config['game']}"
        raise UnsoundError(Problem(folder / "provenance.json", None, what))
    score = done or {}
    run = Run(
        path=folder,
        game=config["game"],
        seed=config["seed"],
        preset=config["preset"],
        train_frames=_train_frames(config, settings),
        finished=bool(done),
        weights=str(score.get("weights", RANDOM)),
        weights_step=score.get("weights_step", 0),
        final_episodes=score.get("episodes", 0),
        settings=settings,
        provenance=provenance,
        spared=spared,
    )
    return run, done


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise UnsoundError(Problem(path, None, "is missing, so what lies beside it cannot be used"))
    try:
        return read_json(path)
    except RunDirectoryError as error:
        reason = str(error.__cause__ or "it does not hold a JSON object")
        raise UnsoundError(Problem(path, None, f"cannot be read: {reason}")) from error


def _provenance(path: Path) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """What a run was made with, on which no score rests, and what is wrong with the file.

    Its known fields, each of its type: ``libraries`` are versions by name; ``continued`` has a
    mapping, with the step, for each time that the run went on elsewhere. Of no file, or a damaged
    one, nothing.
    """
    if not path.exists():
        return {}, ()
    try:
        there = read_json(path)
        known = {name: there[name] for name in _PROVENANCE if there.get(name) is not None}
        for name, value in known.items():
            check(name, value, _PROVENANCE[name])
        for name, version in known.get("libraries", {}).items():
            check(name, version or "", str)
        for one in known.get("continued", []):
            check("continued", one, dict)
            check("step", one.get("step"), int)
    except (RunDirectoryError, ValueError) as error:
        what = f"the run is shown without it: {error.__cause__ or error}"
        return {}, (Problem(path, None, what, spares=True),)
    return known, ()


def _unchanged(folder: Path) -> None:
    """Refuse a finished run of which a file is not as it was when it was finished."""
    damaged = [marker.NAME] if any(marker.changes(folder, [])) else marker.SHOWN
    changed = [name for name in damaged if any(marker.changes(folder, [name]))]
    if changed:
        what = "is not as it was when the run was finished; restore it"
        raise UnsoundError(*(Problem(folder / name, None, what) for name in changed))


def _settings(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By part, as :class:`Run` has them; what an older run did not know is what it did."""
    given = config.get("config")
    parts = completed(given) if isinstance(given, dict) else {}
    settings = {name: part for name, part in parts.items() if isinstance(part, dict)}
    settings[""] = {name: value for name, value in parts.items() if not isinstance(value, dict)}
    return settings


def _misfits(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with the name of a run, beside that of its folder."""
    schema, game, seed = config.get("schema"), config.get("game"), config.get("seed")
    settings = config.get("config")
    other = isinstance(settings, dict) and settings.get("environment") == "gymnasium"
    if type(schema) is not int or schema != SCHEMA:
        yield f"schema {schema!r}, where this version reads {SCHEMA}"
    if not isinstance(game, str) or (game not in GAMES and not other):
        yield f"{game!r} is not one of the 49 games"
    if game != folder.parent.name:
        yield f"it says game {game!r}, the folder {folder.parent.name!r}"
    if not _is_count(seed) or f"seed-{seed}" != folder.name:
        yield f"it says seed {seed!r}, the folder {folder.name!r}"


def _gaps(config: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Say what is wrong with the settings of a run."""
    trained = config.get("preset") != RANDOM
    for name in ("protocol", "agent", "training") if trained else ("protocol",):
        if not settings.get(name):
            yield f"it has no settings of the {name}"
    frames = _train_frames(config, settings)
    if not _is_count(frames):
        yield f"{frames!r} is no number of frames to train for"
    repeat = settings.get("protocol", {}).get("action_repeat_frames", _FRAMES_PER_STEP)
    if not _is_count(repeat) or repeat == 0:
        yield f"{repeat!r} is no number of frames to repeat an action for"
    try:
        check_types(settings)
        check("preset", config.get("preset"), str)
    except ConfigError as error:
        yield str(error)


def _train_frames(config: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> Any:
    return 0 if config.get("preset") == RANDOM else settings.get("training", {}).get("frames")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _agree(run: Run, done: Mapping[str, Any], episodes: pd.DataFrame) -> None:
    """Refuse a finished run whose games are not those that its last file counts."""
    path, mean = run.path / "done.json", done.get("mean_return")
    counts = _is_count(run.final_episodes) and _is_count(run.weights_step)
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
