"""What the released program logged of its own trainings (ledger row 31).

A *curve*, here and in all of the trace, is a DataFrame indexed by ``step`` (agent decisions, of
``FRAMES_PER_STEP`` each) with the columns ``CURVE``; NaN where nothing was logged.
"""

from functools import cache
from pathlib import Path

import pandas as pd

from repro.tables import LAYERS, STATISTICS

_FOLDER = Path(__file__).parents[1] / "reference" / "curves"
FRAMES_PER_STEP = 4
LOGGED = (
    "v",
    "mean_abs_td_error",
    *(f"{layer}_{statistic}" for layer in LAYERS for statistic in STATISTICS),
)
CURVE = (*LOGGED, "score")


def games() -> tuple[str, ...]:
    """The games that the original's logs cover, by name."""
    return tuple(sorted(_read("original_evaluations")["game"].unique()))


def source(game: str) -> str:
    """The repository and commit that a game's log was published in."""
    evaluations = _read("original_evaluations")
    return str(evaluations.loc[evaluations["game"] == game, "source"].iloc[0])


def curve(game: str) -> pd.DataFrame:
    """The original's training of a game: one seed, default settings.

    Raises:
        KeyError: if there is no log of it; see :func:`games`.
    """
    if game not in games():
        raise KeyError(game)
    evaluations, weights = (
        table[table["game"] == game].set_index("step")
        for table in (_read("original_evaluations"), _read("original_weights"))
    )
    measured = evaluations.rename(columns={"mean_max_q": "v", "mean_return": "score"})
    layers = weights.pivot(columns="statistic", values=list(LAYERS))
    layers.columns = pd.Index(["_".join(column) for column in layers.columns])
    return measured.join(layers, how="outer").sort_index()[list(CURVE)].astype("float64")


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(_FOLDER / f"{name}.csv")
