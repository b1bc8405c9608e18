"""`repro study`: train every configuration of a study over its games and seeds."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repro import games, places, records
from repro.config import files, flags, study
from repro.config.flags import count
from repro.config.parser import make_rare
from repro.config.study import Study
from repro.storage.run import Run

_INTERRUPTED = 128  # from this exit code on, by a signal
Draw = Callable[[Study, Path, bool], None]


def add(parser: argparse.ArgumentParser, draw: Draw) -> None:
    """What `repro study` takes; ``draw`` shows what is in a study's folder, or also writes it."""
    parser.add_argument(
        "study", nargs="?",
        help="of those listed without it; a TOML file of the same form; or a folder of results",
    )  # fmt: skip
    parser.add_argument(
        "--show", action="store_true", help="train nothing: tabulate and draw what is there"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER",
        help="of the results, a suite in it for each configuration [default results/studies/NAME]",
    )  # fmt: skip
    parser.add_argument("--games", nargs="+", metavar="GAME", help="instead of the study's own")
    parser.add_argument("--seeds", type=count, metavar="N", help="how many, instead of its own")
    parser.add_argument("--frames", type=flags.natural, metavar="N", help="instead of its own")
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="at once [default 1]")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ..., or auto [default cpu]")
    parser.add_argument("--threads", type=flags.threads, metavar="N", help="of each run")
    make_rare(parser.add_argument("--quiet", action="store_true", help="no table of progress"))

    def run(options: argparse.Namespace) -> int:
        if options.study is None:
            for name in study.names():
                print(f"{name:20} {study.read(name).summary}")
            return 0
        wanted = chosen(options)
        folder = options.out or places.study(options.study, wanted.name)
        published, code = places.PUBLISHED / "studies" / wanted.name, 0
        if options.show and not folder.exists() and published.exists():
            print(f"Of {published}, published with this project; {folder} is not there.")
            draw(wanted, published, False)
            return 0
        if not options.show:
            from repro.training import several

            study.keep(wanted, folder)
            code = several.train(
                runs(wanted, folder), options.device, options.threads, options.jobs,
                not options.quiet,
            )  # fmt: skip
        if wanted.start_values and code < _INTERRUPTED:
            from repro.evaluation import start_values

            for suite, one in runs(wanted, folder):
                path = records.run_path(suite, one.game, one.seed)
                if (path / "done.json").exists():
                    start_values.record(path)
        if code < _INTERRUPTED:
            draw(wanted, folder, True)
        return code

    parser.set_defaults(run=run)


def chosen(options: argparse.Namespace) -> Study:
    """The study that is named, with what the flags change of it, and games by their own names.

    Raises:
        ConfigError, UnknownGameError: if it cannot be.
    """
    wanted = study.read(options.study)
    changes: dict[str, Any] = {}
    named = options.games or wanted.games
    if wanted.cells[0].config.environment == "atari":
        named = [game for name in named for game in _catalogued(name)]
    changes["games"] = tuple(dict.fromkeys(named))
    if options.seeds:
        changes["seeds"] = options.seeds
    if options.frames:
        changes["cells"] = tuple(
            dataclasses.replace(cell, config=files.changed(cell.config, {"frames": options.frames}))
            for cell in wanted.cells
        )
    return dataclasses.replace(wanted, **changes)


def _catalogued(name: str) -> list[str]:
    return list(games.GAMES) if name == "all" else [games.find(name).name]


def runs(wanted: Study, folder: Path) -> list[tuple[Path, Run]]:
    """Every training of a study, each with its suite; one seed of all before the next.

    Raises:
        ConfigError: if a game could not be the name of a folder.
    """
    return [
        (folder / cell.folder, Run(game, seed, wanted.preset, cell.config))
        for seed in range(wanted.seeds)
        for cell in wanted.cells
        for game in wanted.games
    ]
