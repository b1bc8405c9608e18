"""The commands `repro tables`, `figures`, `report` and `compare`: arguments, and what they write.

Nothing heavy is imported before a command runs.
"""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.records import RunDirectoryError, write_atomic

if TYPE_CHECKING:
    from paper_tables.collect import Problem, Results
    from paper_tables.render import Table

BASELINES = ("nature2015", "wang2016", "human_starts", "world_record")
ALSO = ("wang_dqn", "double_dqn", "dueling", "pfrl", "chainerrl", "nnabla_rl")
FORMATS = ("md", "csv", "tex", "html")
_RANDOM, _ABLATIONS = Path("results/random"), Path("results/ablations")


class DamagedResultsError(RuntimeError):
    """Some runs cannot be used; the first line of the message counts them."""


def load(
    path: Path,
    leave_out: bool,
    check: "Callable[[Results], Sequence[Problem]] | None" = None,
) -> "Results":
    """Collect a tree of runs under one protocol, naming on standard error what is wrong with it.

    Args:
        path: a run, a game or a suite.
        leave_out: go on without the runs that have a problem.
        check: finds further problems.

    Raises:
        RunDirectoryError: if there is no run.
        DamagedResultsError: if there are problems, unless they are to be left out.
    """
    from paper_tables.collect import collect, protocol_mixture

    results = collect(path)
    results = results.without(protocol_mixture(results))
    if check is not None:
        results = results.without(check(results))
    _name(results.problems)
    if results.problems and not results.runs:
        raise DamagedResultsError(f"no run at or below {path} can be used")
    if results.problems and not leave_out:
        folders = {problem.file.parent for problem in results.problems}
        raise DamagedResultsError(
            f"{_count(len(results.problems), 'problem')} in {_count(len(folders), 'run')} at or "
            f"below {path}; mend them, or go on without these runs: --leave-out-damaged"
        )
    return results


def _name(problems: "Sequence[Problem]") -> None:
    for problem in problems:
        print(problem, file=sys.stderr)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def paper_tables(options: argparse.Namespace, drawn: bool = False) -> "tuple[Results, list[Table]]":
    """The suite's results, and all tables that the options ask for, in the paper's order."""
    from paper_tables import summary, tables

    leave_out = options.leave_out_damaged
    results = load_trained(options, drawn)
    random = _random(options.random or _RANDOM, leave_out, must_exist=options.random is not None)
    variants = _variants(options.ablations or _ABLATIONS, leave_out, options.ablations is not None)
    return results, [
        tables.hyperparameters(results),
        tables.scores(results, random, options.baseline, options.also),
        *tables.ablations(variants),
        tables.normalised(results),
        summary.aggregates(results, options.seed, options.baseline),
    ]


def load_trained(options: argparse.Namespace, drawn: bool = False) -> "Results":
    """The suite of trained runs; ``drawn`` if their learning curves are needed too.

    Raises:
        RunDirectoryError, DamagedResultsError: as :func:`load`, or if they are the random player's.
    """
    check = _undrawable if drawn else None
    results = load(options.suite, options.leave_out_damaged, check)
    if any(run.preset == "random" for run in results.runs):
        raise RunDirectoryError(
            f"{options.suite} holds runs of the random player; give it as --random, beside a suite "
            "of trained runs"
        )
    return results


def _undrawable(results: "Results") -> "list[Problem]":
    from paper_tables.reading import learning_problems

    return [problem for run in results.runs for problem in learning_problems(run)]


def _random(path: Path, leave_out: bool, must_exist: bool) -> "Results | None":
    if not path.is_dir() and not must_exist:
        return None
    results = load(path, leave_out)
    if any(run.preset != "random" for run in results.runs):
        raise RunDirectoryError(f"{path} holds trained runs, not the random player's")
    return results


def _variants(folder: Path, leave_out: bool, must_exist: bool) -> "dict[str, Results]":
    from paper_tables.tables import ABLATIONS, foreign

    if not folder.is_dir():
        if must_exist:
            raise RunDirectoryError(f"there is no folder {folder}")
        return {}
    found = sorted(place.name for place in folder.iterdir() if place.is_dir())
    unknown = [name for name in found if name not in ABLATIONS]
    if unknown:
        raise RunDirectoryError(
            f"{folder / unknown[0]} is no variant; there are: {', '.join(ABLATIONS)}"
        )
    return {
        key: load(folder / key, leave_out, functools.partial(foreign, key))
        for key in ABLATIONS
        if key in found
    }


