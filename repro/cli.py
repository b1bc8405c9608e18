"""The command `repro`: parses, then calls the module that does the work.

Exit codes: 0 good, 2 wrong use (one line on standard error), 1 failure.
Nothing heavy is imported before a command needs it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from repro import config, games
from repro.config import flags
from repro.config.flags import OneLineParser, count, natural
from repro.records import RunDirectoryError
from repro.system import disk, terminal
from wrappers.protocol import ProtocolError

WRONG_USE = (games.UnknownGameError, config.ConfigError, ProtocolError, RunDirectoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    with terminal.plain():
        return _run(list(sys.argv[1:] if argv is None else argv))


def _run(arguments: list[str]) -> int:
    try:
        parsed = _parser(arguments).parse_args(arguments)
        return int(parsed.run(parsed))
    except WRONG_USE as error:
        print(f"repro: {disk.one_line(error)}", file=sys.stderr)
        return 2
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


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="repro",
        description="The 2015 Nature DQN on 49 Atari games: train, score, compare.",
        epilog="Exit codes: 0 good, 1 failure, 2 wrong use. `repro COMMAND --help` says more.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (add, doc) in COMMANDS.items():
        command = commands.add_parser(name, help=doc, description=doc)
        if name in arguments[:1]:
            add(command, arguments)
    return parser


def _games(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")

    def run(options: argparse.Namespace) -> int:
        if options.json:
            print(json.dumps([vars(game) for game in games.GAMES.values()], indent=2))
        else:
            for game in games.GAMES.values():
                print(f"{game.name:<22}{game.title}")
        return 0

    parser.set_defaults(run=run)


def _random(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    parser.epilog = (
        "Several of these commands at once, on one machine or many, share a suite: each takes a "
        "game that no other holds, and waits in the end for those that others are playing."
    )
    parser.add_argument("games", nargs="+", metavar="GAME", help="games, or `all` for the 49")
    parser.add_argument(
        "--episodes", type=count, default=30, metavar="N", help="games to play [default 30]"
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="[default 0]")
    parser.add_argument(
        "--out", type=Path, default=Path("results/random"), metavar="SUITE",
        help="folder of the runs [default results/random]",
    )  # fmt: skip
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes [default 1]")

    def run(options: argparse.Namespace) -> int:
        from repro.evaluation.random_player import play_all

        names = list(games.GAMES) if options.games == ["all"] else options.games
        chosen = list(dict.fromkeys(games.find(name) for name in names))
        play_all(chosen, options.seed, options.episodes, options.out, options.jobs)
        return 0

    parser.set_defaults(run=run)


def _train(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    default = flags.chosen_preset(arguments)
    parser.add_argument("game", metavar="GAME", help="one of `repro games`")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="[default 0]")
    flags.add_preset(parser)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... [default cpu]")
    parser.add_argument(
        "--threads", type=flags.threads, metavar="N", help="processor threads [default: all cores]"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    parser.add_argument(
        "--restart", action="store_true",
        help="begin anew; a run that is there is set aside under another name, never removed",
    )  # fmt: skip
    flags.add_settings(parser, default)

    def run(options: argparse.Namespace) -> int:
        chosen = flags.read_settings(options, default)
        atari = chosen.environment == "atari"
        game = games.find(options.game).name if atari else options.game
        suite = options.out or Path("results") / options.preset
        from repro.storage.run import Run
        from repro.training import command

        return command.command(
            Run(game, options.seed, options.preset, chosen),
            suite, options.device, options.threads, not options.quiet, options.restart,
        )  # fmt: skip

    parser.set_defaults(run=run)


def _evaluate(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    _add_trained(parser)
    parser.add_argument(
        "--episodes", type=count, default=30, metavar="N",
        help="games in all; those already recorded are not played again [default 30]",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")

    def run(options: argparse.Namespace) -> int:
        from repro.evaluation import protocols, trained

        returns = []
        for value in trained.score(
            options.run_dir, options.weights, options.episodes, options.device
        ):
            returns.append(value)
            if not options.json:
                print(f"game {len(returns)}/{options.episodes}: {value:g}", flush=True)
        result = protocols.summary(returns)
        if options.json:
            print(json.dumps({"run": str(options.run_dir), "weights": options.weights, **result}))
        else:
            spread = "" if result["sd_return"] is None else f" (s.d. {result['sd_return']:.1f})"
            print(f"{options.weights} network: {result['mean_return']:.1f}{spread}")
        return 0

    parser.set_defaults(run=run)


def _play(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    _add_trained(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=".mp4 or .gif [default RUN/videos/WEIGHTS.mp4]"
    )
    parser.add_argument(
        "--frames", type=natural, default=0, metavar="N",
        help="emulator frames after which the video ends; 0 for the whole game [default 0]",
    )  # fmt: skip
    parser.add_argument(
        "--episode", type=natural, default=0, metavar="N",
        help="which evaluation game; the same number is the same game [default 0]",
    )  # fmt: skip

    def run(options: argparse.Namespace) -> int:
        from repro.evaluation.trained import load
        from repro.studies import video

        trained = load(options.run_dir, options.weights, options.device)
        path = options.out or options.run_dir / "videos" / f"{options.weights}.mp4"
        made = video.record(trained, path, options.episode, options.frames)
        print(
            f"{disk.one_line(path)}: return {made['return']:g} after {made['frames']:,} frames, "
            f"{made['pictures']:,} pictures"
        )
        return 0

    parser.set_defaults(run=run)


def _inspect(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    _add_trained(parser)
    parser.add_argument(
        "--steps", type=count, default=4000, metavar="N",
        help="agent steps to record, of evaluation games [default 4000]",
    )  # fmt: skip
    parser.add_argument(
        "--perplexity", type=float, default=30.0, metavar="X",
        help="of t-SNE: about the number of neighbours of a state on the map [default 30]",
    )  # fmt: skip
    parser.add_argument(
        "--stretch-steps", type=count, default=120, metavar="N",
        help="agent steps of the stretch of play, at most a whole game [default 120]",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="N",
        help="of the map; the games are always the evaluation's [default 0]",
    )  # fmt: skip

    def run(options: argparse.Namespace) -> int:
        from repro.studies import inspection

        found = inspection.inspect(
            options.run_dir, options.weights, options.steps, options.perplexity,
            options.stretch_steps, options.seed, options.device,
        )  # fmt: skip
        start, stop = found["stretch"]
        folder = disk.one_line(options.run_dir / inspection.FOLDER)
        print(
            f"{folder}: {found['steps']:,} steps of {found['game']}, "
            f"the value varies most from {start:,} to {stop - 1:,}"
        )
        return 0

    parser.set_defaults(run=run)


def _doctor(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("results"), metavar="FOLDER",
        help="where runs will be written [default results]",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")

    def run(options: argparse.Namespace) -> int:
        from repro import doctor

        checks = []
        for check in doctor.examine(options.out):
            checks.append(check)
            if not options.json:
                print(
                    f"{check.status:<5} {check.name:<20} {disk.one_line(check.found)}", flush=True
                )
                if check.status != "ok" and check.remedy:
                    print(f"{'':<26} -> {check.remedy}")
        if options.json:
            print(json.dumps([vars(check) for check in checks], indent=2))
        return int(any(check.status == "fail" for check in checks))

    parser.set_defaults(run=run)


def _protocol(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    parser.add_argument("preset", nargs="?", default="nature", help="[default nature]")
    parser.add_argument("other", nargs="?", help="print only what differs from this preset")
    parser.add_argument("--json", action="store_true", help="print JSON")

    def run(options: argparse.Namespace) -> int:
        from repro.config import listing

        found = listing.lines(options.preset, options.other)
        if options.json:
            compared = options.other is not None
            print(json.dumps(listing.as_json(found, compared), indent=2))
        else:
            print(listing.as_text(found, options.preset, options.other))
        return 0

    parser.set_defaults(run=run)


def _add_trained(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_dir", type=Path, metavar="RUN", help="such as results/nature/pong/seed-0"
    )
    parser.add_argument(
        "--weights", choices=("best", "last"), default="best",
        help="network of the best periodic evaluation, or of the end [default best]",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... [default cpu]")


def _module(name: str) -> "Adder":
    """A command with a module of its own."""

    def add(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
        from repro import status, submit
        from repro.evaluation import verify

        modules = {"status": status, "submit": submit, "verify": verify}
        modules[name].add(parser, arguments)

    return add


def _paper(name: str) -> "Adder":
    """A command of paper_tables: the one place where this package calls that one."""

    def add(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
        from paper_tables import commands

        getattr(commands, f"add_{name}")(parser, arguments)

    return add


Adder = Callable[[argparse.ArgumentParser, Sequence[str]], None]
COMMANDS: dict[str, tuple[Adder, str]] = {
    "games": (_games, "List the 49 games."),
    "train": (_train, "Train the agent on a game; the same command again resumes."),
    "submit": (_module("submit"), "Submit games and seeds to SLURM as one array job."),
    "status": (_module("status"), "Show what became of every run of a suite."),
    "evaluate": (_evaluate, "Score a run's network by the final protocol; records each game."),
    "verify": (_module("verify"), "Play a run's final games again: does its score hold?"),
    "play": (_play, "Write a video of a run's agent, with its action values."),
    "inspect": (_inspect, "Record what a run's network makes of its states, for two pictures."),
    "protocol": (_protocol, "Print every setting with unit, source and ledger row."),
    "doctor": (_doctor, "Check whether this machine is ready, and say what to do if not."),
    "tables": (_paper("tables"), "Write the paper's tables, ours beside the printed numbers."),
    "figures": (_paper("figures"), "Draw the paper's figures from a suite: SVG and PNG."),
    "report": (_paper("report"), "Write one HTML page with tables, figures and provenance."),
    "trace": (_paper("trace"), "Hold runs of a game against the original program's own log."),
    "compare": (_paper("compare"), "Compare two suites, or one with a published column."),
    "random": (_random, "Score the random player (a new action every 6th frame, 10 Hz)."),
}

if __name__ == "__main__":
    sys.exit(main())
