"""The commands `repro tables`, `figures`, `report`, `trace` and `compare`: what they write.

Nothing heavy is imported before a command runs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_tables.reference import BASELINES, COLUMNS
from repro import places
from repro.records import RunDirectoryError, write_atomic
from repro.system import disk
from repro.system.disk import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from paper_tables.collect import Results
    from paper_tables.render import Table

ALSO = [key for key, column in COLUMNS.items() if column.table != "nature2015_scores"]
FORMATS = ("md", "csv", "tex", "html")
_TRAINED, _RANDOM, _ABLATIONS = "nature", "random", "studies/ablations"


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 up, got {text!r}")
    return int(text)


# What several commands take, by name.
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "suite": {
        "nargs": "?",
        "type": Path,
        "metavar": "SUITE",
        "help": f"folder of the trained runs [default {places.own(_TRAINED)}, or while that has no "
        f"run {places.PUBLISHED / _TRAINED}]",
    },
    "--random": {
        "type": Path,
        "metavar": "SUITE",
        "help": f"runs of the random player [default {places.own(_RANDOM)}, or the published ones]",
    },
    "--ablations": {
        "type": Path,
        "metavar": "FOLDER",
        "help": "a suite per variant: replay_and_target, replay_no_target, no_replay_target, "
        "no_replay_no_target, linear_network; with another learning rate VARIANT-at-RATE "
        f"[default {places.own(_ABLATIONS)}, if there]",
    },
    "--baseline": {
        "choices": list(BASELINES),
        "default": "nature2015",
        "help": "whose human is 100%% [default nature2015, the 2015 tester]",
    },
    "--also": {
        "nargs": "+",
        "choices": ALSO,
        "default": (),
        "metavar": "COLUMN",
        "help": f"further published columns of Table 2: {', '.join(ALSO)}",
    },
    "--seed": {
        "type": _natural,
        "default": 0,
        "metavar": "N",
        "help": "of the bootstrap; the same gives the same intervals [default 0]",
    },
    "--leave-out-damaged": {
        "action": "store_true",
        "help": "go on without runs that are damaged or of another protocol, and say so",
    },
    "--games": {
        "nargs": "+",
        "default": (),
        "metavar": "GAME",
        "help": "games of the curves [default: those that were run]",
    },
}
_OF_BOOTSTRAPS = ("--baseline", "--seed", "--leave-out-damaged")


def _add(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(name, **_ARGUMENTS[name])


def _trained(options: argparse.Namespace, drawn: bool = False) -> "Results":
    """The suite's results; a default suite need not be there."""
    from paper_tables import suites

    path = options.suite or _default_suite()
    must_exist = options.suite is not None
    return suites.load_trained(path, options.leave_out_damaged, drawn, must_exist)


def _default_suite() -> Path:
    path = places.shown(_TRAINED)
    if note := places.note(path, _TRAINED):
        print(note)
    return path


def _folder(options: argparse.Namespace) -> Path:
    """Where what is made of the suite goes: never among what is published, unless that is named."""
    return options.suite or places.own(_TRAINED)


def paper_tables(
    options: argparse.Namespace, drawn: bool = False
) -> "tuple[Results, dict[str, Results], list[Table]]":
    """The suite's results, those beside it by name, and all tables, in the paper's order."""
    from paper_tables import ablations, suites, summary, tables

    leave_out, random, folder = options.leave_out_damaged, options.random, options.ablations
    results = _trained(options, drawn)
    played = suites.load_random(random or places.shown(_RANDOM), leave_out, random is not None)
    ablated = folder or places.own(_ABLATIONS)
    variants = suites.load_variants(ablated, leave_out, folder is not None)
    beside = ({"random player": played} if played else {}) | variants
    return (
        results,
        beside,
        [
            tables.hyperparameters(results),
            tables.scores(results, played, options.baseline, options.also),
            *ablations.ablations(variants),
            tables.normalised(results),
            summary.aggregates(results, options.seed, options.baseline),
        ],
    )


