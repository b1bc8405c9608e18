"""All games as one number: aggregates of normalised scores, ours beside the printed."""

import numpy as np
from numpy.typing import NDArray

from paper_tables import aggregate
from paper_tables.aggregate import Metric, Scores
from paper_tables.caveats import caveats
from paper_tables.collect import Results
from paper_tables.normalise import human_normalised, scale
from paper_tables.reference import BASELINES, COLUMNS
from paper_tables.render import Column, Table

METRICS: dict[str, tuple[str, Metric]] = {
    "median": ("median", aggregate.median),
    "mean": ("mean", aggregate.mean),
    "interquartile_mean": ("interquartile mean", aggregate.interquartile_mean),
    "optimality_gap": ("optimality gap (lower is better)", aggregate.optimality_gap),
    "share_75": ("share of games at 75% of human", aggregate.share_at_least(0.75)),
    "share_100": ("share of games at 100% of human", aggregate.share_at_least(1.0)),
}


def run_scores(results: Results, baseline: str = "nature2015") -> dict[str, NDArray[np.float64]]:
    """Human-normalised mean of each finished run, ``(runs,)`` per game, in order of game."""
    zero, one = scale(baseline)
    means = results.final_scores().groupby(["game", "run"])["return"].mean()
    return {
        str(game): human_normalised(rows.to_numpy(), zero[game], one[game])
        for game, rows in means.groupby("game")
        if game in zero.index
    }


def published_scores(column: str, baseline: str = "nature2015") -> dict[str, NDArray[np.float64]]:
    """Human-normalised published scores, ``(1,)`` per game; a key of ``reference.COLUMNS``."""
    zero, one = scale(baseline)
    scores = human_normalised(COLUMNS[column].load().reindex(zero.index), zero, one)
    return {str(game): np.array([value]) for game, value in scores.dropna().items()}


def aggregates(results: Results, seed: int = 0, baseline: str = "nature2015") -> Table:
    """Aggregates over the games that were run, beside the printed DQN's over the same and all.

    Args:
        results: trained runs under one protocol.
        seed: of the bootstrap: the same gives the same intervals.
        baseline: a key of ``reference.BASELINES``.
    """
    ours = run_scores(results, baseline)
    printed = published_scores("dqn", baseline)
    both = [game for game in ours if game in printed]
    mine: Scores = [ours[game] for game in both]
    same: Scores = [printed[game] for game in both]
    rows: list[dict[str, object]] = [
        {
            "metric": key,
            "title": title,
            "ours": bounds(metric, mine, seed),
            "dqn_same_games": float(metric(same)) if same else None,
            "dqn_all_games": float(metric(list(printed.values()))),
        }
        for key, (title, metric) in METRICS.items()
    ]
    rows.append(
        {
            "metric": "improvement",
            "title": "probability of improvement over the printed DQN",
            "ours": improvement(mine, same, seed),
        }
    )
    return Table(
        "aggregates",
        "Aggregates of human-normalised scores (1 is human, 0 is random play)",
        (
            Column("metric", ""),
            Column("title", "metric"),
            Column("ours", f"ours, {len(both)} games", lambda row: row["ours"][0], 3, "not run"),
            Column("low", "from", lambda row: row["ours"][1], 3),
            Column("high", "to", lambda row: row["ours"][2], 3),
            Column("dqn_same_games", f"DQN, the same {len(both)}", decimals=3),
            Column("dqn_all_games", f"DQN, all {len(printed)}", decimals=3),
        ),
        rows,
        (
            f"Normalised by {BASELINES[baseline].title}; runs per game: "
            f"{_runs_per_game(mine)}. Intervals: 95%, percentile bootstrap with runs resampled "
            f"within each game (seed {seed}); none unless every game has two runs.",
            *caveats(results),
        ),
    )


def bounds(
    metric: Metric, scores: Scores, seed: int, fixed: Scores = ()
) -> tuple[float, float, float]:
    """Value and interval of a metric, see :func:`aggregate.bootstrap`; NaN where no scores are."""
    if not scores:
        return np.nan, np.nan, np.nan
    interval = aggregate.bootstrap(metric, scores, np.random.default_rng(seed), fixed=fixed)
    return float(interval.value), float(interval.low), float(interval.high)


def improvement(one: Scores, other: Scores, seed: int) -> tuple[float, float, float]:
    """Probability of improvement of one side over the other; NaN where there are no scores.

    Runs of both sides are resampled, but not those of a side with a single run of every game.
    """
    metric = aggregate.probability_of_improvement
    if all(len(game) == 1 for game in other):
        return bounds(metric, one, seed, fixed=other)
    return bounds(metric, [*one, *other], seed)


def _runs_per_game(scores: Scores) -> str:
    counts = sorted({len(game) for game in scores})
    return " to ".join(str(count) for count in (counts[:1] + counts[1:][-1:])) or "none"
