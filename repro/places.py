"""Where suites lie: the user's under results/, those published with the project below it."""

from pathlib import Path

from repro import records
from repro.config.study import FILE

OURS = Path("results")
PUBLISHED = OURS / "published"  # committed; no command writes there unless it is told to


def own(name: str) -> Path:
    """The user's suite, or file, of a name: where commands write."""
    return OURS / name


def study(named: str, name: str) -> Path:
    """The folder of a study's results: the one that was named instead of it, else of its name."""
    return Path(named) if (Path(named) / FILE).is_file() else own(f"studies/{name}")


def shown(name: str) -> Path:
    """The user's suite of a name if there is a run in it, else the published one if there is.

    Returns:
        The user's, if there is neither.
    """
    mine, published = OURS / name, PUBLISHED / name
    return mine if not _has_runs(published) or _has_runs(mine) else published


def note(path: Path, name: str) -> str:
    """Which suite is shown where none was named, in a line; empty if there is no run at all."""
    if path == OURS / name:
        return f"Runs of {path}." if _has_runs(path) else ""
    return f"Runs of {path}, published with this project; {OURS / name} has none."


def _has_runs(suite: Path) -> bool:
    return suite.is_dir() and next(records.runs(suite), None) is not None
