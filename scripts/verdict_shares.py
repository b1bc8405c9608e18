"""What the verdicts of Table 2 say of made-up suites whose truth is known.

Each training, the paper's and ours, draws its own level, normal about the truth of its game with
a given spread, and then 30 games, normal with the game's printed standard deviation. The truth of
the paper's is the printed score; ours lies a given part of the way from there to random play. All
but Montezuma's Revenge, where DQN scores as random play does.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator

import numpy as np

from paper_tables import reference
from paper_tables.render import Column, Table, grid
from paper_tables.verdicts import (
    NO_DIFFERENCE,
    PRINTED_EPISODES,
    Effect,
    Score,
    against_printed,
)
from repro.system import terminal

SHORTFALLS_PERCENT = (0, 10, 50)
SPREADS_PERCENT = (10, 40)  # nnabla-rl's three seeds a game: 46 in the median (reference/)
SEEDS = (1, 3, 5, 10)


def main() -> None:
    """Print the table of docs/verdicts.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suites", type=int, default=30, help="made up for each row [30]")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers [0]")
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    rows = [
        _row(generator, *setting, options.suites)
        for setting in itertools.product(SHORTFALLS_PERCENT, SPREADS_PERCENT, SEEDS)
    ]
    columns = (
        Column("shortfall", "truly below by %"),
        Column("spread", "trainings' s.d. %"),
        Column("seeds", "seeds", decimals=0),
        Column("below", "said below %", decimals=0),
        Column(NO_DIFFERENCE, f"{NO_DIFFERENCE} %", decimals=0),
        Column("above", "said above %", decimals=0),
        Column("smallest", "smallest difference, median %", decimals=0),
    )
    print(grid(Table("", "", columns, rows)), end="")


def _row(
    generator: np.random.Generator, shortfall: int, spread: int, seeds: int, suites: int
) -> dict[str, float]:
    effects = [
        effect for _ in range(suites) for effect in _suite(generator, shortfall, spread, seeds)
    ]
    verdicts = [effect.verdict for effect in effects]
    shares = {
        name: 100 * verdicts.count(name) / len(verdicts)
        for name in ("below", NO_DIFFERENCE, "above")
    }
    smallest = float(np.median([100 * effect.margin for effect in effects]))
    return {
        "shortfall": shortfall,
        "spread": spread,
        "seeds": seeds,
        "smallest": smallest,
        **shares,
    }


def _suite(
    generator: np.random.Generator, shortfall: int, spread: int, seeds: int
) -> Iterator[Effect]:
    """A verdict per game, on the scale where random play is 0 and the printed DQN 1."""
    printed = reference.load("nature2015_scores")
    gain = printed["dqn"] - printed["random_unrounded"]
    for sd in (printed["dqn_sd"] / gain)[gain > 0]:
        levels = generator.normal([1.0, *[1 - shortfall / 100] * seeds], spread / 100)
        games = generator.normal(levels[:, None], sd, (seeds + 1, PRINTED_EPISODES))
        means, variances = games.mean(axis=1), games.var(axis=1, ddof=1)
        ours = Score(
            seeds=seeds,
            episodes=seeds * PRINTED_EPISODES,
            mean=float(means[1:].mean()),
            episode_sd=float(np.sqrt(variances[1:].mean())),
            seed_sd=float(means[1:].std(ddof=1)) if seeds > 1 else np.nan,
        )
        yield against_printed(ours, float(means[0]), float(np.sqrt(variances[0])))


if __name__ == "__main__":
    sys.exit(terminal.script(main))
