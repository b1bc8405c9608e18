"""How far runs that are known to be right, or wrong, are from the original: the trace's bounds.

``python scripts/calibrate_trace.py RUN...`` prints a line per run: the verdict of `repro trace`,
what was apart first and from which step on, and the largest distance of each kind within the steps
that are judged, to be held against ``BOUNDS`` of ``paper_tables/trace/rule.py``. The runs may be
of several games; a folder stands for all runs below it. Without arguments: those that the tests
keep, correct ones and those with a mistake made on purpose.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from paper_tables import render
from paper_tables.trace import runs, words
from repro.system import terminal

_KEPT = Path(__file__).parents[1] / "tests" / "paper_tables" / "data" / "traces"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The trace's distances of runs that are known.")
    parser.add_argument("runs", nargs="*", type=Path, default=[_KEPT], metavar="RUN")
    options = parser.parse_args(argv)
    folders = [folder for path in options.runs for folder in runs.folders(path)]
    print(render.grid(words.calibration([runs.read([folder])[0] for folder in folders])))


if __name__ == "__main__":
    sys.exit(terminal.script(main))
