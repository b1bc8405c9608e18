"""The random player beside the printed Random column."""

import numpy as np
import pandas as pd

from paper_tables import reference

DISTANT = 3.0  # standard errors beyond which a game deserves an explanation
RARE = 0.1  # share of games that score at all, below which luck is said to decide


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


def further_games(results: pd.DataFrame, game: str, printed: float) -> str:
    """Say of a distant game what more games of it show.

    Args:
        results: of :func:`repro.records.read_results`, the longer suite.
        game: which one.
        printed: the Random column's mean.
    """
    returns = results.loc[results["game"] == game, "return"]
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    said = (
        f"{len(returns):,} further games have a mean of {returns.mean():.1f} +- {error:.1f}, "
        f"printed are {printed:g}."
    )
    scored = returns[returns != 0]
    if len(scored) < RARE * len(returns):
        said += (
            f" Only {len(scored)} of them scored at all, {scored.mean():.0f} in the mean, so a few "
            "lucky games decide the mean of a small number, and its standard error says little."
        )
    return said