def add_tables(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro tables`."""
    _add_suite(parser)
    _add_table_options(parser)
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=FORMATS, metavar="FORMAT",
        help=f"of {', '.join(FORMATS)} [default all]",
    )  # fmt: skip
    _add_out(parser, "tables")

    def run(options: argparse.Namespace) -> int:
        from paper_tables import render, tables

        _, made = paper_tables(options)
        folder = options.out or options.suite / "tables"
        for table in made:
            for kind in options.formats:
                _write(folder / f"{table.key}.{kind}", render.FACES[kind](table))
        if "tex" in options.formats:
            _write(folder / "tables.tex", render.latex_document(made))
        summary = render.markdown(tables.brief(made[1])) + "\n" + render.markdown(made[-1])
        _write(folder / "summary.md", summary)
        print(summary)
        print(f"{len(made)} tables in {folder}: {', '.join(table.key for table in made)}")
        return 0

    parser.set_defaults(run=run)


def add_figures(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro figures`."""
    _add_suite(parser)
    _add_games(parser)
    _add_baseline(parser)
    _add_seed(parser)
    _add_leave_out(parser)
    _add_out(parser, "figures")

    def run(options: argparse.Namespace) -> int:
        from paper_tables import gallery, style

        results = load_trained(options, drawn=True)
        folder = options.out or options.suite / "figures"
        for plate in gallery.draw(results, options.games, options.baseline, options.seed):
            _make(folder)
            svg, png = style.save(plate.figure, folder, plate.key)
            print(f"{svg} and {png.name}: {plate.caption}", flush=True)
        return 0

    parser.set_defaults(run=run)


def add_report(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro report`."""
    _add_suite(parser)
    _add_table_options(parser)
    _add_games(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the page [default SUITE/report.html]"
    )

    def run(options: argparse.Namespace) -> int:
        from paper_tables import gallery, report

        results, made = paper_tables(options, drawn=True)
        pictures = [
            report.Picture(plate.key, plate.caption, gallery.svg(plate))
            for plate in gallery.draw(results, options.games, options.baseline, options.seed)
        ]
        path = options.out or options.suite / "report.html"
        title = f"DQN on 49 Atari games: {options.suite.resolve().name}"
        _write(path, report.report(title, made, pictures, results))
        print(f"{path}: {_count(len(made), 'table')}, {_count(len(pictures), 'figure')}")
        return 0

    parser.set_defaults(run=run)


def add_compare(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro compare`."""
    columns = ("dqn", "linear", "contingency", "random", "human", *ALSO)
    kinds = f"a suite of runs, or a published column: {', '.join(columns)}"
    parser.add_argument("one", metavar="A", help=kinds)
    parser.add_argument("other", metavar="B", help="what A is compared with, likewise")
    _add_baseline(parser)
    _add_seed(parser)
    _add_leave_out(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="also write both tables there, in all formats"
    )

    def run(options: argparse.Namespace) -> int:
        from paper_tables import compare, render

        one, other = (
            compare.side(name, lambda path: load(path, options.leave_out_damaged))
            for name in (options.one, options.other)
        )
        for table in compare.compare(one, other, options.baseline, options.seed):
            print(render.markdown(table))
            if options.out:
                for kind, face in render.FACES.items():
                    _write(options.out / f"{table.key}.{kind}", face(table))
        return 0

    parser.set_defaults(run=run)


def _add_suite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suite", nargs="?", type=Path, default=Path("results/nature"), metavar="SUITE",
        help="folder of the trained runs [default results/nature]",
    )  # fmt: skip


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--random", type=Path, metavar="SUITE",
        help=f"runs of the random player [default {_RANDOM}, if there]",
    )  # fmt: skip
    parser.add_argument(
        "--ablations", type=Path, metavar="FOLDER",
        help="a suite per variant: replay_and_target, replay_no_target, no_replay_target, "
        f"no_replay_no_target, linear_network [default {_ABLATIONS}, if there]",
    )  # fmt: skip
    _add_baseline(parser)
    parser.add_argument(
        "--also", nargs="+", choices=ALSO, default=(), metavar="COLUMN",
        help=f"further published columns of Table 2: {', '.join(ALSO)}",
    )  # fmt: skip
    _add_seed(parser)
    _add_leave_out(parser)


def _add_games(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--games", nargs="+", default=(), metavar="GAME",
        help="games of the curves [default: those that were run]",
    )  # fmt: skip


def _add_baseline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline", choices=BASELINES, default="nature2015",
        help="whose human is 100%% [default nature2015, the 2015 tester]",
    )  # fmt: skip


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=_natural, default=0, metavar="N",
        help="of the bootstrap; the same gives the same intervals [default 0]",
    )  # fmt: skip


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 up, got {text!r}")
    return int(text)


def _add_leave_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--leave-out-damaged", action="store_true",
        help="go on without runs that are damaged or of another protocol, and say so",
    )  # fmt: skip


def _add_out(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help=f"where to write [default SUITE/{name}]"
    )


def _write(path: Path, text: str) -> None:
    _make(path.parent)
    if path.is_dir():
        raise RunDirectoryError(f"{path} is a folder; name a file")
    write_atomic(path, text.encode())


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunDirectoryError(f"{folder} cannot be made: there is a file in its way") from None
