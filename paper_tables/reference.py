"""Published numbers, each with its publication and the protocol behind it."""

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FULL_LENGTH_FRAMES = 200_000_000  # 50 million steps: ledger row 23
_FOLDER = Path(__file__).parent / "reference"


@dataclass(frozen=True)
class Source:
    """Where a table of numbers was printed, and how they were made."""

    publication: str
    protocol: str
    index: str = "game"


@dataclass(frozen=True)
class Published:
    """A published score per game: which table, which column, and what to call it.

    ``frames`` is how long the agent was trained, 0 if it learned in another way or not at all.
    """

    table: str
    column: str
    title: str
    frames: int = 0

    def load(self) -> "pd.Series[float]":
        """One value per game; games that were not reported are left out."""
        return load(self.table)[self.column].dropna()


@dataclass(frozen=True)
class Baseline:
    """Random player (0.0) and human (1.0) of one normalisation, never mixed with another's."""

    title: str
    random: Published
    human: Published


SOURCES = {
    table: Source(**source)
    for table, source in tomllib.loads((_FOLDER / "sources.toml").read_text()).items()
}

_FULL = FULL_LENGTH_FRAMES
COLUMNS = {
    "random": Published("nature2015_scores", "random_unrounded", "random, 2015"),
    "human": Published("nature2015_scores", "human_unrounded", "human, 2015"),
    "linear": Published("nature2015_scores", "best_linear", "best linear, 2015"),
    "contingency": Published("nature2015_scores", "contingency_sarsa", "contingency, 2015"),
    "dqn": Published("nature2015_scores", "dqn", "DQN, 2015", _FULL),
    "wang_dqn": Published("wang2016_noop_starts", "dqn", "DQN, Wang 2016", _FULL),
    "double_dqn": Published("wang2016_noop_starts", "double_dqn", "Double DQN, Wang 2016", _FULL),
    "dueling": Published("wang2016_noop_starts", "dueling", "Dueling, Wang 2016", _FULL),
    "prioritized_rank": Published(
        "wang2016_noop_starts", "prioritized_rank", "Prioritised (rank), Wang 2016", _FULL
    ),
    "double_dqn_untuned": Published(
        "vanhasselt2016_noop_starts", "double_dqn", "Double DQN, van Hasselt 2016", _FULL
    ),
    "double_dqn_human_starts": Published(
        "human_starts", "double_dqn_tuned_vanhasselt2016", "Double DQN, human starts", _FULL
    ),
    "dueling_human_starts": Published(
        "wang2016_human_starts", "dueling", "Dueling, human starts", _FULL
    ),
    "prioritized_human_starts": Published(
        "schaul2016_human_starts", "prioritized", "Prioritised, human starts", _FULL
    ),
    "pfrl": Published("other_reproductions", "pfrl", "PFRL", _FULL),
    "chainerrl": Published("other_reproductions", "chainerrl", "ChainerRL", _FULL),
    "nnabla_rl": Published("other_reproductions", "nnabla_rl_best_mean", "nnabla-rl", _FULL),
}

BASELINES = {
    "nature2015": Baseline("2015 tester", COLUMNS["random"], COLUMNS["human"]),
    "wang2016": Baseline(
        "Wang 2016",
        Published("wang2016_noop_starts", "random", "random, Wang 2016"),
        Published("wang2016_noop_starts", "human", "human, Wang 2016"),
    ),
    "human_starts": Baseline(
        "human starts",
        Published("human_starts", "random", "random, human starts"),
        Published("human_starts", "human", "human, human starts"),
    ),
    "world_record": Baseline(
        "world record",
        COLUMNS["random"],
        Published("human_world_records", "record", "world record"),
    ),
}


@cache
def released_settings() -> dict[str, Any]:
    """Every setting that bears on results, by "part.name", as the released code has it.

    The preset ``nature``, less what only says how far a run goes and how often it is saved.
    """
    parts = json.loads((_FOLDER / "nature_settings.json").read_text())
    return {f"{part}.{name}": v for part, values in parts.items() for name, v in values.items()}


@cache
def _read(name: str) -> "pd.DataFrame":
    import pandas as pd  # late: the commands' parsers need only names

    return pd.read_csv(_FOLDER / f"{name}.csv", index_col=SOURCES[name].index)


def load(name: str) -> "pd.DataFrame":
    """Load a published table, indexed by game (the emulator's ROM names) or by setting.

    Raises:
        KeyError: naming the tables there are.
    """
    if name not in SOURCES:
        raise KeyError(f"no reference table {name!r}; there are: {', '.join(SOURCES)}")
    return _read(name).copy()
