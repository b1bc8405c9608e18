"""Two sides, game by game and in aggregate: suites of runs, or published columns."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from paper_tables import summary
from paper_tables.caveats import caveats
from paper_tables.collect import Results
from paper_tables.reference import BASELINES, COLUMNS, SOURCES
from paper_tables.render import Column, Table
from paper_tables.tables import GAME, NOT_RUN, our_scores
from paper_tables.verdicts import SEEDS_FOR_SPREAD, SIGNIFICANCE
from repro.games import GAMES
from repro.records import RunDirectoryError


@dataclass(frozen=True)
class Side:
    """A suite of runs, or a published column.

    Attributes:
        name: of either.
        normalised: the human-normalised score per run, by game, for a baseline.
        raw: mean score by game.
        runs: how many are behind each score.
        notes: what a reader must know of it.
    """

    name: str
    normalised: Callable[[str], dict[str, NDArray[np.float64]]]
    raw: dict[str, float]
    runs: dict[str, int]
    notes: list[str]


def side(name: str, load: Callable[[Path], Results]) -> Side:
    """Find what a name means: a suite, or a published column (a key of ``reference.COLUMNS``).

    Raises:
        RunDirectoryError: if it is neither.
    """
    if Path(name).is_dir():
        results = load(Path(name))
        scores = our_scores(results)
        return Side(
            name,
            lambda baseline: summary.run_scores(results, baseline),
            {game: score.mean for game, score in scores.items()},
            {game: score.seeds for game, score in scores.items()},
            [f"{name}: {note}" for note in caveats(results)],
        )
    if name not in COLUMNS:
        raise RunDirectoryError(
            f"{name!r} is neither a folder nor a published column; those are: {', '.join(COLUMNS)}"
        )
    source = SOURCES[COLUMNS[name].table]
    raw = {str(game): score for game, score in COLUMNS[name].load().items()}
    return Side(
        name,
        lambda baseline: summary.published_scores(name, baseline),
        raw,
        dict.fromkeys(raw, 1),
        [f"{name}: {source.publication} ({source.protocol})."],
    )


def compare(one: Side, other: Side, baseline: str, seed: int) -> tuple[Table, Table]:
    """Compare game by game and in aggregate.

    Args:
        one: what is judged.
        other: what it is held against.
        baseline: a key of ``reference.BASELINES``.
        seed: of the bootstrap.
    """
    mine, theirs = one.normalised(baseline), other.normalised(baseline)

    def judged(game: str) -> str:
        if game not in one.raw or game not in other.raw:
            return NOT_RUN
        return _verdict(mine.get(game), theirs.get(game))

    def mean(scores: Mapping[str, NDArray[np.float64]], game: str) -> float:
        return float(scores[game].mean()) if game in scores else math.nan

    games = Table(
        "compare",
        f"{one.name} against {other.name}, game by game",
        (
            *GAME,
            Column("one_is", "", lambda _: one.name),
            Column("other_is", "", lambda _: other.name),
            Column("one", one.name, lambda game: one.raw.get(game, math.nan), 1, NOT_RUN),
            Column("other", other.name, lambda game: other.raw.get(game, math.nan), 1, NOT_RUN),
            Column("one_normalised", "normalised", lambda game: mean(mine, game), 3),
            Column("other_normalised", "normalised", lambda game: mean(theirs, game), 3),
            Column(
                "difference", "difference", lambda game: mean(mine, game) - mean(theirs, game), 3
            ),
            Column("one_runs", "runs", lambda game: one.runs.get(game, 0), 0),
            Column("other_runs", "runs", lambda game: other.runs.get(game, 0), 0),
            Column("verdict", "verdict", judged),
        ),
        [game for game in GAMES if game in one.raw or game in other.raw],
        (
            f"Normalised: 0 is random play, 1 human ({BASELINES[baseline].title}). The verdict is "
            f"of Welch's two-sided t-test at {SIGNIFICANCE:g} over runs, from {SEEDS_FOR_SPREAD} "
            "on either side; with fewer it only says which is higher. No scale: the human is not "
            "above random play.",
            *one.notes,
            *other.notes,
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
    names = ["title", "one", "one_low", "one_high", "other", "other_low", "other_high"]
    rows = [
        (title, *summary.bounds(metric, a, seed), *summary.bounds(metric, b, seed))
        for title, metric in summary.METRICS.values()
    ]
    rows.append(("probability of improvement", *summary.improvement(a, b, seed), *(math.nan,) * 3))
    titles = [one.name, "from", "to", other.name, "from", "to"]
    return Table(
        "compare_aggregates",
        f"{one.name} against {other.name}, over the {len(both)} games that both have",
        (
            Column("title", "metric"),
            *(
                Column(name, title, decimals=3)
                for name, title in zip(names[1:], titles, strict=True)
            ),
        ),
        [dict(zip(names, row, strict=True)) for row in rows],
        (
            f"95% percentile bootstrap, runs resampled within each game (seed {seed}); none unless "
            "every game has two runs, but for a second side with one run of each, which the "
            "probability of improvement takes as it is.",
            *one.notes,
            *other.notes,
        ),
    )
