"""Read a tree of run directories strictly: what is damaged or does not belong is named, never used.

A problem concerns one run and is known by file and line. The runs that have one are left out
as a whole, so no mean is taken over what remained of a file.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from repro.games import GAMES
from repro.records import EVALUATIONS, SCHEMA, RunDirectoryError, read_json, runs

# Settings that may differ between runs that are compared: how far a run has to go is shown
# beside its scores; the rest changes no result.
_FREE = {
    ("training", "frames"),
    ("training", "log_every_steps"),
    ("training", "checkpoint_every_steps"),
    ("training", "heldout_states"),
}
_KINDS = pd.CategoricalDtype(["periodic", "final"])
_WEIGHTS = pd.CategoricalDtype(["last", "best", "random"])  # in the order of their claim
_DTYPES: dict[str, Any] = {
    "kind": "category", "weights": "category", "step": "int64", "episode": "int32", "seed": "int64",
    "return": "float64", "frames": "int64", "truncated": "bool", "completed": "bool",
}  # fmt: skip


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
    """One run directory. ``train_frames`` are planned, 0 for the random player."""

    path: Path
    game: str
    seed: int
    preset: str
    train_frames: int
    finished: bool
    settings: dict[str, Any]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What a tree holds.

    Attributes:
        runs: the sound ones.
        episodes: a row per evaluation game: ``run``, a position in ``runs``, then the columns
            of evaluations.csv but ``seed`` (which would pass for the run's).
        problems: of the runs that were left out.
    """

    runs: tuple[Run, ...]
    episodes: pd.DataFrame
    problems: tuple[Problem, ...]

    def final_scores(self) -> pd.DataFrame:
        """Every game behind a reported score: ``run``, ``game``, ``return``.

        Of finished runs; of the best network (the last where no periodic evaluation chose
        one, or the random player), the latest if there are several.
        """
        finished = [number for number, run in enumerate(self.runs) if run.finished]
        rows = self.episodes[self.episodes["kind"] == "final"]
        rows = rows[rows["run"].isin(finished)]
        rank = rows["weights"].cat.codes.clip(upper=1)  # last 0, best and random 1
        for key in (rank, rows["step"]):
            most = key[rows.index].groupby(rows["run"]).transform("max")
            rows = rows[key[rows.index] == most]
        return self._with_game(rows[["run", "return"]])

    def periodic(self) -> pd.DataFrame:
        """Each periodic evaluation: ``run``, ``game``, ``step``, ``mean``.

        The mean is that of the games completed, 0 if there are none (ledger row 24).
        """
        rows = self.episodes[self.episodes["kind"] == "periodic"]
        scored = rows["return"].where(rows["completed"])
        means = scored.groupby([rows["run"], rows["step"]]).mean().fillna(0.0)
        return self._with_game(means.rename("mean").reset_index())

    def without(self, problems: Sequence[Problem]) -> "Results":
        """Leave out the runs that these problems are about."""
        folders = {problem.file.parent for problem in problems}
        kept = [number for number, run in enumerate(self.runs) if run.path not in folders]
        place = {number: position for position, number in enumerate(kept)}
        episodes = self.episodes[self.episodes["run"].isin(kept)]
        return Results(
            tuple(self.runs[number] for number in kept),
            episodes.assign(run=episodes["run"].map(place).astype("int64")),
            (*self.problems, *problems),
        )

    def _with_game(self, rows: pd.DataFrame) -> pd.DataFrame:
        games = [run.game for run in self.runs]
        return rows.assign(game=[games[number] for number in rows["run"]]).reset_index(drop=True)


def collect(path: Path) -> Results:
    """Read every run at or below a path.

    Raises:
        RunDirectoryError: if there is no run there, sound or not.
    """
    sound: list[tuple[Run, pd.DataFrame]] = []
    problems: list[Problem] = []
    for found in runs(path):
        folder = path / found.relative_to(path.resolve())  # named as the reader named it
        run = _run(folder)
        episodes = _episodes(folder) if isinstance(run, Run) else []
        if isinstance(run, Run) and isinstance(episodes, pd.DataFrame):
            sound.append((run, episodes))
        else:
            problems += [*(run if isinstance(run, list) else []), *episodes]
    if not sound and not problems:
        raise RunDirectoryError(f"there is no run at or below {path}")
    parts = [episodes.assign(run=number) for number, (_, episodes) in enumerate(sound)]
    results = Results(
        tuple(run for run, _ in sound),
        pd.concat([_nothing().assign(run=0), *parts], ignore_index=True),
        tuple(problems),
    )
    return results.without(_claimed_twice(results.runs))


def _run(folder: Path) -> Run | list[Problem]:
    path = folder / "config.json"
    try:
        config = read_json(path)
        provenance = folder / "provenance.json"
        made = read_json(provenance) if provenance.exists() else {}
    except RunDirectoryError as error:
        return [Problem(path, None, str(error))]
    game, seed = config.get("game"), config.get("seed")
    what = []
    if config.get("schema") != SCHEMA:
        what.append(f"schema {config.get('schema')}, where this version reads {SCHEMA}")
    if game not in GAMES:
        what.append(f"{game!r} is not one of the 49 games")
    if game != folder.parent.name:
        what.append(f"it says game {game!r}, the folder {folder.parent.name!r}")
    if f"seed-{seed}" != folder.name:
        what.append(f"it says seed {seed}, the folder {folder.name!r}")
    if what:
        return [Problem(path, None, one) for one in what]
    settings = config.get("config", {})
    return Run(
        path=folder,
        game=str(game),
        seed=int(str(seed)),
        preset=str(config.get("preset")),
        train_frames=settings.get("training", {}).get("frames", 0),
        finished=(folder / "done.json").exists(),
        settings=settings,
        provenance=made,
    )


