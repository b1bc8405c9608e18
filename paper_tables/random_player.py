"""The random player beside the printed Random column."""

import numpy as np
import pandas as pd

from paper_tables import reference

DISTANT = 3.0  # standard errors beyond which a game deserves an explanation


def compare(results: pd.DataFrame) -> pd.DataFrame:
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
