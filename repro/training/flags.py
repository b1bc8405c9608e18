"""What `repro train` and `repro resume` take. Loads torch and the emulator when they run."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from repro import games, places
from repro.config import ConfigError, flags
from repro.config.flags import count, natural
from repro.config.parser import make_rare


def add_train(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """What `repro train` takes."""
    file = flags.chosen_file(arguments)
    default = file.config if file else flags.chosen_preset(arguments)
    parser.add_argument(
        "games", nargs="*", metavar="GAME",
        help="of `repro games`, or `all`; several are trained one after the other, or by --jobs",
    )  # fmt: skip
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=natural, metavar="N", help="[default 0]")
    seeds.add_argument(
        "--seeds", type=flags.seeds, nargs="+", metavar="N", help="several, such as 0-4 or 0 3"
    )
    parser.add_argument(
        "--jobs", type=count, default=1, metavar="N",
        help="of several runs, how many at once; one that fails stops no other [default 1]",
    )  # fmt: skip
    flags.add_preset(parser)
    parser.add_argument(
        "--config", type=Path, metavar="FILE",
        help="take the settings from a run's config.json, or from a TOML file of `name = value` "
        "lines as `repro protocol` lists them; flags given here come after",
    )  # fmt: skip
    _machine(parser)
    parser.add_argument(
        "--restart", action="store_true",
        help="begin anew; a run that is there is set aside under another name, never removed",
    )  # fmt: skip
    flags.add_settings(parser, default)

    def run(options: argparse.Namespace) -> int:
        chosen = flags.read_settings(options, default)
        preset = file.preset if file and file.preset else options.preset
        named = options.games or ([file.game] if file and file.game else [])
        if not named:
            raise ConfigError("train needs a GAME (see `repro games`)")
        if chosen.environment == "atari":
            named = (
                list(games.GAMES) if named == ["all"] else [games.find(one).name for one in named]
            )
        suite = options.out or places.own(preset)
        numbers = [seed for part in options.seeds or [] for seed in part]
        if not numbers:
            own = file.seed if file and file.seed is not None else 0
            numbers = [own if options.seed is None else options.seed]
        from repro.storage.run import Run

        runs = [
            Run(game, seed, preset, chosen)
            for seed in dict.fromkeys(numbers)
            for game in dict.fromkeys(named)
        ]
        if len(runs) > 1:
            from repro.training import several

            more = ["--restart"] if options.restart else []
            return several.train(
                [(suite, run) for run in runs], options.device, options.threads, options.jobs,
                not options.quiet, more, options.budget_minutes,
            )  # fmt: skip
        from repro.training import command

        return command.command(
            runs[0], suite, options.device, options.threads, not options.quiet, options.restart,
            options.budget_minutes,
        )  # fmt: skip

    parser.set_defaults(run=run)


def add_resume(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro resume` takes."""
    parser.epilog = "Everything else is as the run was begun; its config.json says how."
    parser.add_argument(
        "run_dir", type=Path, metavar="RUN", help="such as results/nature/pong/seed-0"
    )
    parser.add_argument(
        "--frames", type=count, metavar="N",
        help="make the training longer: its length in emulator frames [default as it was begun]",
    )  # fmt: skip
    _machine(parser)

    def run(options: argparse.Namespace) -> int:
        from repro.records import RunDirectoryError, run_path
        from repro.storage.run import run_from
        from repro.training import command

        there = run_from(options.run_dir)
        path = options.run_dir.resolve()
        suite = path.parent.parent
        if run_path(suite, there.game, there.seed) != path:
            raise RunDirectoryError(
                f"{path} holds seed {there.seed} of {there.game}, which belongs in "
                f"SUITE/{there.game}/seed-{there.seed}; move it there"
            )
        if options.frames:
            training = dataclasses.replace(there.config.training, frames=options.frames)
            there = dataclasses.replace(
                there, config=dataclasses.replace(there.config, training=training)
            )
        return command.command(
            there, suite, options.device, options.threads, not options.quiet,
            budget_minutes=options.budget_minutes,
        )  # fmt: skip

    parser.set_defaults(run=run)


def _machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="cpu",
        help="cpu, cuda, cuda:1, ..., or auto: a GPU where there is one [default cpu]",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=flags.threads_or_auto, metavar="N",
        help="processor threads, or auto: as many as are soonest by a short measurement; a run "
        "that goes on keeps the number it has [default: all cores]",
    )  # fmt: skip
    make_rare(
        parser.add_argument(
            "--budget-minutes", type=flags.minutes, metavar="X",
            help="stop after so long, with a checkpoint, as SIGTERM would [default: no limit]",
        )
    )  # fmt: skip
    make_rare(parser.add_argument("--quiet", action="store_true", help="no progress line"))