def add_tables(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro tables`."""
    _add(parser, *(name for name in _ARGUMENTS if name != "--games"))
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=FORMATS,
        default=FORMATS,
        metavar="FORMAT",
        help=f"of {', '.join(FORMATS)} [default all]",
    )
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="where to write [default SUITE/tables]"
    )

    def run(options: argparse.Namespace) -> int:
        from paper_tables import render, tables

        _, _, made = paper_tables(options)
        folder = options.out or _folder(options) / "tables"
        for table in made:
            _write_table(folder, table, options.formats)
        if "tex" in options.formats:
            _write(folder / "tables.tex", render.latex_document(made))
        summary = render.markdown(tables.brief(made[1])) + "\n" + render.markdown(made[-1])
        _write(folder / "summary.md", summary)
        print(summary)
        keys = ", ".join(table.key for table in made)
        print(f"{len(made)} tables in {one_line(folder)}: {keys}")
        return 0

    parser.set_defaults(run=run)


def add_figures(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro figures`."""
    _add(parser, "suite", "--games", *_OF_BOOTSTRAPS)
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="where to write [default SUITE/figures]"
    )

    def run(options: argparse.Namespace) -> int:
        from paper_tables import gallery, style

        results = _trained(options, drawn=True)
        folder = options.out or _folder(options) / "figures"
        for plate in gallery.draw(results, options.games, options.baseline, options.seed):
            make_folder(folder)
            svg, png = style.save(plate.figure, folder, plate.key)
            print(one_line(f"{svg} and {png.name}: {plate.caption}"))
        return 0

    parser.set_defaults(run=run)


def add_report(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro report`."""
    _add(parser, *_ARGUMENTS)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the page [default SUITE/report.html]"
    )

    def run(options: argparse.Namespace) -> int:
        from paper_tables import gallery, headline, report, style
        from paper_tables.render import counted

        results, beside, made = paper_tables(options, drawn=True)

        def picture(key: str, caption: str, figure: "Figure") -> report.Picture:
            return report.Picture(key, caption, style.encoded(figure, "svg").decode())

        pictures = [
            picture(plate.key, plate.caption, plate.figure)
            for plate in gallery.draw(results, options.games, options.baseline, options.seed)
        ]
        told = headline.headline(results, options.baseline, options.seed)
        head = report.Head(
            told.sentence,
            picture(
                "headline", "Ours beside the paper, and the games by verdict", headline.draw(told)
            ),
        )
        path = options.out or _folder(options) / "report.html"
        shown = options.suite or places.shown(_TRAINED)
        title = f"DQN on 49 Atari games: {one_line(shown.resolve().name)}"
        _write(path, report.report(title, made, pictures, results, beside, head))
        number = f"{counted(len(made), 'table')}, {counted(len(pictures), 'figure')}"
        print(f"{one_line(path)}: {number}")
        return 0

    parser.set_defaults(run=run)


def add_compare(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """`repro compare`."""
    columns = ("dqn", "linear", "contingency", "random", "human", *ALSO)
    kinds = f"a suite of runs, or a published column: {', '.join(columns)}"
    parser.add_argument(
        "one", nargs="?", metavar="A", help=f"{kinds} [default as for `repro tables`]"
    )
    parser.add_argument(
        "other", nargs="?", default="dqn", metavar="B",
        help="what A is compared with, likewise [default dqn, the paper's]",
    )  # fmt: skip
    _add(parser, *_OF_BOOTSTRAPS)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="also write both tables there, in all formats"
    )

    def run(options: argparse.Namespace) -> int:
        from paper_tables import compare, render, suites

        def load(path: Path) -> "Results":
            return suites.load(
                path, options.leave_out_damaged, must_exist=path != places.own(_TRAINED)
            )

        first = options.one or str(_default_suite())
        one, other = (compare.side(name, load) for name in (first, options.other))
        for table in compare.compare(one, other, options.baseline, options.seed):
            print(render.markdown(table))
            if options.out:
                _write_table(options.out, table, FORMATS)
        return 0

    parser.set_defaults(run=run)


def _write_table(folder: Path, table: "Table", formats: Sequence[str]) -> None:
    from paper_tables.render import FACES

    for kind in formats:
        _write(folder / f"{table.key}.{kind}", FACES[kind](table))


def _write(path: Path, text: str) -> None:
    make_folder(path.parent)
    if path.exists() and not path.is_file():
        raise RunDirectoryError(f"{path} is no file; name another")
    # A name out of a file may hold what is no text.
    write_atomic(path, text.encode(errors="backslashreplace"))


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, or name what is in the way."""
    with disk.writing(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise RunDirectoryError(
                f"{folder} cannot be made: there is a file in its way"
            ) from None
