"""`repro trace`: runs of a game beside the original program's own log."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from repro.system.disk import one_line

CODES = {"alike": 0, "apart": 1, "too short": 3}


def add_trace(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro trace`."""
    parser.epilog = (
        "Exit codes: 0 alike, 1 apart, 3 too short to say, 2 wrong use. The runs may be in "
        "progress. The rule is in docs/trace.md."
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="runs of one game, or folders of them, such as results/nature/pong",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where trace-GAME.svg and .png go [default SUITE/figures of the first run]",
    )
    parser.add_argument("--no-figure", action="store_true", help="draw nothing")

    def run(options: argparse.Namespace) -> int:
        from paper_tables.trace import rule, runs, words

        trace = rule.trace(runs.read(options.runs))
        drawn: Sequence[Path] = ()
        if not options.no_figure:
            from paper_tables import style
            from paper_tables.commands import make_folder
            from paper_tables.trace import panels

            folder = options.out or trace.runs[0].run.path.resolve().parents[1] / "figures"
            make_folder(folder)
            drawn = style.save(panels.draw(trace), folder, f"trace-{trace.game}")
        if options.json:
            files = {"figures": [str(path) for path in drawn]}
            print(json.dumps(words.as_json(trace) | files, indent=2, allow_nan=False))
        else:
            print(words.as_text(trace))
            for path in drawn:
                print(one_line(path))
        return CODES[trace.verdict]

    parser.set_defaults(run=run)
