"""`repro status`: every run of a suite in a table. Nothing is written, no run is touched."""

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from repro.cluster import slurm
from repro.cluster.survey import (
    STALE_SECONDS,
    STATES,
    Queue,
    RunStatus,
    Submission,
    submissions,
    survey,
)
from repro.config.flags import count
from repro.records import RunDirectoryError
from repro.system import terminal
from repro.system.disk import one_line

HEADER = (
    "game", "seed", "state", "frames", "of", "frames/s", "last %", "best %", "final %", "left",
    "attempts", "note",
)  # fmt: skip
_LEFT_ALIGNED = {"game", "state", "note"}


def add(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """Arguments of `repro status`."""
    parser.add_argument(
        "suite", nargs="?", type=Path, default=Path("results/nature"), metavar="SUITE",
        help="folder of the runs [default results/nature]",
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", choices=STATES, metavar="STATE", help=f"of {', '.join(STATES)}"
    )
    parser.add_argument(
        "--stale-minutes", type=count, default=int(STALE_SECONDS / 60), metavar="N",
        help="silence after which a run that no queue knows of is stale "
        f"[default {STALE_SECONDS / 60:g}]",
    )  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON; times in seconds")
    form.add_argument(
        "--watch", nargs="?", type=count, const=60, metavar="SECONDS",
        help="look again every so many seconds until Ctrl-C [default 60]",
    )  # fmt: skip

    def run(options: argparse.Namespace) -> int:
        if options.watch is None:
            found = _chosen(options)
            if options.json:
                print(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
            else:
                print(table(found))
            return 0
        try:
            while True:
                text = table(_chosen(options))
                if sys.stdout.isatty():
                    print("\x1b[H\x1b[2J", end="", file=terminal.raw(sys.stdout))
                print(
                    f"{one_line(options.suite)} at {time.strftime('%F %T')}\n{text}\n", flush=True
                )
                time.sleep(options.watch)
        except KeyboardInterrupt:
            return 0

    parser.set_defaults(run=run)


def _chosen(options: argparse.Namespace) -> list[RunStatus]:
    known = submissions(options.suite)
    found = survey(options.suite, known, ask_queue(known), options.stale_minutes * 60)
    if not found:
        raise RunDirectoryError(f"no run was begun or submitted in {options.suite}")
    return [one for one in found if not options.only or one.state in options.only]


def ask_queue(known: Sequence[Submission]) -> Queue | None:
    """What squeue says of these submissions; ``None``, with a line on why, if it cannot say."""
    try:
        return slurm.queue([one.job for one in known])
    except slurm.SlurmError as error:
        print(f"repro: {error}; states are from files alone", file=sys.stderr)
        return None


def table(found: Sequence[RunStatus]) -> str:
    """One line per run below a header, and how many there are in each state."""
    rows = [HEADER, *(_cells(one) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if name in _LEFT_ALIGNED else cell.rjust(width)
            for name, cell, width in zip(HEADER, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", summary(found)])


def summary(found: Sequence[RunStatus]) -> str:
    """Such as ``3 runs: 1 running, 2 done``."""
    states = Counter(one.state for one in found)
    parts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    return f"{len(found)} run{'' if len(found) == 1 else 's'}" + (f": {parts}" if parts else "")


def _cells(one: RunStatus) -> tuple[str, ...]:
    return (
        one_line(one.game), str(one.seed), one.state, f"{one.frames:,}", f"{one.planned_frames:,}",
        _number(one.frames_per_second, 0), _number(one.last_percent), _number(one.best_percent),
        _number(one.final_percent), _span(one.seconds_left), str(one.attempts), one_line(one.note),
    )  # fmt: skip


def _number(value: float | None, decimals: int = 1) -> str:
    return "-" if value is None else f"{value:z,.{decimals}f}"


def _span(seconds: float | None) -> str:
    """Such as ``2d 03h``, ``3h 05m`` or ``7m``."""
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days}d {hours:02}h"
    return f"{hours}h {minutes % 60:02}m" if hours else f"{minutes}m"
