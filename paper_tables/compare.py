"""Two sides, game by game and in aggregate: suites of runs, or published columns."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paper_tables import summary
from paper_tables.caveats import caveats
from paper_tables.collect import NoRunError, Results
from paper_tables.reference import BASELINES, COLUMNS, SOURCES
from paper_tables.render import Column, Table
from paper_tables.standing import NOT_RUN, our_scores, trained_frames
from paper_tables.tables import GAME
from paper_tables.verdicts import SEEDS_FOR_SPREAD, SIGNIFICANCE, TOO_SHORT, Effect, welch_margin
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
        frames: how long they were trained, of those that were.
        notes: what a reader must know of it.
    """

    name: str
    normalised: Callable[[str], dict[str, NDArray[np.float64]]]
    raw: dict[str, float]
    runs: dict[str, int]
    frames: dict[str, int]
    notes: list[str]


def side(name: str, load: Callable[[Path], Results]) -> Side:
    """Find what a name means: a suite, or a published column (a key of ``reference.COLUMNS``).

    Raises:
        RunDirectoryError: if it is neither.
    """
    if name not in COLUMNS or Path(name).is_dir():
        results = _loaded(Path(name), load)
        scores = our_scores(results)
        return Side(
            name,
            lambda baseline: summary.run_scores(results, baseline),
            {game: score.mean for game, score in scores.items()},
            {game: score.seeds for game, score in scores.items()},
            trained_frames(results),
            [f"{name}: {note}" for note in caveats(results)],
        )
    source = SOURCES[COLUMNS[name].table]
    raw = {str(game): score for game, score in COLUMNS[name].load().items()}
    return Side(
        name,
        lambda baseline: summary.published_scores(name, baseline),
        raw,
        dict.fromkeys(raw, 1),
        dict.fromkeys(raw, frames) if (frames := COLUMNS[name].frames) else {},
        [f"{name}: {source.publication} ({source.protocol})."],
    )


def _loaded(path: Path, load: Callable[[Path], Results]) -> Results:
    try:
        return load(path)
    except NoRunError as error:
        raise RunDirectoryError(
            f"{str(path)!r} is neither a folder nor a published column; those are: "
            f"{', '.join(COLUMNS)}"
        ) from error


def compare(one: Side, other: Side, baseline: str, seed: int) -> tuple[Table, Table]:
    """Compare game by game and in aggregate.

    Args:
        one: what is judged.
        other: what it is held against.
        baseline: a key of ``reference.BASELINES``.
        seed: of the bootstrap.
    """
    mine, theirs = one.normalised(baseline), other.normalised(baseline)

    effects = {game: _effect(mine[game], theirs[game]) for game in mine.keys() & theirs.keys()}

    def judged(game: str) -> str:
        if game not in one.raw or game not in other.raw:
            return NOT_RUN
        lengths = {side.frames[game] for side in (one, other) if game in side.frames}
        if len(lengths) > 1:
            return TOO_SHORT
        return effects[game].verdict if game in effects else "no scale"

    def mean(scores: Mapping[str, NDArray[np.float64]], game: str) -> float:
        return float(scores[game].mean()) if game in scores else math.nan

    def difference(game: str, side: int = 0) -> float:
        effect = effects.get(game, _UNKNOWN)
        return effect.difference + side * effect.margin if side else effect.difference

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
            Column("difference", "difference", difference, 3),
            Column("difference_low", "from", lambda game: difference(game, -1), 3),
            Column("difference_high", "to", lambda game: difference(game, 1), 3),
            Column("one_runs", "runs", lambda game: one.runs.get(game, 0), 0),
            Column("other_runs", "runs", lambda game: other.runs.get(game, 0), 0),
            Column("one_frames", "", one.frames.get),
            Column("other_frames", "", other.frames.get),
            Column("verdict", "verdict", judged),
        ),
        [game for game in GAMES if game in one.raw or game in other.raw],
        (
            f"Normalised: 0 is random play, 1 human ({BASELINES[baseline].title}). The verdict, "
            "and the interval of the difference, are of Welch's two-sided t-test at "
            f"{SIGNIFICANCE:g} over runs, from {SEEDS_FOR_SPREAD} on either side; half the "
            "interval is the smallest difference that would have been called one. With fewer runs "
            f"it only says which is higher. {TOO_SHORT.capitalize()}: one side was trained for "
            "fewer frames than the "
            "other. No scale: the human is not above random play.",
            *one.notes,
            *other.notes,
        ),
    )
    return games, _aggregates(one, other, mine, theirs, seed)


_UNKNOWN = Effect(math.nan, math.nan)


def _effect(one: NDArray[np.float64], other: NDArray[np.float64]) -> Effect:
    margin = math.nan
    if min(len(one), len(other)) >= SEEDS_FOR_SPREAD:
        margin = welch_margin(one.std(ddof=1), len(one), other.std(ddof=1), len(other))
    return Effect(float(one.mean() - other.mean()), margin)


def _aggregates(
    one: Side,
    other: Side,
    mine: dict[str, NDArray[np.float64]],
    theirs: dict[str, NDArray[np.float64]],
    seed: int,
) -> Table:
    both = [game for game in mine if game in theirs]
    # Of a side that has no run yet there is nothing; the other is shown all the same.
    alone = not (mine and theirs)
    a, b = ([scores[game] for game in (scores if alone else both)] for scores in (mine, theirs))
    names = ["title", "one", "one_low", "one_high", "other", "other_low", "other_high"]
    rows = [
        (title, *summary.bounds(metric, a, seed), *summary.bounds(metric, b, seed))
        for title, metric in summary.METRICS.values()
    ]
    better = summary.improvement(a, b, seed) if both else (math.nan,) * 3
    rows.append(("probability of improvement", *better, *(math.nan,) * 3))
    titles = [one.name, "from", "to", other.name, "from", "to"]
    return Table(
        "compare_aggregates",
        f"{one.name} against {other.name}, over the {max(len(a), len(b))} games that "
        + ("only one has" if alone else "both have"),
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