def _episodes(folder: Path) -> pd.DataFrame | list[Problem]:
    path = folder / "evaluations.csv"
    if not path.exists():
        return _nothing()
    try:
        table = pd.read_csv(path, dtype=_DTYPES, skip_blank_lines=False)
        sound = (
            tuple(table.columns) == EVALUATIONS
            and set(table["kind"].cat.categories) <= set(_KINDS.categories)
            and set(table["weights"].cat.categories) <= set(_WEIGHTS.categories)
            and bool(table.notna().all(axis=None))
            and bool((table["return"].abs() < math.inf).all())
            and bool((table[["step", "frames"]] >= 0).all(axis=None))
            and path.read_bytes().endswith(b"\n")
        )
    except (ValueError, OSError):  # pandas' own errors are ValueErrors
        sound = False
    if sound:
        return table.drop(columns="seed").astype({"kind": _KINDS, "weights": _WEIGHTS})
    try:
        return list(_damage(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [Problem(path, None, f"cannot be read: {error}")]


def _damage(path: Path) -> Iterator[Problem]:
    """Find every bad line of a file that did not read as a whole."""
    text = path.read_text()
    lines = list(csv.reader(text.splitlines()))
    if not lines or tuple(lines[0]) != EVALUATIONS:
        yield Problem(path, 1, f"the columns are not {','.join(EVALUATIONS)}")
        return
    whole = len(lines) if text.endswith("\n") else len(lines) - 1
    found = [(number, _wrong(cells)) for number, cells in enumerate(lines[1:whole], start=2)]
    problems = [Problem(path, number, what) for number, what in found if what]
    if whole < len(lines):
        problems.append(Problem(path, len(lines), "the line was cut short"))
    yield from problems or [Problem(path, None, "does not read as a table of evaluations")]


def _wrong(cells: list[str]) -> str | None:
    if len(cells) != len(EVALUATIONS):
        return f"{len(cells)} cells instead of {len(EVALUATIONS)}"
    row = dict(zip(EVALUATIONS, cells, strict=True))
    for name, known in (("kind", _KINDS), ("weights", _WEIGHTS)):
        if row[name] not in known.categories:
            return f"{name} {row[name]!r} is none of {', '.join(known.categories)}"
    for name in ("step", "episode", "seed", "frames"):
        if not row[name].isdecimal():
            return f"{name} {row[name]!r} is not a whole number"
    for name in ("truncated", "completed"):
        if row[name] not in ("True", "False"):
            return f"{name} {row[name]!r} is neither True nor False"
    try:
        finite = math.isfinite(float(row["return"]))
    except ValueError:
        finite = False
    return None if finite else f"return {row['return']!r} is not a finite number"


def _nothing() -> pd.DataFrame:
    columns = {**_DTYPES, "kind": _KINDS, "weights": _WEIGHTS}
    del columns["seed"]
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def _claimed_twice(found: Sequence[Run]) -> list[Problem]:
    """Name all runs that claim one game and seed: which of them counts is not ours to say."""
    claims: dict[tuple[str, int], list[Path]] = {}
    for run in found:
        claims.setdefault((run.game, run.seed), []).append(run.path)
    return [
        Problem(
            path / "config.json",
            None,
            f"{game} seed {seed} is claimed by "
            f"{' and '.join(str(other) for other in paths if other != path)} too",
        )
        for (game, seed), paths in claims.items()
        if len(paths) > 1
        for path in paths
    ]


def protocol_mixture(results: Results) -> list[Problem]:
    """Name the runs whose settings differ from those of most, and in what.

    Length of training may differ from game to game, not between the seeds of one game. A
    setting that one of two runs does not know, being older, is no difference.
    """
    if not results.runs:
        return []
    flat = {run.path: _flat(run.settings) for run in results.runs}
    texts = Counter(repr(settings) for settings in flat.values())
    most = texts.most_common(1)[0][0]
    common = next(settings for settings in flat.values() if repr(settings) == most)
    problems = []
    for path, settings in flat.items():
        shared = (name for name in common if name in settings)
        names = [name for name in shared if settings[name] != common[name]]
        if names:
            shown = ", ".join(
                f"{name} {settings[name]!r} (others {common[name]!r})" for name in names[:4]
            )
            what = f"another protocol than most: {shown}"
            problems.append(Problem(path / "config.json", None, what))
    longest: dict[str, int] = {}
    for run in results.runs:
        longest[run.game] = max(longest.get(run.game, 0), run.train_frames)
    for run in results.runs:
        if run.train_frames != longest[run.game]:
            what = (
                f"trained for {run.train_frames:,} frames, another seed of {run.game} for "
                f"{longest[run.game]:,}"
            )
            problems.append(Problem(run.path / "config.json", None, what))
    return problems


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{part}.{name}": value
        for part, values in settings.items()
        for name, value in (values.items() if isinstance(values, dict) else [("", values)])
        if (part, name) not in _FREE
    }
