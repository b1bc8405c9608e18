"""Regenerate the account of how the trainings of a suite went: its training.md."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from paper_tables import render
from paper_tables.caveats import caveats
from paper_tables.collect import collect
from repro.records import read_json, read_results, read_rows, runs
from repro.system import terminal

HEADER = """# How the trainings went

{caveats}

Final scores stand beside the paper's in [tables/summary.md](tables/summary.md). Made by
`python scripts/training_table.py` from the runs beside it.
"""
PERIODIC = """
## Periodic evaluations

Mean return of the games completed within the evaluation's steps, at epsilon 0.05.

"""
LEARNING = """
## Along training

`return` is the mean of the last 100 training games (at the epsilon beside it), `loss` per
transition, `mean_max_q` over held-out states.

"""
SPREAD = """
## Does the network tell states apart?

The largest action value over states of random play: its mean, how much it varies from state to
state, and how far the best action stands from the worst. A fresh network answers nearly the same
whatever it is shown; until that changes, play cannot improve. Made by
`python scripts/value_spread.py RUN --json RUN/value_spread.json` from the weights, which are not
kept here.

"""
EVERY_FRAMES = 200_000


def main() -> None:
    """Read the finished runs and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--suite",
        type=Path,
        default=Path("results/published/nature-emulator"),
        help="[default results/published/nature-emulator]",
    )
    suite = parser.parse_args().suite
    results = read_results(suite)
    results = results[results["finished"]]
    text = HEADER.format(caveats="\n".join(caveats(collect(suite))))
    text += PERIODIC + render.plain(periodic(results))
    finished = [run for run in runs(suite) if (run / "done.json").exists()]
    text += LEARNING + render.plain(pd.concat(map(along_training, finished)), decimals=4)
    spreads = [spread(run) for run in finished if (run / "value_spread.json").exists()]
    if spreads:
        text += SPREAD + render.plain(pd.concat(spreads), decimals=4)
    (suite / "training.md").write_text(text)
    print(text)


def periodic(results: pd.DataFrame) -> pd.DataFrame:
    """Mean return of the completed games of each periodic evaluation."""
    rows = results[results["kind"] == "periodic"]
    games = rows[rows["completed"]].groupby(["game", "run_seed", "step"])["return"]
    found = pd.DataFrame({"mean_return": games.mean(), "sd": games.std(), "games": games.count()})
    return found.reset_index()


def along_training(run: Path) -> pd.DataFrame:
    """Returns, loss and values of one run every 200,000 frames."""
    logged = ("frames", "updates", "epsilon", "loss", "mean_max_q")
    learning = pd.DataFrame(read_rows(run / "learning.csv", *logged))
    games = pd.DataFrame(read_rows(run / "train_episodes.csv", "frames", "return"))
    rows = learning[learning["frames"] % EVERY_FRAMES == 0]
    returns = [games[games["frames"] <= at]["return"].tail(100).mean() for at in rows["frames"]]
    found = rows.copy()
    found.insert(0, "game", read_json(run / "config.json")["game"])
    found.insert(3, "return", returns)
    return found


def spread(run: Path) -> pd.DataFrame:
    """What scripts/value_spread.py found in a run's network."""
    found = pd.DataFrame(json.loads((run / "value_spread.json").read_text())).T
    found.insert(0, "network", found.index)
    found.insert(0, "game", read_json(run / "config.json")["game"])
    return found


if __name__ == "__main__":
    sys.exit(terminal.script(main))
