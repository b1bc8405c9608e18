"""The suites that a command works on: loaded, checked, and refused if they are of another kind."""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from paper_tables.ablations import ABLATIONS, foreign, key_of
from paper_tables.collect import NOTHING, NoRunError, Results, collect, protocol_mixture
from paper_tables.render import counted
from paper_tables.rows import Problem, learning_problems
from repro.records import RunDirectoryError
from repro.system.disk import one_line
from repro.tables import RANDOM


class DamagedResultsError(RuntimeError):
    """Some runs cannot be used; the first line of the message counts them."""


def load(
    path: Path | str,
    leave_out: bool,
    check: Callable[[Results], Sequence[Problem]] | None = None,
    must_exist: bool = True,
) -> Results:
    """Collect a tree of runs under one protocol, naming on standard error what is wrong.

    A folder without a run is a suite that is not run yet: it gives no results.

    Args:
        path: a run, a game or a suite.
        leave_out: go on without the runs that have a problem.
        check: finds further problems.
        must_exist: whether a folder that is not there is an error.

    Raises:
        NoRunError: if there is no such folder.
        DamagedResultsError: if there are problems, unless they are to be left out.
    """
    path = Path(path)
    try:
        results = collect(path)
    except NoRunError as error:
        if must_exist and not path.is_dir():
            raise
        print(f"{one_line(error)}, so only published numbers are shown", file=sys.stderr)
        return NOTHING
    results = results.without(protocol_mixture(results))
    if check is not None:
        results = results.without(check(results))
    for problem in results.problems:
        print(problem, file=sys.stderr)
    if results.problems and not results.runs:
        raise DamagedResultsError(f"no run at or below {path} can be used")
    if results.fatal and not leave_out:
        folders = {problem.file.parent for problem in results.fatal}
        number = sum(problem.count for problem in results.fatal)
        raise DamagedResultsError(
            f"{counted(number, 'problem')} in {counted(len(folders), 'run')} at or "
            f"below {path}; mend them, or go on without these runs: --leave-out-damaged"
        )
    return results


def load_trained(
    path: Path | str, leave_out: bool, drawn: bool = False, must_exist: bool = True
) -> Results:
    """Load a suite of trained runs.

    Args:
        path: the suite.
        leave_out: as in :func:`load`.
        drawn: whether what only figures show is needed too.
        must_exist: as in :func:`load`.

    Raises:
        RunDirectoryError, DamagedResultsError: as :func:`load`, or if they are the random player's.
    """
    check = _undrawable if drawn else None
    results = load(path, leave_out, check, must_exist)
    if any(run.preset == RANDOM for run in results.runs):
        raise RunDirectoryError(
            f"{path} holds runs of the random player; give it as --random, beside a suite "
            "of trained runs"
        )
    return results


def _undrawable(results: Results) -> list[Problem]:
    from paper_tables import inspection  # loads matplotlib, which tables do without

    problems = []
    for run in results.runs:
        problems += learning_problems(run.path / "learning.csv")
        problems += inspection.problems(run.path)
    return problems


def load_random(path: Path | str, leave_out: bool, must_exist: bool) -> Results | None:
    """Load the random player's suite, ``None`` if there is none and need not be.

    Raises:
        RunDirectoryError, DamagedResultsError: as :func:`load`, or if they are trained runs.
    """
    if not Path(path).is_dir() and not must_exist:
        return None
    results = load(path, leave_out)
    if any(run.preset != RANDOM for run in results.runs):
        raise RunDirectoryError(f"{path} holds trained runs, not the random player's")
    return results


def load_variants(folder: Path | str, leave_out: bool, must_exist: bool) -> dict[str, Results]:
    """Load the suites of the ablations, by variant; none if the folder need not be there.

    Raises:
        RunDirectoryError, DamagedResultsError: as :func:`load`, or if a folder is no variant.
    """
    folder = Path(folder)
    if not folder.is_dir():
        if must_exist:
            raise RunDirectoryError(f"there is no folder {folder}")
        return {}
    variants = sorted(place.name for place in folder.iterdir() if place.is_dir())
    for name in variants:
        if key_of(name) not in ABLATIONS:
            raise RunDirectoryError(
                f"{folder / name} is no variant; there are: {', '.join(ABLATIONS)}"
            )
    return {
        name: load(folder / name, leave_out, functools.partial(foreign, name)) for name in variants
    }
