"""The command `repro`: parses, then calls the module that does the work.

Exit codes: 0 good, 2 wrong use (one line on standard error), 1 failure, 75 (EX_TEMPFAIL of BSD's
sysexits) if another process holds the run.
Nothing heavy is imported before a command needs it.
"""

import argparse
import functools
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from repro import __version__, config, games
from repro.config.flags import OneLineParser
from repro.records import RunDirectoryError
from repro.storage.lock import HeldError
from repro.system import disk, terminal
from wrappers.ids import OtherProtocolWarning
from wrappers.protocol import ProtocolError

WRONG_USE = (games.UnknownGameError, config.ConfigError, ProtocolError, RunDirectoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    terminal.draw_to_files()
    with terminal.plain(), warnings.catch_warnings():
        warnings.showwarning = functools.partial(_show, warnings.showwarning)
        return _run(list(sys.argv[1:] if argv is None else argv))


def _show(otherwise: Callable[..., None], message: Any, category: type, *where: Any) -> None:
    """A warning of ours in one line, without the line of code it is from."""
    if issubclass(category, OtherProtocolWarning):
        print(f"repro: {disk.one_line(message)}", file=sys.stderr)
    else:
        otherwise(message, category, *where)


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    try:
        parsed = parser(arguments).parse_args(arguments or ["--help"])
        return int(parsed.run(parsed))
    except WRONG_USE as error:
        print(f"repro: {disk.one_line(error)}", file=sys.stderr)
        return os.EX_TEMPFAIL if isinstance(error, HeldError) else 2
    except BrokenPipeError:  # whoever read our output has had enough
        sys.stderr.close()
        return 0
    except (OSError, RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(f"repro: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("repro: interrupted", file=sys.stderr)
        return 130


def parser(arguments: Sequence[str], whole: bool = False) -> argparse.ArgumentParser:
    """A parser of the command among the arguments, or of all: each loads modules of its own."""
    made = OneLineParser(
        prog="repro",
        description="The 2015 Nature DQN on 49 Atari games: train, score, compare.",
        epilog="Exit codes: 0 good, 1 failure, 2 wrong use, 75 another process holds the run. "
        "`repro help COMMAND` says more.",
    )
    made.add_argument("--version", action="version", version=f"repro {__version__}")
    commands = made.add_subparsers(metavar="COMMAND", required=True)
    for name, (place, doc) in COMMANDS.items():
        command = commands.add_parser(name, help=doc, description=doc)
        if whole or name in arguments[:1]:
            module, function = place.split(":")
            getattr(importlib.import_module(module), function)(command, arguments)
    return made


def add_study(command: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro study` takes: trainings, and then what paper_tables make of them."""
    from repro.config.study import Study
    from repro.training import study

    def draw(wanted: Study, folder: Path, write: bool) -> None:
        from paper_tables import studies

        print(studies.show(wanted, folder, write))

    study.add(command, draw)


COMMANDS = {  # name to the function that adds its flags, and what it does
    "games": ("repro.commands:add_games", "List the 49 games."),
    "train": (
        "repro.training.flags:add_train",
        "Train the agent on a game; the same command again resumes.",
    ),
    "resume": ("repro.training.flags:add_resume", "Go on with a run, or make it longer."),
    "study": (
        "repro.cli:add_study",
        "Compare configurations over games and seeds: train, tabulate, draw.",
    ),
    "submit": ("repro.cluster.submit:add", "Submit games and seeds to SLURM as one array job."),
    "status": ("repro.cluster.status:add", "Show what became of every run of a suite."),
    "evaluate": (
        "repro.commands:add_evaluate",
        "Score a run's network by the final protocol; records each game.",
    ),
    "verify": (
        "repro.evaluation.verify:add",
        "Play a run's final games again: does its score hold?",
    ),
    "play": ("repro.commands:add_play", "Write a video of a run's agent, with its action values."),
    "inspect": (
        "repro.commands:add_inspect",
        "Record what a run's network makes of its states, for two pictures.",
    ),
    "protocol": (
        "repro.commands:add_protocol",
        "Print every setting with unit, source and ledger row.",
    ),
    "doctor": (
        "repro.commands:add_doctor",
        "Check whether this machine is ready, and say what to do if not.",
    ),
    "tables": (
        "paper_tables.commands:add_tables",
        "Write the paper's tables, ours beside the printed numbers.",
    ),
    "figures": (
        "paper_tables.commands:add_figures",
        "Draw the paper's figures from a suite: SVG and PNG.",
    ),
    "report": (
        "paper_tables.commands:add_report",
        "Write one HTML page with tables, figures and provenance.",
    ),
    "trace": (
        "paper_tables.trace.command:add_trace",
        "Hold runs of a game against the original program's own log.",
    ),
    "compare": (
        "paper_tables.commands:add_compare",
        "Compare two suites, or one with a published column.",
    ),
    "random": (
        "repro.commands:add_random",
        "Score the random player (a new action every 6th frame, 10 Hz).",
    ),
    "benchmark": (
        "repro.studies.benchmark:add",
        "Measure how fast each part of a training is here, and what a run will take.",
    ),
    "completion": (
        "repro.completion:add",
        "Print a script that completes commands, flags and games in a shell.",
    ),
}

if __name__ == "__main__":
    sys.exit(main())
