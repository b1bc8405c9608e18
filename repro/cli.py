"""The command `repro`: parses, then calls the module that does the work.

Exit codes: 0 good, 2 wrong use (one line on standard error), 1 failure.
Nothing heavy is imported before a command needs it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from repro import config, flags, games
from repro.flags import OneLineParser, count, natural
from repro.records import RunDirectoryError
from wrappers.protocol import ProtocolError

WRONG_USE = (games.UnknownGameError, config.ConfigError, ProtocolError, RunDirectoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        parsed = _parser(arguments).parse_args(arguments)
        return int(parsed.run(parsed))
    except WRONG_USE as error:
        print(f"repro: {error}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError, MemoryError) as error:
        print(f"repro: {error or type(error).__name__}", file=sys.stderr)
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
        from repro.random_play import play_all

        names = list(games.GAMES) if options.games == ["all"] else options.games
        chosen = [games.find(name) for name in names]
        play_all(chosen, options.seed, options.episodes, options.out, options.jobs)
        return 0

    parser.set_defaults(run=run)


def _train(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    early = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    early.add_argument("--preset", default="nature")
    default = config.preset(early.parse_known_args(list(arguments))[0].preset)
    parser.add_argument("game", metavar="GAME", help="one of `repro games`")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="[default 0]")
    parser.add_argument(
        "--preset", choices=config.PRESETS, default="nature",
        help="configuration to start from; its values are the defaults below [default nature]",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="SUITE", help="folder of the runs [default results/PRESET]"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... [default cpu]")
    parser.add_argument(
        "--threads", type=count, metavar="N", help="processor threads [default: all cores]"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    flags.add_settings(parser, default)

    def run(options: argparse.Namespace) -> int:
        chosen = flags.read_settings(options, default)
        atari = chosen.environment == "atari"
        game = games.find(options.game).name if atari else options.game
        suite = options.out or Path("results") / options.preset
        from repro import train

        return train.command(
            train.Run(game, options.seed, options.preset, chosen),
            suite, options.device, options.threads, not options.quiet,
        )  # fmt: skip

    parser.set_defaults(run=run)


Adder = Callable[[argparse.ArgumentParser, Sequence[str]], None]
COMMANDS: dict[str, tuple[Adder, str]] = {
    "games": (_games, "List the 49 games."),
    "train": (_train, "Train the agent on a game; the same command again resumes."),
    "random": (_random, "Score the random player (a new action every 6th frame, 10 Hz)."),
}

if __name__ == "__main__":
    sys.exit(main())
