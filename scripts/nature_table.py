"""Regenerate the table of trained runs beside the paper: results/nature/table.csv and table.md."""

import argparse
from pathlib import Path

import pandas as pd

from paper_tables import tables
from repro.records import read_results

HEADER = """# Trained runs beside Extended Data Table 2

Each run under preset `nature`, only its length cut: `train_frames` against the paper's
200,000,000. Final scores are of the best network, over whole games of at most five minutes at
epsilon 0.05. `percent` is of the human score, random play being 0. Made by
`python scripts/nature_table.py` from the runs beside it.

"""
PERIODIC = """
## Along training

Periodic evaluations (125,000 steps each at epsilon 0.05, mean return of completed games).

"""


def main() -> None:
    """Read the runs and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--suite", type=Path, default=Path("results/nature"), help="[default results/nature]"
    )
    suite = parser.parse_args().suite
    results = read_results(suite)
    results = results[results["finished"]]
    table = tables.scores(results)
    table.round(4).to_csv(suite / "table.csv", index=False, lineterminator="\n")
    text = tables.markdown(table.drop(columns=["game"]))
    text += PERIODIC + tables.markdown(periodic(results))
    (suite / "table.md").write_text(HEADER + text)
    print(text)


def periodic(results: pd.DataFrame) -> pd.DataFrame:
    """Mean return of the completed games of each periodic evaluation."""
    rows = results[(results["kind"] == "periodic") & results["completed"]]
    means = rows.groupby(["game", "run_seed", "step"])["return"].agg(["mean", "std", "count"])
    means = means.reset_index()
    means.insert(3, "frames", means["step"] * 4)
    return means.rename(columns={"mean": "mean_return", "std": "sd", "count": "games"})


if __name__ == "__main__":
    main()
