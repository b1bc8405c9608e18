"""Published numbers, each with its publication and the protocol behind it."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

_FOLDER = Path(__file__).parent / "reference"


@dataclass(frozen=True)
class Source:
    """Where a table of numbers was printed, and how they were made."""

    file: str
    publication: str
    protocol: str


SOURCES = {
    "nature2015_scores": Source(
        "nature2015_scores.csv",
        "Mnih et al., Human-level control through deep reinforcement learning, Nature 518 "
        "(2015), Extended Data Table 2",
        "no-op starts, 30 games of at most 5 minutes (18,000 emulator frames), epsilon 0.05; "
        "human: about 20 games of at most 5 minutes; random: a new action every sixth frame",
    ),
}


def load(name: str) -> pd.DataFrame:
    """Load a published table, indexed by game (the emulator's ROM names).

    Raises:
        KeyError: naming the tables there are.
    """
    if name not in SOURCES:
        raise KeyError(f"no reference table {name!r}; there are: {', '.join(SOURCES)}")
    return pd.read_csv(_FOLDER / SOURCES[name].file, index_col="game")
