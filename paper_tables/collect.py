"""A tree of run directories, read strictly: what does not belong is named, never used.

A problem concerns one run and is known by file and line. The runs that have one are left out
as a whole, so no mean is taken over what remained of a file.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from paper_tables.reading import Run, final_games, read_run
from paper_tables.rows import Problem, UnsoundError, nothing
from repro import config
from repro.records import ASIDE, RunDirectoryError
from repro.tables import TABLES

# Settings that may differ between runs that are compared: how far a run has to go is shown
# beside its scores; the rest changes no result.
_FREE = {"training.frames", "training.log_every_steps", "training.heldout_states", *config.free()}
_RUN_FILES = {"config.json", "done.json", *TABLES}


class NoRunError(RunDirectoryError):
    """There is no run, sound or not, where one was looked for."""


@dataclass(frozen=True)
class Results:
    """What a tree holds.

    Attributes:
        runs: the sound ones.
        episodes: a row per evaluation game: ``run``, a position in ``runs``, then the columns
            of evaluations.csv but ``seed``.
        problems: why runs were left out, and what is wrong with a file that a run is shown without.
        others: sound runs of games that the paper has not, which stand beside nothing.
    """

    runs: tuple[Run, ...]
    episodes: pd.DataFrame
    problems: tuple[Problem, ...]
    others: "Results | None" = None

    @property
    def fatal(self) -> tuple[Problem, ...]:
        """Why runs were left out."""
        return tuple(problem for problem in self.problems if not problem.spares)

    def final_scores(self) -> pd.DataFrame:
        """Every game behind a reported score, of finished runs: ``run``, ``game``, ``return``."""
        by_run = dict(list(self.episodes.groupby("run")))
        parts = [
            final_games(run, by_run[number])[["run", "return"]]
            for number, run in enumerate(self.runs)
            if run.finished
        ]
        return self._with_game(pd.concat(parts or [NOTHING.episodes[["run", "return"]]]))

    def periodic(self) -> pd.DataFrame:
        """Each periodic evaluation: ``run``, ``game``, ``step``, ``mean``.

        The mean is that of the games completed, 0 if there are none (ledger row 24).
        """
        rows = self.episodes[self.episodes["kind"] == "periodic"]
        scored = rows["return"].where(rows["completed"])
        means = scored.groupby([rows["run"], rows["step"]]).mean().fillna(0.0)
        return self._with_game(means.rename("mean").reset_index())

    def without(self, problems: Sequence[Problem]) -> "Results":
        """Leave out the runs that these problems are about, unless they are spared."""
        folders = {problem.file.parent for problem in problems if not problem.spares}
        kept = self._only([run.path not in folders for run in self.runs])
        others = self.others and self.others.without(problems)
        return replace(kept, problems=(*self.problems, *problems), others=others)

    def split(self) -> "Results":
        """Set the runs of other games than the paper's apart."""
        of_paper = [run.of_paper for run in self.runs]
        if all(of_paper):
            return self
        others = self._only([not one for one in of_paper])
        return replace(self._only(of_paper), others=replace(others, problems=()))

    def _only(self, wanted: Sequence[bool]) -> "Results":
        kept = [number for number, one in enumerate(wanted) if one]
        place = {number: position for position, number in enumerate(kept)}
        episodes = self.episodes[self.episodes["run"].isin(kept)]
        return replace(
            self,
            runs=tuple(self.runs[number] for number in kept),
            episodes=episodes.assign(run=episodes["run"].map(place).astype("int64")),
        )

    def _with_game(self, rows: pd.DataFrame) -> pd.DataFrame:
        games = [run.game for run in self.runs]
        return rows.assign(game=[games[number] for number in rows["run"]]).reset_index(drop=True)


NOTHING = Results((), nothing().assign(run=0), ())


def collect(path: Path | str) -> Results:
    """Read every run at or below a path, through links too.

    Raises:
        NoRunError: if there is none.
    """
    path = Path(path)
    if not path.exists():
        raise NoRunError(f"there is no run at or below {path}: there is no such folder")
    runs: list[Run] = []
    parts = [NOTHING.episodes]
    problems: list[Problem] = []
    for folder in _folders(path, problems):
        try:
            run, episodes = read_run(folder)
        except UnsoundError as error:
            problems += error.problems
            continue
        parts.append(episodes.assign(run=len(runs)))
        runs.append(run)
        problems += run.spared
    if not runs and not problems:
        raise NoRunError(f"there is no run at or below {path}")
    results = Results(tuple(runs), pd.concat(parts, ignore_index=True), tuple(problems))
    return results.without(_claimed_twice(runs)).split()


def _folders(path: Path, problems: list[Problem]) -> Iterator[Path]:
    """Find the run directories, in order; what cannot be looked into becomes a problem."""
    seen = set()

    def refuse(error: OSError) -> None:
        problems.append(Problem(Path(error.filename), None, f"cannot be read: {error.strerror}"))

    for name, folders, files in os.walk(path, onerror=refuse, followlinks=True):
        real = os.path.realpath(name)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(folder for folder in folders if ASIDE not in folder)
        if _RUN_FILES.intersection(files):
            folders.clear()
            yield Path(name)


def _claimed_twice(runs: Sequence[Run]) -> list[Problem]:
    """Name all runs that claim one game and seed: which of them counts is not ours to say."""
    problems = []
    for run in runs:
        same = [one.path for one in runs if (one.game, one.seed) == (run.game, run.seed)]
        if others := " and ".join(str(path) for path in same if path != run.path):
            what = f"{run.game} seed {run.seed} is claimed by {others} too"
            problems.append(Problem(run.path / "config.json", None, what))
    return problems


def protocol_mixture(results: Results) -> list[Problem]:
    """Name the runs that must not be averaged or compared with the others, and why.

    Those whose settings differ from those of more than half of the runs (all, if no settings
    have more than half), and finished seeds of a game that are shorter than another.
    """
    problems = []
    flat = {run.path: _flat(run) for run in results.runs}
    texts = Counter(repr(settings) for settings in flat.values())
    text, number = texts.most_common(1)[0] if texts else ("", 0)
    common = next((one for one in flat.values() if repr(one) == text), {})
    rule = "other runs have" if 2 * number > len(flat) else "another run has"
    for path, settings in flat.items():
        names = [n for n in {**common, **settings} if settings.get(n) != common.get(n)]
        shown = ", ".join(
            f"{name} {settings.get(name)!r} ({rule} {common.get(name)!r})" for name in names[:4]
        )
        if not names and rule == "another run has" and len(texts) > 1:
            shown = f"as many runs have other settings as these of {path.name}"
        if shown:
            what = f"not of one protocol with the rest: {shown}"
            problems.append(Problem(path / "config.json", None, what))
    finished = [run for run in results.runs if run.finished]
    for run in finished:
        longest = max(one.train_frames for one in finished if one.game == run.game)
        if run.train_frames != longest:
            what = f"trained for {run.train_frames:,} frames, another seed for {longest:,}"
            problems.append(Problem(run.path / "config.json", None, f"{run.game}: {what}"))
    return problems


def _flat(run: Run) -> dict[str, Any]:
    """Every setting that must be the same."""
    given = {(part, name): v for part, values in run.settings.items() for name, v in values.items()}
    return {
        f"{part}.{name}".lstrip("."): value
        for (part, name), value in sorted(given.items())
        if f"{part}.{name}" not in _FREE
    }
