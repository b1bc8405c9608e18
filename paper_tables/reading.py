"""Reading one run directory strictly: either all of it is sound, or what is not is named."""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from repro.games import GAMES
from repro.records import EVALUATIONS, LEARNING, SCHEMA, RunDirectoryError, read_json

RANDOM = "random"  # preset, and weights, of the random player
_KINDS = pd.CategoricalDtype(["periodic", "final"])
_WEIGHTS = pd.CategoricalDtype(["last", "best", RANDOM])
_DTYPES: dict[str, Any] = {
    "kind": "category", "weights": "category", "step": "int64", "episode": "int64",
    "seed": "int64", "return": "float64", "frames": "int64", "truncated": "bool",
    "completed": "bool",
}  # fmt: skip
_KEY = ["kind", "weights", "step", "episode"]
_LARGEST_RETURN = 1e12  # beyond any score; sums of more would overflow
_LARGEST_COUNT = 10**15
_NAMED_AT_MOST = 20  # bad lines of one file


@dataclass(frozen=True)
class Problem:
    """Why a run is left out; ``line`` counts from 1, ``None`` for a file as a whole."""

    file: Path
    line: int | None
    what: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else str(self.file)
        return f"{place}: {self.what}"


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        path: of the directory.
        game, seed, preset: as configured.
        train_frames: planned, 0 for the random player.
        finished: whether done.json is there.
        weights, weights_step: of the final score, once finished.
        settings: config.json's, by part ("" for those of no part) and name.
        provenance: as recorded.
    """

    path: Path
    game: str
    seed: int
    preset: str
    train_frames: int
    finished: bool
    weights: str
    weights_step: int
    settings: dict[str, dict[str, Any]]
    provenance: dict[str, Any]


class _UnsoundError(Exception):
    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = list(problems)


def read_run(folder: Path) -> tuple[Run, pd.DataFrame] | list[Problem]:
    """Read a run and its evaluation games.

    Returns:
        The run and the rows of evaluations.csv without ``seed`` (which would pass for the
        run's); or all that is wrong with them.
    """
    try:
        config, provenance = _json(folder / "config.json"), folder / "provenance.json"
        made = _json(provenance) if provenance.exists() else {}
        done = _json(folder / "done.json") if (folder / "done.json").exists() else None
        run = _run(folder, config, made, done)
        episodes = _episodes(folder / "evaluations.csv")
        if done is not None:
            _agree(run, done, episodes)
    except _UnsoundError as error:
        return error.problems
    return run, episodes


def learning_problems(run: Run) -> list[Problem]:
    """Name the rows of a run's learning.csv that cannot be drawn; none if there is no file."""
    path = run.path / "learning.csv"
    if not path.exists():
        return []
    try:
        lines = path.read_text().split("\n")
        problems = [
            Problem(path, number, what)
            for number, cells in enumerate(csv.reader(lines[:-1]), start=1)
            if (what := _not_learning(cells, number == 1))
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [Problem(path, None, f"cannot be read: {error}")]
    if lines[-1]:
        problems.append(Problem(path, len(lines), "the line was cut short"))
    return problems[:_NAMED_AT_MOST]


def _not_learning(cells: list[str], head: bool) -> str | None:
    if head:
        return None if tuple(cells) == LEARNING else f"the columns are not {','.join(LEARNING)}"
    if len(cells) != len(LEARNING):
        return f"{len(cells)} cells instead of {len(LEARNING)}"
    row = dict(zip(LEARNING, cells, strict=True))
    if not (row["step"].isdecimal() and row["frames"].isdecimal()):
        return "step or frames is not a whole number"
    try:
        sound = row["mean_max_q"] == "" or math.isfinite(float(row["mean_max_q"]))
    except ValueError:
        sound = False
    return None if sound else f"mean_max_q {row['mean_max_q']!r} is not a finite number"


def nothing() -> pd.DataFrame:
    """No evaluation games, in the columns and types of :func:`read_run`."""
    columns = {**_DTYPES, "kind": _KINDS, "weights": _WEIGHTS}
    del columns["seed"]
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise _UnsoundError(
            Problem(path, None, "is missing, so what lies beside it cannot be used")
        )
    try:
        return read_json(path)
    except (RunDirectoryError, RecursionError) as error:
        reason = str(error.__cause__ or "it does not hold a JSON object")
        raise _UnsoundError(Problem(path, None, f"cannot be read: {reason}")) from error


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_COUNT


def _run(
    folder: Path, config: Mapping[str, Any], made: dict[str, Any], done: dict[str, Any] | None
) -> Run:
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
    parts = given if isinstance(given, dict) else {}
    settings = {name: part for name, part in parts.items() if isinstance(part, dict)}
    settings[""] = {name: value for name, value in parts.items() if not isinstance(value, dict)}
    trained = config.get("preset") != RANDOM
    needed = ("protocol", "agent", "training") if trained else ("protocol",)
    what += [f"it has no settings of the {name}" for name in needed if not settings.get(name)]
    frames = settings.get("training", {}).get("frames") if trained else 0
    if not _count(frames):
        what.append(f"{frames!r} is no number of frames to train for")
    repeat = settings.get("protocol", {}).get("action_repeat_frames", 4)
    if not _count(repeat) or repeat == 0:
        what.append(f"{repeat!r} is no number of frames to repeat an action for")
    if what:
        raise _UnsoundError(*(Problem(folder / "config.json", None, one) for one in what))
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
        settings=settings,
        provenance=made,
    )


def _agree(run: Run, done: Mapping[str, Any], episodes: pd.DataFrame) -> None:
    """Refuse a finished run whose games are not those that its last file counts."""
    path = run.path / "done.json"
    mean, number = done.get("mean_return"), done.get("episodes")
    if not _count(number) or type(mean) not in (int, float) or not _count(run.weights_step):
        raise _UnsoundError(Problem(path, None, "does not say how many games had which mean"))
    assert isinstance(number, int)
    if "frames" in done and done["frames"] > run.train_frames:
        what = f"says {done['frames']!r} frames, config.json {run.train_frames:,}"
        raise _UnsoundError(Problem(path, None, what))
    games = final_games(run, episodes)
    counted = games[games["episode"] < number]
    if len(counted) != number or number == 0:
        what = f"has {len(counted)} of the {number} final games that done.json counts"
        raise _UnsoundError(Problem(run.path / "evaluations.csv", None, what))
    if not math.isclose(counted["return"].mean(), float(str(mean)), rel_tol=1e-9, abs_tol=1e-9):
        what = f"its final games have a mean of {counted['return'].mean():g}, done.json says {mean}"
        raise _UnsoundError(Problem(run.path / "evaluations.csv", None, what))


def final_games(run: Run, episodes: pd.DataFrame) -> pd.DataFrame:
    """The rows of the games behind a finished run's score."""
    return episodes[
        (episodes["kind"] == "final")
        & (episodes["weights"] == run.weights)
        & (episodes["step"] == run.weights_step)
    ]


def _episodes(path: Path) -> pd.DataFrame:
    if not path.exists():
        return nothing()
    try:
        table = pd.read_csv(path, dtype=_DTYPES, skip_blank_lines=False)
        counts = table[["step", "episode", "seed", "frames"]]
        sound = (
            tuple(table.columns) == EVALUATIONS
            and set(table["kind"].cat.categories) <= set(_KINDS.categories)
            and set(table["weights"].cat.categories) <= set(_WEIGHTS.categories)
            and bool(table.notna().all(axis=None))
            and bool((table["return"].abs() <= _LARGEST_RETURN).all())
            and bool(((counts >= 0) & (counts <= _LARGEST_COUNT)).all(axis=None))
            and not bool((table["completed"] < (table["kind"] == "final")).any())
            and not bool(table.duplicated(_KEY).any())
            and path.read_bytes().endswith(b"\n")
        )
    except (ValueError, KeyError, OverflowError, OSError):  # pandas' own errors are ValueErrors
        sound = False
    if sound:
        return table.drop(columns="seed").astype({"kind": _KINDS, "weights": _WEIGHTS})
    try:
        raise _UnsoundError(*_damage(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _UnsoundError(Problem(path, None, f"cannot be read: {error}")) from error


def _damage(path: Path) -> Iterator[Problem]:
    """Find the bad lines of a file that did not read as a whole."""
    text = path.read_text()
    lines = [next(csv.reader([line]), []) for line in re.sub(r"\r\n?", "\n", text).split("\n")]
    if tuple(lines[0]) != EVALUATIONS:
        yield Problem(path, 1, f"the columns are not {','.join(EVALUATIONS)}")
        return
    problems, seen = [], set()
    for number, cells in enumerate(lines[1:-1], start=2):
        what = _wrong(cells)
        key = tuple(cells[:4])
        if what is None and key in seen:
            what = f"game {cells[3]} of this evaluation is there already"
        seen.add(key)
        if what:
            problems.append(Problem(path, number, what))
    if lines[-1]:
        problems.append(Problem(path, len(lines), "the line was cut short"))
    yield from problems[:_NAMED_AT_MOST]
    if len(problems) > _NAMED_AT_MOST:
        yield Problem(path, None, f"and {len(problems) - _NAMED_AT_MOST:,} more lines like these")
    if not problems:
        yield Problem(path, None, "does not read as a table of evaluations")


def _wrong(cells: list[str]) -> str | None:
    if len(cells) != len(EVALUATIONS):
        return f"{len(cells)} cells instead of {len(EVALUATIONS)}"
    row = dict(zip(EVALUATIONS, cells, strict=True))
    for name, known in (("kind", _KINDS), ("weights", _WEIGHTS)):
        if row[name] not in known.categories:
            return f"{name} {row[name]!r} is none of {', '.join(known.categories)}"
    for name in ("step", "episode", "seed", "frames"):
        if not row[name].isdecimal() or int(row[name]) > _LARGEST_COUNT:
            return f"{name} {row[name]!r} is not a whole number"
    for name in ("truncated", "completed"):
        if row[name].lower() not in ("true", "false"):
            return f"{name} {row[name]!r} is neither True nor False"
    if row["kind"] == "final" and row["completed"].lower() == "false":
        return "a final game that is not completed"
    try:
        score = float(row["return"])
    except ValueError:
        score = math.nan
    if not abs(score) <= _LARGEST_RETURN:
        return f"return {row['return']!r} is not a finite number, or beyond any score"
    return None
