"""`repro status`: every run of a suite in a table. Nothing is written, no run is touched."""

import argparse
import contextlib
import io
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from repro import places
from repro.cluster.survey import STALE_SECONDS, STATES, RunStatus, look
from repro.config.flags import count
from repro.records import RunDirectoryError
from repro.system import terminal
from repro.system.disk import one_line

_HEADER = (
    "game", "seed", "state", "frames", "of", "frames/s", "last %", "best %", "final %", "left",
    "attempts", "note",
)  # fmt: skip
_SCORES = ("last", "best", "final")
_KEYS = (
    "game", "seed", "state", "frames", "planned_frames", "frames_per_second",
    *(f"{score}_score" for score in _SCORES), "seconds_left", "attempts", "note",
)  # fmt: skip
_TEXTS = ("game", "state", "note")
_ALL_LETTERS = 100_000  # more than a line has; nothing is folded or cut


def add(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """Arguments of `repro status`."""
    parser.add_argument(
        "suite", nargs="?", type=Path, default=places.own("nature"), metavar="SUITE",
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
    parser.set_defaults(run=command)


def command(options: argparse.Namespace) -> int:
    """What `repro status` does once its flags are understood; returns the exit code.

    Raises:
        RunDirectoryError: if there is no run, or the record of a submission is damaged.
    """
    if options.json:
        print(json.dumps([record(run) for run in _chosen(options)], indent=2))
    elif options.watch is None:
        print(table(_chosen(options)))
    with contextlib.suppress(KeyboardInterrupt):
        while options.watch is not None:
            text = table(_chosen(options))
            if sys.stdout.isatty():
                print("\x1b[H\x1b[2J", end="", file=terminal.raw(sys.stdout))
            print(f"{one_line(options.suite)} at {time.strftime('%F %T')}\n{text}\n", flush=True)
            time.sleep(options.watch)
    return 0


def _chosen(options: argparse.Namespace) -> list[RunStatus]:
    runs = look(options.suite, "states are from files alone", options.stale_minutes * 60)
    if not runs:
        raise RunDirectoryError(f"no run was begun or submitted in {options.suite}")
    return [run for run in runs if not options.only or run.state in options.only]


def record(run: RunStatus) -> dict[str, Any]:
    """A run for programs: scores are mean raw returns, ``None`` where there is none yet."""
    found = {name: getattr(run, name) for name in _KEYS}
    return found | {f"{score}_percent": run.percent(score) for score in _SCORES}


def table(runs: Sequence[RunStatus]) -> str:
    """One line per run below a header, and how many there are in each state."""
    shown = Table(box=None, pad_edge=False)
    for name in _HEADER:
        shown.add_column(name, justify="left" if name in _TEXTS else "right", no_wrap=True)
    for run in runs:
        shown.add_row(*map(Text, _cells(run)))
    text = io.StringIO()
    Console(file=text, width=_ALL_LETTERS, color_system=None).print(shown)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([*lines, "", summary(runs)])


def summary(runs: Sequence[RunStatus]) -> str:
    """Such as ``3 runs: 1 running, 2 done``."""
    states = Counter(run.state for run in runs)
    parts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'}" + (f": {parts}" if parts else "")


def _cells(run: RunStatus) -> tuple[str, ...]:
    return (
        one_line(run.game), str(run.seed), run.state, f"{run.frames:,}", f"{run.planned_frames:,}",
        _number(run.frames_per_second, 0), *(_number(run.percent(score)) for score in _SCORES),
        _span(run.seconds_left), str(run.attempts), one_line(run.note),
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
