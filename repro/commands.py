"""The parsers of the commands that play and train; each says what it calls once it has parsed.

What loads torch or the emulator is imported when a command runs, not when its help is shown.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from repro import games, places
from repro.config.flags import count, natural
from repro.system import disk


def add_games(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro games` takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")

    def run(options: argparse.Namespace) -> int:
        if options.json:
            print(json.dumps([vars(game) for game in games.GAMES.values()], indent=2))
        else:
            for game in games.GAMES.values():
                print(f"{game.name:<22}{game.title}")
        return 0

    parser.set_defaults(run=run)


def add_random(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro random` takes."""
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
        "--out", type=Path, default=places.own("random"), metavar="SUITE",
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


def add_evaluate(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro evaluate` takes."""
    _trained(parser)
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


def add_play(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro play` takes."""
    _trained(parser)
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


def add_inspect(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro inspect` takes."""
    _trained(parser)
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


def add_doctor(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro doctor` takes."""
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


def add_protocol(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro protocol` takes."""
    parser.add_argument("preset", nargs="?", default="nature", help="[default nature]")
    parser.add_argument("other", nargs="?", help="print only what differs from this preset")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--presets", action="store_true", help="print a row for each preset")

    def run(options: argparse.Namespace) -> int:
        from repro.config import listing

        if options.presets:
            print(listing.presets_as_text())
            return 0
        found = listing.lines(options.preset, options.other)
        if options.json:
            compared = options.other is not None
            print(json.dumps(listing.as_json(found, compared), indent=2))
        else:
            print(listing.as_text(found, options.preset, options.other))
        return 0

    parser.set_defaults(run=run)


def _trained(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_dir", type=Path, metavar="RUN", help="such as results/nature/pong/seed-0"
    )
    parser.add_argument(
        "--weights", choices=("best", "last"), default="best",
        help="network of the best periodic evaluation, or of the end [default best]",
    )  # fmt: skip
    parser.add_argument(
        "--device", default="cpu", help="cpu, cuda, cuda:1, ..., auto [default cpu]"
    )
