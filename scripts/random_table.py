"""Regenerate the random player's table.csv and table.md beside its runs."""

import argparse
import sys
from pathlib import Path

from paper_tables.random_player import DISTANT, compare, further_games
from paper_tables.render import plain
from repro.records import read_results
from repro.system import terminal

HEADER = """# The random player beside the printed Random column

A new action every sixth frame (10 Hz), minimal action set, no-op starts, at most five
minutes (18,000 emulator frames) a game. Printed: Mnih et al. (2015), Extended Data Table 2.
`distance` is (mean - printed) / standard error of our mean; the printed column has an
unknown error of its own. Made by `python scripts/random_table.py` from the runs beside it.

"""


def main() -> None:
    """Read the runs, write both files, and name the games that need an explanation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--suite",
        type=Path,
        default=Path("results/published/random"),
        help="[default results/published/random]",
    )
    parser.add_argument(
        "--longer", type=Path, default=Path("results/published/random-long"),
        help="more games of those that need an explanation [default results/published/random-long]",
    )  # fmt: skip
    options = parser.parse_args()
    suite = options.suite
    table = compare(read_results(suite))
    table.round(4).to_csv(suite / "table.csv", lineterminator="\n")
    near = int((table["distance"].abs() <= DISTANT).sum())
    summary = f"\n{near} of {len(table)} games are within {DISTANT:g} standard errors.\n"
    distant = table[table["distance"].abs() > DISTANT]
    for game, row in distant.iterrows():
        longer = read_results(options.longer)
        summary += f"\n{row['title']} is beyond. "
        summary += further_games(longer, str(game), row["printed"]) + "\n"
    (suite / "table.md").write_text(HEADER + plain(table) + summary)
    print(plain(table) + summary)


if __name__ == "__main__":
    sys.exit(terminal.script(main))
