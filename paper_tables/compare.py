"""Two sides, game by game and in aggregate: suites of runs, or published columns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from paper_tables import summary
from paper_tables.caveats import caveats
from paper_tables.collect import Results
from paper_tables.reference import BASELINES, COLUMNS, SOURCES
from paper_tables.render import Column, Table
from paper_tables.tables import our_scores
from paper_tables.verdicts import SEEDS_FOR_SPREAD, SIGNIFICANCE
from repro.games import GAMES
from repro.records import RunDirectoryError


@dataclass(frozen=True)
class Side:
    """A suite's results, or a published column (``results`` is ``None``)."""

    name: str
    results: Results | None

    def scores(self, baseline: str) -> dict[str, NDArray[np.float64]]:
        """Human-normalised score per run, by game."""
        if self.results is None:
            return summary.published_scores(self.name, baseline)
        return summary.run_scores(self.results, baseline)

    def raw(self) -> "pd.Series[float]":
        """Mean score by game."""
        if self.results is None:
            return COLUMNS[self.name].load()
        found = {game: score.mean for game, score in our_scores(self.results).items()}
        return pd.Series(found, dtype=float)

    def runs(self) -> dict[str, int]:
        """How many runs are behind each score."""
        if self.results is None:
            return dict.fromkeys(COLUMNS[self.name].load().index, 1)
        return {game: score.seeds for game, score in our_scores(self.results).items()}

    def notes(self) -> list[str]:
        """What a reader must know of it."""
        if self.results is None:
            source = SOURCES[COLUMNS[self.name].table]
            return [f"{self.name}: {source.publication} ({source.protocol})."]
        return [f"{self.name}: {note}" for note in caveats(self.results)]


def side(name: str, load: Callable[[Path], Results]) -> Side:
    """Find what a name means: a suite, or a published column (a key of ``reference.COLUMNS``).

    Raises:
        RunDirectoryError: if it is neither.
    """
    if Path(name).is_dir():
        return Side(name, load(Path(name)))
    if name not in COLUMNS:
        raise RunDirectoryError(
            f"{name!r} is neither a folder nor a published column; those are: {', '.join(COLUMNS)}"
        )
    return Side(name, None)


def compare(one: Side, other: Side, baseline: str, seed: int) -> tuple[Table, Table]:
    """Compare game by game and in aggregate.

    Args:
        one: what is judged.
        other: what it is held against.
        baseline: a key of ``reference.BASELINES``.
        seed: of the bootstrap.
    """
    mine, theirs = one.scores(baseline), other.scores(baseline)
    raw_mine, raw_theirs = one.raw(), other.raw()
    runs_mine, runs_theirs = one.runs(), other.runs()
    rows = []
    for name, game in GAMES.items():
        if name not in raw_mine and name not in raw_theirs:
            continue
        a, b = mine.get(name), theirs.get(name)
        rows.append(
            {
                "game": name,
                "title": game.title,
                "one_is": one.name,
                "other_is": other.name,
                "one": raw_mine.get(name, np.nan),
                "other": raw_theirs.get(name, np.nan),
                "one_normalised": np.nan if a is None else a.mean(),
                "other_normalised": np.nan if b is None else b.mean(),
                "difference": np.nan if a is None or b is None else a.mean() - b.mean(),
                "one_runs": runs_mine.get(name, 0),
                "other_runs": runs_theirs.get(name, 0),
                "verdict": _verdict(a, b) if name in raw_mine and name in raw_theirs else "not run",
            }
        )
    columns = ("one", "other", "one_normalised", "other_normalised", "difference")
    frame = pd.DataFrame(rows, columns=[
        "game", "title", "one_is", "other_is", *columns, "one_runs", "other_runs", "verdict",
    ])  # fmt: skip
    games = Table(
        "compare",
        f"{one.name} against {other.name}, game by game",
        frame,
        (
            Column("title", "game"),
            Column("one", one.name, 1, "not run"),
            Column("other", other.name, 1, "not run"),
            Column("one_normalised", "normalised", 3),
            Column("other_normalised", "normalised", 3),
            Column("difference", "difference", 3),
            Column("one_runs", "runs", 0),
            Column("other_runs", "runs", 0),
            Column("verdict", "verdict"),
        ),
        (
            f"Normalised: 0 is random play, 1 human ({BASELINES[baseline].title}). The verdict is "
            f"of Welch's two-sided t-test at {SIGNIFICANCE:g} over runs, from {SEEDS_FOR_SPREAD} "
            "on either side; with fewer it only says which is higher. No scale: the human is not "
            "above random play.",
            *one.notes(),
            *other.notes(),
        ),
    )
    return games, _aggregates(one, other, mine, theirs, seed)


def _verdict(one: NDArray[np.float64] | None, other: NDArray[np.float64] | None) -> str:
    if one is None or other is None:
        return "no scale"
    if one.mean() == other.mean():
        return "equal"
    side = "above" if one.mean() > other.mean() else "below"
    if min(len(one), len(other)) < SEEDS_FOR_SPREAD:
        return f"{side}, untested"
    if one.std() == 0 and other.std() == 0:
        return side
    test = stats.ttest_ind(one, other, equal_var=False)
    return side if float(test.pvalue) < SIGNIFICANCE else "no difference found"


def _aggregates(
    one: Side,
    other: Side,
    mine: dict[str, NDArray[np.float64]],
    theirs: dict[str, NDArray[np.float64]],
    seed: int,
) -> Table:
    both = [game for game in mine if game in theirs]
    a, b = [mine[game] for game in both], [theirs[game] for game in both]
    rows = [
        (title, *summary.bounds(metric, a, seed), *summary.bounds(metric, b, seed))
        for title, metric in summary.METRICS.values()
    ]
    missing = (np.nan,) * 3
    rows.append(("probability of improvement", *summary.improvement(a, b, seed), *missing))
    names = ["one", "one_low", "one_high", "other", "other_low", "other_high"]
    titles = [one.name, "from", "to", other.name, "from", "to"]
    return Table(
        "compare_aggregates",
        f"{one.name} against {other.name}, over the {len(both)} games that both have",
        pd.DataFrame(rows, columns=["title", *names]),
        (
            Column("title", "metric"),
            *(Column(name, title, 3) for name, title in zip(names, titles, strict=True)),
        ),
        (
            f"95% percentile bootstrap, runs resampled within each game (seed {seed}); none unless "
            "every game has two runs, but for a second side with one run of each, which the "
            "probability of improvement takes as it is.",
            *one.notes(),
            *other.notes(),
        ),
    )
