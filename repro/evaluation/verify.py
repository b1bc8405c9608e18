"""`repro verify`: plays the final games of runs again, and says whether their scores hold."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro import records
from repro.config.flags import count
from repro.records import RunDirectoryError
from repro.system import disk

if TYPE_CHECKING:
    from repro.evaluation.verdict import Verdict


def add(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """Arguments of `repro verify`."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="runs, or folders of them: a suite"
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes [default 1]")
    parser.add_argument("--json", action="store_true", help="print JSON; times in seconds")
    parser.set_defaults(run=_command)


def _command(options: argparse.Namespace) -> int:
    def say(line: str) -> None:
        if not options.json:
            print(disk.one_line(line), flush=True)

    folders = list(dict.fromkeys(run for path in options.runs for run in _runs(path)))
    verdicts = []
    for verdict in _verdicts(folders, options.jobs, say):
        verdicts.append(verdict)
        for problem in verdict.problems:
            print(f"repro: {problem}", file=sys.stderr, flush=True)
        if verdict.state == "unverifiable":
            said = disk.one_line(f"{verdict.run}: {verdict.notes[-1]}")
            print(f"repro: {said}", file=sys.stderr, flush=True)
        say(_summary(verdict))
    if options.json:
        print(json.dumps([dataclasses.asdict(one) for one in verdicts], indent=2))
    states = {verdict.state for verdict in verdicts}
    return 1 if "wrong" in states else 2 if "unverifiable" in states else 0


def _verdicts(
    folders: Sequence[Path], jobs: int, say: Callable[[str], None]
) -> Iterator["Verdict"]:
    from repro.evaluation import verdict
    from repro.system import processes

    if jobs == 1:
        for folder in folders:
            say(f"{folder}:")
            yield verdict.verify(folder, say)
        return
    say(f"{len(folders)} runs in {jobs} processes; each is shown when it is done")
    calls = [(folder,) for folder in folders]
    remedy = "runs that were verified until then keep their marks"
    for lines, found in processes.as_completed(_in_a_process, calls, jobs, remedy):
        for line in lines:
            say(line)
        yield found


def _in_a_process(folder: Path) -> tuple[list[str], "Verdict"]:
    from repro.evaluation import verdict

    lines = [f"{folder}:"]
    return lines, verdict.verify(folder, lines.append)


def _runs(path: Path) -> list[Path]:
    found = list(records.runs(path))
    if not found:
        raise RunDirectoryError(f"there is no run at or below {path}")
    return found


def _summary(verdict: "Verdict") -> str:
    parts = [f"{verdict.state}: {verdict.games} games played again"]
    if verdict.state == "verified" and verdict.mean_return is not None:
        parts.append(f"mean return {verdict.mean_return:.2f}")
    parts.append(f"{verdict.frames:,} frames in {verdict.seconds:.1f} s")
    if verdict.state == "wrong":
        parts.append(f"{len(verdict.problems)} problems, on standard error")
    return "  " + "; ".join(parts + verdict.notes)
