"""Our scores beside the paper's, as DataFrames and as Markdown."""

import numpy as np
import pandas as pd

from paper_tables import reference
from paper_tables.normalise import human_normalised

DISTANT = 3.0  # standard errors beyond which a game deserves an explanation


def random_player(results: pd.DataFrame) -> pd.DataFrame:
    """Compare the random player with the printed Random column.

    Args:
        results: of :func:`repro.records.read_results`, the random suite.

    Returns:
        Indexed by game: ``title``, ``printed``, ``episodes``, ``mean``, ``sd``,
        ``standard_error``, and ``distance``, the difference in standard errors of ours
        (infinite if all our games ended alike, and otherwise than printed; NaN where not run).
    """
    printed = reference.load("nature2015_scores")
    games = results[results["kind"] == "final"].groupby("game")["return"]
    table = pd.DataFrame({"title": printed["title"], "printed": printed["random_unrounded"]})
    table["episodes"] = games.count().reindex(table.index, fill_value=0)
    table["mean"] = games.mean()
    table["sd"] = games.std(ddof=1)
    table["standard_error"] = table["sd"] / np.sqrt(table["episodes"].where(table["episodes"] > 0))
    difference = table["mean"] - table["printed"]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = difference / table["standard_error"]
    table["distance"] = distance.where(difference != 0, 0.0).where(table["mean"].notna())
    return table


def all_alike(results: pd.DataFrame, game: str, printed: float, episodes: int) -> str:
    """Explain a printed score that no game of ours reached, from a longer suite of games.

    Args:
        results: of :func:`repro.records.read_results`, the longer suite.
        game: which one.
        printed: the Random column's mean.
        episodes: games behind our own mean.
    """
    returns = results.loc[results["game"] == game, "return"]
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    share = float((returns > 0).mean())
    return (
        f"{len(returns):,} further games: {int((returns > 0).sum())} of them scored at all "
        f"({100 * share:.1f}%), with a mean of {returns.mean():.1f} +- {error:.1f} over all and "
        f"{returns[returns > 0].mean():.0f} over those that did. Scores are this rare and this "
        f"large, so {episodes} games are all zero with a chance of "
        f"{100 * (1 - share) ** episodes:.0f}%, and a mean of {printed:g} over {episodes} games "
        f"is a total of {printed * episodes:,.0f} points."
    )


def scores(results: pd.DataFrame) -> pd.DataFrame:
    """Put our final scores beside Extended Data Table 2, for the games that were run.

    Args:
        results: of :func:`repro.records.read_results`, trained runs.

    Returns:
        One row per run: ``title``, ``run_seed``, ``train_frames``, ``random``, ``human``,
        ``dqn``, ``dqn_sd`` (printed), ``ours``, ``ours_sd``, ``episodes``, ``dqn_percent``
        and ``ours_percent`` of the human score.
    """
    printed = reference.load("nature2015_scores")
    final = results[results["kind"] == "final"]
    # Should a run have been scored before its end, only its latest network counts.
    latest = final.groupby(["game", "run_seed", "weights"])["step"].transform("max")
    final = final[final["step"] == latest]
    keys = ["game", "run_seed", "train_frames", "weights"]
    ours = final.groupby(keys)["return"]
    ran = pd.DataFrame({"ours": ours.mean(), "ours_sd": ours.std(), "episodes": ours.count()})
    table = ran.reset_index().join(printed, on="game")
    table["random"], table["human"] = table["random_unrounded"], table["human_unrounded"]
    for name in ("dqn", "ours"):
        table[f"{name}_percent"] = 100 * human_normalised(
            table[name], table["random"], table["human"]
        )
    return table[
        [*keys, "title", "random", "human", "dqn", "dqn_sd", "ours", "ours_sd", "episodes",
         "dqn_percent", "ours_percent"]
    ]  # fmt: skip


def markdown(table: pd.DataFrame, decimals: int = 1) -> str:
    """Render a table as Markdown: text to the left, numbers to the right; ``-`` for missing."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    cells = [[_cell(value, decimals) for value in row] for row in table.itertuples(index=False)]
    header = [str(name) for name in table.columns]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(row: list[str]) -> str:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if right else "-" * width
        for width, right in zip(widths, numeric, strict=True)
    ]
    return "\n".join([line(header), line(rule), *map(line, cells)]) + "\n"


def _cell(value: object, decimals: int) -> str:
    if isinstance(value, float):
        if np.isnan(value):
            return "-"
        return "inf" if np.isinf(value) else f"{value:,.{decimals}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
